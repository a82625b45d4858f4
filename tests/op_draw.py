"""How a call of an op is drawn: a Case, the table of the draw functions, and the `d` that those functions are given.

`d` draws lengths of axes in one of three regimes, because each hides other mistakes: all lengths
different (a transposed axis shows), some equal to 1 (broadcasting shows), all equal (nothing shows
by its shape, only by its numbers).  All numbers are float32 values in float64 arrays, so that both
precisions see the same inputs; they keep 0.05 or more from every kink.
"""
from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np
from hypothesis import strategies as st

REGIMES = ("distinct", "ones", "equal")
TABLE: dict[Callable, Callable] = {}            # op or function -> draw function


class Case(NamedTuple):
    """One call: function(**inputs, **settings)."""
    function: Callable
    inputs: dict[str, Any]                      # name -> array, or list of arrays (a sequence)
    settings: dict[str, Any]

    def __repr__(self):
        shapes = {k: [a.shape for a in v] if isinstance(v, list) else v.shape for k, v in self.inputs.items()}
        return f"{name_of(self.function)}({shapes}, {self.settings})"

    def arrays(self) -> list[np.ndarray]:
        """The inputs in one list."""
        return [a for v in self.inputs.values() for a in (v if isinstance(v, list) else [v])]

    def call(self, values: list):
        """function(…) with `values` in place of arrays()."""
        rest = iter(values)
        inputs = {k: [next(rest) for _ in v] if isinstance(v, list) else next(rest) for k, v in self.inputs.items()}
        return self.function(**inputs, **self.settings)


def name_of(function) -> str:
    return getattr(function, "name", None) or function.__name__


def draws(*functions):
    def register(draw):
        TABLE.update((f, draw) for f in functions)
        return draw
    return register


@st.composite
def cases(draw, function, regime):
    inputs, settings = TABLE[function](Draw(draw, regime))
    return Case(function, {k: v for k, v in inputs.items() if v is not None}, settings)


class Draw:
    """Lengths and settings from Hypothesis; the numbers in the arrays from a generator it seeds."""

    def __init__(self, draw, regime: str):
        self.draw, self.regime = draw, regime
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def int(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def pick(self, *options):
        """One of them; the first is tried first."""
        return self.draw(st.sampled_from(options))

    # ---- lengths of axes ----

    def lengths(self, n: int) -> tuple:
        if self.regime == "distinct":
            return tuple(self.draw(st.permutations(range(2, n + 3))))[:n]
        if self.regime == "equal":
            return (self.int(2, 3),) * n
        several = [self.int(1, 4) for _ in range(n)]
        several[self.int(0, n - 1)] = 1
        return tuple(several)

    def shape(self, least: int = 0, most: int = 4) -> tuple:
        return self.lengths(self.pick(*(n for n in (2, 3, 4, 1, 0) if max(least, self.regime == "ones") <= n <= most)))

    def axes(self, ndim: int):
        """None, one axis counted from either end, or several."""
        kind = self.pick("one", "several", "one", "all") if ndim else "all"
        if kind == "all":
            return None
        if kind == "one":
            return self.pick(*range(ndim - 1, -ndim - 1, -1))
        chosen = self.draw(st.permutations(range(ndim)))[:self.int(1, ndim)]
        return self.pick(tuple, list)(a - ndim if self.pick(True, False) else a for a in chosen)

    def shrunk(self, full: tuple) -> tuple:
        """A shape that broadcasts to `full`: leading axes left out, others set to 1."""
        return tuple(self.pick(1, n, n) for n in full[self.pick(0, self.int(0, len(full)), 0):])

    def two_shapes(self) -> tuple:
        """A pair that broadcasts: equal, or either or both of them smaller."""
        full = self.shape()
        return self.pick((full, self.shrunk(full)), (self.shrunk(full), full), (full, full))

    def both(self, low, high, least=0, most=9):
        """A setting of pooling or convolution: an int, or a pair; `high` is one limit or two."""
        highs = high if isinstance(high, tuple) else (high, high)
        one = self.pick(True, False, False)
        return self.int(low, min(highs)) if one else tuple(self.int(low, h) for h in highs)

    # ---- numbers ----

    def uniform(self, shape, low, high):
        return np.array(self.rng.uniform(low, high, shape), np.float32).astype(np.float64)

    def real(self, shape):
        """0.2 ≤ |x| ≤ 2"""
        return np.array(self.uniform(shape, 0.2, 2) * self.rng.choice([-1.0, 1.0], shape))

    def positive(self, shape):
        return self.uniform(shape, 0.3, 2)

    def spaced(self, *shapes) -> list:
        """Numbers of which any two differ by 0.125 or more, and from multiples of 0.125 by 0.0625."""
        sizes = [int(np.prod(s)) for s in shapes]
        numbers = (self.rng.permutation(sum(sizes)) - sum(sizes) // 2 + 0.5) * 0.125
        return [part.reshape(s) for part, s in zip(np.split(numbers, np.cumsum(sizes)[:-1]), shapes)]


def pair(value) -> tuple:
    return value if isinstance(value, tuple) else (value, value)
