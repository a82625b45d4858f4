"""What threads need to meet: whole numbers that change in one go (turns.py, meeting.py), in LLVM's instructions."""
from llvmlite import ir
from numba import types

INT = ir.IntType(64)
ORDER = "seq_cst"                               # what a thread wrote before it, others see after it


def place(context, builder, numbers, values):
    """A pointer to numbers[i]."""
    return builder.gep(context.make_array(numbers)(context, builder, values[0]).data, [values[1]])


def add_one(typing, numbers, i):
    def generate(context, builder, signature, values):
        return builder.atomic_rmw("add", place(context, builder, numbers, values), INT(1), ORDER)
    return types.int64(numbers, types.int64), generate


def read(typing, numbers, i):
    def generate(context, builder, signature, values):
        return builder.load_atomic(place(context, builder, numbers, values), ORDER, 8)
    return types.int64(numbers, types.int64), generate


def write(typing, numbers, i, new):
    def generate(context, builder, signature, values):
        builder.store_atomic(values[2], place(context, builder, numbers, values), ORDER, 8)
        return context.get_dummy_value()
    return types.none(numbers, types.int64, types.int64), generate


def swap_if(typing, numbers, i, old, new):
    def generate(context, builder, signature, values):
        found = builder.cmpxchg(place(context, builder, numbers, values), *values[2:], ORDER, ORDER)
        return builder.extract_value(found, 1)                 # whether it was `old`
    return types.boolean(numbers, types.int64, types.int64, types.int64), generate
