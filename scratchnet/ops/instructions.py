"""LLVM's instructions, in the few words that registers.py and transposes.py need.

An intrinsic of Numba is a Python function that is called once, when a loop that uses it is compiled: with Numba's `typing`
and the types of its arguments.  It returns the type of its result and a function `generate`, which writes the instructions
for that place.  In `generate`, `values` stands for the numbers that the arguments will be when these instructions run.
"""
from typing import NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

INT, I32, BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)
FUSED = ("contract",)


def machine(context) -> tuple[int, int]:
    """(bytes in a register, how many registers) of the processor that is compiled for."""
    system, _, features = context.codegen().magic_tuple()
    has = set(features.split(","))
    if "+avx512f" in has:
        return 64, 32
    return (32 if "+avx" in has else 16), (32 if system.startswith(("aarch64", "arm64")) else 16)


class Array(NamedTuple):
    """An array, as a pointer."""
    code: "Code"
    start: object
    strides: list                               # bytes from one to the next along each axis
    length: object                              # of the first axis

    def at(self, *index):
        """A pointer to a register that begins at this place."""
        pointer, build = self.start, self.code.builder
        for i, stride in zip(index, self.strides):
            pointer = build.gep(pointer, [build.mul(self.code.number_of(i), stride)])
        return self.code.of(self.code.width, pointer)


class Code:
    """What is written with Numba's `builder`, for one dtype and the registers of one processor."""

    def __init__(self, context, builder, dtype):
        self.context, self.builder, self.number = context, builder, context.get_value_type(dtype)
        self.kind, self.bytes = dtype, dtype.bitwidth // 8
        length, self.registers = machine(context)
        self.width = length // self.bytes                      # numbers in a register
        self.register = ir.VectorType(self.number, self.width)
        self.zero, self.any = ir.Constant(self.register, None), ir.Constant(self.register, ir.Undefined)

    # ---- places and loops

    def array(self, kind, value) -> Array:
        """Errors   TypeError, when the loop is compiled: numbers of another kind than this code is for."""
        if kind.dtype not in (self.kind, types.int64):
            raise TypeError(f"an array of {kind.dtype}, where the instructions are for {self.kind}")
        array = self.context.make_array(kind)(self.context, self.builder, value)
        strides = cgutils.unpack_tuple(self.builder, array.strides)
        if kind.layout == "C":
            strides[-1] = INT(kind.dtype.bitwidth // 8)
        return Array(self, self.builder.bitcast(array.data, BYTE.as_pointer()), strides,
                     cgutils.unpack_tuple(self.builder, array.shape)[0])

    def of(self, count: int, pointer):
        """The same pointer, to so many numbers."""
        return self.builder.bitcast(pointer, ir.VectorType(self.number, count).as_pointer())

    def number_of(self, i):
        return INT(i) if isinstance(i, int) else i

    def plus(self, a, b):
        return self.builder.add(a, self.number_of(b))

    def pixels(self, n):
        """Columns of n pixels, sixteen each."""
        return self.builder.mul(n, INT(16))

    def index(self, array: Array, i):
        """The whole number array[i]."""
        return self.builder.load(self.builder.bitcast(array.at(i), INT.as_pointer()))

    def pieces(self, total, sizes: tuple, unit: int = 1):
        """(size, where it begins) of each piece: as many of the first size, in units, as fit into `total`, then of the
        next.  The body of the caller's `for` is written once for each size, as a loop."""
        start, build = INT(0), self.builder
        for size in sizes:
            length = INT(size * unit)
            end = build.add(start, build.mul(build.udiv(build.sub(total, start), length), length))
            with cgutils.for_range_slice(build, start, end, length) as (index, _):
                yield size, index
            start = end

    # ---- registers

    def load(self, pointer):
        return self.builder.load(pointer, align=self.bytes)

    def store(self, value, pointer):
        self.builder.store(value, pointer, align=self.bytes)

    def variable(self, value):
        """A place that may change; LLVM makes a register of it."""
        return cgutils.alloca_once_value(self.builder, value)

    def value(self, variable):
        return self.builder.load(variable)

    def set(self, variable, value):
        self.builder.store(value, variable)

    def choose(self, wanted, value, other):
        return self.builder.select(wanted, value, other)

    def spread(self, number):
        """A number, in all places of a register."""
        return self.builder.shuffle_vector(self.builder.insert_element(self.any, number, I32(0)), self.any,
                                           places([0] * self.width))

    def load_spread(self, pointer):
        return self.spread(self.builder.load(self.builder.bitcast(pointer, self.number.as_pointer()), align=self.bytes))

    def multiply_add(self, variable, a, b):
        build = self.builder
        build.store(build.fadd(build.fmul(a, b, flags=FUSED), build.load(variable), flags=FUSED), variable)

    def add(self, a, b):
        return self.builder.fadd(a, b)

    def times(self, a, b):
        return self.builder.fmul(a, b)

    def above(self, a, b):
        """Where a > b."""
        return self.builder.fcmp_ordered(">", a, b)

    # ---- numbers that change places

    def folded(self, u, v, d: int):
        """(u₀+u_d, u₁+u_(d+1), … d numbers, then as many of v, and so on): a number and the one d places on are added, those
        of u where the place counted in d's is even, those of v where it is odd."""
        here = places([j if not j & d else self.width + j for j in range(self.width)])
        there = places([j ^ d if not j & d else self.width + (j ^ d) for j in range(self.width)])
        return self.add(self.builder.shuffle_vector(u, v, here), self.builder.shuffle_vector(u, v, there))

    def part(self, value, first: int, count: int):
        return self.builder.shuffle_vector(value, self.any, places(range(first, first + count)))

    def transposed(self, rows: list) -> list:
        """As many registers as each has numbers: number j of register i becomes number i of register j.  Changes `rows`.

        Blocks of 1, 2, 4, … numbers beside the diagonal change places with each other.
        """
        d, width = 1, self.width
        while d < width:
            low = places([j if not j & d else width + j - d for j in range(width)])
            high = places([j + d if not j & d else width + j for j in range(width)])
            for i in range(width):
                if not i & d:
                    u, v = rows[i], rows[i + d]
                    rows[i], rows[i + d] = self.builder.shuffle_vector(u, v, low), self.builder.shuffle_vector(u, v, high)
            d *= 2
        return rows


def places(numbers):
    return ir.Constant(ir.VectorType(I32, len(numbers)), list(numbers))
