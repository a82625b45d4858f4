"""A clustering against the classes it was not shown: how much do the two agree?  Cluster numbers mean nothing.

    n[j,i]     rows in cluster j of class i: the confusion table;  a[j], b[i] its row and column sums, N in all
    accuracy   max over one-to-one matchings m of  Σ_j n[j, m(j)] / N          each class is named by one cluster only
    purity     Σ_j max_i n[j,i] / N          each cluster may take any class: more clusters, more purity
    NMI        2·I / (H(a) + H(b)),   I = Σ n/N · log(N·n / (a·b)),   H(a) = −Σ a/N · log(a/N)
    ARI        (R − E) / (½(A + B) − E),   R = Σ C(n,2),  A = Σ C(a,2),  B = Σ C(b,2),  E = A·B / C(N,2)

    silhouette mean of (b − a) / max(a, b), a the mean distance of a row to the others of its cluster, b to those of the
               nearest other cluster: needs no classes; 1 far apart, 0 touching, below 0 in the wrong cluster

NMI is the share of information that one has about the other.  ARI counts pairs of rows that are together in both,
less what chance would give: 0 for random labels, below 0 for worse.  All but the last are 1 where the two are the same.
Shapes   labels and clusters (N,), integers ≥ 0 → a number; the table (clusters, classes); x (N,D).
Errors   ValueError: other shapes, no rows, numbers below 0.   TypeError: not integers.
Source   Kuhn 1955, "The Hungarian method for the assignment problem"; Hubert & Arabie 1985 (ARI); Vinh et al. 2010,
         JMLR 11 (NMI, here divided by the arithmetic mean, as in scikit-learn); Manning et al. 2008, §16.3 (purity);
         Rousseeuw 1987, "Silhouettes", J. Computational and Applied Mathematics 20.
"""
from __future__ import annotations

import numpy as np

from ..models.kmeans_steps import squares


def confusion(labels: np.ndarray, clusters: np.ndarray, shape: tuple[int, int] | None = None) -> np.ndarray:
    """n[j,i], (clusters, classes): how many rows of cluster j are of class i.  shape: if some may be empty.

        n[j,i] = Σ_r [clusters[r] = j]·[labels[r] = i]
    Shapes   labels (N,), clusters (N,) → (clusters,classes).
    Errors   ValueError: other shapes, no rows, numbers below 0 or beyond `shape`.   TypeError: not integers.
    Source   Manning et al. 2008, §16.3.
    """
    labels, clusters = checked("labels", labels), checked("clusters", clusters)
    if labels.shape != clusters.shape:
        raise ValueError(f"labels {labels.shape} and clusters {clusters.shape}, expected one of each for every row")
    least = (int(clusters.max()) + 1, int(labels.max()) + 1)
    k, classes = shape or least
    if k < least[0] or classes < least[1]:
        raise ValueError(f"confusion: shape is {shape}, but there are {least[0]} clusters and {least[1]} classes")
    return np.bincount(clusters * classes + labels, minlength=k * classes).reshape(k, classes)


def accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """The share of rows whose cluster is matched to their class, by the best one-to-one matching.

        accuracy = max over one-to-one matchings m of  Σ_j n[j, m(j)] / N
    Shapes   labels (N,), clusters (N,) → ().    Errors  those of confusion.
    Source   Kuhn 1955, "The Hungarian method for the assignment problem".
    """
    n = confusion(labels, clusters)
    return float(sum(n[j, i] for j, i in matching(n)) / n.sum())


def purity(labels: np.ndarray, clusters: np.ndarray) -> float:
    """The share of rows that are of the largest class of their cluster.

        purity = Σ_j max_i n[j,i] / N
    Shapes   labels (N,), clusters (N,) → ().    Errors  those of confusion.
    Source   Manning et al. 2008, §16.3.
    """
    n = confusion(labels, clusters)
    return float(n.max(axis=1).sum() / n.sum())


def nmi(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Normalised mutual information, 2·I / (H(a) + H(b)); 1 where both are a single group.

        I = Σ n/N · log(N·n / (a·b)),   H(a) = −Σ a/N · log(a/N)
    Shapes   labels (N,), clusters (N,) → ().    Errors  those of confusion.
    Source   Vinh et al. 2010, JMLR 11.
    """
    n = confusion(labels, clusters) / len(labels)
    a, b = n.sum(axis=1), n.sum(axis=0)
    both = entropy(a) + entropy(b)
    return float(np.clip(2 * (both - entropy(n)) / both, 0, 1)) if both > 0 else 1.0   # I = H(a) + H(b) − H(n)


def entropy(p: np.ndarray) -> float:
    """−Σ p·log p, with 0·log 0 = 0."""
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def ari(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Adjusted Rand index; 1 where both are a single group, or every row is its own.

        ARI = (R − E) / (½(A + B) − E),   R = Σ C(n,2),  A = Σ C(a,2),  B = Σ C(b,2),  E = A·B / C(N,2)
    Shapes   labels (N,), clusters (N,) → ().    Errors  those of confusion.
    Source   Hubert & Arabie 1985, "Comparing partitions", J. Classification 2.
    """
    n = confusion(labels, clusters).astype(np.float64)
    R, A, B, everything = (float((m * (m - 1)).sum()) / 2 for m in (n, n.sum(axis=1), n.sum(axis=0), n.sum()))
    E = A * B / everything if everything else 0.0
    return (R - E) / ((A + B) / 2 - E) if (A + B) / 2 != E else 1.0


def silhouette(x: np.ndarray, clusters: np.ndarray, block: int = 500) -> float:
    """Mean of (b − a) / max(a, b) over the rows; a row alone in its cluster counts 0.  N² distances: some thousand rows.

        a = mean distance of a row to the others of its cluster,  b = to those of the nearest other cluster
    Shapes   x (N,D), clusters (N,) → ().
    Errors   ValueError: other shapes, no rows, numbers below 0, a single cluster.   TypeError: clusters not integers.
    Source   Rousseeuw 1987, J. Computational and Applied Mathematics 20.
    """
    clusters = checked("clusters", clusters)
    if x.ndim != 2 or len(x) != len(clusters):
        raise ValueError(f"silhouette: x {x.shape} and clusters {clusters.shape}, expected (N, D) and (N,)")
    found, own = np.unique(clusters, return_inverse=True)
    if len(found) < 2:
        raise ValueError("silhouette: all rows are in 1 cluster, expected at least 2 to compare")
    members = np.eye(len(found))[own]                          # (N,k): 1 where row n is in cluster j
    counts, total = members.sum(axis=0), 0.0
    for start in range(0, len(x), block):
        part = slice(start, start + block)
        to = np.sqrt(squares(x[part].astype(np.float64), x)) @ members                 # (block,k): summed distances
        mine = members[part] == 1
        others = counts[own[part]] - 1
        a = to[mine] / np.maximum(others, 1)
        b = np.where(mine, np.inf, to / counts).min(axis=1)
        total += ((b - a) / np.maximum(np.maximum(a, b), 1e-300))[others > 0].sum()
    return float(total / len(x))


def agreement(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """All four by name: {"accuracy": …, "nmi": …, "ari": …, "purity": …}.    Errors, Source  those of the four.

    Shapes   labels (N,), clusters (N,); four numbers.
    """
    return {measure.__name__: measure(labels, clusters) for measure in (accuracy, nmi, ari, purity)}


def matching(n: np.ndarray) -> list[tuple[int, int]]:
    """The pairs (j, i), each row and column at most once, with the largest Σ n[j,i]: the Hungarian method.

        −n[j,i] − u[j] − v[i] ≥ 0,  = 0 for matched pairs
    Shapes   n (k,C) → pairs (k,2) where k ≤ C, else (C,2).    Source   Kuhn 1955.
    Rows are matched one after another.  Prices u[j] + v[i] never exceed the costs −n[j,i], and equal them for
    matched pairs; a new row reaches columns at cost + prices, and the nearest free column, in the sense of Dijkstra's
    shortest paths, ends a chain of swaps that matches it.  Prices that fit all costs prove that no matching is better.
    """
    size = max(n.shape)
    cost = np.zeros((size, size))                              # missing rows and columns cost nothing
    cost[:n.shape[0], :n.shape[1]] = -np.asarray(n, np.float64)
    u, v, row_of = np.zeros(size), np.zeros(size), np.full(size, -1)       # prices; row matched to each column
    for start in range(size):
        reach, before = np.full(size, np.inf), np.full(size, -1)           # of columns: distance, and the column before
        done, row, column = np.zeros(size, bool), start, -1
        shortest = 0.0
        while row >= 0:                                        # until a free column is reached
            through = shortest + cost[row] - u[row] - v
            nearer = ~done & (through < reach)
            reach[nearer], before[nearer] = through[nearer], column
            column = int(np.where(done, np.inf, reach).argmin())
            done[column], shortest, row = True, reach[column], row_of[column]
        u[start] += shortest
        passed = done & (row_of >= 0)                          # columns of the chain, with the rows matched so far
        u[row_of[passed]] += shortest - reach[passed]
        v[done] -= shortest - reach[done]
        while column >= 0:                                     # back along the chain: each column takes the row before
            row_of[column], column = (row_of[before[column]] if before[column] >= 0 else start), int(before[column])
    return [(int(j), i) for i, j in enumerate(row_of) if j < n.shape[0] and i < n.shape[1]]


def checked(name: str, numbers) -> np.ndarray:
    numbers = np.asarray(numbers)
    if numbers.dtype.kind not in "iu" and numbers.size:
        raise TypeError(f"{name} has dtype {numbers.dtype}, expected integers, the number of a group for every row")
    if numbers.ndim != 1 or not numbers.size:
        raise ValueError(f"{name} has shape {numbers.shape}, expected (N,) with N ≥ 1")
    if numbers.min() < 0:
        raise ValueError(f"{name} holds {numbers.min()}, expected numbers from 0")
    return numbers.astype(np.int64)
