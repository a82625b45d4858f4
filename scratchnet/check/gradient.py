"""Compare gradients with measured slopes, and say which one is wrong, where and by how much.

Both checks contract the output with random numbers g (never ones: mistakes hide behind a plain sum),
φ(a) = ⟨g, f(a)⟩, and compare ∂φ/∂a with slopes of φ: entry by entry where an input is small, along
random directions where it is large.
"""
from __future__ import annotations

import inspect
from typing import Callable, NamedTuple, Sequence

import numpy as np

from ..autograd import grad
from ..ops import mul, sum
from ..rng import generator
from ..tensor import Tensor
from .numeric import slope

EVERY_ENTRY = 300                               # larger inputs are checked along this many / 10 directions


class Finding(NamedTuple):
    """One wrong gradient.  code: SHAPE, MISSING, NOT_FINITE or WRONG."""
    target: str
    code: str
    detail: dict
    text: str


class GradientError(AssertionError):
    """A gradient is not the slope it claims to be.  `findings` holds what was found, one per input."""

    def __init__(self, findings: Sequence[Finding]):
        self.findings = list(findings)
        super().__init__("\n".join(f.text for f in self.findings))


def check_grad(f: Callable, *arrays, sample: Callable | None = None, order: int = 1, rng=None,
               tol: float = 1e-6) -> float:
    """Check the gradients of f, a function of Tensors, at `arrays` or at three draws of sample(rng).

    order=2 checks the gradients of the gradients as well.  Returns the largest error, relative to each
    gradient's largest entry.  Raises GradientError; TypeError if f does not return a Tensor.
    """
    if order not in (1, 2):
        raise ValueError(f"check_grad: order is {order!r}, expected 1 or 2")
    if (sample is None) == (not arrays):
        raise TypeError("check_grad: pass the arrays to check at, or sample=, one of the two")
    rng = generator(0 if rng is None else rng)
    draws = [tuple(sample(rng)) for _ in range(3)] if sample is not None else [arrays]
    names = parameter_names(f, len(draws[0]))
    worst = 0.0
    for draw in draws:
        worst = max(worst, compare(*first_order(f), draw, names, rng, tol))
        if order >= 2:
            worst = max(worst, compare(*second_order(f, draw, rng), draw, names, rng, tol))
    return worst


def check_backward(forward: Callable, backward: Callable, sample, *, rng=None, tol: float = 1e-6) -> float:
    """Check a plain NumPy pair: y = forward(*arrays); backward(g, *arrays) gives one gradient per array.

    sample   a tuple of arrays, or a function rng -> tuple (then three draws, best of different shapes).
    """
    rng = generator(0 if rng is None else rng)
    draws = [tuple(sample(rng)) for _ in range(3)] if callable(sample) else [tuple(sample)]
    names = parameter_names(forward, len(draws[0]))

    def gradients(g, *arrays):
        result = backward(g, *arrays)
        return list(result) if isinstance(result, (tuple, list)) else [result]
    return max(compare(lambda *a: np.asarray(forward(*a)), gradients, draw, names, rng, tol) for draw in draws)


def first_order(f: Callable) -> tuple[Callable, Callable]:
    """(value, gradients) of f on arrays, by the engine."""
    def value(*arrays):
        y = f(*(Tensor(a) for a in arrays))
        if not isinstance(y, Tensor):
            raise TypeError(f"check_grad: f returned a {type(y).__name__}, expected a Tensor: use sn.* functions")
        return y.numpy()

    def gradients(g, *arrays):
        xs = [Tensor(a, requires_grad=True) for a in arrays]
        return [d if d is None else d.numpy() for d in grad(f(*xs), xs, g)]
    return value, gradients


def second_order(f: Callable, draw: tuple, rng) -> tuple[Callable, Callable]:
    """The same for a ↦ Σᵢ ⟨rᵢ, ∂⟨g, f⟩/∂aᵢ⟩ with random g and rᵢ: every second derivative takes part."""
    g = rng.standard_normal(np.shape(first_order(f)[0](*draw)))
    r = [rng.standard_normal(np.shape(a)) for a in draw]

    def contracted(*xs):
        with_grad = [x if x.requires_grad else Tensor(x, requires_grad=True) for x in xs]
        gs = grad(f(*with_grad), with_grad, g, create_graph=True)
        total = Tensor(np.zeros(()))
        for d, ri in zip(gs, r):
            total = total if d is None else total + sum(mul(d, ri))
        return total
    return first_order(contracted)


def compare(value: Callable, gradients: Callable, draw: tuple, names: list[str], rng, tol: float) -> float:
    if not draw:
        raise TypeError("the sample is empty: there is no input to check")
    draw = [np.array(a.numpy() if isinstance(a, Tensor) else a, dtype=np.float64) for a in draw]
    y = value(*(a.copy() for a in draw))
    g = rng.standard_normal(y.shape)
    got = gradients(g.copy(), *(a.copy() for a in draw))
    if len(got) != len(draw):
        raise GradientError([Finding("*", "SHAPE", {"got": len(got), "expected": len(draw)},
                                     f"{len(got)} gradients were returned for {len(draw)} inputs")])
    findings, worst = [], 0.0
    for i, (name, a, d) in enumerate(zip(names, draw, got)):
        def phi(t, v, i=i):
            moved = [b + t * v if j == i else b for j, b in enumerate(draw)]
            return float(np.sum(g * value(*moved)))
        error, finding = compare_one(name, phi, a, d, y, g, rng, tol)
        worst = max(worst, error)
        findings += [finding] if finding else []
    if findings:
        raise GradientError(findings)
    return worst


def compare_one(name: str, phi: Callable, a, d, y, g, rng, tol: float) -> tuple[float, Finding | None]:
    if d is not None and np.shape(d) != a.shape:
        return np.inf, Finding(name, "SHAPE", {"got": np.shape(d), "expected": a.shape},
                               f"{name}: the gradient has shape {np.shape(d)}, expected {a.shape} like {name} itself")
    if d is not None and not np.isfinite(d).all():
        return np.inf, Finding(name, "NOT_FINITE", {}, f"{name}: the gradient contains NaN or infinity")
    analytic_of = np.zeros(a.shape) if d is None else np.asarray(d, dtype=np.float64)
    if a.size <= EVERY_ENTRY:
        directions = ((index, unit(a.shape, index)) for index in np.ndindex(*a.shape))
    else:
        directions = ((f"direction {k}", rng.standard_normal(a.shape)) for k in range(EVERY_ENTRY // 10))
    scale = float(np.sum(np.abs(g * y))) + 1e-300
    rows = []
    for where, v in directions:
        measured, analytic = slope(lambda t: phi(t, v), scale), float(np.sum(analytic_of * v))
        nearest = min(max(analytic, measured.low), measured.high)
        rows.append((where, analytic, nearest, abs(analytic - nearest)))
    size = max(max(abs(n), abs(b)) for _, b, n, _ in rows) or 1.0
    where, analytic, numeric, error = max(rows, key=lambda row: row[3])
    if error <= tol * size + 1e-10 * scale:
        return error / size, None
    wrong = sum_of(row[3] > tol * size for row in rows)
    code = "MISSING" if d is None else "WRONG"
    what = "no gradient reaches it" if d is None else f"backward {analytic:+.6e}"
    return error / size, Finding(name, code, {"where": where, "analytic": analytic, "numeric": numeric},
                                 f"{name}: {what}, measured {numeric:+.6e} at {where}; {wrong} of {len(rows)} "
                                 "places are wrong")


def sum_of(flags) -> int:
    return len([1 for flag in flags if flag])


def unit(shape: tuple, index: tuple) -> np.ndarray:
    v = np.zeros(shape)
    v[index] = 1.0
    return v


def parameter_names(f: Callable, n: int) -> list[str]:
    """The names f gives its first n parameters, or numbers where it does not say."""
    try:
        names = [p.name for p in inspect.signature(f).parameters.values()
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    return names[:n] if len(names) >= n else [f"input {i}" for i in range(n)]
