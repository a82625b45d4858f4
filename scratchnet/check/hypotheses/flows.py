"""What is sent back along one way through the forward, told apart from the rest, which is right.

Place k carries F_k of the right gradient N; the wrong gradient A sends  R_k = A − N + F_k  there instead.
    one array for another     R_k∘q = F_k∘p  for known arrays p, q: the learner's own variables and dy among them
    one step is wrong         A − N lies in the few directions that lead through place k, for every g: only that way is wrong
    sums and products         A = Σ dy∘p, A = P @ Q, with the learner's own variables
    another variable          N is one of the learner's variables, and is not what is returned
"""
from __future__ import annotations

import itertools
from typing import Iterator

import numpy as np

from .case import RTOL, Case, Claim, factor, fits, residual, subsets
from .factors import pool
from .parts import shares

FORMS = {"{}": lambda v: v, "{}^2": lambda v: v * v, "1-{}": lambda v: 1 - v, "1-{}^2": lambda v: 1 - v * v}


def arrays(c: Case) -> list[tuple[str, list]]:
    """(name, one array for each g) of all that has a name: inputs, what the forward computed, what the backward did, dy."""
    found = [(name, [v] * len(c.gs)) for name, v in c.d.everything.items()]
    found.append(("dy", c.gs))
    names = {name for name, _ in found}
    return found + [(name, vs) for name, vs in c.d.variables.items() if name not in names]


def at(shape: tuple, c: Case) -> tuple[list[str], np.ndarray]:
    """Names, and one row each of all arrays that fit the shape: as they are, squared, …; what depends on dy also summed."""
    names, rows = ["1"], [np.ones(len(c.gs) * int(np.prod(shape)))]

    def put(name, vs):
        try:
            row = np.concatenate([np.broadcast_to(v, shape).ravel() for v in vs])
        except ValueError:
            return
        if np.isfinite(row).all() and np.ptp(row) > 1e-9 and not any(np.array_equal(row, r) for r in rows):
            names.append(name)
            rows.append(row)
    for name, vs in arrays(c):
        for form, f in FORMS.items():
            put(form.format(name if name.isidentifier() else f"({name})"), [f(v) for v in vs])
        if vs[0] is not vs[-1] and vs[0].ndim:
            for axis, word in itertools.product(range(-vs[0].ndim, 0), ("mean", "sum")):
                put(f"{name}.{word}({axis})", [getattr(v, word)(axis, keepdims=True) for v in vs])
    return names, np.stack(rows)


def ways(c: Case) -> Iterator[tuple[str, np.ndarray]]:
    """(where, the right gradient along it) of the whole and of every place."""
    yield "", c.n
    for s in shares(c):
        yield f"{s.place.text} (line {s.place.line})", s.flow.ravel()


def exchanged(c: Case) -> Iterator[Claim]:
    """One array in the place of another, everywhere or along one way only."""
    names, P = at(c.x.shape, c)
    if len(names) > 400:
        return
    difference = c.a - c.n
    for where, F in ways(c):
        R = difference + F
        if not R.any() or np.linalg.norm(R) < 1e-9 * np.linalg.norm(F):
            continue
        with np.errstate(all="ignore"):
            left, right = R * P, F * P
            left, right = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (left, right))
            close = np.argwhere(np.abs(np.nan_to_num(left) @ np.nan_to_num(right).T) > 1 - 1e-9)
        for i, j in close:
            q, p = P[i], P[j]
            if i == j or np.any((np.abs(difference) > RTOL * np.abs(c.n).max()) & (p == 0) & (q == 0)):
                continue
            ratio = float((R * q) @ (F * p) / ((F * p) @ (F * p)))
            if residual(R * q, ratio * F * p) > RTOL:
                continue
            for number in (["1"] if abs(ratio - 1) < 1e-6 else c.readings(ratio)[:2]):
                times = "" if number == "1" else f" (times {number})"
                what, words = f"{names[j]}{times} instead of {names[i]}", f"the factor is {names[j]}{times} where it should be {names[i]}"
                cost = 11.5 + 0.3 * bool(where) + 0.2 * bool(times) + len(what) / 1000
                if where:
                    yield Claim(cost, "FACTOR", f"{what} at {where}", f"in what flows back through {where} {words}; the rest is right")
                else:
                    yield Claim(cost, "FACTOR", what, words)


def one_way(c: Case) -> Iterator[Claim]:
    """All that is wrong leads through one place, of fewer dimensions than the input."""
    difference = np.stack([(a - n).ravel() for a, n in zip(c.A, c.N)])
    if not np.isfinite(difference).all():
        return
    for s in shares(c):
        if len(s.v) != 1 or np.size(s.v[0]) > 300:
            continue
        try:
            V = s.way()
        except Exception:
            continue
        if not np.isfinite(V).all() or not V.any():
            continue
        basis = np.linalg.svd(V, full_matrices=False)
        basis = basis[2][basis[1] > 1e-9 * basis[1][0]]
        if len(basis) > 0.67 * c.x.size or c.x.size - len(basis) < 3:
            continue
        if residual(difference, difference @ basis.T @ basis) < RTOL:
            text, line = s.place.text, s.place.line
            yield Claim(13.2 + len(basis) / c.x.size, "STEP", text, f"only what flows back through {text} (line {line}) is wrong, "
                        "what comes along the other ways is right: look at that step of backward")


def reduced(c: Case) -> Iterator[Claim]:
    """A sum over the axes that x was broadcast along, of dy times another array than ∂y/∂x."""
    J = c.J
    if c.d.scalar or not J.size or c.x.size >= c.d.y.size or (np.abs(J) > 1e-9).sum(1).max() > 1 or c.A[0].shape != c.x.shape:
        return
    terms = [(g.ravel() * J.sum(1)).reshape(c.d.y.shape) for g in c.gs]
    for axes in subsets(range(c.d.y.ndim)):
        if terms[0].sum(axes).size != c.x.size or not fits([t.sum(axes).reshape(c.x.shape) for t in terms], c.N):
            continue
        for name, phi in [("1", np.ones(c.d.y.shape)), *pool(c, c.d.y.shape)]:
            if c.is_([(g * phi).sum(axes).reshape(c.x.shape) for g in c.gs]):
                yield Claim(12.4, "COMPUTES", f"sum of dy*{name}", f"your formula computes dy * {name}, summed; that is not "
                            f"∂L/∂{c.name} here")


def another(c: Case) -> Iterator[Claim]:
    """The gradient of another input; or a variable of backward that holds the right gradient, and is not returned."""
    for other in c.d.wrt:
        if other != c.name and c.d.inputs[other].shape == c.x.shape and c.d.affordable(other) and c.is_(c.d.right(other)):
            yield Claim(4.2, "RETURNS", f"the gradient of {other}", f"what is returned for {c.name} is the gradient of {other}")
    for name, vs in c.d.variables.items():
        if vs[0].shape == c.x.shape and fits(vs, c.N):
            yield Claim(4.4, "RETURNS", f"not {name}", f"your variable {name} holds the right gradient, but something else is returned")


def products(c: Case) -> Iterator[Claim]:
    """A = P @ Q where N = P' @ Q, or P @ Q': of known arrays of two axes or more, the learner's own variables among them."""
    want = c.A[0].shape
    if len(want) < 2 or not np.isfinite(c.a).all():
        return
    items = [(name, vs) for name, vs in arrays(c) if vs[0].ndim >= 2]
    items += [(f"{name}.T", [np.swapaxes(v, -1, -2) for v in vs]) for name, vs in items]
    wrong, right = [], []                       # (left, right, factor)
    for (left, P), (other, Q) in itertools.product(items[:60], repeat=2):
        p, q = P[0].shape, Q[0].shape
        if p[-1] != q[-2] or (p[-2], q[-1]) != want[-2:] or p[:-2] != want[:-2] or q[:-2] != want[:-2]:
            continue
        made = np.concatenate([(u @ v).ravel() for u, v in zip(P, Q)])
        for target, found in ((c.a, wrong), (c.n, right)):
            ratio = factor(target, made)
            if ratio:
                found.append((left, other, ratio))
    for (p, q, k), (r, s, m) in itertools.product(wrong, right):
        if (p == r) != (q == s) and abs(k - m) <= 1e-6 * abs(m):
            yield Claim(11.2 + len(p + q) / 1000, "PRODUCT", f"{p} @ {q} instead of {r} @ {s}",
                        f"your gradient is {p} @ {q}, it should be {r} @ {s}")
