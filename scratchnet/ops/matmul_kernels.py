"""The three products of a dense layer.  Letters and derivation: matmul.py.

    y = x · w  (N,M)        dx = g · wᵀ  (N,D)        dw = xᵀ · g  (D,M)

The fast versions take the products of conv_fast.py, over blocks that stay in the L2 cache, one block to a thread.
NumPy's BLAS chooses its loop by the processor's name: it may not know that a new one has 512-bit registers, which
LLVM, compiling here, uses.  (Zen 5, one core, 128×784×512: OpenBLAS 0.3.31 107 GFLOP/s, these SPEED.)
Products that are small, or whose width is no multiple of 16, stay with BLAS.
"""
import numpy as np

from .. import memory
from ..kernel import kernel, parallel, thread_count
from . import conv_fast
from .lanes import LANES, buffer, up

LEAST, SMALL = 64, 1 << 22                      # each length, and their product: below, what is around the loops costs more
DEPTH, WIDTH = 256, 512                         # a block of b: 256 × 512 float32 are half of an L2 cache


@kernel
def matmul_y(x, w):
    """y[n,m] = Σ_d x[n,d] · w[d,m]"""
    return x @ w


@matmul_y.fast
def matmul_y_fast(x, w):
    return rows_times(x, w) if fits(x.shape[0], *w.shape) else x @ w


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
        return g * w.T                          # no sum at all: a third of the time that BLAS takes
    return rows_with_rows(g, w) if fits(g.shape[0], len(w), g.shape[1]) else g @ w.T


def fits(rows: int, depth: int, width: int) -> bool:
    return min(rows, depth, width) >= LEAST and rows * depth * width >= SMALL and width % LANES == 0


def rows_times(a, b):
    """y[r,s] = Σ_k a[r,k] · b[k,s]: some rows r and columns s to a thread, some k at a time."""
    (R, K), S = a.shape, b.shape[1]
    depth, width, height = even(K, DEPTH, 4), even(S, WIDTH, LANES), up(-(-R // thread_count()), 5)
    y = memory.empty((up(R, 5), S), a.dtype)
    blocks = [(r, s) for s in range(0, S, width) for r in range(0, R, height)]

    def work(todo):
        a_block, b_block = np.zeros((height, depth), a.dtype), buffer(depth, width, a.dtype)
        for block in todo:
            r, s = blocks[block]
            m, n = min(height, R - r), min(width, S - s)
            for k in range(0, K, depth):
                d = min(depth, K - k)
                a_block[:m, :d], a_block[:m, d:] = a[r:r + m, k:k + d], 0
                b_block[:d, :n], b_block[d:] = b[k:k + d, s:s + n], 0
                conv_fast.product(a_block[:up(m, 5)], b_block, y[r:], 0, s // LANES, n // LANES, k > 0)
    parallel(work, len(blocks))
    return y[:R]


def rows_with_rows(a, b):
    """y[r,s] = Σ_k a[r,k] · b[s,k]: some rows s of b to a thread, some k at a time."""
    (R, K), S = a.shape, len(b)
    depth, rows = even(K, 2 * DEPTH, LANES), even(S, WIDTH // 4, 4)
    y = np.zeros((up(R), up(S)), a.dtype)

    def work(todo):
        a_block, b_block = buffer(up(R), depth, a.dtype), buffer(rows, depth, a.dtype)
        a_block[R:] = 0
        for block in todo:
            s, n = block * rows, min(rows, S - block * rows)
            b_block[n:] = 0
            for k in range(0, K, depth):
                d = min(depth, K - k)
                a_block[:R, :d], b_block[:n, :d] = a[:, k:k + d], b[s:s + n, k:k + d]
                conv_fast.product_transposed(a_block, b_block[:up(n)], y, 0, s, d // LANES)
    parallel(work, -(-S // rows))
    return y[:R, :S] if S == y.shape[1] else np.ascontiguousarray(y[:R, :S])


def even(n: int, most: int, multiple: int) -> int:
    """The length of blocks, all but the last equal, into which n is cut so that none is longer than `most`."""
    return up(-(-n // -(-n // most)), multiple)
