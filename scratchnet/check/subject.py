"""What is checked: a forward and its backward on plain arrays, however they came.

A learner's own pair of NumPy functions, a function of Tensors with the engine's backward, and one node of
a tape with its rules all become a Subject, so that one comparison and one diagnosis serve them.
"""
from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from . import source

OURS = (str(Path(__file__).parent.parent), str(Path(np.__file__).parent))


class Crash(Exception):
    """The checked backward raised: what, and at which line of the caller's own code."""

    def __init__(self, error: Exception):
        self.error = error
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(OURS)]
        self.where = f", at {Path(frames[-1].filename).name}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
        super().__init__(f"{type(error).__name__}: {error}{self.where}")


class Subject:
    """forward(*arrays, **settings) → y or several;  backward(g, *arrays) → one gradient per array, None for none.

    code      the function whose text may be read (terms, uses of a variable, intermediate arrays), or None
    settings  numbers and arrays the forward uses besides its inputs: candidates for "backward ignores stride"
    records   whether backward runs the forward itself, as a tape must
    noise     how far rounding may move forward's values, where that is more than 1e-16 of them (1 − y² of a y near 1)
    """

    def __init__(self, forward: Callable, backward: Callable, names: Sequence[str], *, code: Callable | None = None,
                 settings: Mapping[str, Any] | None = None, invoke: Callable | None = None, records: bool = False):
        self.forward, self.backward, self.names, self.code = forward, backward, list(names), code
        self.settings = dict(settings or {})
        self.records, self.noise = records, 0.0
        self.invoke = invoke or (lambda f, arrays, changed: source.changed(f, changed)(*arrays))

    def call(self, arrays: Sequence, changed: Mapping[str, Any], f: Callable | None = None):
        """What the forward (or f in its place) returns."""
        return self.invoke(f or self.forward, arrays, changed)

    def value(self, arrays: Sequence, changed: Mapping[str, Any] | None = None):
        """y for these arrays, several outputs packed into one vector."""
        return pack(self.call(arrays, changed or {}))

    def gradients(self, g: np.ndarray, arrays: Sequence, like) -> list:
        """Run forward, then backward, as training would.  like: an output, for the form that g takes."""
        if not self.records:
            self.call(arrays, {})
        try:
            result = self.backward(unpack(g, like), *arrays)
        except Exception as e:
            raise Crash(e) from e
        return listed(result, self.names)


def listed(result, names: Sequence[str]) -> list:
    """The gradients in the order of the inputs: from a tuple, a list, a dict by name, or one array."""
    if isinstance(result, Mapping):
        return [result.get(name) for name in names]
    return list(result) if isinstance(result, (tuple, list)) else [result]


def pack(y) -> np.ndarray:
    if not isinstance(y, (tuple, list)):
        return np.asarray(y)
    return np.concatenate([np.ravel(part) for part in y]) if len(y) else np.zeros(0)


def unpack(g: np.ndarray, like):
    """g in the form of the output: the array itself, a number for a number, a tuple for several outputs."""
    if not isinstance(like, (tuple, list)):
        return g if isinstance(like, np.ndarray) else g[()]
    ends = np.cumsum([np.size(part) for part in like])
    return tuple(piece.reshape(np.shape(part)) for piece, part in zip(np.split(g, ends[:-1]), like))


def pair(forward: Callable, backward: Callable, count: int) -> Subject:
    """A learner's own plain functions."""
    return Subject(forward, backward, parameter_names(forward, count), code=forward,
                   settings=source.settings(forward, count))


def parameter_names(f: Callable, n: int) -> list[str]:
    """The names f gives its first n parameters, or numbers where it does not say."""
    try:
        names = [p.name for p in inspect.signature(f).parameters.values()
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    return names[:n] if len(names) >= n else [f"input {i}" for i in range(n)]
