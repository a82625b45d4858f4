"""The two products of products.py as the processor runs them: sums that stay in its registers.

A processor adds and multiplies whole registers, sixteen float32 at once if they are 512 bits long, and has 32 of them.  A
product is fast where its sums stay in registers until they are complete: then each number that is loaded serves several
multiply-adds, and none has to be stored.  LLVM compiles a loop over arrays in that way only if it can prove that none of them
lies on another, which for arrays of a caller it cannot.  So these two are written in LLVM's own instructions, and what is a
Python loop below, as in `for r in range(tall)`, writes them out one after the other.

    product             8 × 3 registers of y; for each p, 3 loads of b and 8 numbers of a serve 24 multiply-adds
    product_transposed  4 × 4 sums, one in each number of a register; 8 loads serve 16 multiply-adds

The same loops over memory, as LLVM vectorised them, took 1.7 and 1.35 times as long (a Xeon with 512-bit registers, one core,
of 220 GFLOP/s that its registers allow: 165 to 180 and 130 to 145).  Only what is said here is left to the compiler:
multiply-adds may be fused (`contract`), so bits are the same in every call.

Source   Goto & van de Geijn 2008, Anatomy of high-performance matrix multiplication, ACM TOMS 34 (3).
"""
from typing import NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

INT, I32 = ir.IntType(64), ir.IntType(32)
FUSED = ("contract",)


def machine(context) -> tuple[int, int]:
    """(bytes in a register, how many registers) of the processor that is compiled for."""
    system, _, features = context.codegen().magic_tuple()
    has = set(features.split(","))
    if "+avx512f" in has:
        return 64, 32
    return (32 if "+avx" in has else 16), (32 if system.startswith(("aarch64", "arm64")) else 16)


def product(typing, a, b, y, b0, y0, n, add):
    """y[:, y0:y0+n] = a · b[:, b0:b0+n], or += if add: column by column of tiles, so that their part of b stays in the L1 cache."""
    def generate(context, builder, signature, values):
        code = Code(context, builder, a.dtype)
        A, B, Y = (code.matrix(*one) for one in zip((a, b, y), values))
        b0, y0, n = (code.pixels(value) for value in values[3:6])
        many = code.registers == 32
        for wide, j in code.pieces(n, (3, 2, 1), code.width):
            for tall, m in code.pieces(A.rows, (8, 4) if many else (4,)):
                tile(code, A, B, Y, m, tall, code.plus(b0, j), code.plus(y0, j), wide, values[6])
        return context.get_dummy_value()
    return types.void(a, b, y, b0, y0, n, add), generate


def tile(code, a, b, y, m, tall, in_b, in_y, wide, add):
    """`tall` rows of y from m on, `wide` registers of each from column in_y on."""
    places = [[y.at(code.plus(m, r), code.plus(in_y, v * code.width)) for v in range(wide)] for r in range(tall)]
    sums = [[code.variable(code.choose(add, code.load(place))) for place in row] for row in places]
    for _, p in code.pieces(b.rows, (1,)):
        row = [code.load(b.at(p, code.plus(in_b, v * code.width))) for v in range(wide)]
        for r in range(tall):
            number = code.spread(a.at(code.plus(m, r), p))
            for v in range(wide):
                code.multiply_add(sums[r][v], number, row[v])
    for r in range(tall):
        for v in range(wide):
            code.store(code.value(sums[r][v]), places[r][v])


def product_transposed(typing, a, b, y, a0, y0, n):
    """y[:, y0:] += a[:, a0:a0+n] · b[:, :n]ᵀ"""
    def generate(context, builder, signature, values):
        code = Code(context, builder, a.dtype)
        A, B, Y = (code.matrix(*one) for one in zip((a, b, y), values))
        a0, y0, n = code.pixels(values[3]), values[4], code.pixels(values[5])
        tall, wide = (4 if code.registers == 32 else 2), 4
        for _, f in code.pieces(A.rows, (tall,)):
            for _, p in code.pieces(B.rows, (wide,)):
                sums = [code.variable(code.zero) for _ in range(tall * wide)]
                for _, j in code.pieces(n, (1,), code.width):
                    row = [code.load(B.at(code.plus(p, v), j)) for v in range(wide)]
                    for r in range(tall):
                        left = code.load(A.at(code.plus(f, r), code.plus(a0, j)))
                        for v in range(wide):
                            code.multiply_add(sums[r * wide + v], left, row[v])
                add_sums(code, [code.value(s) for s in sums], Y, f, code.plus(y0, p), wide)
        return context.get_dummy_value()
    return types.void(a, b, y, a0, y0, n), generate


def add_sums(code, registers, y, f, p, wide):
    """y[f+r, p+v] += the sum of register r·wide + v.

    Neighbours are added, of two registers into one: (u₀+u₁, u₂+u₃, …, v₀+v₁, …).  So of as many registers as a register has
    numbers, one is left in the end, and its number i is the sum of register i.
    """
    together = min(code.width, wide)                           # numbers that are neighbours in y, too
    for first in range(0, len(registers), code.width):
        some = registers[first:first + code.width]
        while len(some) > 1:
            some = [code.neighbours(u, v) for u, v in zip(some[::2], some[1::2])]
        for i in range(0, code.width, together):
            r, v = divmod(first + i, wide)
            place = code.bitcast(y.at(code.plus(f, r), code.plus(p, v)), together)
            code.store(code.add(code.load(place), code.part(some[0], i, together)), place)


# ---- LLVM's instructions, in the few words that are needed above --------------------------------------------------------


class Matrix(NamedTuple):
    """An array of two axes, as a pointer."""
    code: object
    start: object
    strides: list                               # bytes from row to row, from column to column
    rows: object

    def at(self, row, column):
        """A pointer to a register that begins at this place."""
        build, (down, right) = self.code.builder, self.strides
        return self.code.bitcast(build.gep(build.gep(self.start, [build.mul(row, down)]), [build.mul(column, right)]))


class Code:
    """What is written with Numba's `builder`, for one dtype and the registers of one processor."""

    def __init__(self, context, builder, dtype):
        self.context, self.builder, self.number = context, builder, context.get_value_type(dtype)
        self.bytes = dtype.bitwidth // 8
        length, self.registers = machine(context)
        self.width = length // self.bytes                      # numbers in a register
        self.register = ir.VectorType(self.number, self.width)
        self.zero, self.any = ir.Constant(self.register, None), ir.Constant(self.register, ir.Undefined)

    def matrix(self, kind, value) -> Matrix:
        array = self.context.make_array(kind)(self.context, self.builder, value)
        start = self.builder.bitcast(array.data, ir.IntType(8).as_pointer())
        strides = cgutils.unpack_tuple(self.builder, array.strides)
        if kind.layout == "C":
            strides[1] = INT(self.bytes)
        return Matrix(self, start, strides, cgutils.unpack_tuple(self.builder, array.shape)[0])

    def pixels(self, n):
        """Columns of n pixels, sixteen each."""
        return self.builder.mul(n, INT(16))

    def plus(self, a, b):
        return self.builder.add(a, INT(b) if isinstance(b, int) else b)

    def pieces(self, total, sizes: tuple, unit: int = 1):
        """(size, where it begins) of each piece: as many of the first size, in units, as fit into `total`, then of the next."""
        start, build = INT(0), self.builder
        for size in sizes:
            length = INT(size * unit)
            end = build.add(start, build.mul(build.udiv(build.sub(total, start), length), length))
            with cgutils.for_range_slice(build, start, end, length) as (index, _):
                yield size, index
            start = end

    def variable(self, value):
        return cgutils.alloca_once_value(self.builder, value)

    def value(self, variable):
        return self.builder.load(variable)

    def bitcast(self, pointer, count: int | None = None):
        kind = ir.VectorType(self.number, count or self.width)
        return self.builder.bitcast(pointer, kind.as_pointer())

    def load(self, pointer):
        return self.builder.load(pointer, align=self.bytes)

    def store(self, value, pointer):
        self.builder.store(value, pointer, align=self.bytes)

    def choose(self, wanted, value):
        """The value, or zeros."""
        return self.builder.select(wanted, value, self.zero)

    def spread(self, pointer):
        """The number at this place, in all places of a register."""
        number = self.builder.load(self.builder.bitcast(pointer, self.number.as_pointer()), align=self.bytes)
        first = self.builder.insert_element(self.any, number, I32(0))
        return self.builder.shuffle_vector(first, self.any, self.places([0] * self.width))

    def multiply_add(self, variable, a, b):
        build = self.builder
        build.store(build.fadd(build.fmul(a, b, flags=FUSED), build.load(variable), flags=FUSED), variable)

    def add(self, a, b):
        return self.builder.fadd(a, b)

    def neighbours(self, u, v):
        even, odd = (self.places(range(start, 2 * self.width, 2)) for start in (0, 1))
        return self.add(self.builder.shuffle_vector(u, v, even), self.builder.shuffle_vector(u, v, odd))

    def part(self, value, first: int, count: int):
        return self.builder.shuffle_vector(value, self.any, self.places(range(first, first + count)))

    def places(self, numbers):
        return ir.Constant(ir.VectorType(I32, len(numbers)), list(numbers))

