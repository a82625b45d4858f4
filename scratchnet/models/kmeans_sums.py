"""The Numba versions of k-means' sums: rows added to the sums of their clusters, and the moments of columns."""
import numpy as np

from ..kernel import jit, parallel
from .kmeans_loops import BLOCK
from .kmeans_steps import add_rows, column_moments, from_sums

COLUMNS = 128                                   # of x, in one slice of the sums


@add_rows.fast
def add_rows_fast(sums, x, rows, clusters, w):
    sums = sums.copy()

    def work(todo):
        for part in todo:
            add_loop(sums, x, rows, clusters, w, part * COLUMNS, min(x.shape[1], (part + 1) * COLUMNS))
    parallel(work, -(-x.shape[1] // COLUMNS))                  # by columns: each sum has one thread, whichever
    return sums


@jit
def add_loop(sums, x, rows, clusters, w, first, last):
    for t in range(len(rows)):
        s, row, v = sums[clusters[t], first:last], x[rows[t], first:last], w[t]
        for i in range(len(row)):
            s[i] += v * row[i]


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
