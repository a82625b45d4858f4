"""One random draw, as the comparison and every hypothesis see it.

    y = f(x, …),  J = ∂y/∂x measured;  for random g:  right = g·J,  got = what the checked backward returned

From J follow the right gradient and, for nothing, the gradient that each known kind of mistake would have
given; `right_at` measures it at other inputs or settings.
"""
from __future__ import annotations

import time
from functools import cached_property
from typing import Any, Callable, Mapping

import numpy as np

from . import source
from .names import sizes_of
from .numeric import Jacobian
from .subject import Crash, Subject, listed, pack, unpack
from .trace import Traced, traced

UPSTREAM = 4                                    # random g per draw; a scalar's first is 1


class Draw:
    """subject at one tuple of arrays.  crash: the Crash that its backward ended in, else None."""

    def __init__(self, subject: Subject, arrays, rng, *, gs=None, sizes=None, wrt=None):
        self.subject = subject
        self.inputs = dict(zip(subject.names, arrays))
        self.wrt = [name for name, a in self.inputs.items() if isinstance(a, np.ndarray) and a.dtype.kind == "f"
                    and (wrt is None or name in wrt)]
        self.like = subject.call(self.copies(), {})
        y = pack(self.like)
        self.single = y.dtype == np.float32     # the forward itself computes in single precision
        self.y = y.astype(np.float64)
        self.scalar = y.size == 1
        self.gs = list(gs or [])
        if not self.gs and self.scalar:
            self.gs.append(np.ones(self.y.shape))
        while len(self.gs) < (2 if self.scalar else UPSTREAM):
            self.gs.append(rng.standard_normal(self.y.shape))
        self.sizes = dict(sizes) if sizes else sizes_of(self.inputs, self.y.shape)
        self.got: dict[str, list] = {name: [] for name in self.wrt}
        self.dtypes: dict[str, np.dtype] = {}
        self.mutated: set[str] = set()          # "dy" or names of inputs that were written into
        self.aliases: set[tuple[str, str]] = set()
        self.count = len(subject.names)         # gradients that came back
        self.right_all = True                   # no input was found wrong here
        self.crash: Crash | None = None
        self._J: dict[str, Jacobian] = {}
        self._known: dict | None = None
        self.run_backward()

    @property
    def count_is_right(self) -> bool:
        return self.count in (len(self.inputs), len(self.wrt))

    def affordable(self, name: str, entries: int = 3_000_000, seconds: float = 2.0) -> bool:
        """Whether all of ∂y/∂(this input) can be measured and kept."""
        if name in self._J:
            return True
        began = time.thread_time()
        self.subject.value(self.copies())
        return self.inputs[name].size * max(self.y.size, 1) <= entries and \
            (time.thread_time() - began) * self.inputs[name].size <= seconds

    def copies(self) -> list:
        return [a.copy() if isinstance(a, np.ndarray) else a for a in self.inputs.values()]

    # ---- the checked backward ---------------------------------------------------------------------

    def run_backward(self) -> None:
        for g in self.gs:
            given, arrays = g.copy(), self.copies()
            try:
                result = self.subject.gradients(given, arrays, self.like)
            except Crash as e:
                self.crash = e
                return
            if not np.array_equal(given, g):
                self.mutated.add("dy")
            self.mutated |= {name for name, a, b in zip(self.inputs, arrays, self.inputs.values())
                             if isinstance(b, np.ndarray) and not np.array_equal(a, b, equal_nan=b.dtype.kind == "f")}
            result = self.by_name(result)
            if result is None:
                return
            self.note_aliases(result)
            for name in self.wrt:
                d = result[name]
                if d is not None:
                    self.dtypes[name] = np.asarray(d).dtype
                try:
                    self.got[name].append(None if d is None else np.array(d, np.float64))
                except (TypeError, ValueError) as e:
                    self.crash = Crash(TypeError(f"the gradient for {name} is not an array of numbers: {e}"))
                    return

    def by_name(self, result: list) -> dict | None:
        """name → gradient; where constants were left out, the gradients are those of the float inputs."""
        self.count = len(result)
        if len(result) == len(self.inputs):
            return dict(zip(self.inputs, result))
        return dict(zip(self.wrt, result)) if len(result) == len(self.wrt) else None

    def all_of(self, backward: Callable, g: np.ndarray) -> list | None:
        """What another backward returns here, in the order of wrt; forward runs before it."""
        arrays = self.copies()
        self.subject.call(arrays, {})
        found = self.by_name(listed(backward(unpack(g.copy(), self.like), *arrays), self.subject.names))
        return None if found is None else [found[name] for name in self.wrt]

    def note_aliases(self, result: dict) -> None:
        arrays = [(name, d) for name, d in result.items() if isinstance(d, np.ndarray) and d.flags.writeable]
        for i, (name, d) in enumerate(arrays):
            self.aliases |= {(name, other) for other, e in arrays[i + 1:] if np.shares_memory(d, e)}

    # ---- what is measured -------------------------------------------------------------------------

    def function_of(self, name: str, changed: Mapping[str, Any] | None = None, **replaced):
        """x ↦ y with everything else held; `replaced` inputs and `changed` settings instead of the drawn ones."""
        inputs = {**self.inputs, **replaced}
        return lambda x: self.subject.value([x if k == name else v for k, v in inputs.items()], changed)

    def jacobian(self, name: str) -> Jacobian:
        if name not in self._J:
            self._J[name] = Jacobian(self.function_of(name), self.inputs[name])
        return self._J[name]

    def J(self, name: str) -> np.ndarray:
        return self.jacobian(name).J

    def right(self, name: str) -> list[np.ndarray]:
        return [(g.ravel() @ self.J(name)).reshape(self.inputs[name].shape) for g in self.gs]

    def right_at(self, name: str, got: list, changed: Mapping[str, Any] | None = None, **replaced) -> list | None:
        """The right gradients with other inputs or settings; None as soon as they cannot be `got`."""
        f, x = self.function_of(name, changed, **replaced), np.asarray({**self.inputs, **replaced}[name], float)
        try:
            like = np.asarray(f(x))
            gs = [match(g, like.shape).ravel() for g in self.gs]
            some = np.argsort(np.abs(got[0] - self.right(name)[0]).ravel())[-3:]           # where it would have to differ
            few = gs[0] @ Jacobian(f, x, some).J
            a = got[0].ravel()[some]
            if not np.all(np.abs(few - a) <= 1e-4 * np.abs(a).max(initial=1e-300)):
                return None
            J = Jacobian(f, x).J
        except Exception:                       # these inputs or settings make no sense to the forward
            return None
        return [(g @ J).reshape(x.shape) for g in gs]

    @property
    def known(self) -> dict[str, np.ndarray]:
        """Arrays that have a name: inputs, float settings, what the forward computed on the way, and y."""
        if self._known is None:
            pool = {**self.inputs, **self.subject.settings, "y": self.y}
            inside = source.intermediates(self.subject.code, lambda: self.subject.call(self.copies(), {}))
            seen = [v for v in pool.values() if isinstance(v, np.ndarray)]
            for name, v in inside.items():
                if name not in pool and not any(v.shape == u.shape and np.array_equal(v, u) for u in seen):
                    pool[name] = v
                    seen.append(v)
            for name, v in self.inputs.items():
                if isinstance(v, np.ndarray) and v.dtype.kind in "iu" and v.ndim == 1 and v.size and v.min() >= 0:
                    pool |= {f"one_hot({name})": np.eye(a.shape[1])[v] for a in self.inputs.values() if isinstance(a, np.ndarray)
                             and a.ndim == 2 and len(a) == len(v) and a.dtype.kind == "f" and v.max() < a.shape[1]}
            self._known = {k: np.asarray(v, float) for k, v in pool.items()
                           if isinstance(v, np.ndarray) and v.dtype.kind in "fb"}
        return self._known

    @cached_property
    def everything(self) -> dict[str, np.ndarray]:
        """`known`, and what every step of the forward gave, by its text."""
        found, trace = dict(self.known), self.trace
        seen = list(found.values())
        for k, visits in (trace.values if trace else {}).items():
            v, text = np.asarray(visits[0], float), trace.places[k].text
            if len(visits) == 1 and text not in found and not any(v.shape == u.shape and np.array_equal(v, u) for u in seen):
                found[text] = v
                seen.append(v)
        return found

    @cached_property
    def variables(self) -> dict[str, list]:
        """The learner's own: the arrays of backward's variables when it returned, for every g."""
        rows = []
        for g in self.gs:
            try:
                rows.append(source.intermediates(self.subject.backward, lambda: self.subject.gradients(g.copy(), self.copies(), self.like)))
            except Crash:
                return {}
        given = [v for v in self.inputs.values() if isinstance(v, np.ndarray)]
        return {name: vs for name in rows[0] if all(name in row for row in rows) for vs in [[np.asarray(row[name], float) for row in rows]]
                if len({v.shape for v in vs}) == 1 and not any(vs[0].shape == v.shape and np.array_equal(vs[0], v) for v in given)}

    @cached_property
    def trace(self) -> Traced | None:
        """The forward with a hold at every place, run once; None where its text is not at hand."""
        trace = traced(self.subject.code)
        try:
            values: list = []
            if trace is not None:
                trace.record(lambda f: values.append(pack(self.subject.call(self.copies(), {}, f))))
            return trace if values and np.array_equal(values[0], self.y, equal_nan=True) else None     # else: another function's text
        except Exception:
            return None

    def known_like(self, shape: tuple) -> list[tuple[str, np.ndarray]]:
        """Those that fit `shape`, broadcast where needed."""
        found = []
        for name, v in self.known.items():
            try:
                found.append((name, np.broadcast_to(v, shape)))
            except ValueError:
                continue
        return found


def match(g: np.ndarray, shape: tuple) -> np.ndarray:
    """g cut or padded with zeros, from the first corner, to another output's shape."""
    if g.shape == tuple(shape):
        return g
    if g.ndim != len(shape):
        raise ValueError(f"{g.shape} is not {shape}")
    out = np.zeros(shape)
    window = tuple(slice(0, min(a, b)) for a, b in zip(g.shape, shape))
    out[window] = g[window]
    return out
