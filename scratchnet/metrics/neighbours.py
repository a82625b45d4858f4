"""Nearest neighbours: what do the codes around a code say about it?  And where are there none?

    distance   |a − b|² = |a|² − 2⟨a,b⟩ + |b|²     one matrix product for many pairs
    vote       the class of a row is the one that most of its k nearest rows have; ties go to the smaller class

Why it is right   The three terms are large where rows are far from 0 and cancel where a and b are near: so rows are
                  first shifted to mean 0 and taken as float64, which leaves 16 digits of their spread.
Shapes   rows (N,D), queries (M,D), labels (N,) integers.   Errors   ValueError: other shapes, k not in 1 … N.
Source   Cover & Hart 1967, IEEE Transactions on Information Theory 13.
"""
from __future__ import annotations

import numpy as np


def nearest(queries: np.ndarray, rows: np.ndarray, k: int, block: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """(which, distance), both (M,k): the k rows nearest to each query, nearest first; equally near ones by number.

        distance = √(|a|² − 2⟨a,b⟩ + |b|²) ranks them
    Shapes   queries (M,D), rows (N,D) → which (M,k), distance (M,k).
    Errors   ValueError: other shapes, k not in 1 … N.
    Source   Cover & Hart 1967, IEEE Transactions on Information Theory 13.
    """
    if rows.ndim != 2 or queries.ndim != 2 or queries.shape[1] != rows.shape[1]:
        raise ValueError(f"nearest: queries {queries.shape} and rows {rows.shape}, expected (M, D) and (N, D)")
    if not 1 <= k <= len(rows):
        raise ValueError(f"nearest: k is {k}, expected 1 to {len(rows)}, the number of rows")
    mean = rows.mean(axis=0, dtype=np.float64)
    rows, queries = rows - mean, queries - mean
    squares, found, far = (rows * rows).sum(axis=1), [], []
    for start in range(0, len(queries), block):
        q = queries[start:start + block]
        d = squares - 2 * (q @ rows.T)                                     # (block,N), without |q|², which ranks nothing
        few = np.sort(np.argpartition(d, k - 1, axis=1)[:, :k], axis=1)
        order = np.argsort(np.take_along_axis(d, few, axis=1), axis=1, kind="stable")
        few = np.take_along_axis(few, order, axis=1)
        found.append(few)
        far.append(np.linalg.norm(q[:, None] - rows[few], axis=2))
    return np.concatenate(found), np.concatenate(far)


def neighbour_accuracy(codes: np.ndarray, labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray, k: int = 15) -> float:
    """The share of test codes whose class is the vote of their k nearest codes.

        accuracy = 1/M Σ [vote of the k nearest = test label]
    Shapes   codes (N,D), labels (N,), test_codes (M,D), test_labels (M,) → ().
    Errors   those of nearest.    Source   Cover & Hart 1967, IEEE Transactions on Information Theory 13.
    """
    votes = labels[nearest(test_codes, codes, k)[0]]                       # (M,k)
    counts = (votes[:, :, None] == np.arange(labels.max() + 1)).sum(axis=1)             # (M,classes)
    return float((counts.argmax(axis=1) == test_labels).mean())


def gaps(codes: np.ndarray, count: int, rng: np.random.Generator, *, tries: int = 4000) -> np.ndarray:
    """`count` places (count,D) amid the codes and far from all of them, each far from the others too.

    Of many random places on lines between two codes, take the one that is farthest from all codes and
    from the places taken before, and again.
        place = (1 − t)·a + t·b,  t ~ U(0, 1),  a and b codes at random;    next = argmax of the distance to the nearest
    Shapes   codes (N,D) → (count,D).    Errors   ValueError: no codes, or not (N, D).
    Source   Gonzalez 1985, Theoretical Computer Science 38 (the farthest point first).
    """
    ends, t = codes[rng.integers(0, len(codes), (2, tries))], rng.uniform(0, 1, (tries, 1))
    places = (1 - t) * ends[0] + t * ends[1]
    free = nearest(places, codes, 1)[1][:, 0]                              # (tries,) distance to the nearest code
    taken = []
    for _ in range(count):
        taken.append(places[free.argmax()])
        free = np.minimum(free, np.linalg.norm(places - taken[-1], axis=1))
    return np.array(taken)
