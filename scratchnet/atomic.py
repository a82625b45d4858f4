"""The one instruction that threads need to share a loop (turns.py)."""
from llvmlite import ir
from numba import types


def add_one(typing, numbers):
    def generate(context, builder, signature, values):
        array = context.make_array(numbers)(context, builder, values[0])
        return builder.atomic_rmw("add", array.data, ir.IntType(64)(1), "seq_cst")
    return types.int64(numbers), generate
