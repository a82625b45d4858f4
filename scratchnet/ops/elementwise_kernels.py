"""The loops of ReLU and leaky ReLU, which pass over the largest arrays of a network.  Formulas: elementwise.py.

One pass reads what it needs and writes the result.  NumPy makes an array of booleans first, casts it, and
multiplies: three passes and two arrays more.
"""
import numpy as np

from .. import memory
from ..kernel import jit, kernel
from ..threads import share_rows

NUMBERS = 1 << 15                               # that a thread takes at a time: 10 microseconds


@kernel
def positive_part(x):
    """max(x, 0); NaN stays NaN."""
    return np.maximum(x, 0)


@positive_part.fast
def positive_part_fast(x):
    return in_blocks(positive_part_loop, x)


@jit
def positive_part_loop(first, last, x, y):
    x, y, zero = x[first:last], y[first:last], x.dtype.type(0)
    for i in range(len(x)):
        y[i] = zero if x[i] < zero else x[i]


@kernel
def where_positive(g, y):
    """g where y > 0, else 0."""
    return g * (y > 0)


@where_positive.fast
def where_positive_fast(g, y):
    return in_blocks(where_positive_loop, g, y)


@jit
def where_positive_loop(first, last, g, y, out):
    g, y, out, zero, one = g[first:last], y[first:last], out[first:last], g.dtype.type(0), g.dtype.type(1)
    for i in range(len(g)):
        out[i] = g[i] * (one if y[i] > zero else zero)                     # a product, so that NaN stays NaN


@kernel
def leaky_part(x, slope):
    """x where x > 0, else slope·x."""
    return np.where(x > 0, x, slope * x)


@leaky_part.fast
def leaky_part_fast(x, slope):
    return in_blocks(leaky_part_loop, x, settings=(x.dtype.type(slope),))


@jit
def leaky_part_loop(first, last, x, y, slope):
    x, y, zero, one = x[first:last], y[first:last], x.dtype.type(0), x.dtype.type(1)
    for i in range(len(x)):
        y[i] = x[i] * (one if x[i] > zero else slope)


@kernel
def leaky_slope(g, x, slope):
    """g where x > 0, else slope·g."""
    return np.where(x > 0, g, slope * g)


@leaky_slope.fast
def leaky_slope_fast(g, x, slope):
    return in_blocks(leaky_slope_loop, g, x, settings=(g.dtype.type(slope),))


@jit
def leaky_slope_loop(first, last, g, x, out, slope):
    g, x, out, zero, one = g[first:last], x[first:last], out[first:last], g.dtype.type(0), g.dtype.type(1)
    for i in range(len(g)):
        out[i] = g[i] * (one if x[i] > zero else slope)


def in_blocks(loop, *inputs, settings=()):
    """A new array, filled by loop(first, last, *inputs, it, *settings), all of them flat."""
    out = memory.empty(inputs[0].shape, inputs[0].dtype)
    share_rows(loop, out.size, NUMBERS, *(a.reshape(-1) for a in (*inputs, out)), *settings)
    return out


# ---- for kernels that have a ReLU, leaky or not, behind them ------------------------------------------


def leaky(x, slope):
    """x, and slope·x where it is below 0; slope None: x."""
    return x if slope is None else np.maximum(x, 0) if slope == 0 else np.where(x > 0, x, slope * x)


def back(g, y, slope):
    """g = ∂L/∂y for y = leaky(x, slope), as ∂L/∂x; without y, g."""
    return g if y is None else g * np.where(y > 0, 1, slope).astype(g.dtype)
