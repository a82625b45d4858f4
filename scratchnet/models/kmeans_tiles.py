"""The rows of k-means as its sieve wants them: side by side in tiles, and of wide rows only a sketch.

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
from .kmeans_sieve import FIVE, SIDE
from .kmeans_sums import BLOCK, over_rows

WIDTH = 64                    # columns of a sketch; rows that have no more are their own
SAMPLE = 4000                 # rows, about, that its directions are found from


class Rows:
    """x as the sieve wants it: 512 rows side by side, all their columns or a sketch of these.

    width   columns of the sketch of wide rows; 0: none, they are multiplied out every time.
    tiles   (tiles, columns, 512) in float32, lengths ‖x‖ and rest, both (tiles, 512); None for wide rows without a sketch.
    axes    (width, D): the orthonormal directions that the sketch sees; None where it sees all, and there is no rest.
    unit    the power of two by which x is near 1 in the tiles: float32 holds its squares, then.
    todo    (N,): which rows the sieve could not settle, block by block.
    """

    def __init__(self, x: np.ndarray, width: int = WIDTH):
        self.x, self.width, self.todo, self.tiles, self.axes = contiguous(x), width, None, None, None

    def prepare(self) -> None:
        """At the first use of the fast version: the reference needs none of this."""
        if self.todo is not None:
            return
        (N, D), x, width = self.x.shape, self.x, self.width
        count, self.todo = -(-N // SIDE), np.empty(N, np.int32)
        if D > WIDTH and not 0 < width < D:
            return
        if D > width > 0:
            self.axes = directions(x, width)
        exponent, limit = np.frexp(np.abs(x[::max(1, N // SAMPLE)]).max())[1], np.finfo(x.dtype).maxexp - 8
        self.unit = x.dtype.type(2.0 ** -float(np.clip(exponent, -limit, limit)))
        columns, rest = (D, 0) if self.axes is None else (width, count)
        self.tiles = np.zeros((count, -(-columns // FIVE) * FIVE, SIDE), np.float32)
        self.lengths, self.rest = np.zeros((count, SIDE), np.float32), np.zeros((rest, SIDE), np.float32)

        def work(a, b):
            some = slice(a // SIDE, -(-b // SIDE))
            if self.axes is None:
                turn(x[a:b], self.unit, self.tiles[some], self.lengths[some])
            else:
                self.project(x[a:b], self.tiles[some], self.lengths[some], self.rest[some])
        over_rows(x, work, SIDE * -(-BLOCK // (SIDE * D)))

    def project(self, x, tiles, lengths, rest):
        """Coordinates y of the rows along the axes; rest, not below √(‖x‖² − ‖y‖²)."""
        eta = (4 + 2 * np.sqrt(len(self.axes))) * rounding(x.shape[1], np.float32)
        with np.errstate(over="ignore", invalid="ignore"):     # the sieve does not settle rows of infinite length
            for i, start in enumerate(range(0, len(x), SIDE)):
                rows = self.unit * x[start:start + SIDE]
                y, n = self.axes @ rows.T, np.einsum("nd,nd->n", rows, rows)
                tiles[i, :len(y), :len(rows)], lengths[i, :len(rows)] = y, np.sqrt(n)
                rest[i, :len(rows)] = np.sqrt(np.maximum(n - np.square(y).sum(axis=0) + eta * n, 0))

    def sketched(self, c: np.ndarray) -> tuple:
        """What the sieve is to know of the centres, from `centres` to `reach`."""
        c, eta, loss = c * float(self.unit), rounding(c.shape[1], np.float32), 1
        seen, reach = np.zeros((len(c), self.tiles.shape[1]), np.float32), np.zeros(-(-len(c) // FIVE) * FIVE, np.float32)
        if self.axes is None:
            seen[:, :c.shape[1]] = c
        else:
            seen[:, :len(self.axes)] = c @ self.axes.T
            q = c - seen[:, :len(self.axes)].astype(np.float64) @ self.axes            # what the sketch does not see of c
            for a in range(len(c)):
                reach[a] = (1 + 4 * eta) * np.sqrt(np.square(q - q[a]).sum(axis=1).max())
            loss = 2 + np.sqrt(len(self.axes)) / 2             # each coordinate of a row is off by η·‖x‖
        return *ranking(seen, c, np.float32, eta, loss), reach


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
def turn(x, unit, tiles, lengths):
    """tiles[n // 512, d, n % 512] = unit·x[n, d]"""
    D = x.shape[1]
    for tile in range(len(tiles)):
        rows, t, s = x[tile * SIDE:(tile + 1) * SIDE], tiles[tile], lengths[tile]
        for z in range(0, D, 16):                              # so few columns of a tile fit into the cache together
            some, turned = rows[:, z:z + 16], t[z:z + 16]
            for i in range(len(some)):
                for d in range(some.shape[1]):
                    turned[d, i] = unit * some[i, d]
        for d in range(D):
            for i in range(SIDE):
                s[i] += t[d, i] * t[d, i]
        for i in range(SIDE):
            s[i] = np.sqrt(s[i])


def ranking(seen: np.ndarray, c: np.ndarray, dtype, eta: float, loss: float = 1) -> tuple:
    """(centres, half, slope, floor) for a sieve: what it sees of the centres c, filled up to whole fives with zeros and ∞.

    slope, floor   with the smallest normal number, because numbers below it have fewer digits than η counts on; ∞, so
                   that no row is settled, if ranks could overflow.
    """
    k, filled, norms, info = len(c), -(-len(c) // FIVE) * FIVE, np.square(c).sum(axis=1), np.finfo(dtype)
    centres, half = np.zeros((filled, seen.shape[1]), dtype), np.full(filled, np.inf, dtype)
    centres[:k], half[:k] = seen, norms / 2
    top = norms.max() if norms.max() < info.max / 4 else np.inf
    return centres, half, dtype(4 * loss * eta * np.sqrt(top) + info.tiny), dtype(4 * eta * top + info.tiny)


def rounding(D: int, dtype) -> float:
    """η: a sum of D products, in whatever order, is off by at most η · Σ |product|."""
    return (D / 2 + 4) * float(np.finfo(dtype).eps)
