"""Which part of the loss a gradient comes from: a loss that is a sum is walked back once for each of its terms.

    L = A + B   →   out = out_A + out_B         share of A = ⟨out_A, out⟩ / ⟨out, out⟩;  the shares sum to 1

A share below 0 pulls against the whole.  For the VAE: the reconstruction and the KL term; for a GAN: real and fake.
"""
from __future__ import annotations

import numpy as np

from ..debug.terms import name_of
from ..debug.trace import Trace
from ..ops import add, sub
from ..tensor import Leaf, Tensor


def terms_of(trace: Trace) -> list[tuple]:
    """(node, the g that reaches it) of every term of the loss: what its additions and subtractions are of."""
    found, stack = [], [(trace.root, np.asarray(trace.g))]
    while stack:
        node, g = stack.pop()
        if not isinstance(node, Leaf) and node.op in (add, sub) and trace.uses.get(node, 1) == 1:
            stack += [(s.to, s.out) for s in trace.steps if s.node is node]
        else:
            found.append((node, g))
    return found


def shares(trace: Trace, called: dict) -> dict:
    """{(node, input, position): [(term, share), …]} for every step, where the loss is a sum of several terms."""
    terms, leaves = terms_of(trace), [node for node in trace.order if isinstance(node, Leaf)]
    if not 2 <= len(terms) <= 8 or any(isinstance(node, Leaf) for node, _ in terms):
        return {}
    found: dict = {(s.node, s.name, s.position): [] for s in trace.steps}
    of_step = {(s.node, s.name, s.position): s.out for s in trace.steps}
    for node, g in reversed(terms):
        part = Trace(Tensor.of(np.empty(g.shape, g.dtype), node), g, targets=leaves)
        for s in part.finish():
            key = s.node, s.name, s.position
            whole = of_step[key].astype(np.float64).ravel()
            size = float(whole @ whole)
            if size > 0 and np.isfinite(size):
                found[key].append((name_of(called, node), float(s.out.astype(np.float64).ravel() @ whole) / size))
    return found
