"""A factor or a term too many, missing, or the wrong one: simple functions of every array that has a name."""
from __future__ import annotations

import itertools
from typing import Iterator

import numpy as np

from .case import RTOL, Case, Claim, factor, fits, residual

GOOD = (1.0, -1.0, 2.0, 0.5, -2.0, -0.5)


def sigmoid(v): return np.where(v >= 0, 1, np.exp(-np.abs(v))) / (1 + np.exp(-np.abs(v)))


def softmax(v):
    e = np.exp(v - v.max(-1, keepdims=True)) if v.ndim else np.ones(())
    return e / e.sum(-1, keepdims=True) if v.ndim else e


FUNCTIONS = {
    "{v}": lambda v: v, "{v}^2": lambda v: v * v, "exp({v})": np.exp, "exp({v}/2)": lambda v: np.exp(v / 2),
    "1-{v}": lambda v: 1 - v, "{v}*(1-{v})": lambda v: v * (1 - v), "1-{v}^2": lambda v: 1 - v * v,
    "1+{v}": lambda v: 1 + v, "1+{v}^2": lambda v: 1 + v * v, "sqrt({v})": lambda v: np.sqrt(v),
    "({v}>0)": lambda v: (v > 0) * 1.0, "({v}<0)": lambda v: (v < 0) * 1.0, "|{v}|": np.abs, "sign({v})": np.sign,
    "sigmoid({v})": sigmoid, "sigmoid'({v})": lambda v: sigmoid(v) * sigmoid(-v), "tanh({v})": np.tanh,
    "log|{v}|": lambda v: np.log(np.abs(v)), "relu({v})": lambda v: np.maximum(v, 0)}
TERMS = {**{k: FUNCTIONS[k] for k in ("{v}", "{v}^2", "sign({v})", "exp({v})", "({v}>0)")},
         "exp({v})-1": lambda v: np.exp(v) - 1, "{v}-sigmoid({v})": lambda v: v - sigmoid(v),
         "{v}-softmax({v})": lambda v: v - softmax(v)}


def pool(c: Case, shape: tuple, functions=FUNCTIONS) -> list[tuple[str, np.ndarray]]:
    """(expression, values) of every named array under every function, where that is finite and not constant."""
    found = []
    with np.errstate(all="ignore"):
        for name, v in c.d.known_like(shape):
            for form, f in functions.items():
                p = np.broadcast_to(f(v), shape)
                if np.isfinite(p).all() and p.size and np.ptp(p) > 1e-9:
                    found.append((form.format(v=name), p))
    return found


def extra(ratio: float) -> str:
    return f" (and {ratio:g})" if abs(ratio - 1) > 1e-5 else ""


def one_factor(c: Case) -> Iterator[Claim]:
    """A = N·φ(v) or N / φ(v) entry by entry."""
    good = lambda ratio: ratio is not None and min(abs(ratio - k) for k in GOOD) < 1e-5
    for name, phi in pool(c, c.x.shape):
        wide = np.tile(phi.ravel(), len(c.A))
        ratio = factor(c.a, c.n * wide)
        if good(ratio):
            yield Claim(8, "FACTOR", f"extra {name}", f"there is one factor {name} too many{extra(ratio)}")
        ratio = factor(c.n, c.a * wide)
        if good(ratio) and c.a.any():
            yield Claim(8, "FACTOR", f"missing {name}", f"the factor {name} is missing{extra(1 / ratio)}")


def factor_of_g(c: Case) -> Iterator[Claim]:
    """The same for g:  A = (g·φ)·J or (g/φ)·J."""
    if c.d.scalar:
        return
    flat = [a.ravel() for a in c.A]
    for name, phi in pool(c, c.d.y.shape):
        if fits(flat, [(g * phi).ravel() @ c.J for g in c.gs]):
            yield Claim(8.2, "DYFACTOR", f"extra {name}", f"dy is multiplied by {name} once too often")
        if (phi != 0).all() and fits(flat, [(g / phi).ravel() @ c.J for g in c.gs]):
            yield Claim(8.2, "DYFACTOR", f"missing {name}", f"dy is not multiplied by {name}: that local derivative is missing")


def swapped_factor(c: Case) -> Iterator[Claim]:
    """A/N is a quotient of two simple functions: a wrong formula, or a wrong array in it."""
    factors = [(name, np.tile(p.ravel(), len(c.A))) for name, p in pool(c, c.x.shape)]
    if not factors or not c.n.any():
        return
    probe, differs = int(np.argmax(np.abs(c.n))), np.abs(c.a - c.n) > RTOL * np.abs(c.n).max()
    for (wrong, p), (right, q) in itertools.permutations(factors, 2):
        if np.any(differs & (p == 0) & (q == 0)):              # 0 = 0 explains nothing where A and N differ
            continue
        left, expected = c.a[probe] * q[probe], c.n[probe] * p[probe]
        if abs(left - expected) <= 1e-5 * (abs(left) + abs(expected)) and np.any(c.n * p) and residual(c.a * q, c.n * p) < RTOL:
            yield Claim(12, "FACTOR", f"{wrong} instead of {right}", f"the factor is {wrong} where it should be {right}")


def one_term(c: Case) -> Iterator[Claim]:
    """A − N is a constant times something known, or times g times something known."""
    difference = c.a - c.n
    terms = pool(c, c.x.shape, TERMS) + [("1", np.ones(c.x.shape))]
    terms += [(name, v) for name, v in c.d.known_like(c.x.shape) if v.any() and np.ptp(v) <= 1e-9]
    for name, e in terms:
        ratio = factor(difference, np.concatenate([(e * (g.ravel()[0] if c.d.scalar else 1)).ravel() for g in c.gs]))
        for number in (["1"] if ratio is not None and abs(ratio - 1) < 1e-6 else c.readings(ratio)[:6] if ratio is not None else []):
            yield Claim(10, "ADDITIVE", f"{number} * {name}", f"the gradient differs from the right one by exactly {number} * {name} "
                        f"({'missing' if ratio < 0 else 'extra'} term)")
    if c.d.y.shape != c.x.shape or c.d.scalar:
        return
    for name, v in [("1", np.ones(c.x.shape))] + c.d.known_like(c.x.shape):
        ratio = factor(difference, np.concatenate([(g * v).ravel() for g in c.gs]))
        if ratio is not None and abs(ratio - round(2 * ratio) / 2) < 1e-5:
            yield Claim(10, "ADDITIVE", f"{ratio:g} * dy*{name}", f"the gradient differs from the right one by exactly {ratio:g} * dy*{name}")


def added(c: Case) -> Iterator[Claim]:
    """g + y' where g·y' should be: the local derivative y' is N/g."""
    if c.d.y.shape != c.x.shape or not all(np.all(g != 0) for g in c.gs):
        return
    for word, f in (("+", lambda g, n: g + n / g), ("-", lambda g, n: g - n / g), ("/", lambda g, n: g * g / n)):
        with np.errstate(all="ignore"):
            if c.is_([f(g, n) for g, n in zip(c.gs, c.N)]):
                yield Claim(7.5, "COMPUTES", f"dy {word} ∂y/∂{c.name}", f"your formula computes dy {word} ∂y/∂{c.name} where the product should be")


def computes(c: Case) -> Iterator[Claim]:
    """What the learner's formula computes, where it is g times a simple function."""
    if c.d.y.shape == c.x.shape:
        for name, phi in pool(c, c.x.shape):
            if c.is_([g * phi for g in c.gs]):
                yield Claim(12.5, "COMPUTES", f"dy*{name}", f"your formula computes dy * {name}; that is not ∂y/∂{c.name} here")


def expression(c: Case) -> Iterator[Claim]:
    """Which product or quotient of two simple functions did the learner compute, times g, over g, or without g?"""
    count, found = len(c.A), []
    factors = [("1", np.ones(c.a.size))] + [(n, np.tile(p.ravel(), count)) for n, p in pool(c, c.x.shape)]
    whole = [(n, p) for n, p in factors if (np.abs(p) > 1e-12).all()]
    names = [f"* {n}" for n, _ in factors] + [f"/ ({n})" for n, _ in whole[1:]]
    Q = np.stack([p for _, p in factors] + [1 / p for _, p in whole[1:]])
    QQ = (Q * Q).sum(1)
    ups = [("", np.ones(c.a.size))]
    if c.d.scalar or c.d.y.shape == c.x.shape:
        g = np.concatenate([np.broadcast_to(g.ravel()[0] if c.d.scalar else g, c.x.shape).ravel() for g in c.gs])
        ups += [("dy * ", g), ("1/dy * ", 1 / g)]
    with np.errstate(all="ignore"):
        for up, u in ups:
            for name, p in whole:
                S = c.a / u / p
                if not np.isfinite(S).all() or not S.any():
                    continue
                ratios = Q @ S / QQ
                far = np.linalg.norm(S - ratios[:, None] * Q, axis=1) / np.linalg.norm(S)
                for j in np.flatnonzero(far < RTOL):
                    found += [tidy(f"{up}{name} {names[j]}", number) for number in constant_names(c, ratios[j])]
    for text in sorted(set(found), key=lambda t: (len(t), t))[:12]:
        yield Claim(12.6 + len(text) / 1000, "COMPUTES", text, f"your formula computes {text}; that is not ∂L/∂{c.name}")


def constant_names(c: Case, ratio: float) -> list[str]:
    return ["1"] if abs(ratio - 1) < 1e-6 else [name for name in c.readings(ratio) if name != "0"][:4]


def tidy(text: str, number: str) -> str:
    text = text.replace("* 1 *", "*").replace(" * 1 ", " ").strip()
    text = text.removesuffix("* 1").strip() if text.endswith("* 1") else text
    text = text.removeprefix("1 * ")
    return text if number == "1" else f"{number} * {text}"
