"""Which variable of the learner's own backward is the first wrong one?  Found by putting right values in its place.

    rstd = (var + 1.0) ** -0.5        backward runs line by line; as soon as `rstd` is set, 1/sqrt(var + 1e-5) takes its place
    …                                 are all gradients right now, on every draw and for every g?  Then the mistake is there

Tried are the values that the forward had (v, 1/v, v², √v, −v), the measured ∂L/∂v of each of its steps, and dy times one of them.
No text is needed, so this serves a function typed at a prompt as well.
"""
from __future__ import annotations

import itertools
import sys
import time
import types
from typing import Any, Callable, Iterator, NamedTuple

import numpy as np

from .draw import Draw
from .numeric import Jacobian
from .source import unwrapped
from .subject import pack

SECONDS = 1.5                                   # of processor time
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
                if (k not in held or held[k] is not v) and isinstance(v, (np.ndarray, float)):
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
        self.values = {k: v for k, v in d.known.items()}
        self.place: dict[str, Callable] = {}    # text → (u → y with that value replaced)
        if trace is not None:
            for k, visits in trace.values.items():
                if len(visits) == 1 and trace.places[k].kind != "use":
                    text = trace.places[k].text
                    self.values.setdefault(text, visits[0])
                    self.place[text] = lambda u, k=k: pack(trace.run(lambda f: d.subject.call(d.copies(), {}, f),
                                                                     change={k: lambda v, visit: u}))
        else:
            code = code_of(d.subject.code)
            for name, v in d.known.items() if code is not None else ():
                if name not in d.inputs and name != "y":
                    self.place[name] = lambda u, name=name: self.with_variable(code, name, u)

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
                self.slopes[text] = None if J is None or not np.isfinite(J).all() else [(g.ravel() @ J).reshape(v.shape) for g in self.d.gs]
            except Exception:                   # that step takes no other values
                self.slopes[text] = None
        return self.slopes[text]

    def has(self, value: np.ndarray) -> bool:
        """Whether it is what the forward computed somewhere, or the gradient there: then it is likely to be right."""
        return any(np.allclose(value, v, rtol=1e-9, atol=0) for text, (v, *_) in itertools.islice(self.candidates(value), 60) if "/" not in text[:2])

    def candidates(self, like: np.ndarray) -> Iterator[tuple[str, list]]:
        """(what it is, its value for every g) of all that has the variable's shape, or its size where axes of length 1 are."""
        d = self.d

        def fit(v):
            return np.broadcast_to(v, like.shape).astype(float).copy() if np.shape(v) == like.shape else np.reshape(v, like.shape).astype(float)
        alike = [(text, v) for text, v in self.values.items() if np.size(v) == like.size and np.squeeze(v).shape == like.squeeze().shape]
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


def first_wrong(subject, right: list, gradients: Callable, agrees: Callable) -> tuple[Setting, str] | None:
    """(the variable, what it should be) with which every gradient is right; None if there is no such one.

    right: (draw, its g, the right gradients for each); gradients(function, draw, g); agrees(gradients, wanted).
    """
    code = code_of(subject.backward)
    if code is None:
        return None
    end = time.thread_time() + SECONDS
    steps = [Steps(d) for d, _, _ in right]

    def settings(d, g):
        return first_of(watched(lambda: gradients(subject.backward, d, g), code))

    def works(d, k, g, wanted, name, value) -> bool:
        result: list = []
        try:
            watched(lambda: result.append(gradients(subject.backward, d, g)), code, name, lambda _: value.copy())
        except Exception:
            return False
        return bool(result) and agrees(result[0], wanted)
    try:
        every = [settings(d, gs[0]) for d, gs, _ in right]
    except Exception:                           # it raises, changed or not
        return None
    d, gs, wanted = right[0]
    shared = [s for s in every[0].values() if all(s.name in others for others in every)]
    for name, setting in [(s.name, s) for s in sorted(shared, key=lambda s: steps[0].has(s.value))]:
        for text, values in steps[0].candidates(setting.value):
            if time.thread_time() > end:
                return None
            if not works(d, 0, gs[0], wanted[0], name, values[0]):
                continue
            rest = [next((v for t, v in s.candidates(others[name].value) if t == text), None) for s, others in zip(steps, every)]
            if all(values is not None and works(d, k, g, wanted[k], name, values[k])
                   for (d, gs, wanted), values in zip(right, rest) for k, g in enumerate(gs)):
                return setting, text
        d, gs, wanted = right[0]
    return None


def first_of(found: list[Setting]) -> dict[str, Setting]:
    """Variables that are set once, in order."""
    names = [s.name for s in found]
    return {s.name: s for s in found if names.count(s.name) == 1}
