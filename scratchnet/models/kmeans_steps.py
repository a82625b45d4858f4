"""The two half-steps of k-means: every row to its nearest centre, every centre to the mean of its rows.

    inertia   J(a, c) = Σ_n w[n]·‖x[n] − c[a[n]]‖²

    assign    a[n] = argmin_j ‖x[n] − c[j]‖²            the best labels for these centres; on a tie the first
    update    c[j] = Σ_{n: a[n]=j} w[n]·x[n] / W[j]      the best centres for these labels; W[j] = Σ_{a[n]=j} w[n]

Derivation   assign: J is a sum over rows, and each row may pick its own smallest term.
             update: ∂J/∂c[j] = Σ_{a[n]=j} 2·w[n]·(c[j] − x[n]) = 2·(W[j]·c[j] − Σ w[n]·x[n]), which is 0 at the mean
             and nowhere else; ∂²J/∂c[j]² = 2·W[j] > 0: a minimum.  In other words, new centre = old centre −
             ∂J/∂c[j] / (2·W[j]): a step of gradient descent with just the length that ends at the minimum.
             Neither half-step can raise J, and there are finitely many labelings: it ends.
Shapes       x (N,D) float32 or float64; c (k,D); a = labels (N,); w (N,).
Accuracy     Labels are those of sums of squared differences in float64; what float32, or the shorter way of inner
             products, cannot tell apart is decided so (kmeans_loops.py).  Means are float64.
Source       Lloyd 1957 (published 1982), "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28;
             Bottou & Bengio 1994, "Convergence properties of the k-means algorithms" (the gradient view).
"""
from __future__ import annotations

import numpy as np

from ..kernel import kernel


def assign(x: np.ndarray, c: np.ndarray) -> np.ndarray:
    """labels[n] = argmin_j ‖x[n] − c[j]‖², (N,)"""
    return nearest(x, c)


def update(x: np.ndarray, labels: np.ndarray, w: np.ndarray, k: int) -> np.ndarray:
    """c[j] = Σ w·x / Σ w over the rows of cluster j, (k,D) float64; an empty cluster has no mean: NaN."""
    sums = cluster_sums(x, labels, w, k)
    with np.errstate(invalid="ignore"):
        return sums / np.bincount(labels, w, k)[:, None]


def cluster_sums(x: np.ndarray, labels: np.ndarray, w: np.ndarray, k: int) -> np.ndarray:
    """Σ_{n: a[n]=j} w[n]·x[n], (k,D)"""
    return add_rows(np.zeros((k, x.shape[1])), x, labels, w)


def inertia(x: np.ndarray, c: np.ndarray, labels: np.ndarray, w: np.ndarray) -> float:
    """J = Σ_n w[n]·‖x[n] − c[labels[n]]‖²"""
    return float(w @ own_squares(x, c, labels))


class Means:
    """`update`, again and again: from the sums of the last time, only the rows that changed cluster are moved over.

    Where a cluster has less than a thousandth of the weight that has come and gone, all is summed anew: rounding never shows.
    """

    def __init__(self, x: np.ndarray, w: np.ndarray, k: int):
        self.x, self.w, self.k, self.real = x, w, k, (w > 0).astype(np.float64)
        self.labels, first = np.zeros(len(x), np.int64), np.arange(k) == 0             # to begin with, all are in the first, …
        self.counts, self.weights = first * self.real.sum(), first * w.sum()           # (rows of a weight above 0, weight)
        self.sums, self.moved = np.zeros((k, x.shape[1])), np.full(k, np.inf)          # … and nothing is summed yet

    def update(self, labels: np.ndarray, c: np.ndarray) -> np.ndarray:
        """The means of the clusters, (k,D); empty ones are re-seeded, or stay at c where there is no row to take."""
        changed, new, old, come, gone = self.changes(labels, self.real)
        if not (self.counts + come - gone).all():
            labels = reseeded(self.x, self.w, c, labels)
            changed, new, old, come, gone = self.changes(labels, self.real)
        self.counts = self.counts + come - gone
        *_, come, gone = self.changes(labels, self.w, changed)
        self.weights, self.moved = self.weights + come - gone, self.moved + come + gone
        if (self.moved > 1000 * self.weights).any():
            self.sums, self.weights = cluster_sums(self.x, labels, self.w, self.k), np.bincount(labels, self.w, self.k)
            self.moved = np.zeros(self.k)
        else:
            self.sums = move_rows(self.sums, self.x, changed, old, new, self.w[changed])
        self.labels[changed] = new
        full = self.counts[:, None] > 0
        return np.where(full, self.sums / np.where(full, self.weights[:, None], 1), c)

    def changes(self, labels: np.ndarray, w: np.ndarray, changed: np.ndarray | None = None) -> tuple:
        """The rows that changed cluster, where they are now, where they were; how much w came to each cluster, and left."""
        if changed is None:
            changed = np.flatnonzero(labels != self.labels)
        new, old, w = labels[changed], self.labels[changed], w[changed]
        return changed, new, old, np.bincount(new, w, self.k), np.bincount(old, w, self.k)


def reseeded(x: np.ndarray, w: np.ndarray, c: np.ndarray, labels: np.ndarray, seen=0) -> np.ndarray:
    """Labels in which every empty cluster has got the row that is farthest from its centre: largest w·‖x − c‖².

    The farthest of all goes to the first empty cluster, the next farthest to the second, …; on a tie the first row.
    The last row of a cluster is never taken, nor one that is on its centre.  No such step raises J.
    seen (k,)   weight that the clusters have from earlier batches: one that has some is not empty.
    """
    counts = np.bincount(labels, w > 0, len(c))
    empty = np.flatnonzero(counts + seen == 0)
    if not len(empty):
        return labels
    labels, far = labels.copy(), w * own_squares(x, c, labels)
    for j in empty:
        n = int(np.where(counts[labels] > 1, far, 0).argmax())
        if far[n] == 0 or counts[labels[n]] < 2:               # fewer places than clusters
            break
        counts[labels[n]] -= 1
        labels[n], counts[j], far[n] = j, 1, 0
    return labels


# ---- kernels: the references; the loops that run by default are in kmeans_loops.py -------------------


@kernel
def squares(x, c):
    """d[n,j] = ‖x[n] − c[j]‖², in the dtype of x"""
    d = np.empty((len(x), len(c)), x.dtype)
    for j, one in enumerate(c):
        d[:, j] = np.square(x.astype(np.float64) - one).sum(axis=1)
    return d


@kernel
def nearest(x, c):
    """labels[n] = argmin_j ‖x[n] − c[j]‖², the first on a tie"""
    return squares.reference(x.astype(np.float64), c).argmin(axis=1)


@kernel
def nearest_bounded(x, c, bounds):
    """The same; `bounds` remembers the call before, which saves the fast version much of its work.  The labels live there."""
    return nearest.reference(x, c)


@kernel
def own_squares(x, c, labels):
    """d[n] = ‖x[n] − c[labels[n]]‖², in float64"""
    return np.square(x.astype(np.float64) - c[labels]).sum(axis=1)


@kernel
def add_rows(sums, x, labels, w):
    """sums[labels[n]] += w[n]·x[n] for every row n"""
    sums = sums.copy()
    np.add.at(sums, labels, w[:, None] * x)
    return sums


@kernel
def move_rows(sums, x, rows, old, new, w):
    """sums[old[t]] −= w[t]·x[rows[t]] and sums[new[t]] += w[t]·x[rows[t]] for every t"""
    sums, wx = sums.copy(), w[:, None] * x[rows]
    np.subtract.at(sums, old, wx)
    np.add.at(sums, new, wx)
    return sums


@kernel
def column_moments(x):
    """(mean, variance) of every column, in float64, measured from the first row: large offsets cancel no digits."""
    d = x.astype(np.float64) - x[0]
    return from_sums(x, d.sum(axis=0), np.square(d).sum(axis=0))


def from_sums(x, sums, squares):
    mean = sums / len(x)
    return x[0] + mean, np.maximum(squares / len(x) - mean * mean, 0)
