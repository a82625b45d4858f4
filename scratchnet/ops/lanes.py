"""Sixteen images side by side: the memory layout in which the fast convolution works.

    x[n,c,h,w] of images n = 16·block … 16·block+15   ↔   lanes[c, 16·at(h,w) + n mod 16]

With the image number last, every inner loop runs over 16 or more neighbouring floats, whatever the stride,
the padding and the width of the image; 16 float32 fill one 512-bit register.  (Copying rows of 7 floats, as
small images have, measured ten times slower per float.)  at(h,w) is where a pixel stands in its padded
image, whose rows are stored phase by phase: columns 0, t, 2t, …, then 1, t+1, … for stride t.  So the
pixels that one tap of a filter meets along an output row are neighbours as well.

Between the convolutions of a chain (conv_chain.py), images stay in lanes in memory, too, (N/16, C, H, W, 16), if N is a
multiple of 16.  Then each block is one stretch of memory, and load and store only move whole registers: 0.6 and 0.5 of
the time.
"""
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .. import memory
from ..kernel import contiguous, jit

LANES = 16


def buffer(rows: int, columns: int, dtype) -> np.ndarray:
    """An array (rows, ≥ columns) whose rows start at multiples of 64 bytes, a cache line: 1.5 times faster."""
    return memory.empty((rows, up(columns, 16) + 16), dtype)   # +16: not multiples of 4096, where lines collide


@lru_cache
def zeros(n: int, dtype) -> np.ndarray:
    return contiguous(np.zeros(n, dtype))


def up(n: int, multiple: int = 4) -> int:
    """n rounded up."""
    return -(-n // multiple) * multiple


def in_lanes(x: np.ndarray) -> np.ndarray:
    """x (N,C,H,W), N a multiple of 16, as (N/16,C,H,W,16)."""
    return np.ascontiguousarray(np.moveaxis(x.reshape(-1, LANES, *x.shape[1:]), 1, -1))


def images(x: np.ndarray) -> np.ndarray:
    """Backwards; x (N,C,H,W) as it is."""
    return x if x.ndim == 4 else np.moveaxis(x, -1, 1).reshape(LANES * len(x), *x.shape[1:4])


class Lanes(NamedTuple):
    """Sixteen images in a piece of scratch memory."""
    array: np.ndarray                           # (channels, up to a multiple of 4; 16·places and 16 more)
    at: np.ndarray                              # (pixels,) where each pixel of an image stands


def room(start: int, rows: int, columns: int) -> tuple:
    """Where a matrix stands in scratch memory, counted in numbers: (start, rows, columns, end).

    Rows start at multiples of 64 bytes, and not at multiples of 4096, where lines of the cache collide.
    """
    rows, columns = up(rows), up(columns, 16) + 16
    return start, rows, columns, start + rows * columns


@jit
def matrix_in(scratch, place):
    """The matrix in this room."""
    start, rows, columns, end = place
    return scratch[start:end].reshape(rows, columns)


@jit
def lanes_in(scratch, place, channels, at, border):
    """The same as lanes, with zeros where no pixel will be, at the places `border` and beyond the channels."""
    array = matrix_in(scratch, place)
    array[channels:] = 0
    clear(array[:channels], border)
    return Lanes(array, at)


@jit
def clear(array, border):
    """Zeros where no pixel is."""
    for c in range(len(array)):
        for at in border:
            for i in range(16 * at, 16 * at + 16):
                array[c, i] = 0


@jit
def load(lanes, x, first, last, block, y, slope):
    """lanes[c - first, 16·at[q] + k] = x[16·block + k, c, q] for first <= c < last, or 0 beyond the last image.

    If y has images: times `slope` where y ≤ 0.  x, and y with it, may be in lanes already: x[block, c, 16·q + k].
    """
    at, pixels, n, masked = lanes.at, len(lanes.at), 16 * block, len(y) > 0
    for c in range(first, last):
        row = lanes.array[c - first]
        if x.shape[2] > pixels:
            for q in range(pixels):
                if masked:
                    sixteen_where(row, 16 * at[q], x[block, c], 16 * q, y[block, c], slope)
                else:
                    sixteen(row, 16 * at[q], x[block, c], 16 * q)
        elif pixels < 16 or n + 16 > len(x):
            load_some(row, at, x, n, c, y, slope)
        else:
            for q in range(0, pixels, 16):                     # the last sixteen are done once more where fewer are left
                q = min(q, pixels - 16)
                if masked:
                    into_lanes_where(row, at, q, x, n, c, y, slope)
                else:
                    into_lanes(row, at, q, x, n, c)


@jit
def store(lanes, x, first, last, block, slope):
    """x[16·block + k, c, q] = lanes[c - first, 16·at[q] + k]: load backwards; below 0 times `slope`."""
    at, pixels, n = lanes.at, len(lanes.at), 16 * block
    for c in range(first, last):
        row = lanes.array[c - first]
        if x.shape[2] > pixels:
            for q in range(pixels):
                sixteen_leaky(x[block, c], 16 * q, row, 16 * at[q], slope)
        elif pixels < 16 or n + 16 > len(x):
            store_some(row, at, x, n, c, slope)
        else:
            for q in range(0, pixels, 16):                     # as in `load`
                out_of_lanes(row, at, min(q, pixels - 16), x, n, c, slope)


@jit
def load_some(lanes, at, x, n, c, y, slope):
    """Images n, n + 1, … as far as there are any."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for q in range(len(at)):
        for k in range(16):
            if n + k >= len(x):
                lanes[16 * at[q] + k] = zero
            else:
                lanes[16 * at[q] + k] = x[n + k, c, q] * (slope if len(y) > 0 and not y[n + k, c, q] > zero else one)


@jit
def store_some(lanes, at, x, n, c, slope):
    """Backwards."""
    for k in range(min(16, len(x) - n)):
        for q in range(len(at)):
            x[n + k, c, q] = leaky(lanes[16 * at[q] + k], slope)


@jit
def relu(row, slope):
    """Of each number in a row, where it is."""
    for i in range(0, len(row), 16):
        sixteen_leaky(row, i, row, i, slope)


@jit
def leaky(z, slope):
    """z, below 0 times `slope`.  Not always a product: for slope 0, −∞ becomes 0, not NaN."""
    if z > 0:
        return z
    return z * slope if slope != 0 or not z < 0 else slope


# ---- what transposes.py does in registers: of these loops, only the meaning -------------------------------------------


@jit(intrinsic="transposes.into_lanes")
def into_lanes(lanes, at, q, x, n, c):
    """Sixteen pixels of sixteen images."""
    for i in range(q, q + 16):
        for k in range(16):
            lanes[16 * at[i] + k] = x[n + k, c, i]


@jit(intrinsic="transposes.into_lanes_where")
def into_lanes_where(lanes, at, q, x, n, c, y, slope):
    """The same, times `slope` where y is not above 0."""
    for i in range(q, q + 16):
        for k in range(16):
            lanes[16 * at[i] + k] = x[n + k, c, i] * (x.dtype.type(1) if y[n + k, c, i] > 0 else slope)


@jit(intrinsic="transposes.out_of_lanes")
def out_of_lanes(lanes, at, q, x, n, c, slope):
    """Backwards; below 0 times `slope`."""
    for i in range(q, q + 16):
        for k in range(16):
            x[n + k, c, i] = leaky(lanes[16 * at[i] + k], slope)


@jit(intrinsic="transposes.sixteen")
def sixteen(to, a, x, b):
    """One pixel of sixteen images, from one place in lanes to another."""
    for k in range(16):
        to[a + k] = x[b + k]


@jit(intrinsic="transposes.sixteen_where")
def sixteen_where(to, a, x, b, y, slope):
    """The same, times `slope` where y is not above 0."""
    for k in range(16):
        to[a + k] = x[b + k] * (x.dtype.type(1) if y[b + k] > 0 else slope)


@jit(intrinsic="transposes.sixteen_leaky")
def sixteen_leaky(to, a, x, b, slope):
    """The same, below 0 times `slope`."""
    for k in range(16):
        to[a + k] = leaky(x[b + k], slope)


@jit
def fill(lanes, b, pixels):
    """Every number of the first `pixels` places of channel c to b[c]."""
    for c in range(len(b)):
        row, value = lanes.array[c], b[c]
        for i in range(16 * pixels):
            row[i] = value


@jit(flags={"reassoc", "nsz"})
def sum_rows(lanes, sums, pixels):
    """sums[c] = Σ of the first `pixels` places of channel c; `reassoc` lets LLVM add up in the sixteen lanes of its registers."""
    for c in range(len(sums)):
        row, s = lanes.array[c], lanes.array.dtype.type(0)
        for i in range(16 * pixels):
            s += row[i]
        sums[c] = s
