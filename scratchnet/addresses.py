"""A compiled loop and its arguments as two addresses, to hand to another thread (meeting.py), in LLVM's instructions.

    part(job, thread)   is a function of C's kind, made here: it takes the arguments from where `job` points, and calls
                        loop(Turn(blocks, taken, thread), *args).  Not 0: the loop raised an error
"""
import inspect

from llvmlite import ir
from numba import types
from numba.core import cgutils, compiler

from .turn import Turn

INT, STATUS, ADDRESS = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
PART = ir.FunctionType(STATUS, [ADDRESS, INT])


def addresses(typing, loop, blocks, taken, args):
    """(part, job).  job is on the stack of the function that this is written into, so it lives as long as that runs."""
    turn, job_kind = types.NamedTuple((types.int64, taken, types.int64), Turn), types.Tuple((types.int64, taken, args))

    def generate(context, builder, signature, values):
        job = cgutils.alloca_once_value(builder, context.make_tuple(builder, job_kind, values[1:]))
        part = ir.Function(builder.module, PART, builder.module.get_unique_name("part"))
        part.linkage = "internal"
        write_part(context, part, job.type)
        return context.make_tuple(builder, signature.return_type, [builder.ptrtoint(part, INT), builder.ptrtoint(job, INT)])

    def write_part(context, part, job_type):
        build, (job, thread) = ir.IRBuilder(part.append_basic_block()), part.args
        blocks, taken, packed = cgutils.unpack_tuple(build, build.load(build.bitcast(job, job_type)))
        values = [context.make_tuple(build, turn, [blocks, taken, thread]), *cgutils.unpack_tuple(build, packed)]
        kinds = [turn, *args.types]
        if loop.dispatcher.py_func.__code__.co_flags & inspect.CO_VARARGS:                 # a loop(turn, …, *more)
            first = loop.dispatcher.py_func.__code__.co_argcount
            more = types.StarArgTuple.from_types(kinds[first:])
            values[first:], kinds[first:] = [context.make_tuple(build, more, values[first:])], [more]
        called = compiled(context, build, loop.dispatcher, types.none(*kinds))
        function = context.declare_function(build.module, called.fndesc)
        status, _ = context.call_conv.call_function(build, function, types.none, kinds, values)
        build.ret(build.zext(status.is_error, STATUS))
    return types.UniTuple(types.int64, 2)(loop, blocks, taken, args), generate


def compiled(context, builder, dispatcher, signature):
    """For this place only: nothing that Python could call, and no machine code by itself, which would take a second more."""
    flags = compiler.Flags()
    dispatcher.targetdescr.options.parse_as_flags(flags, dispatcher.targetoptions)
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    return context.compile_subroutine(builder, dispatcher.py_func, signature, flags=flags)


def call(typing, part, job, thread):
    """part(job, thread)"""
    def generate(context, builder, signature, values):
        part, job, thread = values
        function = builder.inttoptr(part, PART.as_pointer())
        return builder.zext(builder.call(function, [builder.inttoptr(job, ADDRESS), thread]), INT)
    return types.int64(types.int64, types.int64, types.int64), generate
