"""Sixteen images into lanes and back (lanes.py), a register at a time.

A register holds neighbouring pixels of one image; in lanes it is to hold one pixel of as many images.  As many registers
as each has numbers are transposed without leaving the processor, 64 moves for 16 × 16 numbers: half of the time that loops
over memory took, which put four images together, then the pairs of these.
"""
from numba import types

from .instructions import Code


def into_lanes(typing, lanes, at, q, x, n, c):
    """lanes[16·at[q+i] + k] = x[n+k, c, q+i]  for sixteen pixels i of sixteen images k"""
    def generate(context, builder, signature, values):
        code = Code(context, builder, lanes.dtype)
        L, A, X = arrays(code, (lanes, at, x), [values[0], values[1], values[3]])
        images_to_lanes(code, L, A, X, values[2], values[4], values[5])
        return context.get_dummy_value()
    return types.void(lanes, at, q, x, n, c), generate


def into_lanes_where(typing, lanes, at, q, x, n, c, y, slope):
    """The same, times `slope` where y is not above 0."""
    def generate(context, builder, signature, values):
        code = Code(context, builder, lanes.dtype)
        L, A, X, Y = arrays(code, (lanes, at, x, y), [values[0], values[1], values[3], values[6]])
        images_to_lanes(code, L, A, X, values[2], values[4], values[5], Y, values[7])
        return context.get_dummy_value()
    return types.void(lanes, at, q, x, n, c, y, slope), generate


def images_to_lanes(code, lanes, at, x, q, n, c, y=None, slope=None):
    for first in range(0, 16, code.width):
        for pixel in range(0, 16, code.width):
            rows = []
            for k in range(code.width):
                place = code.plus(n, first + k), c, code.plus(q, pixel)
                value = code.load(x.at(*place))
                rows.append(value if y is None else masked(code, value, code.load(y.at(*place)), slope))
            for i, register in enumerate(code.transposed(rows)):
                code.store(register, lane(code, lanes, at, code.plus(q, pixel + i), first))


def out_of_lanes(typing, lanes, at, q, x, n, c, slope):
    """x[n+k, c, q+i] = lanes[16·at[q+i] + k], below 0 times `slope`"""
    def generate(context, builder, signature, values):
        code = Code(context, builder, lanes.dtype)
        L, A, X = arrays(code, (lanes, at, x), [values[0], values[1], values[3]])
        q, n, c, slope = values[2], values[4], values[5], values[6]
        for first in range(0, 16, code.width):
            for pixel in range(0, 16, code.width):
                rows = [code.load(lane(code, L, A, code.plus(q, pixel + i), first)) for i in range(code.width)]
                for k, register in enumerate(code.transposed(rows)):
                    code.store(leaky(code, register, slope), X.at(code.plus(n, first + k), c, code.plus(q, pixel)))
        return context.get_dummy_value()
    return types.void(lanes, at, q, x, n, c, slope), generate


def sixteen(typing, to, a, x, b):
    """to[a:a+16] = x[b:b+16]"""
    def generate(context, builder, signature, values):
        code = Code(context, builder, to.dtype)
        T, X = arrays(code, (to, x), [values[0], values[2]])
        for first in range(0, 16, code.width):
            code.store(code.load(X.at(code.plus(values[3], first))), T.at(code.plus(values[1], first)))
        return context.get_dummy_value()
    return types.void(to, a, x, b), generate


def sixteen_where(typing, to, a, x, b, y, slope):
    """to[a:a+16] = x[b:b+16], times `slope` where y[b:b+16] is not above 0"""
    def generate(context, builder, signature, values):
        code = Code(context, builder, to.dtype)
        T, X, Y = arrays(code, (to, x, y), [values[0], values[2], values[4]])
        for first in range(0, 16, code.width):
            b = code.plus(values[3], first)
            code.store(masked(code, code.load(X.at(b)), code.load(Y.at(b)), values[5]), T.at(code.plus(values[1], first)))
        return context.get_dummy_value()
    return types.void(to, a, x, b, y, slope), generate


def sixteen_leaky(typing, to, a, x, b, slope):
    """to[a:a+16] = x[b:b+16], below 0 times `slope`"""
    def generate(context, builder, signature, values):
        code = Code(context, builder, to.dtype)
        T, X = arrays(code, (to, x), [values[0], values[2]])
        for first in range(0, 16, code.width):
            value = leaky(code, code.load(X.at(code.plus(values[3], first))), values[4])
            code.store(value, T.at(code.plus(values[1], first)))
        return context.get_dummy_value()
    return types.void(to, a, x, b, slope), generate


def turn_sixteen(typing, to, i, j, x, r, c):
    """to[i:i+16, j:j+16] = x[r:r+16, c:c+16]ᵀ"""
    def generate(context, builder, signature, values):
        code = Code(context, builder, to.dtype)
        T, X = arrays(code, (to, x), [values[0], values[3]])
        (i, j), (r, c), width = values[1:3], values[4:6], code.width
        for down in range(0, 16, width):
            for right in range(0, 16, width):
                rows = [code.load(X.at(code.plus(r, down + k), code.plus(c, right))) for k in range(width)]
                for n, register in enumerate(code.transposed(rows)):
                    code.store(register, T.at(code.plus(i, right + n), code.plus(j, down)))
        return context.get_dummy_value()
    return types.void(to, i, j, x, r, c), generate


def arrays(code, kinds, values):
    return [code.array(kind, value) for kind, value in zip(kinds, values)]


def lane(code, lanes, at, pixel, first: int):
    """Where image `first`, and those after it, have this pixel."""
    return lanes.at(code.plus(code.pixels(code.index(at, pixel)), first))


def masked(code, x, y, slope):
    """x · (1 where y > 0, else slope): a product, so that NaN stays NaN"""
    one = code.spread(code.number(1.0))
    return code.times(x, code.choose(code.above(y, code.zero), one, code.spread(slope)))


def leaky(code, x, slope):
    """x where x > 0, else slope·x; for slope 0, 0: −∞ becomes 0, not NaN"""
    build, zero = code.builder, code.zero
    none = code.choose(code.above(zero, x), zero, code.times(x, zero))     # of −∞; of NaN, NaN
    product = code.choose(build.fcmp_ordered("==", slope, code.number(0.0)), none, code.times(x, code.spread(slope)))
    return code.choose(code.above(x, zero), x, product)
