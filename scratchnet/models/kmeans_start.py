"""Where k-means starts: it finds the minimum that is downhill from there, so the start decides how good that is.

    "random"       k rows of x, drawn without replacement with probability ∝ w
    "k-means++"    row after row, drawn with probability ∝ w[n]·D[n],  D[n] = min_j ‖x[n] − c[j]‖² over those drawn

Far rows are likelier, so clusters far apart each get a centre: J is at most 8·(ln k + 2) times the best, on
average.  Of a few rows drawn at each step the one that leaves the least Σ w·D is taken (greedy k-means++).
Source   Arthur & Vassilvitskii 2007, "k-means++: the advantages of careful seeding", SODA, §2 and §4 (greedy).
"""
from __future__ import annotations

import numpy as np

from .kmeans_steps import squares


def random_rows(x: np.ndarray, w: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    if np.count_nonzero(w) < k:                                # not enough rows that count: the others join in
        w = w + w.sum() / len(w) * 1e-9
    return x[rng.choice(len(x), k, replace=False, p=w / w.sum())]


def plus_plus(x: np.ndarray, w: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    tries = 2 + int(np.log(k))
    chosen = [rng.choice(len(x), p=w / w.sum())]
    D = squares(x, x[chosen])[:, 0].astype(np.float64)
    while len(chosen) < k:
        chance = np.cumsum(w * D)
        if chance[-1] == 0:                                    # every row is on a centre already: any will do
            chosen.append(rng.integers(len(x)))
            continue
        candidates = np.searchsorted(chance, rng.random(tries) * chance[-1], side="right").clip(max=len(x) - 1)
        left = np.minimum(D[:, None], squares(x, x[candidates]))                       # (N, tries)
        best = np.argmin(w @ left)
        D = left[:, best]
        chosen.append(candidates[best])
    return x[chosen]
