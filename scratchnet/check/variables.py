"""Which variable of the learner's own backward is the first wrong one?  Found by putting right values in its place.

    rstd = (var + 1.0) ** -0.5        backward runs line by line; as soon as `rstd` is set, 1/sqrt(var + 1e-5) takes its place
    …                                 are all gradients right now, on every draw and for every g?  Then the mistake is there

Tried are the values that the forward had (v, 1/v, v², √v, −v), the measured ∂L/∂v of each of its steps, and dy times one of them.
No text is needed, so this serves a function typed at a prompt as well.
"""
from __future__ import annotations

import sys
import time
import types
import warnings
from copy import copy
from typing import Any, Callable, Iterator, NamedTuple

import numpy as np

from .draw import Draw
from .hypotheses.case import residual
from .numeric import Jacobian
from .source import unwrapped
from .subject import pack

SECONDS = 1.5                                   # of processor time
TOLERANCE = 1e-8
LARGEST = 400                                   # entries of a step whose ∂L/∂v is measured
FORMS: dict[str, Callable] = {
    "{}": lambda v: v, "1/{}": lambda v: 1 / v, "-{}": lambda v: -v, "{}^2": lambda v: v * v, "sqrt({})": np.sqrt,
    "1/{}^2": lambda v: 1 / (v * v), "1/sqrt({})": lambda v: 1 / np.sqrt(v), "exp({})": np.exp, "1-{}": lambda v: 1 - v,
    "({}>0)": lambda v: (v > 0) * 1.0}


class Setting(NamedTuple):
    """A variable that was just given a value, in this line."""
    name: str
    line: int
    value: Any


def watched(call: Callable, code: types.CodeType, name: str | None = None, change: Callable | None = None) -> list[Setting]:
    """Run call(); what the variables of `code` were set to, in order.  `name`, when first set, becomes change(its value)."""
    found: list[Setting] = []

    def enter(frame, event, _):
        if frame.f_code is not code:
            return None
        held, at = dict(frame.f_locals), frame.f_lineno

        def step(frame, event, _):
            nonlocal at
            variables = frame.f_locals          # read once: what is written into it is what the function goes on with
            for k, v in list(variables.items()):
                if (k not in held or held[k] is not v) and isinstance(v, (np.ndarray, float, int)) and not isinstance(v, bool):
                    if k == name and all(s.name != name for s in found):
                        variables[k] = change(v)
                    found.append(Setting(k, at, np.array(v)))
                held[k] = variables[k]
            at = frame.f_lineno
            return step
        return step
    before = sys.gettrace()
    sys.settrace(enter)
    try:
        call()
    finally:
        sys.settrace(before)
    return found


def code_of(f) -> types.CodeType | None:
    return getattr(unwrapped(f), "__code__", None)


class Steps:
    """What the forward of a draw computed: text → value, and ∂L/∂value for every g."""

    def __init__(self, d: Draw):
        self.d, self.slopes = d, {}
        trace = d.trace
        self.values = dict(d.known)
        self.place: dict[str, Callable] = {}    # text → (u → y with that value replaced)
        if trace is not None:
            for k, visits in trace.values.items():
                if len(visits) == 1 and trace.places[k].kind != "use":
                    text = self.called(visits[0]) or trace.places[k].text
                    self.values.setdefault(text, visits[0])
                    self.place[text] = lambda u, k=k: pack(trace.run(lambda f: d.subject.call(d.copies(), {}, f),
                                                                     change={k: lambda v, visit: u}))
        else:
            code = code_of(d.subject.code)
            for name, v in d.known.items() if code is not None else ():
                if name not in d.inputs and name != "y":
                    self.place[name] = lambda u, name=name: self.with_variable(code, name, u)

    def called(self, value) -> str | None:
        """The name of the forward's variable that holds this value."""
        return next((name for name, v in self.d.known.items() if name not in self.d.inputs and name != "y"
                     and v.shape == np.shape(value) and np.array_equal(v, value)), None)

    def with_variable(self, code, name: str, u) -> np.ndarray:
        y: list = []
        watched(lambda: y.append(self.d.subject.value(self.d.copies())), code, name, lambda v: u)
        return y[0]

    def slope(self, text: str) -> list | None:
        """∂L/∂(that step), one per g."""
        if text not in self.slopes:
            v = np.asarray(self.values[text], float)
            try:
                J = Jacobian(self.place[text], v).J if v.size <= LARGEST else None
                known = J is not None and np.isfinite(J).all()
                self.slopes[text] = [(g.ravel() @ J).reshape(v.shape) for g in self.d.gs] if known else None
            except Exception:                   # that step takes no other values
                self.slopes[text] = None
        return self.slopes[text]

    def has(self, value: np.ndarray) -> bool:
        """Whether it is what the forward computed somewhere, or the gradient there: then it is likely to be right."""
        alike = [text for text, v in self.values.items() if np.shape(v) == value.shape]
        return any(np.allclose(value, self.values[text], rtol=1e-9, atol=0) for text in alike) or any(
            np.allclose(value, self.slope(text)[0], rtol=1e-7, atol=1e-12)
            for text in alike if text in self.place and self.slope(text))

    def candidates(self, like: np.ndarray) -> Iterator[tuple[str, list]]:
        """(what it is, its value for every g): of a whole number the lengths of axes; else all of the variable's shape, or but for axes of 1."""
        d = self.d
        if like.dtype.kind == "i":
            yield from ((text, [n] * len(d.gs)) for text, n in d.sizes.items() if like.ndim == 0)
            return

        def fit(v):
            return np.reshape(v, like.shape).astype(float)
        alike = [(text, v) for text, v in self.values.items()
                 if np.size(v) == like.size and np.squeeze(v).shape == like.squeeze().shape]
        for text, v in alike:
            yield text, [fit(v)] * len(d.gs)
        for text, v in alike:
            if text in self.place and self.slope(text) is not None:
                yield f"the gradient of {text}", [fit(s) for s in self.slope(text)]
        with np.errstate(all="ignore"):
            for form, f in list(FORMS.items())[1:]:
                for text, v in alike:
                    yield form.format(text if text.isidentifier() else f"({text})"), [fit(f(np.asarray(v, float)))] * len(d.gs)
            if like.shape == d.y.shape:
                for text, v in d.known_like(like.shape):
                    yield f"dy * {text}", [g * v for g in d.gs]
                    yield f"dy / {text}", [g / v for g in d.gs]


def cause(draws: list[Draw]) -> tuple[str, str] | None:
    """(detail, sentence) of the variable with which every gradient is right; None if there is no such one.  Looked for once."""
    if "cause" not in draws[0].__dict__:
        right, code = several(draws), code_of(draws[0].subject.backward)
        found = None
        if right and code is not None and not draws[0].subject.records:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = first_wrong(right, code)
        if found:
            (name, line, _), text = found
            what = text if text.startswith(("the grad", "dy ")) else f"the forward's {text}" if text[0].isalpha() else text
            found = (f"{name} should be {text}",
                     f"`{name}`, set in line {line} of backward, should be {what}: with that in its place every gradient is right")
        draws[0].cause = found
    return draws[0].cause


def several(draws: list[Draw]) -> list[tuple]:
    """(draw, its g, the right gradients for each) of the draws where all of them can be measured."""
    return [(d, d.gs, [[n[k] for n in rows] for k in range(len(d.gs))]) for d in draws[:3] if all(d.affordable(n) for n in d.wrt)
            for rows in [[d.right(n) for n in d.wrt]]]


def equal(found: list | None, wanted: list) -> bool:
    """Whether these are the right gradients themselves, not something near them."""
    return found is not None and all(
        a is not None and np.shape(a) == n.shape and residual(np.asarray(a, float).ravel(), n.ravel()) < TOLERANCE
        for a, n in zip(found, wanted))


def first_wrong(right: list, code: types.CodeType) -> tuple[Setting, str] | None:
    """(the variable, what it should be)"""
    end = time.thread_time() + SECONDS
    steps = [Steps(d) for d, _, _ in right]

    def works(k: int, row: int, name: str, value) -> bool:
        d, gs, wanted = right[k]
        result: list = []
        try:
            watched(lambda: result.append(d.all_of(d.subject.backward, gs[row])), code, name, lambda _: copy(value))
            return equal(result[0], wanted[row])
        except Exception:                       # that value makes no sense there
            return False
    try:
        every = [first_of(watched(lambda: d.all_of(d.subject.backward, gs[0]), code)) for d, gs, _ in right]
    except Exception:                           # it raises, changed or not
        return None
    shared = [s for s in every[0].values() if all(s.name in others for others in every)]
    for setting in sorted(shared, key=lambda s: steps[0].has(s.value)):       # what looks right already comes last
        name = setting.name
        for text, values in steps[0].candidates(setting.value):
            if time.thread_time() > end:
                return None
            if not works(0, 0, name, values[0]):
                continue
            rest = [next((v for t, v in s.candidates(others[name].value) if t == text), None) for s, others in zip(steps, every)]
            if all(values is not None and all(works(k, row, name, v) for row, v in enumerate(values))
                   for k, values in enumerate(rest)):
                return setting, text
    return None


def first_of(found: list[Setting]) -> dict[str, Setting]:
    """Variables that are set once, in order."""
    names = [s.name for s in found]
    return {s.name: s for s in found if names.count(s.name) == 1}
