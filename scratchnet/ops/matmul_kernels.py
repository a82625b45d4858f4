"""The three products of a dense layer.  Letters and derivation: matmul.py.

    y = x · w  (N,M)        dx = g · wᵀ  (N,D)        dw = xᵀ · g  (D,M)

The fast versions take the two of products.py, over blocks that stay in the L2 cache, one block to a thread.
NumPy's BLAS chooses its loop by the processor's name: it may not know that a new one has 512-bit registers, which
LLVM, compiling here, uses.  (Zen 5, one core, 128×784×512: OpenBLAS 0.3.31 107 GFLOP/s, these 171.)
Products that are small, or whose width is no multiple of 16, stay with BLAS.
"""
import numpy as np

from .. import memory
from ..kernel import jit, kernel
from ..threads import parallel, thread_count
from .lanes import LANES, buffer, up
from .products import product, product_transposed

LEAST, SMALL = 64, 1 << 22                      # each length, and their product: below, what is around the loops costs more,
LARGE = 1 << 24                                 # and up to here, what waking a second thread costs
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
    return rows_times(x, g, turned=True) if fits(x.shape[1], *g.shape) else x.T @ g


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


def threads_for(rows: int, depth: int, width: int) -> int:
    """How many threads such a product is worth."""
    return thread_count() if rows * depth * width >= LARGE else 1


def rows_times(a, b, turned=False):
    """y[r,s] = Σ_k a[r,k] · b[k,s], or a[k,r] if turned: some rows r or columns s to a thread, some k at a time."""
    (K, S), R = b.shape, a.shape[1] if turned else a.shape[0]
    depth, pieces, tall = even(K, DEPTH, 1), threads_for(R, K, S), R > S
    height = up(-(-R // pieces)) if tall else R
    width = even(S, WIDTH, LANES) if tall else even(S, min(WIDTH, max(LEAST, -(-S // pieces))), LANES)
    y = memory.empty((up(R), S), a.dtype)
    blocks = [(r, s) for s in range(0, S, width) for r in range(0, R, height)]

    def work(todo):
        a_block, b_block = buffer(up(height), depth, a.dtype), buffer(depth, width, a.dtype)
        for block in todo:
            r, s = blocks[block]
            rows_times_block(a, b, y, turned, r, min(height, R - r), s, min(width, S - s), depth, a_block, b_block)
    parallel(work, len(blocks))
    return y[:R]


@jit
def rows_times_block(a, b, y, turned, r, rows, s, columns, depth, a_block, b_block):
    """y[r:r+rows, s:s+columns] = a[r:r+rows] · b[:, s:s+columns]"""
    zero = np.int64(0)                                         # for a literal 0, Numba would compile `product` once more
    for k in range(0, len(b), depth):
        d = min(depth, len(b) - k)
        if turned:
            for j in range(d):
                for i in range(rows):
                    a_block[i, j] = a[k + j, r + i]
        else:
            copy(a, r, k, rows, d, a_block)
        copy(b, k, s, d, columns, b_block)
        height = (rows + 3) // 4 * 4                           # as `product` wants it
        a_block[rows:height, :d] = 0
        product(a_block[:height], b_block[:d], y[r:], zero, s // 16, columns // 16, k > 0)


@jit
def copy(a, i, j, rows, columns, block):
    """block = a[i:i+rows, j:j+columns]"""
    for row in range(rows):
        here, there = block[row], a[i + row, j:j + columns]
        for n in range(columns):
            here[n] = there[n]


def rows_with_rows(a, b):
    """y[r,s] = Σ_k a[r,k] · b[s,k]: some rows s of b to a thread, some k at a time."""
    (R, K), S = a.shape, len(b)
    depth, rows = even(K, 2 * DEPTH, LANES), even(S, max(LEAST, -(-S // threads_for(R, K, S))), 4)
    y = memory.empty((up(R), up(S)), a.dtype)

    def work(todo):
        a_block, b_block = buffer(up(R), depth, a.dtype), buffer(min(rows, WIDTH // 4), depth, a.dtype)
        for block in todo:
            rows_with_rows_block(a, b, y, block * rows, min(rows, S - block * rows), depth, a_block, b_block)
    parallel(work, -(-S // rows))
    return y[:R, :S] if S == y.shape[1] else np.ascontiguousarray(y[:R, :S])


@jit
def rows_with_rows_block(a, b, y, s, rows, depth, a_block, b_block):
    """y[:, s:s+rows] = a · b[s:s+rows]ᵀ"""
    (R, K), most, zero = a.shape, len(b_block), np.int64(0)
    y[:, s:(s + rows + 3) // 4 * 4] = 0
    a_block[R:] = 0
    for k in range(0, K, depth):
        d = min(depth, K - k)
        copy(a, zero, k, R, d, a_block)
        for t in range(s, s + rows, most):
            m = min(most, s + rows - t)
            height = (m + 3) // 4 * 4                          # as `product_transposed` wants it
            copy(b, t, k, m, d, b_block)
            b_block[m:height] = 0
            product_transposed(a_block, b_block[:height], y, zero, t, d // 16)


def even(n: int, most: int, multiple: int) -> int:
    """The length of blocks, all but the last equal, into which n is cut so that none is longer than `most`."""
    return up(-(-n // -(-n // most)), multiple)
