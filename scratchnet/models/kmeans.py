"""k-means: k centres such that every row is near one of them.

    J = Σ_n w[n]·‖x[n] − c[a[n]]‖²                the inertia; a[n]: the centre that row n belongs to
    repeat   a = assign(x, c)   c = update(x, a)      until no label changes, or the centres all but stand still

Both half-steps, with the reason why neither raises J, are in kmeans_steps.py; where the centres start, in
kmeans_start.py; the sketch that makes the default algorithm fast, and changes no label, in kmeans_tiles.py.

Empty clusters   are re-seeded at every update: the row farthest from its centre becomes the centre of the first
                 empty cluster, the next farthest of the second, …; the last row of a cluster is never taken.
Mini-batches     c[j] += Σ_{batch} w·(x − c[j]) / W[j], W[j] the weight of all rows it was given so far: the mean
                 of them all, if they had been given to c[j] at once.  Rougher, for data too large to pass 50 times.
Shapes           x (N,D); centres (k,D); labels (N,); weights (N,).
Source           Lloyd 1982; Arthur & Vassilvitskii 2007; Sculley 2010, "Web-scale k-means
                 clustering", WWW (mini-batches); names and conventions are scikit-learn's.
"""
from __future__ import annotations

import operator
import warnings
from typing import NamedTuple

import numpy as np

from ..data import batches
from ..rng import generator
from ..tensor import Tensor
from . import kmeans_loops      # noqa: F401  the Numba versions join their references
from .kmeans_start import plus_plus, random_rows
from .kmeans_steps import Means, cluster_sums, column_moments, inertia, nearest, reassigned, reseeded, squares
from .kmeans_tiles import WIDTH, Rows

ALGORITHMS = ("auto", "lloyd", "sketch")


class ConvergenceWarning(UserWarning):
    """The centres may not be what was asked for."""


class Run(NamedTuple):
    """What one start led to."""
    centres: np.ndarray
    labels: np.ndarray
    inertia: float
    steps: int
    converged: bool
    history: list[float]


class KMeans:
    """k-means, k-means++ starts.  fit(x), then cluster_centers_, labels_, inertia_, n_iter_; predict(new rows).

    n_clusters   k, the number of centres.          max_iter   passes over the data, at most.
    init         "k-means++", "random", or the centres (k,D) to start from.
    n_init       starts; the one with the least inertia is kept.  With given centres there is one.
    tol          stop when Σ ‖centre − centre before‖² ≤ tol · (variance of the columns of x, their mean).
    algorithm    "lloyd": every product, every time; "sketch": the same labels and centres, with 64 coordinates of each row
                 that settle most of them (rows of no more columns need none: then both are one); "auto": "sketch".
    seed         of the starts: an integer, a np.random.Generator, or None for sn.seed's.
    batch_size   None: all rows at every step.  A number: mini-batches of so many rows.
    Also         inertia_history_: J after each update, of the start that was kept.

        J = Σ_n w[n]·‖x[n] − c[a[n]]‖²;    a[n] ← argmin_j ‖x[n] − c[j]‖²,  c[j] ← Σ_{a[n] = j} w·x / Σ_{a[n] = j} w
    Shapes  fit: x (N,D) → cluster_centers_ (k,D), labels_ (N,), inertia_ ();  score: x (N,D) → ();
            predict: x (N,D) → (N,);  transform: x (N,D) → (N,k);  fit_predict and fit_transform as these.
    Errors  TypeError: a count that is not whole, x not of real numbers.  ValueError: a setting out of range; fewer rows,
            or distinct rows, than k; x not (N,D) with N, D ≥ 1 or not finite; squares that overflow or vanish; init not (k,D); weights
            not (N,), below 0 or all 0; predict, transform or score before fit, or of other columns.
            ConvergenceWarning: fewer clusters found than k, or max_iter reached.
    Source  Lloyd 1982; Arthur & Vassilvitskii 2007 (k-means++); Sculley 2010 (mini-batches).
    """

    def __init__(self, n_clusters: int = 8, *, init="k-means++", n_init: int = 10, max_iter: int = 300, tol: float = 1e-4,
                 algorithm: str = "auto", seed=None, batch_size: int | None = None):
        self.n_clusters, self.n_init, self.max_iter = (
            whole(name, n) for name, n in (("n_clusters", n_clusters), ("n_init", n_init), ("max_iter", max_iter)))
        self.batch_size = None if batch_size is None else whole("batch_size", batch_size)
        if not isinstance(tol, (int, float, np.number)) or not 0 <= tol < np.inf:
            raise ValueError(f"KMeans: tol is {tol!r}, expected a number, 0 or more")
        if algorithm not in ALGORITHMS:
            raise ValueError(f"KMeans: algorithm is {algorithm!r}, expected one of {', '.join(ALGORITHMS)}")
        if isinstance(init, str) and init not in ("k-means++", "random"):
            raise ValueError(f'KMeans: init is {init!r}, expected "k-means++", "random" or an array of centres')
        self.init, self.tol, self.algorithm, self.seed = init, float(tol), algorithm, seed

    # ---- fit ------------------------------------------------------------------------------------

    def fit(self, x, y=None, sample_weight=None) -> KMeans:
        """Find the centres.  y is ignored; sample_weight (N,): how much each row counts, 1 by default."""
        given, k = check_rows("fit", x, finite=False), self.n_clusters                  # `comfortable` sees what is not
        if len(given) < k:
            raise ValueError(f"fit: n_samples={len(given)} should be >= n_clusters={k}; ask for fewer clusters")
        w, start = check_weights(sample_weight, given), self.check_init(given)
        x, origin, variance = comfortable(given)
        rng, runs, rows = generator(self.seed), [], Rows(x, 0 if self.algorithm == "lloyd" else WIDTH)
        for _ in range(1 if start is not None else self.n_init):
            if start is not None:
                c = start - origin
            else:
                c = (plus_plus if self.init == "k-means++" else random_rows)(x, w, k, rng)
            c, tol = c.astype(np.float64), self.tol * variance
            runs.append(self.mini_batches(x, w, c, tol, rng) if self.batch_size else self.alternate(rows, w, c, tol))
        best = min(runs, key=lambda run: run.inertia)
        self.check_distinct(best.labels, given)
        self.cluster_centers_ = (best.centres + origin).astype(given.dtype)
        self.labels_, self.inertia_ = best.labels, best.inertia
        if origin.any() or x.dtype != given.dtype:             # the centres were rounded: the labels follow them
            self.labels_ = nearest(given, self.cluster_centers_)
            self.inertia_ = inertia(given, self.cluster_centers_, self.labels_, w)
        self.n_iter_, self.inertia_history_, self.n_features_in_ = best.steps, best.history, given.shape[1]
        self.warn(best.converged)
        return self

    def alternate(self, rows, w, c, tol) -> Run:
        """Assign and update in turn, from the centres c; the loops of both run in one pass over the rows."""
        x = rows.x
        means, history, converged = Means(x, w, len(c)), [], False
        energy = inertia(x, 0 * c, np.zeros(len(x), np.int32), w)
        labels, *change = reassigned(x, c.astype(x.dtype), rows, w, means.labels)
        for step in range(1, self.max_iter + 1):
            before, c = c, means.update(labels, c, change)
            history.append(energy - float((means.sums * c).sum()))             # J = Σ w·‖x‖² − Σ W·‖c‖² at the means
            labels, *change = reassigned(x, c.astype(x.dtype), rows, w, means.labels)
            still, come = np.square(c - before).sum() <= tol, change[1]
            if still or not come.any() and np.array_equal(labels, means.labels):       # a row without weight may still move
                converged = True
                step += not still and step < self.max_iter     # the step that finds the labels unchanged counts
                break
        c = c.astype(x.dtype)
        return Run(c, labels.astype(np.int64), inertia(x, c, labels, w), step, converged, history)

    def mini_batches(self, x, w, c, tol, rng) -> Run:
        """A step after every batch; max_iter passes over the data at most.  No history."""
        k, seen, converged = len(c), np.zeros(len(c)), False
        for step in range(1, self.max_iter + 1):
            before = c.copy()
            for rows in batches(np.arange(len(x)), self.batch_size, rng=rng):
                labels = reseeded(x[rows], w[rows], c, nearest(x[rows], c.astype(x.dtype)), seen)
                sums = cluster_sums(x[rows], labels, w[rows], k)
                weights = np.bincount(labels, w[rows], k)
                seen += weights
                here = weights > 0
                c[here] += ((sums - weights[:, None] * c) / np.maximum(seen, 1e-300)[:, None])[here]
            if np.square(c - before).sum() <= tol:
                converged = True
                break
        c = c.astype(x.dtype)
        labels = nearest(x, c)
        return Run(c, labels, inertia(x, c, labels, w), step, converged, [])

    def check_distinct(self, labels: np.ndarray, x: np.ndarray) -> None:
        """ValueError if a cluster is empty because x has fewer places than there are clusters."""
        if np.count_nonzero(np.bincount(labels)) < self.n_clusters:
            distinct = len(np.unique(x, axis=0))               # slow, but seldom needed
            if distinct < self.n_clusters:
                raise ValueError(f"fit: only {distinct} of {len(x)} rows are distinct, expected at least n_clusters="
                                 f"{self.n_clusters}: some clusters would stay empty; ask for fewer clusters")

    def warn(self, converged: bool) -> None:
        found = np.count_nonzero(np.bincount(self.labels_))
        if found < self.n_clusters:
            warnings.warn(f"fit: {found} clusters found, fewer than n_clusters={self.n_clusters}, though enough rows are "
                          "distinct: raise max_iter, or leave out batch_size", ConvergenceWarning, stacklevel=3)
        if not converged:
            warnings.warn(f"fit: max_iter={self.max_iter} reached while labels still changed; the centres are those of "
                          "the last step. Raise max_iter, or tol.", ConvergenceWarning, stacklevel=3)

    def check_init(self, x: np.ndarray) -> np.ndarray | None:
        """The centres to start from in float64, or None if they are to be drawn."""
        if isinstance(self.init, str):
            return None
        init = check_rows("init", self.init)
        if init.shape != (self.n_clusters, x.shape[1]):
            raise ValueError(f"fit: init has shape {init.shape}, expected (n_clusters, columns of x) = "
                             f"{(self.n_clusters, x.shape[1])}")
        return init.astype(np.float64)

    # ---- after fit ------------------------------------------------------------------------------

    def predict(self, x) -> np.ndarray:
        """The nearest centre of every row, (N,)."""
        return nearest(self.check_new("predict", x), self.cluster_centers_)

    def transform(self, x) -> np.ndarray:
        """The distance of every row to every centre, (N,k)."""
        return np.sqrt(squares(self.check_new("transform", x), self.cluster_centers_))

    def score(self, x, y=None, sample_weight=None) -> float:
        """−J of these rows: larger is better."""
        x = self.check_new("score", x)
        return -inertia(x, self.cluster_centers_, nearest(x, self.cluster_centers_), check_weights(sample_weight, x))

    def fit_predict(self, x, y=None, sample_weight=None) -> np.ndarray:
        """fit(x).labels_"""
        return self.fit(x, sample_weight=sample_weight).labels_

    def fit_transform(self, x, y=None, sample_weight=None) -> np.ndarray:
        """fit(x).transform(x)"""
        return self.fit(x, sample_weight=sample_weight).transform(x)

    def check_new(self, name: str, x) -> np.ndarray:
        if not hasattr(self, "cluster_centers_"):
            raise ValueError(f"{name}: this KMeans has no centres yet; call fit(x) first")
        x = check_rows(name, x)
        if x.shape[1] != self.n_features_in_:
            raise ValueError(f"{name}: x has {x.shape[1]} columns, but the centres were fitted to {self.n_features_in_}")
        return x

    def __repr__(self):
        init = repr(self.init) if isinstance(self.init, str) else "array"
        return f"KMeans({self.n_clusters}, init={init}, algorithm={self.algorithm!r})"


def comfortable(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(x − origin, origin, mean variance of the columns): near zero, where floating-point numbers lie densely.

    The origin is the mean, rounded to a multiple of a power of two much larger than the spread.  So it is 0
    for most data, which then are not copied, and where it is not, x − origin loses no bit and makes no tie.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = column_moments(x)
        first = np.square(x[:1], dtype=np.float64).sum()
    spread = float(np.sqrt(variance.max(initial=0)))
    if not np.isfinite(spread) or not np.isfinite(first):
        check_finite("fit", x)
        raise ValueError(f"fit: x has numbers up to {np.abs(x).max():.3g}, whose squares overflow; divide x by that")
    if spread == 0:
        if (x != x[0]).any():
            raise ValueError("fit: x has differences so small that their squares are 0; multiply x by a large number")
        return x, np.zeros(x.shape[1]), 0.0
    if not 1e-12 < spread < 1e12:                              # squares would leave the range of float32
        x = x.astype(np.float64)
    unit = 2.0 ** np.ceil(np.log2(8 * spread))
    origin = unit * np.round(mean / unit)
    return x - origin.astype(x.dtype) if origin.any() else x, origin, float(variance.mean())


# ---- what may be passed -----------------------------------------------------------------------------


def whole(name: str, n) -> int:
    try:
        count = operator.index(None if isinstance(n, bool) else n)
    except TypeError:
        raise TypeError(f"KMeans: {name} is {n!r}, expected a whole number, 1 or more") from None
    if count < 1:
        raise ValueError(f"KMeans: {name} is {n}, expected 1 or more")
    return count


def check_rows(name: str, x, finite: bool = True) -> np.ndarray:
    """x as a float array (N,D) without NaN or infinity (finite=False: the caller sees to that); integers become float64."""
    try:
        x = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
    except ValueError:                                         # NumPy's name for it: an inhomogeneous shape
        raise ValueError(f"{name}: x has rows of different lengths, expected as many columns in each") from None
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name}: x has dtype {x.dtype}, expected real numbers")
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"{name}: x has shape {x.shape}, expected (rows, columns) with at least one of each; images: "
                         "x.reshape(len(x), -1); a single column: x[:, None]; a single row: x[None]")
    if finite and not np.isfinite(x.sum()):                    # one fast pass; the sum itself may overflow
        check_finite(name, x)
    return np.ascontiguousarray(x)


def check_finite(name: str, x: np.ndarray) -> None:
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        n = int(bad.argmax())
        column = int(np.argmax(~np.isfinite(x[n])))
        raise ValueError(f"{name}: x has {x[n, column]} in row {n}, column {column}, expected finite numbers; clean the "
                         f"data ({int(bad.sum())} of {len(x)} rows are affected)")


def check_weights(w, x: np.ndarray) -> np.ndarray:
    if w is None:
        return np.ones(len(x))
    w = np.asarray(w, np.float64)
    if w.shape != (len(x),):
        raise ValueError(f"sample_weight has shape {w.shape}, expected ({len(x)},): one number per row of x")
    if not (np.isfinite(w).all() and (w >= 0).all() and w.any()):
        raise ValueError("sample_weight has negative, infinite or only zero entries; expected numbers ≥ 0, one of them above")
    return w
