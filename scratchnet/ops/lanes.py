"""Sixteen images side by side: the memory layout in which the fast convolution works.

    x[n,c,h,w] of images n = 16·block … 16·block+15   ↔   lanes[c, 16·at(h,w) + n mod 16]

With the image number last, every inner loop runs over 16 or more neighbouring floats, whatever the stride,
the padding and the width of the image; 16 float32 fill one 512-bit register.  (Copying rows of 7 floats, as
small images have, measured ten times slower per float.)  at(h,w) is where a pixel stands in its padded
image, whose rows are stored phase by phase: columns 0, t, 2t, …, then 1, t+1, … for stride t.  So the
pixels that one tap of a filter meets along an output row are neighbours as well.
"""
import numpy as np

from .. import memory
from ..kernel import jit

LANES = 16


def buffer(rows: int, columns: int, dtype) -> np.ndarray:
    """An array (rows, ≥ columns) whose rows start at multiples of 64 bytes, a cache line: 1.5 times faster."""
    columns = up(columns, 16) + 16                             # +16: not multiples of 4096, where lines collide
    return memory.empty((rows, columns), dtype)


def up(n: int, multiple: int = 4) -> int:
    """n rounded up."""
    return -(-n // multiple) * multiple


def pairs(x: np.ndarray) -> np.ndarray:
    """The same memory as numbers of twice the size, to move two at a time."""
    return x.view("f8" if x.dtype == "f4" else "c16")


class Lanes:
    """Memory for sixteen images of `channels`.  Zero is what no pixel will fill: the padding, and rows up to a multiple of 4 or 5.

    at (pixels,)   where each pixel of an image stands;   border (places,)   where none does.
    """

    def __init__(self, channels: int, at: np.ndarray, border: np.ndarray, dtype):
        rows, self.places = max(up(channels, 4), up(channels, 5)), len(at) + len(border)
        self.array, self.at, self.channels = buffer(rows, LANES * self.places, dtype), at, channels
        self.array[channels:] = 0
        if len(border):
            self.array.reshape(rows, -1, LANES)[:channels, border] = 0
        strips = buffer(4, 4 * len(at), dtype)                 # scratch for the transposes below
        self.pairs, self.strips = pairs(self.array), (strips, pairs(strips))

    def fill(self, b: np.ndarray | None) -> None:
        """Every number of channel c to b[c], or to 0."""
        self.array[:self.channels] = 0 if b is None else b[:, None]

    def load(self, x: np.ndarray, block: int, y: np.ndarray | None = None) -> None:
        """Images 16·block … of x (N,C,H,W); those missing from the last block are zeros.  With y: x where y > 0, else 0."""
        images = sixteen(x, block)
        to_lanes(images, images if y is None else sixteen(y, block), y is not None, self.at, *self.strips, self.pairs)

    def sum(self, sums: np.ndarray) -> None:
        """sums[c] = Σ of channel c over the sixteen images: while they are in the cache, this costs next to nothing."""
        sum_rows(self.array, self.places, sums)

    def store(self, x: np.ndarray, block: int, relu: bool = False) -> None:
        """Back to images 16·block … of x, or their positive parts."""
        images = x.reshape(*x.shape[:2], -1)[LANES * block:LANES * (block + 1)]
        whole = images if len(images) == LANES else np.empty((LANES, *images.shape[1:]), x.dtype)
        from_lanes(self.pairs, self.at, *self.strips, whole, relu)
        if whole is not images:
            images[:] = whole[:len(images)]


def sixteen(x: np.ndarray, block: int) -> np.ndarray:
    """Images 16·block … of x as (16,C,pixels)."""
    images = x.reshape(*x.shape[:2], -1)[LANES * block:LANES * (block + 1)]
    if len(images) < LANES:
        images = np.concatenate([images, np.zeros((LANES - len(images), *images.shape[1:]), x.dtype)])
    images.flags.writeable = False                             # one type, so one compilation
    return images


@jit
def to_lanes(x, y, positive, at, strips, strip_pairs, lane_pairs):
    """lanes[c, 16·at[q] + n] = x[n, c, q] for sixteen images and all pixels q; if `positive`, only where y[n, c, q] > 0.

    A transpose in two steps, since plain loops would write one number at a time to distant places: four
    images are interleaved into a strip (LLVM makes register shuffles of it), then the strips, by pairs.
    """
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for c in range(x.shape[1]):
        for s in range(4):
            x0, x1, x2, x3, strip = x[4*s, c], x[4*s+1, c], x[4*s+2, c], x[4*s+3, c], strips[s]
            if positive:                                       # a product, so that NaN stays NaN
                y0, y1, y2, y3 = y[4*s, c], y[4*s+1, c], y[4*s+2, c], y[4*s+3, c]
                for q in range(len(x0)):
                    strip[4*q], strip[4*q+1] = x0[q] * (one if y0[q] > zero else zero), x1[q] * (one if y1[q] > zero else zero)
                    strip[4*q+2], strip[4*q+3] = x2[q] * (one if y2[q] > zero else zero), x3[q] * (one if y3[q] > zero else zero)
            else:
                for q in range(len(x0)):
                    strip[4*q], strip[4*q+1], strip[4*q+2], strip[4*q+3] = x0[q], x1[q], x2[q], x3[q]
        s0, s1, s2, s3, out = strip_pairs[0], strip_pairs[1], strip_pairs[2], strip_pairs[3], lane_pairs[c]
        for q in range(len(at)):
            a = 8 * at[q]
            out[a], out[a+1], out[a+2], out[a+3] = s0[2*q], s0[2*q+1], s1[2*q], s1[2*q+1]
            out[a+4], out[a+5], out[a+6], out[a+7] = s2[2*q], s2[2*q+1], s3[2*q], s3[2*q+1]


@jit
def from_lanes(lane_pairs, at, strips, strip_pairs, x, relu):
    """x[n, c, q] = lanes[c, 16·at[q] + n]: to_lanes backwards; if `relu`, its positive part."""
    zero = x.dtype.type(0)
    for c in range(x.shape[1]):
        s0, s1, s2, s3, lane = strip_pairs[0], strip_pairs[1], strip_pairs[2], strip_pairs[3], lane_pairs[c]
        for q in range(len(at)):
            a = 8 * at[q]
            s0[2*q], s0[2*q+1], s1[2*q], s1[2*q+1] = lane[a], lane[a+1], lane[a+2], lane[a+3]
            s2[2*q], s2[2*q+1], s3[2*q], s3[2*q+1] = lane[a+4], lane[a+5], lane[a+6], lane[a+7]
        for s in range(4):
            x0, x1, x2, x3, strip = x[4*s, c], x[4*s+1, c], x[4*s+2, c], x[4*s+3, c], strips[s]
            if relu:
                for q in range(4 * len(x0)):
                    strip[q] = zero if strip[q] < zero else strip[q]
            for q in range(len(x0)):
                x0[q], x1[q], x2[q], x3[q] = strip[4*q], strip[4*q+1], strip[4*q+2], strip[4*q+3]


@jit(flags={"reassoc", "nsz"})
def sum_rows(lanes, places, sums):
    """sums[c] = Σ lanes[c]; `reassoc` lets LLVM add up in the sixteen lanes of its registers."""
    for c in range(len(sums)):
        row, s = lanes[c], lanes.dtype.type(0)
        for i in range(16 * places):
            s += row[i]
        sums[c] = s
