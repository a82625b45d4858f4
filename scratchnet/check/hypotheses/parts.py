"""Which part of the forward sent back too little: a term of the loss, a use of an input, a step on the way.

Place k of the traced forward carries the share  U_k·V_k  of the gradient (U_k = ∂⟨g, y⟩/∂v_k, V_k = ∂v_k/∂x).
    lost, doubled, wrong sign       A − N = (s − 1)·U_k V_k
    a factor there                  A − N = ((φ − 1)∘U_k) V_k  for a known array φ, or 1/φ for a missing one
    summed, averaged, transposed    A − N = (T(U_k) − U_k) V_k
"""
from __future__ import annotations

import itertools
from typing import Iterator

import numpy as np

from ..draw import Draw
from ..numeric import Jacobian
from ..subject import pack
from ..trace import Traced
from .case import Case, Claim, factor, fits, weights
from .factors import FUNCTIONS, extra, pool


class Share:
    """What flows through one place: at each of its visits v, per g."""

    def __init__(self, d: Draw, name: str, trace: Traced, k: int):
        self.d, self.name, self.trace, self.k, self.place = d, name, trace, k, trace.places[k]
        self.v = trace.values[k]

    def y(self, x, change) -> np.ndarray:
        inputs = [x if n == self.name else a.copy() if isinstance(a, np.ndarray) else a for n, a in self.d.inputs.items()]
        return pack(self.trace.run(lambda f: self.d.subject.call(inputs, {}, f), change=change))

    def divides(self) -> bool:
        """Whether some, but not all of the gradient flows through here: seen along one direction."""
        x, v = self.d.inputs[self.name], np.random.default_rng(0).uniform(0.5, 1, self.d.inputs[self.name].shape)
        whole, rest = (Jacobian(lambda t: self.y(x + t * v, change), np.zeros(())).J for change in ({}, self.frozen()))
        size = np.abs(whole).max(initial=0)
        return np.abs(rest).max(initial=0) > 1e-7 * size and np.abs(whole - rest).max(initial=0) > 1e-7 * size

    def frozen(self) -> dict:
        return {self.k: lambda v, visit: self.v[visit] + 0 * v}

    def cut(self) -> np.ndarray | None:
        """The share, per g: right minus the gradient with place k held at its value."""
        J = Jacobian(lambda x: self.y(x, self.frozen()), self.d.inputs[self.name]).J
        return np.stack([g.ravel() @ (self.d.J(self.name) - J) for g in self.d.gs])

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """U (one row per g) and V of a place that is visited once."""
        x, v0 = self.d.inputs[self.name], self.v[0]
        U = Jacobian(lambda u: self.y(x, {self.k: lambda v, visit: u}), np.asarray(v0, float)).J
        return np.stack([g.ravel() @ U for g in self.d.gs]), self.way()

    def way(self) -> np.ndarray:
        """V, of a place that is visited once."""
        seen: list = []

        def value(x):
            def note(v, visit):
                seen[:] = [np.asarray(v)]
                return v
            self.y(x, {self.k: note})
            return seen[0]
        return Jacobian(value, self.d.inputs[self.name]).J


def shares(c: Case) -> list[Share]:
    """All places through which some gradient for x flows; none where the forward cannot be traced."""
    d = c.d
    if d.trace is None or c.x.size > 400:
        return []
    key = ("shares", c.name)
    if key not in d.__dict__:
        found = []
        for k in d.trace.values:
            try:
                share = Share(d, c.name, d.trace, k)
                if not share.divides():
                    continue
                share.flow = share.cut()
                if np.isfinite(share.flow).all() and np.abs(share.flow).max() > 1e-9 * np.abs(c.n).max(initial=1e-300):
                    found.append(share)
            except Exception:                   # a hold made this step impossible: not a place to look at
                continue
        d.__dict__[key] = found
    return d.__dict__[key]


def label(share: Share) -> str:
    return share.place.name or share.place.text


def terms(c: Case) -> Iterator[Claim]:
    """The returned sum's terms, each with its own weight."""
    parts = [s for s in shares(c) if s.place.kind == "term"]
    if not parts:
        return
    rest = c.n - sum(s.flow.ravel() for s in parts)
    w = weights([s.flow.ravel() for s in parts], c.a - rest)
    if w is None or np.allclose(w, w[0], atol=1e-6) and len(w) > 1 or np.allclose(w, 1, atol=1e-6):
        return
    options = [[(label(s), name) for name in c.readings(k)[:6]] for s, k in zip(parts, w) if abs(k - 1) > 1e-5]
    for combination in itertools.islice(itertools.product(*options), 24):
        yield Claim(2 if c.d.scalar else 5.9, "TERMS", "; ".join(f"{t} x {n}" for t, n in combination), "; ".join(
            f"the {t} part is missing" if n == "0" else f"the {t} part has the wrong sign" if n == "-1" else
            f"the {t} part is {n} times the right one" for t, n in combination))


def paths(c: Case) -> Iterator[Claim]:
    """The uses of x itself, each with its own weight."""
    uses = [s for s in shares(c) if s.place.kind != "step" and s.place.name == c.name]
    if len(uses) < 2:
        return
    w = weights([s.flow.ravel() for s in uses], c.a)
    if w is None:                               # uses that send the same back cannot be told apart
        return
    if np.allclose(w, 1, atol=1e-5) or np.allclose(w, w[0], atol=1e-6):
        return
    lost = [s for s, k in zip(uses, w) if abs(k) < 1e-5]
    if lost and all(abs(k) < 1e-5 or abs(k - 1) < 1e-5 for k in w):
        yield Claim(2.1, "PATHS", "lost", f"{c.name} is used {len(uses)} times but {where(lost)} sends nothing back: "
                    "overwritten ('=') instead of accumulated ('+='), or forgotten")
    else:
        yield Claim(2.1, "PATHS", "weights", f"{c.name} is used {len(uses)} times; the uses count "
                    f"{[f'{k:.4g}' for k in np.round(w, 9) + 0.0]} times instead of once each: a backward ran before its gradient was "
                    "complete, ran twice, or one of them has a wrong factor")


def where(lost: list[Share]) -> str:
    return " and ".join(f"its use in line {s.place.line}" for s in lost)


def steps(c: Case) -> Iterator[Claim]:
    """One place: its share lost, doubled, of the wrong sign, or by a named constant off; or the only one left."""
    difference = c.a - c.n
    for s in shares(c):
        at = f"{s.place.text} (line {s.place.line})"
        ratio = factor(difference, s.flow.ravel())
        if ratio is not None:
            for name in c.readings(1 + ratio)[:4]:
                if name == "0":
                    yield Claim(5.8, "PATHS", f"lost: {s.place.text}", f"what flows back through {at} is missing")
                else:
                    yield Claim(6.2, "PATHS", f"{s.place.text} x {name}", f"what flows back through {at} is {name} times the right one")
        ratio = factor(c.a, s.flow.ravel())
        if ratio is not None and abs(ratio - 1) < 1e-6:
            yield Claim(6, "PATHS", f"only {s.place.text}", f"only what flows back through {at} is there; the other paths are missing")


def term_factors(c: Case) -> Iterator[Claim]:
    """One term of the returned sum, off by a known array entry by entry; the others right."""
    parts = [s for s in shares(c) if s.place.kind == "term"]
    for s in parts:
        rest, term = c.a - c.n + s.flow.ravel(), s.flow.ravel()
        for name, phi in pool(c, c.x.shape):
            wide = np.tile(phi.ravel(), len(c.A))
            for word, ratio in (("extra", factor(rest, term * wide)), ("missing", factor(term, rest * wide) if rest.any() else None)):
                if ratio is not None and min(abs(ratio - k) for k in (1, -1, 2, 0.5)) < 1e-5:
                    yield Claim(8, "TERM_FACTOR", f"{label(s)}: {word} {name}", f"in the {label(s)} part " + (
                        f"there is a factor {name} too many" if word == "extra" else f"the factor {name} is missing") + extra(ratio))


def local_factors(c: Case) -> Iterator[Claim]:
    """One place: its local derivative multiplied by a known array too often or not at all; summed, averaged, transposed."""
    difference = [(a - n).ravel() for a, n in zip(c.A, c.N)]
    for s in shares(c):
        v0 = np.asarray(s.v[0], float)
        if len(s.v) != 1 or v0.size > 300 or v0.ndim > 4:
            continue
        try:
            U, V = s.halves()
        except Exception:
            continue
        if not (np.isfinite(U).all() and np.isfinite(V).all()):
            continue
        at = f"{s.place.text} (line {s.place.line})"
        code = "TERM_FACTOR" if s.place.kind == "term" else "DYFACTOR"
        for detail, phi in factors_at(c, v0.shape):
            if fits(difference, [((phi.ravel() - 1) * u) @ V for u in U]):
                word = detail.split(" ", 1)
                yield Claim(8.6, code, f"{label(s)}: {detail}" if s.place.kind == "term" else f"{detail} at {s.place.text}",
                            f"at {at} the gradient has a factor {word[1]} too many" if word[0] == "extra" else
                            f"at {at} the gradient is not multiplied by {word[1]}")
        for detail, change in changes_at(v0.shape):
            if fits(difference, [(change(u.reshape(v0.shape)).ravel() - u) @ V for u in U]):
                yield Claim(9, "DY", f"{detail} at {s.place.text}", f"at {at} the incoming gradient is {detail}")


def factors_at(c: Case, shape: tuple) -> Iterator[tuple[str, np.ndarray]]:
    with np.errstate(all="ignore"):
        for name, v in c.d.known_like(shape):
            for form, f in FUNCTIONS.items():
                phi = np.broadcast_to(f(v), shape)
                if not np.isfinite(phi).all() or np.ptp(phi) < 1e-9:
                    continue
                yield f"extra {form.format(v=name)}", phi
                if (phi != 0).all():
                    yield f"missing {form.format(v=name)}", 1 / phi


def changes_at(shape: tuple) -> Iterator[tuple]:
    for axis, n in enumerate(shape):
        if n > 1:
            yield f"averaged over axis {axis}", lambda u, axis=axis: np.broadcast_to(u.mean(axis, keepdims=True), u.shape)
            yield f"summed over axis {axis}", lambda u, axis=axis: np.broadcast_to(u.sum(axis, keepdims=True), u.shape)
    if len(shape) >= 2 and shape[-1] == shape[-2] > 1:
        yield "transposed", lambda u: np.swapaxes(u, -1, -2)
    yield "replaced by 1", np.ones_like
