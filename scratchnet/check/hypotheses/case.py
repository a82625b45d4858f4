"""What every hypothesis gets, and what it gives back."""
from __future__ import annotations

import itertools
from functools import cached_property
from typing import Iterator, NamedTuple

import numpy as np

from ..draw import Draw
from ..names import axis_names, named_constants, readings

RTOL = 1e-6                                     # a claim must explain the whole gradient to this


class Claim(NamedTuple):
    """An exact statement that holds on one draw.  cost: the less, the sooner it is believed."""
    cost: float
    code: str
    detail: str
    text: str


class Case:
    """One wrong gradient on one draw:  A what came back, N what is right, a list over the random g each."""

    def __init__(self, d: Draw, name: str):
        self.d, self.name = d, name
        self.x, self.A, self.N, self.gs = d.inputs[name], d.got[name], d.right(name), d.gs
        self.a = np.concatenate([a.ravel() for a in self.A])
        self.n = np.concatenate([n.ravel() for n in self.N])

    @property
    def J(self) -> np.ndarray:
        return self.d.J(self.name)

    @cached_property
    def constants(self) -> list:
        return named_constants(self.d.sizes)

    @cached_property
    def labels(self) -> tuple:
        return axis_names(self.d.y.shape)

    def readings(self, c: float) -> list[str]:
        return readings(c, self.constants)

    def along(self, axes) -> str:
        """Axes of the output, by name."""
        return ",".join(self.labels[k] for k in axes)

    def is_(self, predictions) -> bool:
        """Whether A equals one prediction per g."""
        return fits(self.A, predictions)


def fits(As, Hs, tol: float = RTOL) -> bool:
    if any(a.shape != np.shape(h) for a, h in zip(As, Hs)):
        return False
    return residual(np.concatenate([a.ravel() for a in As]), np.concatenate([np.ravel(h) for h in Hs])) < tol


def residual(a, b) -> float:
    """‖a − b‖ / the larger norm; 1 where one of them is not finite, or both are nothing but rounding."""
    size = max(np.linalg.norm(a), np.linalg.norm(b))
    r = np.linalg.norm(np.asarray(a) - np.asarray(b)) / max(size, 1e-12)
    return float(r) if np.isfinite(r) else 1.0


def factor(a, b) -> float | None:
    """c with a = c·b, if there is one."""
    size = b @ b
    c = float(a @ b / size) if 0 < size < np.inf else np.nan
    return c if np.isfinite(c) and residual(a, c * b) < RTOL else None


def weights(columns: list[np.ndarray], b: np.ndarray) -> np.ndarray | None:
    """w with b = Σ w_k·column_k, if the columns are independent and explain all of b."""
    M = np.stack(columns, 1)
    if not np.isfinite(M).all() or M.shape[0] < 2 * M.shape[1]:
        return None
    if np.linalg.matrix_rank(M, tol=1e-8 * np.linalg.norm(M)) < M.shape[1]:
        return None
    w = np.linalg.lstsq(M, b, rcond=None)[0]
    return w if residual(b, M @ w) < RTOL else None


def subsets(items, least: int = 1) -> Iterator[tuple]:
    items = tuple(items)
    return itertools.chain.from_iterable(itertools.combinations(items, r) for r in range(least, len(items) + 1))
