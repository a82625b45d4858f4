"""Which entries of g make an entry of a rule's result, in a form that a page can look up.

    out[i] = Σⱼ g[j] · ∂y[j]/∂x[i]

    one     each out[i] has one term: factor[i] · g[from[i]]      (elementwise, moves, masks, repetitions)
    sum     out is g summed over some axes, times a number        (biases, broadcasting)
    conv    one of the three of  Σ g·x·w  over shifted indices    (ops/conv.py)
    dense   one of the three of  Σ g·x·w  over rows and columns   (ops/matmul.py)
    rows    the terms of some entries, written out                (all else: softmax, batch norm)

Which it is, is found by running the rule on a few g's; nothing is assumed about an op but for the two
families that are named, whose sums the page carries out itself from the same formula.
"""
from __future__ import annotations

from itertools import combinations

import numpy as np

from ..autograd import no_grad
from ..debug.terms import factor_names, factors, floats
from ..debug.trace import Trace
from ..ops.conv_checks import steps as conv_steps
from ..tensor import Tensor

ENTRIES, TERMS = 64, 64                         # of "rows": how many entries are written out, and terms of each
CONV = {"conv2d": {"x": "xgw", "w": "wgx"},     # (op, input) -> what the result, the arriving gradient and the read array
        "conv2d_transpose": {"g": "gxw", "w": "wxg"},          # are in  S = Σ g·x·w
        "conv2d_weight": {"x": "xwg", "g": "gwx"}}
READ = {"conv2d": {"x": "w", "w": "x"}, "conv2d_transpose": {"g": "w", "w": "g"}, "conv2d_weight": {"x": "g", "g": "x"}}
DENSE = {"dense": {"x": ("xgw", "w"), "w": ("wgx", "x")}, "product": {"a": ("xgw", "b"), "b": ("wgx", "a")}}


def structure(trace: Trace, step) -> dict:
    """A dict with "kind" as above, and arrays under "factor" and "from"."""
    reads, name, op = trace.reads(step), step.name, step.node.op
    if not step.out.size or not step.g.size:
        return {"kind": "rows", "rows": {}}
    if op.__module__ == "scratchnet.ops.conv" and name in CONV[op.name]:
        s, p, d = conv_steps(op.name, reads["stride"], reads["padding"], reads["dilation"])
        return {"kind": "conv", "roles": CONV[op.name][name], "read": READ[op.name][name], "s": s, "p": p, "d": d}
    if op.__module__ == "scratchnet.ops.matmul" and name in DENSE.get(op.name, ()):
        roles, read = DENSE[op.name][name]
        if op.name == "dense" or step.g.ndim == 2:             # stacks of matrices are broadcast: they get rows
            return {"kind": "dense", "roles": roles, "read": read}
    exact = {k: v.astype(np.float64) if floats(v) else v for k, v in reads.items()}
    run = rule_on(op.rule(name).function, exact)
    return one_term(step, run) or summed(step, run) or written_out(trace, step, reads)


def rule_on(rule, reads: dict):
    def run(g: np.ndarray) -> np.ndarray:
        with no_grad(), np.errstate(all="ignore"):
            out = rule(g, **reads)
        return np.asarray(out._array if isinstance(out, Tensor) else out, np.float64)
    return run


def one_term(step, run) -> dict | None:
    """On g = 1, on g = its own numbers 1, 2, 3, …, and on their squares: c, c·n and c·n² only if there is one term."""
    n = np.arange(1.0, step.g.size + 1).reshape(step.g.shape)
    try:
        factor, first, second = run(np.ones(step.g.shape)), run(n), run(n * n)
    except Exception:                           # a learner's rule may refuse these numbers
        return None
    if factor.shape != step.out.shape or not np.isfinite(factor).all():
        return None
    j = np.divide(first, factor, out=np.ones_like(first), where=factor != 0)
    k = np.rint(j)
    if (first[factor == 0] != 0).any() or np.abs(j - k).max() > 1e-6 or k.min() < 1 or k.max() > step.g.size \
            or not np.allclose(second, factor * k * k, rtol=1e-9, atol=0):
        return None
    found = {"kind": "one", "factor": float(factor.flat[0]) if (factor == factor.flat[0]).all() else factor}
    source = (k - 1).astype(np.int32).ravel()                  # where factor = 0 there is no term, and 0 here
    if step.g.size == 1:
        found["from"] = 0
    elif step.g.size != step.out.size or (source != np.arange(source.size))[factor.ravel() != 0].any():
        found["from"] = source.reshape(factor.shape)
    return found                                               # no "from": each from its own place, in reading order


def summed(step, run) -> dict | None:
    g = np.random.default_rng(0).standard_normal(step.g.shape)
    try:
        out = run(g)
    except Exception:
        return None
    for count in range(1, g.ndim + 1):
        for axes in combinations(range(g.ndim), count):
            total = g.sum(axis=axes)
            if total.size == out.size and np.abs(total).max() > 0:
                c = float(np.vdot(total, out) / np.vdot(total, total))
                if c and np.allclose(out.ravel(), c * total.ravel(), rtol=1e-9, atol=1e-9 * np.abs(out).max()):
                    return {"kind": "sum", "axes": list(axes), "factor": c}
    return None


def written_out(trace: Trace, step, reads: dict) -> dict:
    """{flat index of out: [[j, g, factor, its name], …, how many more, what they sum to]} for the first entries."""
    rows = {}
    for i in range(min(step.out.size, ENTRIES)):
        index = np.unravel_index(i, step.out.shape)
        try:
            c = factors(step, reads, index).ravel()
            called = factor_names(step, reads, index)
        except Exception:                       # a rule that cannot be looked at more closely has no terms to show
            break
        products = c.astype(np.float64) * step.g.ravel()
        order = np.argsort(-np.abs(products))[:np.count_nonzero(c)]
        rows[i] = {"terms": [[int(j), float(step.g.flat[j]), float(c[j]), called.get(int(j), "")] for j in order[:TERMS]],
                   "more": max(0, len(order) - TERMS), "rest": float(products[order[TERMS:]].sum())}
    return {"kind": "rows", "rows": rows}
