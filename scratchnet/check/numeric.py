"""Slopes by measurement: the only arbiter of a gradient that does not trust its derivation.

    f(x + ih).imag / h    =  f'(x) + O(h²), h = 1e-30               complex step: nothing is subtracted, so every digit holds
    (φ(+h) − φ(−h)) / 2h  =  φ'(0) + h²·φ'''/6 + O(h⁴)              central difference
    (4·D(h/2) − D(h)) / 3 =  φ'(0) + O(h⁴)                          Richardson: cancels the h² term

The complex step needs a forward that is analytic and takes complex arrays (np.abs and .real are not); real
differences along one direction tell whether to trust it.  At a kink (ReLU at 0) the slopes from the left
and from the right differ, and anything between them is a valid subgradient: `sides` measures both.
Source  Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions"; Ridders
        1982, "Accurate computation of F'(x)"; Baydin et al. 2018, §2.1 (truncation and round-off).
"""
from __future__ import annotations

import warnings
from functools import cached_property
from typing import Callable, NamedTuple

import numpy as np

H = 1e-3                                        # truncation h⁴ and round-off 1e-16/h both near 1e-12
TINY = 1e-6                                     # one-sided differences: close enough to see one side of a kink only
STEEP = 1e200                                   # the slope of a jump: at a kink of y, that is what ∂y/∂x has


class Slope(NamedTuple):
    """The slope lies in [low, high]; one value, up to round-off, where φ is smooth."""
    low: float
    high: float
    kink: bool = False


def slope(phi: Callable[[float], float], scale: float = 1.0) -> Slope:
    """dφ/dt at t = 0.  scale: the size that the values of φ have, to judge round-off by.

        (4·D(h/2) − D(h)) / 3,  D(h) = (φ(h) − φ(−h)) / 2h;  at a kink the slopes of both sides
    Source  Ridders 1982, "Accurate computation of F'(x)".
    """
    f = as_array(lambda t: phi(float(t)))
    d = float(richardson(f, np.zeros(()), np.ones(()))[()])
    low, high = sorted(float(s[()]) for s in sides(f, np.zeros(()), np.ones(()))[:2])
    rough = 1e-4 * max(abs(low), abs(high), 1e-3 * scale)
    if high - low <= rough:                     # smooth here; if a kink is within H, only the short steps are right
        return Slope(d, d) if low - rough <= d <= high + rough else Slope(low, high)
    return Slope(low, high, kink=True)


def as_array(f: Callable) -> Callable:
    return lambda x: np.asarray(f(np.asarray(x)))


def scale_of(x) -> float:
    """Steps shrink with inputs that are all small; they do not grow with large ones."""
    return min(1.0, float(np.abs(x).max(initial=0))) or 1.0


def richardson(f: Callable, x, v):
    """∂f/∂x along v, as an array like f(x)."""
    h = H * scale_of(x)
    coarse = (f(x + h * v) - f(x - h * v)) / (2 * h)
    fine = (f(x + h / 2 * v) - f(x - h / 2 * v)) / h
    return (4 * fine - coarse) / 3


def sides(f: Callable, x, v, closer: float = 0.0) -> tuple:
    """(left, right, noise): the slopes of f along v from both sides, and how far rounding may have moved them.

    Where f is not finite, or refuses (a probability above 1), steps of TINY·closer are tried, and if they do not help,
    that side is taken from the other.
    """
    middle, h = f(x), TINY * scale_of(x)
    left, right = (one_sided(f, x, v, t, middle) for t in (-h, h))
    if 0 < closer < scale_of(x) and not (np.isfinite(left).all() and np.isfinite(right).all()):
        h = TINY * closer
        left, right = (one_sided(f, x, v, t, middle) for t in (-h, h))
    noise = 2e-15 * np.nan_to_num(np.abs(middle), posinf=0) / h
    return np.where(np.isfinite(left), left, right), np.where(np.isfinite(right), right, left), noise


def one_sided(f: Callable, x, v, h: float, middle) -> np.ndarray:
    """The slope along v towards h (of either sign); ±STEEP where f jumps, NaN where it refuses."""
    try:
        one, two = (f(x + t * v) - middle for t in (h, h / 2))
    except Exception:
        return np.full(middle.shape, np.nan)
    jump = (np.abs(two) > 0.75 * np.abs(one)) & (np.abs(one) > 1e-9 * (1 + np.abs(middle)))
    return np.where(jump, np.sign(one) * np.sign(h) * STEEP, (4 * two - one) / h)    # 2·two/(h/2) − one/h: the h term cancels


def noise(f: Callable, x: np.ndarray) -> np.ndarray:
    """How far rounding alone moves each value of f near x: what high differences of values in a row leave over.

    Seven values on one side of x, so that a kink at x is not among them; the quieter side counts.
    Source  Moré & Wild 2011, "Estimating computational noise".
    """
    v, sides = np.random.default_rng(0).uniform(0.5, 1, x.shape) * TINY * scale_of(x), []
    for h in (1, -1):
        try:
            rows = np.stack([f(x + h * k * v) for k in range(7)])
            sides.append(np.max([np.abs(np.diff(rows, k, axis=0)).max(0) / size for k, size in ((4, 70), (5, 252), (6, 924))], axis=0))
        except Exception:                       # that side is beyond what the forward takes
            continue
    return np.min([np.nan_to_num(s) for s in sides], axis=0) if sides else np.zeros(np.shape(f(x)))


class Jacobian:
    """J[o, e] = ∂f_o/∂x_e for every entry e of x; `exact` where the complex step could be trusted.

    columns: only these entries of x (flat numbers).  mend(e) measures one column again with short steps,
    which a kink nearby cannot disturb, and returns both sides.
    """

    def __init__(self, f: Callable, x: np.ndarray, columns=None):
        self.f, self.x = as_array(f), np.asarray(x, float)
        self.columns = range(self.x.size) if columns is None else columns
        self.left: dict[int, np.ndarray] = {}
        self.right: dict[int, np.ndarray] = {}
        self.kink: dict[int, bool] = {}
        with np.errstate(all="ignore"):
            J, self.rough = complex_columns(self.f, self.x, self.columns)
            self.exact = J is not None
            if J is None:
                J = [self.real_column(e) for e in self.columns]
        self.J = np.stack(J, axis=1) if len(J) else np.zeros((self.f(self.x).size, 0))

    @cached_property
    def noise(self) -> np.ndarray:
        """By output: what rounding does to f near x."""
        with np.errstate(all="ignore"):
            return noise(self.f, self.x)

    def real_column(self, e: int) -> np.ndarray:
        try:
            return richardson(self.f, self.x, unit(self.x.shape, e)).ravel()
        except Exception:                       # a step too far for the forward: mend() takes shorter ones
            return np.full(self.f(self.x).size, np.nan)

    def mend(self, e: int) -> tuple[np.ndarray, np.ndarray]:
        if e not in self.left:
            with np.errstate(all="ignore"):
                left, right, rounding = (s.ravel() for s in sides(self.f, self.x, unit(self.x.shape, e), abs(float(self.x.flat[e]))))
            column = self.J[:, e]
            rough = rounding + 1e-4 * max(np.abs(left).max(initial=0), np.abs(right).max(initial=0), 1e-9)
            self.kink[e] = bool((np.abs(left - right) > rough).any())
            close, middle = 10 * rounding + 1e-7 * np.abs(column).max(initial=0), (left + right) / 2
            if self.exact or self.kink[e] or (np.abs(middle - column) <= close).all():
                pass
            elif not (np.abs(middle - column) <= close + 10 * self.noise.ravel() / (TINY * scale_of(self.x))).all():
                self.J[:, e] = (left + right) / 2              # a kink within H, of f or of its slope, had bent the central difference
            self.left[e], self.right[e] = left, right
        return self.left[e], self.right[e]


def complex_columns(f: Callable, x: np.ndarray, columns, h: float = 1e-30) -> tuple[list | None, bool]:
    """(the Jacobian's columns by the complex step, or None where f must not be stepped so; whether there are kinks)"""
    def step(v):
        y = f(x + 1j * h * v)
        if y.dtype.kind != "c":
            raise TypeError("f returned real numbers")
        return (y.imag / h).ravel()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            J = [step(unit(x.shape, e)) for e in columns]
            v = np.random.default_rng(0).uniform(0.5, 1, x.shape) * np.where(x == 0, scale_of(x), x)
            along = step(v)
    except Exception:                           # whatever the forward did not like: real differences will do
        return None, False
    left, right, rounding = (s.ravel() for s in sides(f, x, v))
    slack = 1e-4 * np.abs(along).max(initial=0) + rounding
    agrees = (along >= np.minimum(left, right) - slack) & (along <= np.maximum(left, right) + slack)
    if not agrees.all():                        # is that rounding?  Terms that cancel make more of it than y shows
        wide = slack + 10 * noise(f, x).ravel() / (TINY * scale_of(x))
        agrees = (along >= np.minimum(left, right) - wide) & (along <= np.maximum(left, right) + wide)
    rough = bool((np.abs(left - right) > slack + 1e-4 * np.abs(right)).any())
    right_ones = np.all(agrees | ~np.isfinite(left) | (np.maximum(np.abs(left), np.abs(right)) >= STEEP)) and np.isfinite(J).all()
    return (J if right_ones else None), rough


def unit(shape: tuple, index) -> np.ndarray:
    """1 at one entry (a flat number or an index), 0 elsewhere."""
    v = np.zeros(shape)
    v.flat[index] = 1.0
    return v
