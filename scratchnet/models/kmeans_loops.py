"""The Numba version of k-means' first half-step: the nearest centre, most rows by a sieve, the others by care.

The sieve (kmeans_sieve.py) ranks centres by inner products, which is fast, and knows which rows it cannot be sure of.
Those compare sums of squared differences, and if even these are too close to call, in float64 (`nearer`).

Sketch   Centres are means of many rows, so almost all of what moves them lies in the few directions along which the rows
         spread most.  x is turned once into 64 such coordinates; every step ranks the centres by these, and only rows for
         which the other 720 could make a difference are multiplied out.  Of 60,000 images of 784 pixels that is a tenth
         at the tenth step.  What is left out is bounded from above: labels are those of Lloyd's algorithm, always.
         Narrow rows are their own sketch, and nothing is left out.
Source   Cauchy–Schwarz; the directions are those of PCA, by subspace iteration (Halko, Martinsson & Tropp 2011,
         "Finding structure with randomness", SIAM Review 53, §4.5) on some of the rows.
"""
import numpy as np

from ..kernel import contiguous, jit
from . import kmeans_sieve
from .kmeans_sieve import FIVE, SIDE
from .kmeans_steps import nearest, nearest_sketched, squares
from .kmeans_sums import over_rows

WIDTH = 64                    # columns of a sketch; rows that have no more are their own
SAMPLE = 4000                 # rows, about, that its directions are found from


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


class Rows:
    """x as the sieve wants it: 512 rows side by side, all their columns or a sketch of these; and the rows' labels.

    width   columns of the sketch of wide rows; 0: none, they are multiplied out every time.
    tiles   (tiles, columns, 512), lengths ‖x‖ and rest, both (tiles, 512); None for wide rows without a sketch.
    axes    (width, D): the orthonormal directions that the sketch sees; None where it sees all.
    """

    def __init__(self, x: np.ndarray, width: int = WIDTH):
        self.x, self.width, self.labels, self.tiles, self.axes = contiguous(x), width, None, None, None

    def prepare(self) -> None:
        """At the first use of the fast version: the reference needs none of this."""
        (N, D), x, width = self.x.shape, self.x, self.width
        self.labels, self.todo = np.zeros((2, N), np.int64)    # todo: which rows the sieve could not settle, block by block
        if D > WIDTH and not 0 < width < D:
            return
        if D > width > 0:
            self.axes = directions(x, width)
        columns = D if self.axes is None else width
        self.tiles = np.zeros((-(-N // SIDE), -(-columns // 4) * 4, SIDE), x.dtype)            # columns: a multiple of 4
        self.lengths, self.rest = np.zeros((2, len(self.tiles), SIDE), x.dtype)
        fill = turn if self.axes is None else self.project

        def work(a, b):
            one = slice(a // SIDE, -(-b // SIDE))
            fill(x[a:b], self.tiles[one], self.lengths[one], self.rest[one])
        over_rows(x, work, 16 * SIDE)

    def project(self, x, tiles, lengths, rest):
        """Coordinates y of the rows along the axes; rest, not below √(‖x‖² − ‖y‖²)."""
        eta = (4 + 2 * np.sqrt(len(self.axes))) * rounding(x)
        for i, start in enumerate(range(0, len(x), SIDE)):
            rows = x[start:start + SIDE]
            y, n = self.axes @ rows.T, np.einsum("nd,nd->n", rows, rows)
            tiles[i, :len(y), :len(rows)], lengths[i, :len(rows)] = y, np.sqrt(n)
            rest[i, :len(rows)] = np.sqrt(np.maximum(n - np.square(y).sum(axis=0) + eta * n, 0))


def directions(x: np.ndarray, count: int) -> np.ndarray:
    """Orthonormal directions (count, D) along which the rows of x reach far: nearly the widest."""
    some = x[::max(16, len(x) // SAMPLE)]
    some = some / (np.abs(some).max() or 1)                    # cubes of large numbers would overflow
    v = np.eye(x.shape[1], count, dtype=x.dtype)               # if there are fewer rows than directions
    v[:, :len(some)] = some[:count].T
    for _ in range(2):                                         # each round brings out the wide ones, and QR keeps them apart
        v = np.linalg.qr(some.T @ (some @ v))[0]
    return np.ascontiguousarray(v.T)


@jit
def turn(x, tiles, lengths, rest):
    """tiles[n // 512, d, n % 512] = x[n, d]; there is no rest."""
    for n in range(len(x)):
        tile, i, s = n // SIDE, n % SIDE, x.dtype.type(0)
        for d in range(x.shape[1]):
            tiles[tile, d, i] = x[n, d]
            s += x[n, d] * x[n, d]
        lengths[tile, i] = np.sqrt(s)


@nearest.fast
def nearest_fast(x, c):
    return nearest_sketched_fast(x, c, Rows(x, 0))


@nearest_sketched.fast
def nearest_sketched_fast(x, c, rows):
    if rows.labels is None:
        rows.prepare()
    k, D, dtype, eta, tiles, axes = len(c), x.shape[1], x.dtype, rounding(x), rows.tiles, rows.axes
    c = c.astype(dtype)
    exact, padded = c.astype(np.float64), -(-k // FIVE) * FIVE
    half, centres, reach = np.full(padded, np.inf, dtype), np.zeros((padded, D), dtype), np.zeros(padded, dtype)
    with np.errstate(over="ignore"):                           # rows of infinite ranks are not settled by the sieve
        norms = np.square(exact).sum(axis=1)
        half[:k], centres[:k] = 0.5 * norms, c
        slope, floor, eta = (f.astype(dtype) for f in np.array([4 * eta * np.sqrt(norms.max()), 4 * eta * norms.max(), eta]))
        if tiles is not None:
            seen, loss = np.zeros((padded, tiles.shape[1]), dtype), 1
            if axes is None:
                seen[:, :D] = centres
            else:
                seen[:k, :len(axes)] = exact @ axes.T
                q = exact - seen[:k, :len(axes)].astype(np.float64) @ axes             # what the sketch does not see of c
                for a in range(k):
                    reach[a] = (1 + 4 * eta) * np.sqrt(np.square(q - q[a]).sum(axis=1).max())
                loss = 2 + np.sqrt(len(axes)) / 2              # each coordinate of a row is off by η·‖x‖
    labels, block = rows.labels, SIDE * max(1, (1 << 25) // (SIDE * D * k))            # a block is worth a thread: ½ ms

    def work(a, b):
        if tiles is None:
            todo = np.arange(a, b)
        else:
            one = slice(a // SIDE, -(-b // SIDE))
            todo = kmeans_sieve.sieve(tiles[one], rows.lengths[one], rows.rest[one], a, seen, half,
                                      dtype.type(loss * slope), floor, reach, labels[a:b], rows.todo[a:b])
        if len(todo) and (tiles is None or axes is not None):
            todo = kmeans_sieve.wide_sieve(x, todo, centres, half, slope, floor, labels)
        if len(todo):
            settle(x, todo, c, eta, labels)
    over_rows(x, work, block)
    return labels


@jit
def settle(x, rows, c, eta, labels):
    """The labels of these rows, near ties included."""
    for n in rows:
        a, da = 0, squared(x[n], c[0])
        for j in range(1, len(c)):
            dj = squared(x[n], c[j])
            if nearer(x[n], c, j, dj, a, da, eta):
                a, da = j, dj
        labels[n] = a
