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
    return regrouped(x, w, labels, np.full(len(x), -1), k)[0]


def inertia(x: np.ndarray, c: np.ndarray, labels: np.ndarray, w: np.ndarray) -> float:
    """J = Σ_n w[n]·‖x[n] − c[labels[n]]‖²"""
    return float(w @ own_squares(x, c, labels))


class Means:
    """`update`, again and again: from the sums of the last time, only the rows that changed cluster are moved over.

    Where a cluster has less than a thousandth of the weight that has come and gone, all is summed anew: rounding never shows.
    """

    def __init__(self, x: np.ndarray, w: np.ndarray, k: int):
        self.x, self.w, self.k = x, w, k
        self.labels, self.sums = np.full(len(x), -1, np.int32), np.zeros((k, x.shape[1]))      # −1: in no cluster yet
        self.counts, self.weights, self.moved = np.zeros((3, k))       # rows of a weight above 0; weight, now and come or gone

    def update(self, labels: np.ndarray, c: np.ndarray, change: list | None = None) -> np.ndarray:
        """The means of the clusters, (k,D); empty ones are re-seeded, or stay at c where there is no row to take.

        change   what `regrouped` says of these labels, where that is known.
        """
        sums, come, gone, count = change or regrouped(self.x, self.w, labels, self.labels, self.k)
        if not (self.counts + count).all():
            labels = reseeded(self.x, self.w, c, labels)
            sums, come, gone, count = regrouped(self.x, self.w, labels, self.labels, self.k)
        self.sums, self.counts, self.weights = self.sums + sums, self.counts + count, self.weights + come - gone
        self.moved += come + gone
        if (self.moved > 1000 * self.weights).any():
            self.sums, self.weights, *_ = regrouped(self.x, self.w, labels, np.full(len(labels), -1), self.k)
            self.moved = self.weights.copy()
        self.labels = labels
        full = self.counts[:, None] > 0
        return np.where(full, self.sums / np.where(full, self.weights[:, None], 1), c)


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
def own_squares(x, c, labels):
    """d[n] = ‖x[n] − c[labels[n]]‖², in float64"""
    return np.square(x.astype(np.float64) - c[labels]).sum(axis=1)


@kernel
def regrouped(x, w, new, old, k):
    """What the change from the labels old, −1 being none, to new brings each cluster: Σ w·x, weight come, weight gone, rows.

    sums[new[n]] += w[n]·x[n] and sums[old[n]] −= w[n]·x[n] where they differ; rows of weight 0 are not counted.
    """
    changed = new != old
    came, left = np.flatnonzero(changed), np.flatnonzero(changed & (old >= 0))
    sums, (come, gone, count) = np.zeros((k, x.shape[1])), np.zeros((3, k))
    np.add.at(sums, new[came], w[came, None] * x[came])
    np.add.at(come, new[came], w[came])
    np.add.at(count, new[came], w[came] > 0)
    np.subtract.at(sums, old[left], w[left, None] * x[left])
    np.add.at(gone, old[left], w[left])
    np.subtract.at(count, old[left], np.float64(w[left] > 0))
    return sums, come, gone, count


@kernel
def reassigned(x, c, rows, w, old):
    """Both half-steps' loops in one pass over x: labels = nearest(x, c), and `regrouped` from the labels old to these.

    `rows` holds x as the fast version wants it (kmeans_tiles.Rows), with a sketch if it is wide.
    """
    labels = nearest.reference(x, c)
    return labels.astype(np.int32), *regrouped.reference(x, w, labels, old, len(c))


@kernel
def column_moments(x):
    """(mean, variance) of every column, in float64, measured from the first row: large offsets cancel no digits."""
    d = x.astype(np.float64) - x[0]
    return from_sums(x, d.sum(axis=0), np.square(d).sum(axis=0))


def from_sums(x, sums, squares):
    mean = sums / len(x)
    return x[0] + mean, np.maximum(squares / len(x) - mean * mean, 0)
