"""The three products of a dense layer.  Letters and derivation: matmul.py.

    y = x · w  (N,M)        dx = g · wᵀ  (N,D)        dw = xᵀ · g  (D,M)

The fast versions are that of products.py, over blocks that stay in the L2 cache, one block to a thread.  Only the second
factor is copied; the first may lie in memory by rows (x, g) or by columns (xᵀ).
NumPy's BLAS chooses its loop by the processor's name: it may not know that a new one has 512-bit registers, which
LLVM, compiling here, uses.
Products that are small, or whose width is no multiple of 16, stay with BLAS; those of a single column, at the end of every
critic, are bound by memory, and shared.
"""
from functools import lru_cache

import numpy as np

from .. import memory
from ..kernel import jit, kernel
from ..threads import share, share_rows, thread_count
from ..turns import next_turn
from .elementwise_kernels import leaky
from .lanes import LANES, buffer, sixteen, up, zeros
from .products import product

LEAST, SMALL = 64, 1 << 22                      # each length, and their product: below, what is around the loops costs more
NUMBERS = 1 << 16                               # that a thread takes at a time, of a bias or a single column
DEPTH, WIDTH = 128, 256                         # a block of b: 128 × 256 float32 are a quarter of a small L2 cache


@kernel
def matmul_y(x, w, b=None, slope=None):
    """y[n,m] = Σ_d x[n,d] · w[d,m] + b[m];  slope: then a leaky ReLU (0: ReLU)"""
    y = x @ w
    return leaky(y if b is None else y + b, slope)


@matmul_y.fast
def matmul_y_fast(x, w, b=None, slope=None):
    end = finish(b, slope, w)
    if fits(len(x), *w.shape):
        return rows_times(x, w, end=end)
    y = memory.empty((len(x), w.shape[1]), x.dtype)
    if w.shape[1] == 1 and x.size >= NUMBERS:
        over_rows(column_y, x, w[:, 0], y[:, 0])
    else:
        np.matmul(x, w, out=y)
    if len(end[0]) > 0:
        over_rows(add_bias, y, *end, 0, w.shape[1])
    return y


def finish(b, slope, w) -> tuple:
    """b and slope as `add_bias` takes them: zeros for no bias, 1 for no ReLU; for neither, a bias of no numbers."""
    if b is None:
        b = zeros(0 if slope is None else w.shape[1], w.dtype)
    return b, w.dtype.type(1 if slope is None else slope)


@kernel
def matmul_dw(x, g):
    """dw[d,m] = Σ_n x[n,d] · g[n,m]"""
    return x.T @ g


@matmul_dw.fast
def matmul_dw_fast(x, g):
    return rows_times(x.T, g) if fits(x.shape[1], *g.shape) else x.T @ g


@kernel
def matmul_dx(g, w):
    """dx[n,d] = Σ_m g[n,m] · w[d,m]"""
    return g @ w.T


@matmul_dx.fast
def matmul_dx_fast(g, w):
    if g.shape[1] == 1:
        dx = memory.empty((len(g), len(w)), g.dtype)
        over_rows(column_dx, dx, g[:, 0], w[:, 0])
        return dx
    return rows_times(g, w, turned=True) if fits(*g.shape, len(w)) else g @ w.T


def fits(rows: int, depth: int, width: int) -> bool:
    return min(rows, depth, width) >= LEAST and rows * depth * width >= SMALL and width % LANES == 0


def rows_times(a, b, turned=False, end=None):
    """y[r,s] = Σ_k a[r,k] · b[k,s], or b[s,k] if turned: some rows r or columns s to a thread, some k at a time.

    end: what `finish` says is to be done then
    """
    (R, K), S, dtype = a.shape, len(b) if turned else b.shape[1], a.dtype
    threads = thread_count()
    blocks, *sizes = layout(R, K, S, threads)
    y, scratch = memory.empty((R, S), dtype), buffer(threads * sizes[2], sizes[1], dtype)
    share(rows_times_blocks, blocks, a, b, turned, y, *sizes, scratch, zeros(sizes[0], dtype),
          *(end or finish(None, None, b)), threads=threads)
    return y


@lru_cache
def layout(R: int, K: int, S: int, threads: int) -> tuple:
    """(blocks, and of each its height, width and depth)"""
    tall = R > S
    height = up(-(-R // threads), 8) if tall else R
    width = even(S, WIDTH, LANES) if tall else even(S, min(WIDTH, max(LEAST, -(-S // threads))), LANES)
    return -(-R // height) * -(-S // width), height, width, even(K, DEPTH, 1)


@jit
def rows_times_blocks(turn, a, b, turned, y, height, width, depth, scratch, nothing, bias, slope):
    """y[r:r+height, s:s+width] = a[r:r+height] · b[:, s:s+width] for each block (r, s) that is this thread's."""
    (R, K), S, zero = a.shape, y.shape[1], np.int64(0)         # for a literal 0, Numba would compile `product` once more
    b_block = scratch[turn.thread * depth:(turn.thread + 1) * depth]
    block = next_turn(turn)
    while block < turn.blocks:
        r, s = block // -(-S // width) * height, block % -(-S // width) * width
        rows, columns = min(r + height, R), min(width, S - s)
        for k in range(0, K, depth):
            d = min(depth, K - k)
            if turned:
                copy_turned(b, s, k, columns, d, b_block)
            else:
                copy(b, k, s, d, columns, b_block)
            product(a[r:rows, k:k + d], b_block[:d], y[r:rows], zero, s // 16, columns // 16, k > 0, nothing)
        if len(bias) > 0:
            add_bias(r, rows, y, bias, slope, s, s + columns)
        block = next_turn(turn)


@jit
def copy(b, i, j, rows, columns, block):
    """block = b[i:i+rows, j:j+columns].  columns: a multiple of 16"""
    for row in range(rows):
        for n in range(0, columns, 16):
            sixteen(block[row], n, b[i + row], j + n)


@jit
def copy_turned(b, i, j, rows, columns, block):
    """block = b[i:i+rows, j:j+columns]ᵀ.  rows: a multiple of 16"""
    for row in range(0, rows, 16):
        whole = columns // 16 * 16
        for n in range(0, whole, 16):
            turn_sixteen(block, n, row, b, i + row, j + n)
        for n in range(whole, columns):
            for k in range(16):
                block[n, row + k] = b[i + row + k, j + n]


@jit(intrinsic="transposes.turn_sixteen")
def turn_sixteen(to, i, j, x, r, c):
    """to[i:i+16, j:j+16] = x[r:r+16, c:c+16]ᵀ"""
    for k in range(16):
        for n in range(16):
            to[i + n, j + k] = x[r + k, c + n]


def even(n: int, most: int, multiple: int) -> int:
    """The length of blocks, all but the last equal, into which n is cut so that none is longer than `most`."""
    return up(-(-n // -(-n // most)), multiple)


# ---- over some rows at a time: a bias, and products with a w of one column ---------------------------------


def over_rows(loop, x, *args) -> None:
    """loop(first, last, x, *args) for the rows first … last−1 of x."""
    share_rows(loop, len(x), max(1, NUMBERS // max(1, x.shape[1])), x, *args)


@jit
def add_bias(first, last, y, bias, slope, left, right):
    """y = relu(y + bias), in its place, for some rows and columns."""
    zero, b = slope * 0, bias[left:right]
    for n in range(first, last):
        row = y[n, left:right]
        for m in range(len(row)):
            z = row[m] + b[m]
            row[m] = z if not z < zero else zero if slope == zero else z * slope     # ReLU makes 0 of −∞, not NaN


@jit(flags={"reassoc", "nsz", "contract"})
def column_y(first, last, x, w, y):
    """y[n] = Σ_d x[n,d] · w[d]"""
    for n in range(first, last):
        row, s = x[n], x.dtype.type(0)
        for d in range(len(row)):
            s += row[d] * w[d]
        y[n] = s


@jit
def column_dx(first, last, dx, g, w):
    """dx[n,d] = g[n] · w[d]: no sum at all"""
    for n in range(first, last):
        row, number = dx[n], g[n]
        for d in range(len(row)):
            row[d] = number * w[d]
