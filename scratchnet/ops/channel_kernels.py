"""Loops over the channels of images: sums for biases, and what batch normalisation needs.

x, g (N,C,…): all sums run over everything but axis 1, so each result is one number per channel, (C,).
In each loop nest: images n, channels c, and inside the pixels i of one channel of one image, which lie side by
side and in the L1 cache.  Each such row gives a number of its own; the rows' numbers are added up in order,
so the bits do not depend on the number of threads.  `reassoc` lets LLVM add a row in the 16 lanes of a register.
NumPy takes four times as long on short rows, and passes over x again for every operation.
"""
import math

import numpy as np

from .. import memory
from ..kernel import jit, kernel
from ..threads import share_rows
from .elementwise_kernels import back, leaky

NUMBERS = 1 << 16                               # that a thread takes at a time
LANES = {"reassoc", "nsz", "contract"}


def but_channels(x) -> tuple:
    return (0, *range(2, x.ndim))


def of_channels(x, axis: tuple, keepdims: bool) -> bool:
    """Does a reduction of x over `axis` leave one number per channel of images?"""
    return x.ndim == 4 and x.dtype.kind == "f" and axis == but_channels(x) and keepdims


def per_channel(a, x):
    """a (C,), to broadcast against x (N,C,…)."""
    return a.reshape((-1,) + (1,) * (x.ndim - 2))


def by_images(loop, *arrays, of_channel=()) -> None:
    """loop(first, last, *arrays, *of_channel) for the images first … last−1, arrays (N,C,…) seen as (N,C,pixels)."""
    seen = [a.reshape(*a.shape[:2], math.prod(a.shape[2:])) for a in arrays]
    share_rows(loop, len(seen[0]), max(1, NUMBERS * len(seen[0]) // max(1, seen[0].size)), *seen, *of_channel)


@kernel
def channel_sum(g):
    """b[c] = Σ g[:,c]"""
    return g.sum(axis=but_channels(g))


@channel_sum.fast
def channel_sum_fast(g):
    sums = np.empty((*g.shape[:2], 1), g.dtype)
    by_images(sum_loop, g, sums)
    return sums[:, :, 0].sum(axis=0)


@jit(flags=LANES)
def sum_loop(first, last, g, sums):
    for n in range(first, last):
        for c in range(g.shape[1]):
            row, s = g[n, c], g.dtype.type(0)
            for i in range(len(row)):
                s += row[i]
            sums[n, c, 0] = s


@kernel
def channel_dots(g, x, m, y=None, slope=0.0):
    """(Σ g[:,c], Σ g[:,c]·(x[:,c] − m[c]))    y: g times slope first, where y is not above 0"""
    g = back(g, y, slope)
    return channel_sum.reference(g), channel_sum.reference(g * (x - per_channel(m, x)))


@channel_dots.fast
def channel_dots_fast(g, x, m, y=None, slope=0.0):
    parts = np.empty((*x.shape[:2], 2), x.dtype)
    y, slope = (g, 1) if y is None else (y, slope)
    by_images(dots_loop, g, x, y, parts, of_channel=(m, x.dtype.type(slope)))
    sums, dots = parts.sum(axis=0).T
    return sums.copy(), dots.copy()


@jit(flags=LANES)
def dots_loop(first, last, g, x, y, parts, m, slope):
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for n in range(first, last):
        for c in range(x.shape[1]):
            g_row, x_row, y_row, s, t = g[n, c], x[n, c], y[n, c], zero, zero
            for i in range(len(x_row)):
                h = g_row[i] * (one if y_row[i] > zero else slope)
                s += h
                t += h * (x_row[i] - m[c])
            parts[n, c, 0], parts[n, c, 1] = s, t


@kernel
def channel_rest(g, x, m, a, b, t, y=None, slope=0.0):
    """dx[:,c] = a[c]·(g[:,c] − b[c] − t[c]·(x[:,c] − m[c])): g less a straight line.    y, slope: as above"""
    return per_channel(a, x) * (back(g, y, slope) - per_channel(b, x) - per_channel(t, x) * (x - per_channel(m, x)))


@channel_rest.fast
def channel_rest_fast(g, x, m, a, b, t, y=None, slope=0.0):
    dx = memory.empty(x.shape, x.dtype)
    y, slope = (g, 1) if y is None else (y, slope)
    by_images(rest_loop, g, x, y, dx, of_channel=(m, a, b, t, x.dtype.type(slope)))
    return dx


@jit(flags={"contract"})
def rest_loop(first, last, g, x, y, dx, m, a, b, t, slope):
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for n in range(first, last):
        for c in range(x.shape[1]):
            g_row, x_row, y_row, d_row = g[n, c], x[n, c], y[n, c], dx[n, c]
            for i in range(len(x_row)):
                h = g_row[i] * (one if y_row[i] > zero else slope)
                d_row[i] = a[c] * (h - b[c] - t[c] * (x_row[i] - m[c]))


@kernel
def channel_moments(x):
    """(m[c] = mean of x[:,c], v[c] = mean of (x[:,c] − m[c])²)"""
    m = channel_sum.reference(x) / (x.size // x.shape[1])
    d = x - per_channel(m, x)
    return m, channel_sum.reference(d * d) / (x.size // x.shape[1])


@channel_moments.fast
def channel_moments_fast(x):
    """Each row's squares about its own mean mᵣ; then, with μ the mean of these means (Chan et al. 1983),

        mean (x − μ)² = mean over rows of [ mean over the row (x − mᵣ)² + (mᵣ − μ)² ]:

    one pass over memory, and nothing large cancels, as it does in mean(x²) − mean(x)².
    """
    parts = np.empty((*x.shape[:2], 2), x.dtype)
    by_images(moments_loop, x, parts)
    means, squares = parts[:, :, 0], parts[:, :, 1]            # (N,C)
    mean = means.mean(axis=0)
    return mean, (squares.mean(axis=0) + ((means - mean) ** 2).mean(axis=0))


@jit(flags=LANES)
def moments_loop(first, last, x, parts):
    for n in range(first, last):
        for c in range(x.shape[1]):
            row, s, q = x[n, c], x.dtype.type(0), x.dtype.type(0)
            for i in range(len(row)):
                s += row[i]
            m = s / x.dtype.type(len(row))
            for i in range(len(row)):
                q += (row[i] - m) * (row[i] - m)
            parts[n, c, 0], parts[n, c, 1] = m, q / x.dtype.type(len(row))


@kernel
def channel_scale(x, m, a, b, slope=None):
    """y[:,c] = a[c]·(x[:,c] − m[c]) + b[c];  slope: then a leaky ReLU (0: ReLU)"""
    return leaky((x - per_channel(m, x)) * per_channel(a, x) + per_channel(b, x), slope)


@channel_scale.fast
def channel_scale_fast(x, m, a, b, slope=None):
    y = memory.empty(x.shape, x.dtype)
    by_images(scale_loop, x, y, of_channel=(m, a, b, x.dtype.type(1 if slope is None else slope)))
    return y


@jit(flags={"contract"})
def scale_loop(first, last, x, y, m, a, b, slope):
    zero = x.dtype.type(0)
    for n in range(first, last):
        for c in range(x.shape[1]):
            x_row, y_row = x[n, c], y[n, c]
            for i in range(len(x_row)):
                z = a[c] * (x_row[i] - m[c]) + b[c]
                y_row[i] = z if not z < zero else zero if slope == zero else z * slope       # ReLU makes 0 of −∞, not NaN
