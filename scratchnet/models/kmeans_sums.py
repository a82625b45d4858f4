"""The Numba versions of k-means' sums: over the rows of each cluster, over the columns of each row, over all rows.

The same bits for every number of threads: a sum belongs to one thread (its slice of columns, its row), or is made
of the sums of fixed blocks of rows, added in order.
"""
import numpy as np

from ..kernel import jit, parallel
from .kmeans_steps import add_rows, column_moments, from_sums, move_rows, own_squares

BLOCK = 1 << 18               # numbers of x in a block of rows
COLUMNS = 256                 # of x, in one slice of the sums


def over_rows(x: np.ndarray, work, least: int = 16) -> None:
    """work(a, b) for blocks of rows a … b−1, spread over the threads."""
    rows = max(least, BLOCK // max(1, x.shape[1]))

    def some(todo):
        for block in todo:
            work(block * rows, min(len(x), (block + 1) * rows))
    parallel(some, -(-len(x) // rows))


@own_squares.fast
def own_squares_fast(x, c, labels):
    d = np.empty(len(x))
    c = c.astype(np.float64)
    over_rows(x, lambda a, b: own_loop(x[a:b], c, labels[a:b], d[a:b]))
    return d


@jit(flags={"contract", "reassoc", "nsz"})
def own_loop(x, c, labels, d):
    for n in range(len(x)):
        row, own, s = x[n], c[labels[n]], 0.0
        for i in range(len(row)):
            t = row[i] - own[i]
            s += t * t
        d[n] = s


def over_columns(x: np.ndarray, work) -> None:
    """work(first, last) for slices of columns: each sum then belongs to one thread, whichever."""
    def some(todo):
        for part in todo:
            work(part * COLUMNS, min(x.shape[1], (part + 1) * COLUMNS))
    parallel(some, -(-x.shape[1] // COLUMNS))


@add_rows.fast
def add_rows_fast(sums, x, labels, w):
    sums = sums.copy()
    over_columns(x, lambda first, last: add_loop(sums, x, labels, w, first, last))
    return sums


@jit
def add_loop(sums, x, labels, w, first, last):
    for n in range(len(x)):
        j, v = labels[n], w[n]
        for d in range(first, last):
            sums[j, d] += v * x[n, d]


@move_rows.fast
def move_rows_fast(sums, x, rows, old, new, w):
    sums = sums.copy()
    over_columns(x, lambda first, last: move_loop(sums, x, rows, old, new, w, first, last))
    return sums


@jit
def move_loop(sums, x, rows, old, new, w, first, last):
    for t in range(len(rows)):
        n, i, j, v = rows[t], old[t], new[t], w[t]
        for d in range(first, last):
            sums[i, d] -= v * x[n, d]
        for d in range(first, last):
            sums[j, d] += v * x[n, d]


@column_moments.fast
def column_moments_fast(x):
    rows = max(16, BLOCK // x.shape[1])
    parts = np.zeros((-(-len(x) // rows), 2, x.shape[1]))      # sums of the blocks, added in order below

    def work(todo):
        for block in todo:
            moments_loop(x[block * rows:(block + 1) * rows], x[0], parts[block, 0], parts[block, 1])
    parallel(work, len(parts))
    return from_sums(x, *parts.sum(axis=0))


@jit(flags={"contract"})
def moments_loop(x, first, sums, squares):
    for n in range(len(x)):
        row = x[n]
        for d in range(len(row)):
            t = np.float64(row[d]) - np.float64(first[d])
            sums[d] += t
            squares[d] += t * t
