"""The right formula with the wrong array in it: another g, another input, another setting."""
from __future__ import annotations

import itertools
from typing import Callable, Iterator

import numpy as np

from .case import Case, Claim, fits, residual
from .layout import shift


def upstream(c: Case) -> Iterator[Claim]:
    """A = g'·J with g' = 1, transposed, shifted, summed, …"""
    flat = [a.ravel() for a in c.A]
    if c.d.scalar:
        if not np.allclose(c.gs[1], 1) and np.allclose(flat[0], flat[1], rtol=1e-9) and flat[0].any():
            if fits(flat[:1], [np.ravel(c.J.sum(0))]):
                yield Claim(0.9, "DY", "ones", "the upstream gradient dy is ignored (treated as 1)")
        return
    for detail, change, cost, text in changes_of_g(c):
        if fits(flat, [change(g).ravel() @ c.J for g in c.gs]):
            yield Claim(cost, "DY", detail, text)


def changes_of_g(c: Case) -> Iterator[tuple[str, Callable, float, str]]:
    shape = c.d.y.shape
    yield "ones", np.ones_like, 3, "the upstream gradient dy is ignored (treated as 1)"
    yield "|dy|", np.abs, 8, "the sign of dy is lost"
    yield "dy^2", np.square, 8, "dy is used twice (squared)"
    yield "1/dy", lambda g: 1 / g, 8, "divided by dy instead of multiplied"
    yield "relu(dy)", lambda g: np.maximum(g, 0), 7, "the mask is taken from dy instead of from the input"
    if len(shape) >= 2:
        if shape[-1] == shape[-2]:
            yield "dy transposed", lambda g: np.swapaxes(g, -1, -2), 5, "dy is used transposed"
        if shape[0] == shape[1]:
            yield "dy axes 0,1 swapped", lambda g: np.swapaxes(g, 0, 1), 5, "dy is used with axes 0 and 1 swapped"
        for axes in ((-1,), (-2,), (-2, -1)):
            yield f"dy flipped {axes}", lambda g, axes=axes: np.flip(g, axes), 6, f"dy is used reversed along {axes}"
        if min(shape[-2:]) > 2:
            for off in itertools.product((-1, 0, 1), repeat=2):
                if off != (0, 0):
                    yield f"dy shifted {off[0]:+d},{off[1]:+d}", lambda g, off=off: shift(g, off), 8, \
                        f"dy is used moved by {off} pixels: an offset (padding, crop) is wrong by one"
        for k, which in ((-1, "last"), (0, "first")):
            yield f"dy without the {which} row and column", lambda g, k=k: without(g, k), 5.5, \
                f"the {which} row and column of dy is dropped (output_padding or loop bound)"
    for axis, n in enumerate(shape):
        if n > 1:
            label = c.labels[axis]
            yield f"dy averaged over {label}", lambda g, axis=axis: np.broadcast_to(g.mean(axis, keepdims=True), g.shape), 6, \
                f"dy is averaged over {label} before it is used"
            yield f"dy summed over {label}", lambda g, axis=axis: np.broadcast_to(g.sum(axis, keepdims=True), g.shape), 6, \
                f"dy is summed over {label} before it is used"


def without(g: np.ndarray, k: int) -> np.ndarray:
    g = g.copy()
    g[..., k, :] = 0
    g[..., :, k] = 0
    return g


def other_inputs(c: Case) -> Iterator[Claim]:
    """A is the right gradient for changed inputs: w transposed, flipped, missing; x := y, −x, 2x, …"""
    if c.A[0].shape != c.x.shape:
        return
    for other, v in c.d.inputs.items():
        if not (isinstance(v, np.ndarray) and v.dtype.kind == "f"):
            continue
        for detail, replacement, text in changes_of_input(c, other, v):
            H = c.d.right_at(c.name, c.A, **{other: np.array(replacement, float)})
            if H is None or not np.any(H[0]) or residual(H[0], c.N[0]) < 1e-5:
                continue
            if c.is_(H):
                code = "SUBST" if other in c.d.wrt else "CONST"
                yield Claim((5 if other != c.name else 8) + 0.2 * ("reshaped" in detail), code, detail, text)


def changes_of_input(c: Case, other: str, v: np.ndarray) -> Iterator[tuple[str, np.ndarray, str]]:
    if v.ndim >= 2 and v.shape[-1] == v.shape[-2]:
        yield f"{other} transposed", np.swapaxes(v, -1, -2), f"{other} is used transposed the wrong way (.T missing or extra)"
    if v.ndim > 2 and v.shape[0] == v.shape[1]:
        yield f"{other} axes 0,1 swapped", np.swapaxes(v, 0, 1), f"the channel axes 0 and 1 of {other} are swapped"
    if v.ndim >= 2:
        for axes in ((-2, -1), (-1,), (-2,)):
            yield f"{other} flipped {axes}", np.flip(v, axes), f"{other} is used reversed along {axes}: flip it (or do not)"
    if v.ndim == 4:
        if v.shape[0] == v.shape[1]:
            yield f"{other} flipped and channels swapped", np.swapaxes(np.flip(v, (-2, -1)), 0, 1), \
                f"{other} is used reversed and with channel axes swapped"
        for off in itertools.product((-1, 0, 1), repeat=2):
            if off != (0, 0):
                yield f"{other} shifted {off[0]:+d},{off[1]:+d}", shift(v, off), f"{other} is used moved by {off} pixels (padding offset)"
    if v.ndim == 2:
        yield f"{other} reshaped", v.reshape(v.shape[::-1]).T, f"{other} is reshaped where it must be transposed"
    if other != c.name:
        yield f"{other}=1", np.ones_like(v), f"the factor {other} is missing (as if it were 1)"
        yield f"{other}=0", np.zeros_like(v), f"the part that depends on {other} is missing (as if it were 0)"
        if c.x.shape == v.shape:
            yield f"{other}:={c.name}", c.x, f"{c.name} is used where {other} should be (operands mixed up)"
        yield f"{other}:=-{other}", -v, f"the sign of {other} is wrong"
        return
    for third, u in c.d.inputs.items():
        if third != other and np.shape(u) == v.shape:
            yield f"{other}:={third}", u, f"{third} is used where {other} should be (operands mixed up)"
    if c.d.y.shape == v.shape:
        yield f"{other}:=y", c.d.y, "the local derivative is evaluated at the output instead of at the input"
    yield f"{other}:=|{other}|", np.abs(v), f"the sign of {other} is lost"
    yield f"{other}:=-{other}", -v, f"the derivative is evaluated at -{other}"
    yield f"{other}:=2{other}", 2 * v, f"the derivative is evaluated at 2*{other}"
    yield f"{other}:={other}/2", v / 2, f"the derivative is evaluated at {other}/2"


def other_settings(c: Case) -> Iterator[Claim]:
    """A is the right gradient of a forward with another stride, padding, target, noise, axis, …"""
    if c.A[0].shape != c.x.shape:
        return
    whole = {k: v for k, v in c.d.inputs.items() if np.ndim(v) == 0 or not isinstance(v, np.ndarray)}
    for name, v in {**c.d.subject.settings, **whole}.items():
        for detail, value in changes_of_setting(name, v):
            H = at_settings(c, whole, {name: value})
            for rest in (k for k, u in whole.items() if H is None and isinstance(u, int) and u > 0 and k != name):
                H = at_settings(c, whole, {name: value, rest: 0})      # output_padding < stride: both go together
            if H is not None and np.any(H[0]) and residual(H[0], c.N[0]) > 1e-5 and c.is_(H):
                yield Claim(5, "CONST", detail, f"this is the gradient for {detail}: backward does not use the {name} of the forward pass")


def at_settings(c: Case, whole: dict, values: dict) -> list | None:
    inside = {k: v for k, v in values.items() if k in whole}
    return c.d.right_at(c.name, c.A, {k: v for k, v in values.items() if k not in whole}, **inside)


def changes_of_setting(name: str, v) -> Iterator[tuple[str, object]]:
    if isinstance(v, (bool, np.bool_)):
        yield f"{name}={not v}", not v
    elif isinstance(v, (int, np.integer)):
        for u in dict.fromkeys((1, 0, int(v) - 1, int(v) + 1, -int(v))):
            if u != v:
                yield f"{name}={u}" if u in (0, 1) else f"{name}=-{name}" if u == -v else f"{name}={name}{u - v:+d}", u
    elif isinstance(v, tuple) and v and all(isinstance(n, (int, np.integer)) for n in v):
        for u in dict.fromkeys(((1,) * len(v), (0,) * len(v), v[::-1])):
            if u != v:
                yield f"{name}={u}", u
    elif isinstance(v, str) and v in ("mean", "sum", "none"):
        for u in ("mean", "sum", "none"):
            if u != v:
                yield f"{name}={u}", u
    elif v is None and name == "axis":
        yield "axis=-1", -1
        yield "axis=0", 0
    elif isinstance(v, (float, np.floating)) or (isinstance(v, np.ndarray) and v.dtype.kind == "f"):
        yield f"{name}=0", 0.0 * v
        yield f"{name}=1", 0.0 * v + 1
        yield f"{name}=-{name}", -v
