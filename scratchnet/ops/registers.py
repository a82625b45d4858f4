"""The two products of products.py as the processor runs them: sums that stay in its registers.

A processor adds and multiplies whole registers, sixteen float32 at once if they are 512 bits long, and has 32 of them.  A
product is fast where its sums stay in registers until they are complete: then each number that is loaded serves several
multiply-adds, and none has to be stored.  LLVM compiles a loop over arrays in that way only if it can prove that none of
them lies on another, which for arrays of a caller it cannot.  So these two are written in LLVM's own instructions
(instructions.py), and what is a Python loop below, as in `for r in range(tall)`, writes them out one after the other.

    product             8 × 3 registers of y; for each p, 3 loads of b and 8 numbers of a serve 24 multiply-adds
    product_transposed  4 × 4 registers, each of partial sums of one y; 8 loads serve 16 multiply-adds
                        (where there are 16 registers only: 4 × 3 and 2 × 4)

The same loops over memory, as LLVM vectorised them, took 1.7 and 1.35 times as long (a Xeon with 512-bit registers, one
core; of 220 GFLOP/s that its registers allow, these do 165 to 180 and 130 to 145).  The order of the sums is fixed here, so
their bits are the same in every call; LLVM is allowed to fuse a product and a sum (`contract`), and nothing else.

Source   Goto & van de Geijn 2008, Anatomy of high-performance matrix multiplication, ACM TOMS 34 (3).
"""
from numba import types

from .instructions import Code


def product(typing, a, b, y, b0, y0, n, add, start):
    """y[:, y0:y0+n] += a · b[:, b0:b0+n]; if not add, = start[:, None] + a · b[…].  b0, y0, n count pixels, 16 columns each.

    One tile below the other, so that their part of b stays in the L1 cache.
    """
    def generate(context, builder, signature, values):
        code = Code(context, builder, a.dtype)
        A, B, Y, S = (code.array(*one) for one in zip((a, b, y, start), [*values[:3], values[7]]))
        b0, y0, n = (code.pixels(value) for value in values[3:6])
        many = code.registers == 32
        for wide, j in code.pieces(n, (3, 2, 1), code.width):
            for tall, m in code.pieces(A.length, (8, 4, 1) if many else (4, 1)):
                tile(code, A, B, Y, m, tall, code.plus(b0, j), code.plus(y0, j), wide, values[6], S)
        return context.get_dummy_value()
    return types.void(a, b, y, b0, y0, n, add, start), generate


def tile(code, a, b, y, m, tall, in_b, in_y, wide, add, start):
    """`tall` rows of y from m on, `wide` registers of each from column in_y on."""
    places = [[y.at(code.plus(m, r), code.plus(in_y, v * code.width)) for v in range(wide)] for r in range(tall)]
    sums = [[code.variable(code.load_spread(start.at(code.plus(m, r)))) for _ in range(wide)] for r in range(tall)]
    with code.builder.if_then(add):
        for r in range(tall):
            for v in range(wide):
                code.set(sums[r][v], code.load(places[r][v]))
    for _, p in code.pieces(b.length, (1,)):
        row = [code.load(b.at(p, code.plus(in_b, v * code.width))) for v in range(wide)]
        for r in range(tall):
            number = code.load_spread(a.at(code.plus(m, r), p))
            for v in range(wide):
                code.multiply_add(sums[r][v], number, row[v])
    for r in range(tall):
        for v in range(wide):
            code.store(code.value(sums[r][v]), places[r][v])


def product_transposed(typing, a, b, y, a0, y0, n, add):
    """y[:, y0:] += a[:, a0:a0+n] · b[:, :n]ᵀ, or = if not add"""
    def generate(context, builder, signature, values):
        code = Code(context, builder, a.dtype)
        A, B, Y = (code.array(*one) for one in zip((a, b, y), values))
        a0, y0, n = code.pixels(values[3]), values[4], code.pixels(values[5])
        tall, wide = (4 if code.registers == 32 else 2), 4
        for _, f in code.pieces(A.length, (tall,)):
            for _, p in code.pieces(B.length, (wide,)):
                sums = [code.variable(code.zero) for _ in range(tall * wide)]
                for _, j in code.pieces(n, (1,), code.width):
                    row = [code.load(B.at(code.plus(p, v), j)) for v in range(wide)]
                    for r in range(tall):
                        left = code.load(A.at(code.plus(f, r), code.plus(a0, j)))
                        for v in range(wide):
                            code.multiply_add(sums[r * wide + v], left, row[v])
                add_sums(code, [code.value(s) for s in sums], Y, f, code.plus(y0, p), wide, values[6])
        return context.get_dummy_value()
    return types.void(a, b, y, a0, y0, n, add), generate


def add_sums(code, registers, y, f, p, wide, add):
    """y[f+r, p+v] += the sum of register r·wide + v, or = if not add.

    Of as many registers as a register has numbers, each two become one whose halves are theirs folded, then of these each two
    whose quarters are, and so on: one is left in the end, and its number i is the sum of register i.
    """
    together = min(code.width, wide)                           # numbers that are neighbours in y, too
    for first in range(0, len(registers), code.width):
        some, d = registers[first:first + code.width], code.width // 2
        while d > 0:
            some, d = [code.folded(u, v, d) for u, v in zip(some[:d], some[d:])], d // 2
        for i in range(0, code.width, together):
            r, v = divmod(first + i, wide)
            place = code.of(together, y.at(code.plus(f, r), code.plus(p, v)))
            total = code.variable(code.part(some[0], i, together))
            with code.builder.if_then(add):
                code.set(total, code.add(code.value(total), code.load(place)))
            code.store(code.value(total), place)
