"""From the strokes of a digit to matrices, so that a thousand hands can be moved in one product."""
from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from .strokes import SKELETONS, Stroke

POINTS = 112         # pen positions along one digit, all strokes together


class Skeleton(NamedTuple):
    """One way to write a digit, ready for matrix products: pen positions = basis @ joints."""
    weight: float                   # how common, among the skeletons of the digit
    joints: np.ndarray              # (K, 2) control points, each joint once
    basis: np.ndarray               # (POINTS, K) a curve through them
    together: np.ndarray            # (K, K) mixes noise, so that neighbours move together
    ends: list[tuple[int, int]]     # loose ends: (the end, the joint before it)


@cache
def skeletons(digit: int) -> list[Skeleton]:
    """The ways to write a digit, prepared once."""
    return [_prepare(weight, strokes) for weight, strokes in SKELETONS[digit]]


def _curve(stroke: Stroke, samples: int) -> np.ndarray:
    """The matrix that turns a stroke's control points into points of a Catmull-Rom curve.

        p(u) = ½ [(-u + 2u² - u³) a + (2 - 5u² + 3u³) b + (u + 4u² - 3u³) c + (-u² + u³) d],  0 <= u <= 1

    runs from b to c, given the neighbours a and d; beyond an end the curve is mirrored.

    Shapes: (samples, K) for K control points.
    Source: Catmull and Rom, "A class of local interpolating splines", 1974.
    """
    k = len(stroke)
    eye = np.eye(k)
    point = np.vstack([2 * eye[0] - eye[1], eye, 2 * eye[-1] - eye[-2]])        # (K + 2, K)
    at = np.concatenate([[0], np.cumsum(_steps(stroke))])           # way along the stroke, (K,)
    t = np.interp(np.linspace(0, at[-1], samples), at, np.arange(k))            # (samples,)
    i = np.minimum(t.astype(int), k - 2)
    u = (t - i)[:, None]
    return ((-u + 2*u**2 - u**3) * point[i] + (2 - 5*u**2 + 3*u**3) * point[i + 1]
            + (u + 4*u**2 - 3*u**3) * point[i + 2] + (-u**2 + u**3) * point[i + 3]) / 2


def _steps(stroke: Stroke) -> np.ndarray:
    """Distances from each control point to the next."""
    return np.linalg.norm(np.diff(stroke, axis=0), axis=1)


def _join(strokes: list[Stroke]) -> tuple[Stroke, list[list[int]]]:
    """The joints, each once, and for every stroke the numbers of its joints."""
    joints: Stroke = []
    numbers: list[list[int]] = []
    for stroke in strokes:
        used: list[int] = []
        for point in stroke:
            # within one stroke a point named twice is a crossing: two joints, free to part
            known = [j for j, joint in enumerate(joints) if joint == point and j not in used]
            if not known:
                joints.append(point)
            used.append(known[0] if known else len(joints) - 1)
        numbers.append(used)
    return joints, numbers


def _prepare(weight: float, strokes: list[Stroke]) -> Skeleton:
    """One skeleton of the table as matrices."""
    joints, numbers = _join(strokes)
    k = len(joints)
    way = np.cumsum([0] + [_steps(stroke).sum() for stroke in strokes])
    first = np.rint(POINTS * way / way[-1]).astype(int)      # pen positions shared out by length

    basis = np.zeros((POINTS, k), np.float32)
    together = np.eye(k, dtype=np.float32)
    for stroke, used, start, stop in zip(strokes, numbers, first, first[1:]):
        basis[start:stop, used] = _curve(stroke, stop - start)
        together[used[:-1], used[1:]] = together[used[1:], used[:-1]] = .5
    together /= np.linalg.norm(together, axis=1, keepdims=True)

    names = sum(numbers, [])
    ends = [(end, inner) for used in numbers
            for end, inner in ((used[0], used[1]), (used[-1], used[-2])) if names.count(end) == 1]
    return Skeleton(weight, np.array(joints, np.float32), basis, together, ends)
