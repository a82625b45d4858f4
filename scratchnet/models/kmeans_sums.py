"""The Numba versions of k-means' sums: over the rows of each cluster, over the columns of each row, over all rows.

The same bits for every number of threads: a sum belongs to one thread (its row), or is made of the sums of fixed
blocks of rows, added in order.
"""
import numpy as np

from ..kernel import contiguous, jit
from ..threads import parallel
from .kmeans_sieve import SIDE
from .kmeans_steps import column_moments, from_sums, own_squares, regrouped

BLOCK = 1 << 20               # numbers of x in a block of rows: ¼ ms, for to wake a thread and wait for it takes 0.1
PRODUCTS = 1 << 23            # of numbers of x and of centres in a block: as long


def block_rows(x: np.ndarray, k: int) -> int:
    """Rows in a block of a pass over x with k centres, in whole tiles: at most 16 blocks, for each has sums of its own."""
    N, D = x.shape
    blocks = max(1, min(16, N * D * k // PRODUCTS, N // (4 * k)))
    return SIDE * -(-N // (blocks * SIDE))


def over_rows(x: np.ndarray, work, rows: int = 0) -> None:
    """work(a, b) for blocks of rows a … b−1, spread over the threads."""
    rows = rows or max(16, BLOCK // x.shape[1])

    def some(todo):
        for block in todo:
            work(block * rows, min(len(x), (block + 1) * rows))
    parallel(some, -(-len(x) // rows))


@own_squares.fast
def own_squares_fast(x, c, labels):
    d, c, labels = np.empty(len(x)), c.astype(np.float64), contiguous(labels.astype(np.int32, copy=False))
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


@regrouped.fast
def regrouped_fast(x, w, new, old, k):
    return regroup(x, w, new.astype(np.int32), old, k)


def regroup(x, w, new, old, k, label=None):
    """`regrouped`, block by block, each with sums of its own; label(a, b) first writes new[a:b], if that is still to do."""
    rows = block_rows(x, k)
    parts = -(-len(x) // rows)
    sums, weights = np.zeros((parts, k, x.shape[1])), np.zeros((parts, 3, k))
    new, old = contiguous(new), contiguous(old.astype(np.int32, copy=False))

    def work(a, b):
        if label:
            label(a, b)
        part = a // rows
        regroup_loop(x[a:b], w[a:b], new[a:b], old[a:b], sums[part], *weights[part])
    over_rows(x, work, rows)
    return sums.sum(axis=0), *weights.sum(axis=0)


@jit
def regroup_loop(x, w, new, old, sums, come, gone, count):
    """Only rows that changed are read.  60,000 × 784 in one part: 20 ms if all change, 2.8 if a tenth does, 0.03 if none.

    Unsigned numbers: with signed ones each access would first ask whether they count from the end.
    """
    moved = np.empty(SIDE, np.uint32)
    for start in range(0, len(x), SIDE):
        total = 0
        for n in range(start, min(start + SIDE, len(x))):
            moved[total] = n                                   # no branch: which way it went could not be guessed
            total += new[n] != old[n]
        for n in moved[:total]:
            j, v, one = np.uint32(new[n]), w[n], 1.0 if w[n] > 0 else 0.0
            come[j] += v
            count[j] += one
            for d in range(x.shape[1]):
                sums[j, d] += v * x[n, d]
            if old[n] >= 0:
                i = np.uint32(old[n])
                gone[i] += v
                count[i] -= one
                for d in range(x.shape[1]):
                    sums[i, d] -= v * x[n, d]


@column_moments.fast
def column_moments_fast(x):
    N, D = x.shape
    abreast = max(1, min(N, 100 // D))                         # narrow rows, so many in one: long loops are fast
    first, rows = np.tile(x[0], abreast), max(16, BLOCK // D) // abreast * abreast
    parts = np.zeros((-(-N // rows), 2, abreast * D))          # sums of the blocks, added in order below

    def work(a, b):
        block, whole = x[a:b], (b - a) // abreast * abreast
        moments_loop(block[:whole].reshape(-1, abreast * D), first, *parts[a // rows])
        moments_loop(block[whole:], first[:D], *parts[a // rows, :, :D])
    over_rows(x, work, rows)
    return from_sums(x, *parts.sum(axis=0).reshape(2, abreast, D).sum(axis=1))


@jit(flags={"contract"})
def moments_loop(x, first, sums, squares):
    for n in range(len(x)):
        row = x[n]
        for d in range(len(row)):
            t = np.float64(row[d]) - np.float64(first[d])
            sums[d] += t
            squares[d] += t * t
