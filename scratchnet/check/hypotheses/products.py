"""Matrix products with a factor lost, or in the wrong order."""
from __future__ import annotations

import itertools
from typing import Iterator

import numpy as np

from .case import RTOL, Case, Claim, residual


def matrices(c: Case) -> Iterator[Claim]:
    """A is one known matrix, or P @ Q of two, each as it is or transposed, g among them."""
    fixed = [(k, v) for k, v in c.d.known.items() if v.ndim == 2]
    items = [(name, lambda g, v=v: v) for name, v in fixed] + [(f"{name}.T", lambda g, v=v: v.T) for name, v in fixed]
    if not c.d.scalar and c.d.y.ndim == 2:
        items = [("dy", lambda g: g), ("dy.T", lambda g: g.T)] + items

    def equals(f) -> bool:
        return all(p.shape == a.shape and residual(p, a) < RTOL for p, a in ((f(g), a) for g, a in zip(c.gs, c.A)))
    if c.A[0].ndim != 2:
        return
    for name, f in items:
        if equals(f):
            yield Claim(4.2, "RETURNS", name, f"the gradient is just {name}: the other factor of the product is missing")
    for (left, f), (right, g) in itertools.product(items[:24], repeat=2):
        shape = f(c.gs[0]).shape, g(c.gs[0]).shape
        if shape[0][1] == shape[1][0] and (shape[0][0], shape[1][1]) == c.A[0].shape:
            if equals(lambda u: f(u) @ g(u)):
                yield Claim(5.4, "PRODUCT", f"{left} @ {right}", f"your gradient is {left} @ {right}; check order and transposes")
