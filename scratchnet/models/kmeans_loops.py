"""The Numba version of k-means' first half-step: the nearest centre, most rows by a sieve, the others by care.

The sieve (kmeans_sieve.py) ranks centres by inner products, which is fast, and knows which rows it cannot be sure of: of
narrow rows about one in 10,000.  Wide rows are tried by a sketch (kmeans_tiles.py), and those it leaves are multiplied out.
What is still open compares sums of squared differences, and if even these are too close to call, in float64 (`nearer`).
"""
import numpy as np

from ..kernel import jit
from . import kmeans_sieve
from .kmeans_sieve import SIDE
from .kmeans_steps import nearest, reassigned, squares
from .kmeans_sums import block_rows, over_rows, regroup
from .kmeans_tiles import Rows, ranking, rounding


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
def nearer(x, c, j, dj, a, da, near, tiny):
    """Is centre j, at the square dj, nearer than a at da?  What rounding may have turned round is settled in float64."""
    if dj * near + tiny < da:
        return True
    if dj > da * near + tiny:
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


def labeller(rows: Rows, c: np.ndarray):
    """(label, labels): label(a, b) puts the nearest centres of rows a … b−1 into labels[a:b]; a is where a tile begins."""
    rows.prepare()
    x, c, dtype, D = rows.x, c.astype(rows.x.dtype), rows.x.dtype.type, rows.x.shape[1]
    exact, near, tiny = c.astype(np.float64), dtype(1 + 4 * rounding(D, dtype)), np.finfo(dtype).tiny
    with np.errstate(over="ignore", invalid="ignore"):         # a sieve does not settle rows of infinite ranks
        seen = rows.tiles is not None and rows.sketched(exact)
        full = (rows.tiles is None or rows.axes is not None) and ranking(exact, exact, dtype, rounding(D, dtype))
    filled = np.empty(SIDE * -(-len(x) // SIDE), np.int32)     # labels, to whole tiles

    def label(a, b):
        block, labels, todo = x[a:b], filled[a:b], rows.todo[a:b]
        if seen:
            tiles = slice(a // SIDE, -(-b // SIDE))
            todo = kmeans_sieve.sieve(rows.tiles[tiles], rows.lengths[tiles], rows.rest[tiles], *seen,
                                      filled[a:SIDE * tiles.stop], todo)
        else:
            todo[:] = np.arange(b - a)
        if full and len(todo):
            todo = kmeans_sieve.wide_sieve(block, todo, *full, labels)
        if len(todo):
            settle(block, todo, c, near, tiny, labels)
    return label, filled[:len(x)]


@jit
def settle(x, rows, c, near, tiny, labels):
    """The labels of these rows, near ties included."""
    for n in rows:
        a, da = 0, squared(x[n], c[0])
        for j in range(1, len(c)):
            dj = squared(x[n], c[j])
            if nearer(x[n], c, j, dj, a, da, near, tiny):
                a, da = j, dj
        labels[n] = a


@nearest.fast
def nearest_fast(x, c):
    label, labels = labeller(Rows(x, 0), c)
    over_rows(x, label, block_rows(x, len(c)))
    return labels.astype(np.int64)


@reassigned.fast
def reassigned_fast(x, c, rows, w, old):
    label, labels = labeller(rows, c)
    return labels, *regroup(x, w, labels, old, len(c), label)
