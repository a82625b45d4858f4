"""The Numba versions of k-means' distances and nearest centres; the sums of the other half-step are in kmeans_sums.py.

    ‖x − c‖² = ‖x‖² − 2⟨x, c⟩ + ‖c‖²       and ‖x‖² is the same for every centre: ‖c‖² − 2⟨x, c⟩ ranks them

So a row needs k inner products.  But far from 0 they are large where their differences are small, and rounding may
turn the ranking round; so this is only a sieve.  Two centres whose ranks are closer than rounding can explain are
compared by sums of squared differences, and if those are too close to call, in float64 (`nearer`).

Why it is fast   wide rows: four rows meet five centres at a time, twenty sums in registers; each row comes from main
                 memory once.  Narrow rows: 128 of them side by side, so that the loops run along rows, not columns.
"""
import numpy as np

from ..kernel import jit, parallel
from .kmeans_steps import nearest, nearest_bounded, own_squares, squares

BLOCK = 1 << 18               # numbers of x in a block of rows
NARROW = 32                   # columns, at most, of rows that are put side by side
SIDE = 128                     # that many of them
NEAR = {"contract", "reassoc", "nsz"}                          # these let LLVM keep many partial sums, in an order of its choice


def over_rows(x: np.ndarray, work, least: int = 16) -> None:
    """work(a, b) for blocks of rows a … b−1, spread over the threads."""
    rows = max(least, BLOCK // max(1, x.shape[1]))

    def some(todo):
        for block in todo:
            work(block * rows, min(len(x), (block + 1) * rows))
    parallel(some, -(-len(x) // rows))


def rounding(x: np.ndarray) -> float:
    """η: a sum of D products, in whatever order, is off by at most η · Σ |product|."""
    return (x.shape[1] / 2 + 4) * float(np.finfo(x.dtype).eps)


# ---- distances ------------------------------------------------------------------------------------------


@jit(flags=NEAR)
def squared(x, c):
    """‖x − c‖² of two rows."""
    s = x.dtype.type(0)
    for d in range(len(x)):
        t = x[d] - c[d]
        s += t * t
    return s


@jit(flags=NEAR)
def square(x):
    """‖x‖²"""
    s = x.dtype.type(0)
    for d in range(len(x)):
        s += x[d] * x[d]
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


@jit(flags=NEAR)
def own_loop(x, c, labels, d):
    for n in range(len(x)):
        row, own, s = x[n], c[labels[n]], 0.0
        for i in range(len(row)):
            t = row[i] - own[i]
            s += t * t
        d[n] = s


# ---- assign ---------------------------------------------------------------------------------------------


class Bounds:
    """What is known of every row from the calls before: its label, and two bounds on distances."""

    def __init__(self, rows: int, dtype):
        self.labels, self.c = np.zeros(rows, np.int64), None
        self.upper = np.full(rows, np.inf, dtype)              # on the distance to its centre
        self.lower = np.zeros(rows, dtype)                     # on that to any other centre

    def moved(self, c: np.ndarray) -> np.ndarray:
        """How far each centre moved since the call before."""
        before, self.c = c if self.c is None else self.c, c
        return np.sqrt(np.square(c.astype(np.float64) - before).sum(axis=1))


@nearest.fast
def nearest_fast(x, c):
    return nearest_bounded_fast(x, c, Bounds(len(x), x.dtype))


@nearest_bounded.fast
def nearest_bounded_fast(x, c, bounds):
    (N, D), k, dtype, eta = x.shape, len(c), x.dtype, rounding(x)
    c = c.astype(dtype)
    wide = D > NARROW
    padded = np.zeros((-(-k // 5) * 5, D) if wide else (k, -(-D // 4) * 4), dtype)
    padded[:k, :D] = c                                         # five centres, or four columns, at a time
    with np.errstate(over="ignore"):                           # infinite ranks are settled in float64
        norms = np.square(c.astype(np.float64)).sum(axis=1)
        half = (0.5 * norms).astype(dtype)
        slope, floor = (4 * eta * np.sqrt(norms.max())).astype(dtype), (4 * eta * norms.max()).astype(dtype)
        moved = (bounds.moved(c) * (1 + 4 * eta)).astype(dtype)
        between = np.sqrt(squares.reference(c.astype(np.float64), c))
    np.fill_diagonal(between, np.inf)
    room = (0.5 * (1 - 4 * eta) * between.min(axis=1)).astype(dtype)       # nearer to a centre than this: it is the nearest
    others = np.array([np.delete(moved, j).max(initial=0) for j in range(k)], dtype)     # the farthest that another one moved

    def work(a, b):
        rows, labels, upper, lower = np.empty(b - a, np.int64), bounds.labels[a:b], bounds.upper[a:b], bounds.lower[a:b]
        rows = rows[:doubtful(rows, labels, upper, lower, moved, others, room, dtype.type(1 + 8 * eta))]
        scratch = np.empty((4, len(padded)) if wide else (padded.shape[1] + 4, SIDE), dtype)
        (wide_loop if wide else narrow_loop)(x[a:b], rows, c, padded, half, slope, floor, dtype.type(eta), labels, upper, lower, scratch)
    over_rows(x, work, 16 if wide else 4096)
    return bounds.labels.copy()


@jit
def doubtful(rows, labels, upper, lower, moved, others, room, up):
    """Move the bounds as far as the centres moved; put the rows that they do not decide into `rows`, return how many."""
    count = 0
    for n in range(len(labels)):
        a = labels[n]
        u, low = (upper[n] + moved[a]) * up, (lower[n] - others[a]) / up
        upper[n], lower[n] = u, low
        rows[count] = n
        count += not (u * up < low or u * up < room[a])
    return count


@jit
def settle(x, c, eta):
    """The nearest centre of a row, near ties included."""
    a, da = 0, squared(x, c[0])
    for j in range(1, len(c)):
        dj = squared(x, c[j])
        if nearer(x, c, j, dj, a, da, eta):
            a, da = j, dj
    return a


@jit
def conclude(x, n, c, a, best, second, norm, slope, floor, eta, labels, upper, lower):
    """The label and bounds of row n from its best two ranks: ½‖c‖² − ⟨x, c⟩, so ‖x − c‖² = ‖x‖² + 2·rank."""
    near = slope * np.sqrt(norm) + floor                       # more than rounding can have moved two ranks apart
    doubt = 4 * near + 2 * eta * norm
    upper[n] = np.sqrt(max(norm + 2 * best, 0) + doubt)
    lower[n] = np.sqrt(max(norm + 2 * second - doubt, 0))
    if second - best > near:
        labels[n] = a
    else:
        labels[n], lower[n] = settle(x[n], c, eta), 0


@jit
def wide_loop(x, rows, c, padded, half, slope, floor, eta, labels, upper, lower, dots):
    """Four rows at a time; at the end some are missing, and the last one takes their place."""
    for start in range(0, len(rows), 4):
        last = min(start + 4, len(rows)) - 1
        i, j, k, l = rows[start], rows[min(start + 1, last)], rows[min(start + 2, last)], rows[last]
        products(x[i], x[j], x[k], x[l], padded, dots)
        for i in range(last - start + 1):
            n = rows[start + i]
            row = dots[i if i < last - start else 3]
            a, best, second = 0, half[0] - row[0], x.dtype.type(np.inf)
            for j in range(1, len(c)):
                rank = half[j] - row[j]
                if rank < best:
                    a, best, second = j, rank, best
                elif rank < second:
                    second = rank
            conclude(x, n, c, a, best, second, square(x[n]), slope, floor, eta, labels, upper, lower)


@jit(flags=NEAR)
def products(xa, xb, xc, xd, c, dots):
    """dots[i, j] = ⟨row i, c[j]⟩ of four rows, five centres at a time: nine loads for twenty products."""
    whole = len(xa) // 16 * 16                                 # LLVM then needs no loop for a remainder inside
    for j in range(0, len(c), 5):
        ca, cb, cc, cd, ce = c[j], c[j+1], c[j+2], c[j+3], c[j+4]
        zero = xa.dtype.type(0)
        aa = ab = ac = ad = ae = ba = bb = bc = bd = be = zero
        sa = sb = sc = sd = se = da = db = dc = dd = de = zero
        for i in range(whole):
            p, q, r, s = xa[i], xb[i], xc[i], xd[i]
            u, v, w, y, z = ca[i], cb[i], cc[i], cd[i], ce[i]
            aa += p * u; ab += p * v; ac += p * w; ad += p * y; ae += p * z
            ba += q * u; bb += q * v; bc += q * w; bd += q * y; be += q * z
            sa += r * u; sb += r * v; sc += r * w; sd += r * y; se += r * z
            da += s * u; db += s * v; dc += s * w; dd += s * y; de += s * z
        dots[0, j], dots[0, j+1], dots[0, j+2], dots[0, j+3], dots[0, j+4] = aa, ab, ac, ad, ae
        dots[1, j], dots[1, j+1], dots[1, j+2], dots[1, j+3], dots[1, j+4] = ba, bb, bc, bd, be
        dots[2, j], dots[2, j+1], dots[2, j+2], dots[2, j+3], dots[2, j+4] = sa, sb, sc, sd, se
        dots[3, j], dots[3, j+1], dots[3, j+2], dots[3, j+3], dots[3, j+4] = da, db, dc, dd, de
        for i in range(whole, len(xa)):
            for k in range(j, j + 5):
                dots[0, k] += xa[i] * c[k, i]; dots[1, k] += xb[i] * c[k, i]
                dots[2, k] += xc[i] * c[k, i]; dots[3, k] += xd[i] * c[k, i]


@jit(flags={"contract"})
def narrow_loop(x, rows, c, padded, half, slope, floor, eta, labels, upper, lower, scratch):
    """Many rows at a time, transposed: t[d, i] is column d of row i."""
    t, rank, best, second, norm = scratch[:-4], scratch[-4], scratch[-3], scratch[-2], scratch[-1]
    nearest_of = np.empty(SIDE, np.int32)
    for start in range(0, len(rows), SIDE):
        count = min(SIDE, len(rows) - start)
        t[x.shape[1]:] = 0
        for i in range(count):
            for d in range(x.shape[1]):
                t[d, i] = x[rows[start + i], d]
        for i in range(SIDE):
            best[i] = second[i] = np.inf
            norm[i] = 0
            nearest_of[i] = 0
        for d in range(len(t)):
            for i in range(SIDE):
                norm[i] += t[d, i] * t[d, i]
        for j in range(len(c)):
            for i in range(SIDE):
                rank[i] = half[j]
            for d in range(0, len(t), 4):
                ta, tb, tc, td = t[d], t[d+1], t[d+2], t[d+3]
                ca, cb, cc, cd = padded[j, d], padded[j, d+1], padded[j, d+2], padded[j, d+3]
                for i in range(SIDE):
                    rank[i] -= ta[i] * ca + tb[i] * cb + tc[i] * cc + td[i] * cd
            for i in range(SIDE):
                r, b = rank[i], best[i]
                second[i] = min(second[i], max(b, r))
                nearest_of[i] = j if r < b else nearest_of[i]
                best[i] = min(b, r)
        for i in range(count):
            conclude(x, rows[start + i], c, nearest_of[i], best[i], second[i], norm[i], slope, floor, eta, labels, upper, lower)
