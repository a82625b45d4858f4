"""The Numba version of k-means' first half-step: a sieve that finds the nearest centre of most rows, and is sure of it.

    ‖x − c‖² = ‖x‖² + 2·rank        rank[j] = ½‖c[j]‖² − ⟨x, c[j]⟩: the smallest rank is the nearest centre

So a row needs k inner products.  But far from 0 those are large where their differences are small, and rounding may
turn the ranking round.  So two ranks that are closer than rounding can explain settle nothing: those rows compare
sums of squared differences, and if even these are too close to call, in float64 (`nearer`).

Bounds   d(x, c') ≥ d(x, c) − d(c, c'): a centre that moved by δ came nearer by at most δ.  Each row keeps an upper bound
         on the distance to its centre and a lower one on that to any other.  While upper < lower, or upper is less than
         half the way from its centre to the next, its label stays, and nothing is computed.  The bounds are rounded
         outwards: the labels are those of Lloyd's algorithm, always.
Why it is fast   wide rows: four rows meet five centres at a time, twenty sums in registers; each row comes from main
         memory once.  Narrow rows: 256 of them side by side, so that the loops run along rows, not columns.
Source   Hamerly 2010, "Making k-means even faster", SDM (two bounds per row; Elkan 2003 keeps one per centre).
"""
import numpy as np

from ..kernel import jit
from .kmeans_steps import nearest, nearest_bounded, squares
from .kmeans_sums import over_rows

NARROW = 32                   # columns, at most, of rows that are put side by side
SIDE = 256                    # that many of them
NEAR = {"contract", "reassoc", "nsz"}                          # these let LLVM keep many partial sums, in an order of its choice


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


# ---- assign ---------------------------------------------------------------------------------------------


class Bounds:
    """What is known of every row of x from the calls before: its label, and two bounds on distances."""

    def __init__(self, x: np.ndarray):
        (N, D), self.c = x.shape, None
        self.labels = np.zeros(N, np.int64)
        self.upper = np.full(N, np.inf, x.dtype)               # on the distance to its centre
        self.lower = np.zeros(N, x.dtype)                      # on that to any other centre
        self.norms = np.full(N, -1, x.dtype)                   # ‖x‖²; −1: not computed yet
        self.columns = np.zeros((0, 0), x.dtype)               # x transposed, four columns or eight or …, if it is narrow
        if D <= NARROW:
            self.columns = np.zeros((-(-D // 4) * 4, N), x.dtype)
            self.columns[:D] = x.T
            self.norms = np.einsum("dn,dn->n", self.columns, self.columns)

    def moved(self, c: np.ndarray) -> np.ndarray:
        """How far each centre moved since the call before."""
        before, self.c = c if self.c is None else self.c, c
        return np.sqrt(np.square(c.astype(np.float64) - before).sum(axis=1))


@nearest.fast
def nearest_fast(x, c):
    return nearest_bounded_fast(x, c, Bounds(x))


@nearest_bounded.fast
def nearest_bounded_fast(x, c, bounds):
    D, k, dtype, eta = x.shape[1], len(c), x.dtype, rounding(x)
    c, wide = c.astype(dtype), not len(bounds.columns)
    padded = np.zeros((-(-k // 5) * 5, D) if wide else (k + k % 2, len(bounds.columns)), dtype)
    padded[:k, :D] = c                                         # five centres at a time, or two and four columns
    with np.errstate(over="ignore"):                           # infinite ranks are settled in float64
        norms = np.square(c.astype(np.float64)).sum(axis=1)
        half = np.full(len(padded), np.inf, dtype)
        half[:k] = 0.5 * norms
        slope, floor = (4 * eta * np.sqrt(norms.max())).astype(dtype), (4 * eta * norms.max()).astype(dtype)
        moved = (bounds.moved(c) * (1 + 4 * eta)).astype(dtype)
        between = np.empty((k, k))
        squares_loop(c.astype(np.float64), c.astype(np.float64), between)
    np.fill_diagonal(between, np.inf)
    room = (0.5 * (1 - 4 * eta) * np.sqrt(between.min(axis=1))).astype(dtype)      # nearer to a centre: it is the nearest
    order = np.argsort(moved)
    others = np.full(k, moved[order[-1]])                      # the farthest that another centre moved
    others[order[-1]] = moved[order[-2]] if k > 1 else 0
    eta = dtype.type(eta)

    def work(a, b):
        state = bounds.labels[a:b], bounds.upper[a:b], bounds.lower[a:b]
        rank = c, padded, half, slope, floor, eta
        if wide:
            wide_loop(x[a:b], *rank, moved, others, room, bounds.norms[a:b], *state)
        else:
            narrow_loop(x[a:b], *rank, moved, others, room, bounds.norms[a:b], *state, bounds.columns, a)
    over_rows(x, work, 16 if wide else 16384)
    return bounds.labels


@jit
def doubtful(labels, upper, lower, moved, others, room, up):
    """Move the bounds as far as the centres moved; the rows that they then do not decide, all if they are many."""
    rows, count = np.empty(len(labels), np.int64), 0
    for n in range(len(labels)):
        a = labels[n]
        u, low = (upper[n] + moved[a]) * up, (lower[n] - others[a]) / up
        upper[n], lower[n] = u, low
        rows[count] = n
        count += not max(low, room[a]) > u * up                # no branch: which way it went could not be guessed
    if 2 * count < len(labels):
        return rows[:count]
    for n in range(len(labels)):
        rows[n] = n
    return rows


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
def wide_loop(x, c, padded, half, slope, floor, eta, moved, others, room, norms, labels, upper, lower):
    """Four rows at a time; at the end some are missing, and the last one takes their place."""
    zero, two, dots = x.dtype.type(0), x.dtype.type(2), np.empty((4, len(padded)), x.dtype)
    rows = doubtful(labels, upper, lower, moved, others, room, 1 + 8 * eta)
    for start in range(0, len(rows), 4):
        last = min(start + 4, len(rows)) - 1
        four = rows[start], rows[min(start + 1, last)], rows[min(start + 2, last)], rows[last]
        products(x[four[0]], x[four[1]], x[four[2]], x[four[3]], padded, dots)
        for i in range(start, last + 1):
            n, row = rows[i], dots[i - start if i < last else 3]
            a, best, second = 0, half[0] - row[0], x.dtype.type(np.inf)
            for j in range(1, len(c)):
                rank = half[j] - row[j]
                if rank < best:
                    a, best, second = j, rank, best
                elif rank < second:
                    second = rank
            if norms[n] < 0:
                norms[n] = square(x[n])
            near = slope * np.sqrt(norms[n]) + floor
            doubt = two * (two * near + eta * norms[n])        # ‖x − c‖² = ‖x‖² + 2·rank, give or take
            labels[n], lower[n] = a, np.sqrt(max(norms[n] + two * second - doubt, zero))
            upper[n] = np.sqrt(max(norms[n] + two * best, zero) + doubt)
            if not second - best > near:                       # nearer to each other than rounding can have moved them
                labels[n], lower[n] = settle(x[n], c, eta), 0


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
def narrow_loop(x, c, padded, half, slope, floor, eta, moved, others, room, norms, labels, upper, lower, columns, offset):
    """Many rows at a time, from x transposed.  Loops of one purpose each, over rows: those LLVM vectorises."""
    zero, two, D = x.dtype.type(0), x.dtype.type(2), len(columns)
    rows = doubtful(labels, upper, lower, moved, others, room, 1 + 8 * eta)
    few, few_norms, scratch = np.empty((D, SIDE), x.dtype), np.ones(SIDE, x.dtype), np.empty((5, SIDE), x.dtype)
    rank, rival, best, second, gap = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    found = np.empty(SIDE, np.int32)
    for start in range(0, len(rows), SIDE):
        count = min(SIDE, len(rows) - start)
        whole = len(rows) == len(x) and count == SIDE
        if whole:
            t, at, norm = columns, offset + start, norms[start:start + SIDE]
        else:
            t, at, norm = few, 0, few_norms
            for i in range(count):
                norm[i] = norms[rows[start + i]]
            for d in range(D):
                for i in range(count):
                    few[d, i] = columns[d, offset + rows[start + i]]
        for i in range(SIDE):
            best[i] = second[i] = np.inf
            found[i] = 0
        for j in range(0, len(padded), 2):                     # two centres at a time
            h, this = half[j], np.int32(j)
            for i in range(SIDE):
                rank[i] = h
            h, other = half[j+1], np.int32(j + 1)
            for i in range(SIDE):
                rival[i] = h
            for d in range(0, D, 4):
                ta, tb, tc, td = t[d, at:at + SIDE], t[d+1, at:at + SIDE], t[d+2, at:at + SIDE], t[d+3, at:at + SIDE]
                ca, cb, cc, cd = padded[j, d], padded[j, d+1], padded[j, d+2], padded[j, d+3]
                ea, eb, ec, ed = padded[j+1, d], padded[j+1, d+1], padded[j+1, d+2], padded[j+1, d+3]
                for i in range(SIDE):
                    p, q, r, s = ta[i], tb[i], tc[i], td[i]
                    rank[i] -= p * ca + q * cb + r * cc + s * cd
                    rival[i] -= p * ea + q * eb + r * ec + s * ed
            for i in range(SIDE):                              # ties are settled below: who wins them here does not matter
                found[i] = this if rank[i] < best[i] else found[i]
            for i in range(SIDE):
                worse = best[i] if rank[i] < best[i] else rank[i]
                second[i] = worse if worse < second[i] else second[i]
            for i in range(SIDE):
                best[i] = rank[i] if rank[i] < best[i] else best[i]
            for i in range(SIDE):
                found[i] = other if rival[i] < best[i] else found[i]
            for i in range(SIDE):
                worse = best[i] if rival[i] < best[i] else rival[i]
                second[i] = worse if worse < second[i] else second[i]
            for i in range(SIDE):
                best[i] = rival[i] if rival[i] < best[i] else best[i]
        for i in range(SIDE):
            near = slope * np.sqrt(norm[i]) + floor
            doubt = two * (two * near + eta * norm[i])         # ‖x − c‖² = ‖x‖² + 2·rank, give or take
            gap[i] = second[i] - best[i] - near                # above 0: more than rounding can have moved them
            best[i] = np.sqrt(max(norm[i] + two * best[i], zero) + doubt)
            second[i] = np.sqrt(max(norm[i] + two * second[i] - doubt, zero))
        if whole:
            labels[start:start + SIDE], upper[start:start + SIDE], lower[start:start + SIDE] = found, best, second
        else:
            for i in range(count):
                n = rows[start + i]
                labels[n], upper[n], lower[n] = found[i], best[i], second[i]
        for i in range(count):
            if not gap[i] > 0:
                n = rows[start + i]
                labels[n], lower[n] = settle(x[n], c, eta), 0
