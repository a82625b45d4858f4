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
from typing import NamedTuple

import numpy as np

from .. import memory
from ..kernel import jit

LANES = 16


def buffer(rows: int, columns: int, dtype) -> np.ndarray:
    """An array (rows, ≥ columns) whose rows start at multiples of 64 bytes, a cache line: 1.5 times faster."""
    return memory.empty((rows, up(columns, 16) + 16), dtype)   # +16: not multiples of 4096, where lines collide


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
    """Sixteen images in a piece of scratch memory, with room for the two steps of the transpose that brings them there."""
    array: np.ndarray                           # (channels, up to a multiple of 4; 16·places and 16 more)
    pairs: np.ndarray                           # the same memory as numbers of twice the size, to move two at a time
    strips: np.ndarray                          # (4, 4·pixels)
    strip_pairs: np.ndarray
    line: np.ndarray                            # the strips as one, room for 16·pixels numbers
    at: np.ndarray                              # (pixels,) where each pixel of an image stands


def room(start: int, channels: int, places: int, pixels: int) -> tuple:
    """Where lanes stand in scratch memory, counted in numbers: (start, rows, columns, length of a strip, end)."""
    rows, columns, strip = up(channels), LANES * places + 16, up(4 * pixels, 16)
    return start, rows, columns, strip, start + rows * columns + 4 * strip


@jit
def lanes_in(scratch, pairs, place, channels, at, border, fresh):
    """Lanes in this room.  fresh: with zeros where no pixel will be, at the places `border` and beyond the channels."""
    start, rows, columns, strip, end = place
    middle = start + rows * columns
    array = scratch[start:middle].reshape(rows, columns)
    if fresh:
        array[channels:] = 0
        clear(array[:channels], border)
    return Lanes(array, pairs[start//2:middle//2].reshape(rows, columns // 2),
                 scratch[middle:end].reshape(4, strip), pairs[middle//2:end//2].reshape(4, strip // 2),
                 scratch[middle:end], at)


@jit
def clear(array, border):
    """Zeros where no pixel is."""
    for c in range(len(array)):
        for at in border:
            for i in range(16 * at, 16 * at + 16):
                array[c, i] = 0


@jit
def load(lanes, x, first, last, block, y, slope):
    """lanes[c - first, 16·at[q] + n] = x[16·block + n, c, q] for first <= c < last, or 0 beyond the last image.

    If y has images: times `slope` where y ≤ 0.

    A transpose in two steps, since plain loops would write one number at a time to distant places: four
    images are interleaved into a strip (LLVM makes register shuffles of it), then the strips, by pairs.
    """
    zero, one, pixels, masked = x.dtype.type(0), x.dtype.type(1), len(lanes.at), len(y) > 0
    if x.shape[2] > pixels:                                    # it is in lanes already, and so is y
        return load_lanes(lanes, x, first, last, block, y, slope)
    s0, s1, s2, s3 = lanes.strip_pairs[0], lanes.strip_pairs[1], lanes.strip_pairs[2], lanes.strip_pairs[3]
    for c in range(first, last):
        for s in range(4):
            n, strip = 16 * block + 4 * s, lanes.strips[s]
            if n + 4 > len(x):                                 # the last block may be short
                for k in range(4):
                    for q in range(pixels):
                        strip[4*q+k] = zero
                        if n + k < len(x):
                            strip[4*q+k] = x[n+k, c, q] * (slope if masked and not y[n+k, c, q] > zero else one)
                continue
            x0, x1, x2, x3 = x[n, c], x[n+1, c], x[n+2, c], x[n+3, c]
            if masked:                                         # a product, so that NaN stays NaN
                y0, y1, y2, y3 = y[n, c], y[n+1, c], y[n+2, c], y[n+3, c]
                for q in range(pixels):
                    strip[4*q], strip[4*q+1] = x0[q] * (one if y0[q] > zero else slope), x1[q] * (one if y1[q] > zero else slope)
                    strip[4*q+2], strip[4*q+3] = x2[q] * (one if y2[q] > zero else slope), x3[q] * (one if y3[q] > zero else slope)
            else:
                for q in range(pixels):
                    strip[4*q], strip[4*q+1], strip[4*q+2], strip[4*q+3] = x0[q], x1[q], x2[q], x3[q]
        out = lanes.pairs[c - first]
        for q in range(pixels):
            a = 8 * lanes.at[q]
            out[a], out[a+1], out[a+2], out[a+3] = s0[2*q], s0[2*q+1], s1[2*q], s1[2*q+1]
            out[a+4], out[a+5], out[a+6], out[a+7] = s2[2*q], s2[2*q+1], s3[2*q], s3[2*q+1]


@jit
def store(lanes, x, first, last, block, slope):
    """x[16·block + n, c, q] = lanes[c - first, 16·at[q] + n]: load backwards; below 0 times `slope` (0: ReLU, 1: as it is)."""
    pixels = len(lanes.at)
    if x.shape[2] > pixels:
        return store_lanes(lanes, x, first, last, block, slope)
    s0, s1, s2, s3 = lanes.strip_pairs[0], lanes.strip_pairs[1], lanes.strip_pairs[2], lanes.strip_pairs[3]
    for c in range(first, last):
        lane = lanes.pairs[c - first]
        for q in range(pixels):
            a = 8 * lanes.at[q]
            s0[2*q], s0[2*q+1], s1[2*q], s1[2*q+1] = lane[a], lane[a+1], lane[a+2], lane[a+3]
            s2[2*q], s2[2*q+1], s3[2*q], s3[2*q+1] = lane[a+4], lane[a+5], lane[a+6], lane[a+7]
        for s in range(4):
            n, strip = 16 * block + 4 * s, lanes.strips[s]
            relu(strip, 4 * pixels, slope)
            if n + 4 > len(x):
                for k in range(len(x) - n):
                    for q in range(pixels):
                        x[n+k, c, q] = strip[4*q+k]
                continue
            x0, x1, x2, x3 = x[n, c], x[n+1, c], x[n+2, c], x[n+3, c]
            for q in range(pixels):
                x0[q], x1[q], x2[q], x3[q] = strip[4*q], strip[4*q+1], strip[4*q+2], strip[4*q+3]


@jit
def load_lanes(lanes, x, first, last, block, y, slope):
    """lanes[c - first, 16·at[q] + n] = x[block, c, 16·q + n],  times `slope` where y ≤ 0"""
    zero, one, pixels = x.dtype.type(0), x.dtype.type(1), len(lanes.at)
    for c in range(first, last):
        source, here = x[block, c], lanes.array[c - first]
        if len(y) > 0:
            above = y[block, c]
            for i in range(16 * pixels):
                lanes.line[i] = source[i] * (one if above[i] > zero else slope)
            for q in range(pixels):
                copy(here, 16 * lanes.at[q], lanes.line, 16 * q)
        else:
            for q in range(pixels):
                copy(here, 16 * lanes.at[q], source, 16 * q)


@jit
def store_lanes(lanes, x, first, last, block, slope):
    """x[block, c, 16·q + n] = lanes[c - first, 16·at[q] + n]; below 0 times `slope`"""
    pixels = len(lanes.at)
    for c in range(first, last):
        there, here = x[block, c], lanes.array[c - first]
        for q in range(pixels):
            copy(there, 16 * q, here, 16 * lanes.at[q])
        relu(there, 16 * pixels, slope)


@jit
def relu(row, count, slope):
    """The first `count` numbers of a row, times `slope` where they are not above 0 (0: ReLU, 1: as they are)."""
    zero, one = row.dtype.type(0), row.dtype.type(1)
    if slope == zero:                                          # not a product: −∞ becomes 0, not NaN
        for i in range(count):
            row[i] = zero if row[i] < zero else row[i]
    elif slope != one:
        for i in range(count):
            row[i] = row[i] * (one if row[i] > zero else slope)


@jit
def copy(to, a, source, b):
    """to[a:a+16] = source[b:b+16].  Written out: a loop took six times as long."""
    (to[a], to[a+1], to[a+2], to[a+3], to[a+4], to[a+5], to[a+6], to[a+7],
     to[a+8], to[a+9], to[a+10], to[a+11], to[a+12], to[a+13], to[a+14], to[a+15]) = (
        source[b], source[b+1], source[b+2], source[b+3], source[b+4], source[b+5], source[b+6], source[b+7],
        source[b+8], source[b+9], source[b+10], source[b+11], source[b+12], source[b+13], source[b+14], source[b+15])


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
