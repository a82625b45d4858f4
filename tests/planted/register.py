"""Where planted mistakes are kept, and the two decorators that add one."""
from __future__ import annotations

from typing import Callable, NamedTuple

from . import ops


class Mistake(NamedTuple):
    pair: ops.Pair
    what: str
    target: str
    accepted: tuple
    make: Callable                              # () → (forward, backward), fresh ones: some keep state

    def __repr__(self):
        return f"{self.pair.name}: {self.what}"


MISTAKES: list[Mistake] = []


def planted(pair: ops.Pair, what: str, target: str, *accepted: str):
    def register(edit):
        def backward(dy, *inputs):
            r = pair.backward(dy, *inputs)
            edit(dy, r, *inputs)
            return r
        MISTAKES.append(Mistake(pair, what, target, accepted, lambda: (pair.forward, backward)))
    return register


def stateful(pair: ops.Pair, what: str, target: str, *accepted: str):
    """Decorator of a function that makes (forward, backward)."""
    def register(make):
        MISTAKES.append(Mistake(pair, what, target, accepted, make))
    return register
