"""The Numba versions of k-means' two half-steps, and Elkan's bounds, which skip most of the distances.

    d(x, c′) ≥ d(x, c) − d(c, c′)          a centre that moved by δ came nearer by at most δ
    d(x, c′) ≥ d(c, c′) − d(x, c)          a centre 2·d(x, c) away from c is no nearer to x than c is

Both are the triangle inequality.  So each row keeps a lower bound on its distance to every centre and an upper
bound on that to its own; a centre whose lower bound exceeds the upper bound is not looked at.  The labels are
those of Lloyd's algorithm, always: bounds are rounded outwards, and near ties are settled in float64 by both.

Why it is fast: a row of x comes from main memory once and meets all centres in the L1 cache; late in a run 99 %
of the distances, and most rows, are not touched at all.
Source   Elkan 2003, "Using the triangle inequality to accelerate k-means", ICML.
"""
import numpy as np

from ..kernel import jit, parallel
from .kmeans_steps import add_rows, nearest, nearest_bounded, own_squares, squares

BLOCK = 1 << 18               # numbers of x in a block of rows
COLUMNS = 128                 # of x, in one slice of the sums


def over_rows(x: np.ndarray, work) -> None:
    """work(a, b) for blocks of rows a … b−1, spread over the threads."""
    rows = max(16, BLOCK // max(1, x.shape[1]))

    def some(todo):
        for block in todo:
            work(block * rows, min(len(x), (block + 1) * rows))
    parallel(some, -(-len(x) // rows))


def rounding(x: np.ndarray) -> float:
    """η: no sum of D squares, however it is ordered, is off by more than this, relatively."""
    return (x.shape[1] + 4) * float(np.finfo(x.dtype).eps)


# ---- distances ------------------------------------------------------------------------------------------


@jit(flags={"contract", "reassoc", "nsz"})
def squared(x, c):
    """‖x − c‖² of two rows.  `reassoc` lets LLVM keep many partial sums, in an order of its choice."""
    s = x.dtype.type(0)
    for d in range(len(x)):
        t = x[d] - c[d]
        s += t * t
    return s


@jit
def exact(x, c):
    """The same in float64 and in order: the same bits wherever it is called."""
    s = 0.0
    for d in range(len(x)):
        t = np.float64(x[d]) - np.float64(c[d])
        s += t * t
    return s


@jit
def nearer(x, c, j, dj, a, da, eta):
    """Is centre j, at the square dj, nearer than a at da?  What rounding may have turned round is settled in float64."""
    if dj * (1 + 4 * eta) < da:
        return True
    if dj > da * (1 + 4 * eta):
        return False
    ej, ea = exact(x, c[j]), exact(x, c[a])
    return ej < ea or (ej == ea and j < a)


@squares.fast
def squares_fast(x, c):
    d = np.empty((len(x), len(c)), x.dtype)
    c = c.astype(x.dtype)
    over_rows(x, lambda a, b: squares_loop(x[a:b], c, d[a:b]))
    return d


@jit
def squares_loop(x, c, d):
    for n in range(len(x)):
        for j in range(len(c)):
            d[n, j] = squared(x[n], c[j])


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


# ---- assign ---------------------------------------------------------------------------------------------


@nearest.fast
def nearest_fast(x, c):
    labels = np.empty(len(x), np.int64)
    c, eta = c.astype(x.dtype), x.dtype.type(rounding(x))
    over_rows(x, lambda a, b: nearest_loop(x[a:b], c, eta, labels[a:b]))
    return labels


@jit
def nearest_loop(x, c, eta, labels):
    for n in range(len(x)):
        a, da = 0, squared(x[n], c[0])
        for j in range(1, len(c)):
            dj = squared(x[n], c[j])
            if nearer(x[n], c, j, dj, a, da, eta):
                a, da = j, dj
        labels[n] = a


class Bounds:
    """For each row its label, an upper bound on the distance to that centre, a lower one for every centre."""

    def __init__(self, rows: int, k: int, dtype):
        self.labels, self.c = np.zeros(rows, np.int64), None
        self.upper, self.lower = np.full(rows, np.inf, dtype), np.zeros((rows, k), dtype)

    def moved(self, c: np.ndarray) -> np.ndarray:
        """How far each centre moved since the call before."""
        before, self.c = c if self.c is None else self.c, c
        return np.sqrt(np.square(c.astype(np.float64) - before).sum(axis=1))


@nearest_bounded.fast
def nearest_bounded_fast(x, c, bounds):
    dtype, eta = x.dtype.type, rounding(x)
    c = c.astype(dtype)
    moved = (bounds.moved(c) * (1 + 4 * eta)).astype(dtype)
    half = 0.5 * (1 - 4 * eta) * np.sqrt(squares.reference(c.astype(np.float64), c))
    np.fill_diagonal(half, np.inf)
    half = half.astype(dtype)                                  # half the distance between any two centres
    room = half.min(axis=1)                                    # nearer to a centre than this: it is the nearest

    def work(a, b):
        bounded_loop(x[a:b], c, moved, half, room, dtype(eta), 4 * np.finfo(dtype).eps, bounds.labels[a:b], bounds.upper[a:b], bounds.lower[a:b])
    over_rows(x, work)
    return bounds.labels.copy()


@jit
def bounded_loop(x, c, moved, half, room, eta, eps, labels, upper, lower):
    up, down = 1 + 4 * eta, 1 - 4 * eta
    for n in range(len(x)):
        a, low = labels[n], lower[n]
        u = (upper[n] + moved[a]) * (1 + eps)
        for j in range(len(c)):
            low[j] = max(low[j] - moved[j], 0) * (1 - eps)
        if room[a] <= u:
            da = x.dtype.type(-1)                              # not computed yet
            for j in range(len(c)):
                if j == a or low[j] > u or half[a, j] > u:
                    continue
                if da < 0:
                    da = squared(x[n], c[a])
                    u, low[a] = np.sqrt(da) * up, np.sqrt(da) * down
                    if low[j] > u or half[a, j] > u:
                        continue
                dj = squared(x[n], c[j])
                low[j] = np.sqrt(dj) * down
                if nearer(x[n], c, j, dj, a, da, eta):
                    a, da, u = j, dj, np.sqrt(dj) * up
        labels[n], upper[n] = a, u


# ---- update ---------------------------------------------------------------------------------------------


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
