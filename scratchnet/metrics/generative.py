"""How good are made images?  Both real and made ones become points (N, D): features of a network that reads digits.

Fréchet distance   between Gaussians with the means and covariances of both clouds:
                       d² = ‖μ − ν‖² + tr(Σ + T − 2 (Σ^½ T Σ^½)^½)
                   0 where they agree; it rises with blur, noise and missing kinds alike.
Score              exp E KL(p(y|x) ‖ p(y)) for the reader's answers p(y|x): from 1 (it cannot tell what anything
                   is, or all is the same) to the number of classes (sure of each, and all equally often).
Overlap            Around each point lies a ball that reaches to its k-th nearest fellow.  With balls around real
                   points: precision, the share of made points in any ball; density, in how many of them they lie,
                   over k; coverage, the share of balls that hold a made point.  Recall: the share of real points in
                   a ball around a made one.  Fidelity: precision, density.  Diversity: recall, coverage.

Distances are in the reader's own units and mean something only beside others by the same reader: real against real
is the floor.  Precision and density say little behind a ReLU, where even noise falls between real points.

Shapes   real, made (N, D) and (M, D), features or any coordinates; probabilities (N, classes).
Source   Dowson & Landau 1982, J. Multivariate Analysis 12; Heusel et al. 2017, arXiv:1706.08500 (Fréchet distance of
         features); Salimans et al. 2016, arXiv:1606.03498 (score); Kynkäänniemi et al. 2019, arXiv:1904.06991 (precision,
         recall); Naeem et al. 2020, arXiv:2002.09797 (density, coverage).
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

BLOCK = 1000                                    # rows of a table of distances at a time: 80 MB for 10,000 points


def frechet_distance(real: np.ndarray, made: np.ndarray) -> float:
    """d² between Gaussians fitted to both clouds.

        d² = ‖μ − ν‖² + tr(Σ + T − 2 (Σ^½ T Σ^½)^½)

    Derivation   tr (ΣT)^½ is the sum of the roots of ΣT's eigenvalues, and Σ^½ T Σ^½ has the same ones (it is
                 Σ^−½ (ΣT) Σ^½), is symmetric and has none below 0: eigh suffices, nothing becomes complex.
    Shapes       real (N,D), made (M,D) → ().
    Errors       ValueError: clouds of different D, fewer than 2 points, numbers that are not finite.
    Source       Dowson & Landau 1982, J. Multivariate Analysis 12; Heusel et al. 2017, arXiv:1706.08500.
    """
    (mu, cov), (nu, cov2) = gaussian("real", real), gaussian("made", made)
    if mu.shape != nu.shape:
        raise ValueError(f"frechet_distance: real {real.shape} and made {made.shape}, expected as many columns in both")
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T                        # Σ^½; max: rounding below 0
    both = np.linalg.eigvalsh(root @ cov2 @ root)
    d = np.sum((mu - nu) ** 2) + np.trace(cov) + np.trace(cov2) - 2 * np.sqrt(np.maximum(both, 0)).sum()
    return float(max(d, 0.0))


def gaussian(name: str, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, covariance) of a cloud, in float64."""
    points = check_points(name, points, least=2).astype(np.float64)
    mean = points.mean(axis=0)
    d = points - mean
    return mean, d.T @ d / (len(points) - 1)


def inception_score(probabilities: np.ndarray) -> float:
    """exp of the mean KL divergence from the average answer to each answer; rows are distributions over classes.

        score = exp 1/N Σₓ KL(p(y|x) ‖ p(y)),   p(y) = 1/N Σₓ p(y|x)
    Shapes   probabilities (N,classes) → ().
    Errors   ValueError: not (N, classes) with N ≥ 1, not finite, below 0, rows that do not sum to 1.
    Source   Salimans et al. 2016, arXiv:1606.03498.
    """
    p = check_probabilities(probabilities)
    average = p.mean(axis=0)
    ratio = np.divide(p, average, out=np.ones_like(p), where=p > 0)                    # 0·log 0 = 0
    return float(np.exp((p * np.log(ratio)).sum(axis=1).mean()))


def class_shares(probabilities: np.ndarray) -> np.ndarray:
    """The share of each class among the likeliest answers, (classes,), which sum to 1.

        share[c] = 1/N Σₓ [argmax p(y|x) = c]
    Shapes   probabilities (N,classes) → (classes,).    Errors   those of inception_score.
    """
    p = check_probabilities(probabilities)
    return np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)


class Overlap(NamedTuple):
    precision: float
    recall: float
    density: float
    coverage: float


def overlap(real: np.ndarray, made: np.ndarray, k: int = 5) -> Overlap:
    """Precision, recall, density and coverage by balls that reach to the k-th nearest fellow.

        ball(x) = {y: ‖y − x‖ ≤ ‖x − its k-th nearest fellow‖}
        precision = share of made points in a ball of a real one,   density = such balls per made point / k
        recall = share of real points in a ball of a made one,      coverage = share of real balls with a made point
    Shapes   real (N,D), made (M,D) → precision (), recall (), density (), coverage ().
    Errors   ValueError: clouds of different D, with fewer than k + 1 points, or not finite.
    Source   Kynkäänniemi et al. 2019, arXiv:1904.06991 (precision, recall); Naeem et al. 2020, arXiv:2002.09797 (rest).
    """
    real, made = (check_points(n, a, least=k + 1).astype(np.float64) for n, a in (("real", real), ("made", made)))
    if real.shape[1] != made.shape[1]:
        raise ValueError(f"overlap: real {real.shape} and made {made.shape}, expected as many columns in both")
    around_real, around_made = reach(real, k), reach(made, k)
    held, in_balls, covered = np.zeros(len(made)), 0, []       # held: how many real balls hold each made point
    for i in range(0, len(real), BLOCK):
        d = squared_distances(real[i:i + BLOCK], made)
        inside = d <= around_real[i:i + BLOCK, None]
        held += inside.sum(axis=0)
        covered.append(inside.any(axis=1))
        in_balls += int((d <= around_made).any(axis=1).sum())
    return Overlap(float((held > 0).mean()), in_balls / len(real), float(held.mean() / k),
                      float(np.concatenate(covered).mean()))


def reach(points: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each point to its k-th nearest fellow, itself left out."""
    return np.concatenate([np.partition(squared_distances(points[i:i + BLOCK], points), k, axis=1)[:, k]
                           for i in range(0, len(points), BLOCK)])


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """‖aᵢ − bⱼ‖² = ‖aᵢ‖² − 2 aᵢ·bⱼ + ‖bⱼ‖², (len(a), len(b)): one matrix product."""
    d = (a * a).sum(axis=1)[:, None] - 2 * (a @ b.T) + (b * b).sum(axis=1)
    return np.maximum(d, 0, out=d)


def check_points(name: str, points: np.ndarray, least: int) -> np.ndarray:
    if not isinstance(points, np.ndarray) or points.ndim != 2 or len(points) < least:
        shape = points.shape if isinstance(points, np.ndarray) else f"a {type(points).__name__}"
        raise ValueError(f"{name}: got {shape}, expected an array (N, D) with N ≥ {least}: one row of features per image")
    if not np.isfinite(points).all():
        raise ValueError(f"{name}: row {int(np.argmax(~np.isfinite(points).all(axis=1)))} is not finite")
    return points


def check_probabilities(p: np.ndarray) -> np.ndarray:
    p = np.asarray(check_points("probabilities", p, least=1), np.float64)
    if (p < 0).any() or not np.allclose(p.sum(axis=1), 1, atol=1e-3):
        raise ValueError("probabilities: expected rows of numbers ≥ 0 that sum to 1; of scores, take sn.softmax first")
    return p
