"""The Numba version of k-means' first half-step: the nearest centre, most rows by a sieve, the others by care.

The sieve (kmeans_sieve.py) ranks centres by inner products, which is fast, and knows which rows it cannot be sure of.
Those compare sums of squared differences, and if even these are too close to call, in float64 (`nearer`).

Bounds   d(x, c') ≥ d(x, c) − d(c, c'): a centre that moved by δ came nearer by at most δ.  Each row keeps an upper bound
         on the distance to its centre and a lower one on that to any other.  While upper < lower, or upper is less than
         half the way from its centre to the next, its label stays, and nothing is computed.  The bounds are rounded
         outwards: the labels are those of Lloyd's algorithm, always.
Source   Hamerly 2010, "Making k-means even faster", SDM (two bounds per row; Elkan 2003 keeps one per centre).
"""
import numpy as np

from ..kernel import jit
from .kmeans_sieve import SIDE, narrow_sieve, wide_sieve
from .kmeans_steps import nearest, nearest_bounded, squares
from .kmeans_sums import over_rows

NARROW = 32                   # columns, at most, of rows that are put side by side


def rounding(x: np.ndarray) -> float:
    """η: a sum of D products, in whatever order, is off by at most η · Σ |product|."""
    return (x.shape[1] / 2 + 4) * float(np.finfo(x.dtype).eps)


# ---- distances ------------------------------------------------------------------------------------------


@jit(flags={"contract", "reassoc", "nsz"})                     # LLVM may keep many partial sums, in an order of its choice
def squared(x, c):
    """‖x − c‖² of two rows."""
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


# ---- the nearest centre ---------------------------------------------------------------------------------


class Bounds:
    """What is known of every row of x from the calls before: its label, and two bounds on distances."""

    def __init__(self, x: np.ndarray):
        (N, D), self.c = x.shape, None
        self.labels = np.zeros(N, np.int64)
        self.upper = np.full(N, np.inf, x.dtype)               # on the distance to its centre
        self.lower = np.zeros(N, x.dtype)                      # on that to any other centre
        self.norms = np.full(N, -1, x.dtype)                   # ‖x‖²; −1: not computed yet
        self.columns = None                                    # x transposed, with columns up to a multiple of 4, if it is narrow
        if D <= NARROW:
            self.columns = np.empty((-(-D // 4) * 4, N), x.dtype)
            over_rows(x, lambda a, b: turn(x[a:b], self.columns, a, self.norms))

    def moved(self, c: np.ndarray) -> np.ndarray:
        """How far each centre moved since the call before."""
        before, self.c = c if self.c is None else self.c, c
        return np.sqrt(np.square(c.astype(np.float64) - before).sum(axis=1))


@jit
def turn(x, columns, first, norms):
    """columns[d, first + n] = x[n, d], and 0 for columns that x does not have; norms of the rows."""
    for n in range(len(x)):
        s = x.dtype.type(0)
        for d in range(x.shape[1]):
            columns[d, first + n] = x[n, d]
            s += x[n, d] * x[n, d]
        norms[first + n] = s
        for d in range(x.shape[1], len(columns)):
            columns[d, first + n] = 0


@nearest.fast
def nearest_fast(x, c):
    return nearest_bounded_fast(x, c, Bounds(x))


@nearest_bounded.fast
def nearest_bounded_fast(x, c, bounds):
    D, k, dtype, eta, wide = x.shape[1], len(c), x.dtype, rounding(x), bounds.columns is None
    c = c.astype(dtype)
    centres = np.zeros((-(-k // 5) * 5, D) if wide else (k + k % 2, len(bounds.columns)), dtype)
    centres[:k, :D] = c                                        # five at a time; or two, and four columns
    with np.errstate(over="ignore"):                           # rows of infinite ranks are not settled by the sieve
        norms, between = np.square(c.astype(np.float64)).sum(axis=1), np.empty((k, k))
        half = np.full(k if wide else len(centres), np.inf, dtype)
        half[:k] = 0.5 * norms
        slope, floor = (4 * eta * np.sqrt(norms.max())).astype(dtype), (4 * eta * norms.max()).astype(dtype)
        moved = (bounds.moved(c) * (1 + 4 * eta)).astype(dtype)
        squares_loop(c.astype(np.float64), c.astype(np.float64), between)
    np.fill_diagonal(between, np.inf)
    room = (0.5 * (1 - 4 * eta) * np.sqrt(between.min(axis=1))).astype(dtype)      # nearer to a centre: it is the nearest
    order = np.argsort(moved)
    others = np.full(k, moved[order[-1]])                      # the farthest that another centre moved
    others[order[-1]] = moved[order[-2]] if k > 1 else 0
    eta = dtype.type(eta)

    def work(a, b):
        labels, upper, lower = state = bounds.labels[a:b], bounds.upper[a:b], bounds.lower[a:b]
        known = centres, half, slope, floor, eta, moved, others, room, bounds.norms[a:b], *state
        rows = wide_sieve(x[a:b], *known) if wide else narrow_sieve(bounds.columns, a, *known)
        if len(rows):
            settle(x[a:b], rows, c, eta, labels, lower)
    over_rows(x, work, 16 if wide else 64 * SIDE)
    return bounds.labels


@jit
def settle(x, rows, c, eta, labels, lower):
    """The labels of these rows, near ties included; of other centres is only known that they are not nearer."""
    for n in rows:
        a, da = 0, squared(x[n], c[0])
        for j in range(1, len(c)):
            dj = squared(x[n], c[j])
            if nearer(x[n], c, j, dj, a, da, eta):
                a, da = j, dj
        labels[n], lower[n] = a, 0
