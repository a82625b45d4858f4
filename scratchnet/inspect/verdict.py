"""Does each rule return the slope of its own forward?  Every node is asked by itself, with the g that reached it.

    φ(t) = ⟨g, op(x + t·v)⟩        φ'(0), measured        against        ⟨rule(g, …), v⟩        v random

So a wrong rule is blamed where it stands and not where its numbers arrive.  All of it in float64, from the values
the graph kept; a value it did not keep is one that no rule reads: then any number will do in its place.
"""
from __future__ import annotations

import numpy as np

from ..check.numeric import slope
from ..debug.terms import floats
from ..debug.trace import Trace
from ..op import Kept
from ..tensor import Tensor

TOLERANCE, ENTRIES = 1e-5, 200                 # ENTRIES: how many of x move at once


def verdict(trace: Trace, step, known: dict, rng) -> dict:
    """{"ok": True, False or None (could not be asked), "text": …, "error": relative error}."""
    op, g = step.node.op, np.asarray(step.g, np.float64)
    rule, reads = op.rule(step.name).function, {k: exact(v) for k, v in trace.reads(step).items()}
    try:
        with np.errstate(all="ignore"):
            drift = difference(array(rule(g, **reads)), step.out)
    except Exception as e:
        return {"ok": False, "text": f"the rule fails in float64: {type(e).__name__}: {e}"}
    if drift > (1e-3 if step.out.dtype == np.float32 else 1e-9):
        return {"ok": False, "error": drift, "text": f"the pass has another result than this rule (relative difference {drift:.1e})"}
    for draw in (rng.standard_normal, lambda shape: rng.uniform(0.5, 1.5, shape)):
        try:
            values = arguments(trace, step, known, draw)
            with np.errstate(all="ignore"):
                y, kept = forward(op, values)
        except (KeyError, TypeError, ValueError, IndexError, ArithmeticError) as e:
            why = f"not checked: the forward cannot be run again ({type(e).__name__}: {e})"
            continue
        if y.shape == g.shape and np.isfinite(y).all():
            break
        why = f"not checked: run again, the forward gives {y.shape} instead of {g.shape}" if y.shape != g.shape else \
            "not checked: the forward is not finite where it was measured"
    else:
        return {"ok": None, "text": why}
    again = {**{k: exact(v) for k, v in kept.items()}, **values, "y": y}
    claimed = array(rule(g, **{k: again.get(k, v) for k, v in reads.items()}))
    return measured(op, values, step, g, y, claimed, rng)


def measured(op, values: dict, step, g, y, claimed, rng) -> dict:
    """The comparison itself, along three random directions: a few entries each and short, so that kinks are rarely met."""
    x = values[step.name] if step.position is None else values[step.name][step.position]
    scale, worst, words, kink = float(np.abs(g * y).sum()) + 1e-300, -1.0, "", False
    for _ in range(3):
        v = np.zeros(x.size)
        some = rng.choice(x.size, min(x.size, ENTRIES), replace=False)
        v[some] = 1e-3 * rng.standard_normal(len(some))
        v = v.reshape(x.shape)

        def phi(t: float) -> float:
            moved = x + t * v
            if step.position is not None:
                moved = [moved if k == step.position else one for k, one in enumerate(values[step.name])]
            return float((g * forward(op, {**values, step.name: moved})[0]).sum())
        with np.errstate(all="ignore"):
            found, ours = slope(phi, scale), float((claimed * v).sum())
        if not np.isfinite(ours):
            return {"ok": False, "text": "the gradient contains NaN or infinity"}
        if not np.isfinite([found.low, found.high]).all():
            return {"ok": None, "text": "not measured: the forward is not finite nearby"}
        nearest = min(max(ours, found.low), found.high)
        error = abs(ours - nearest) / max(abs(nearest), abs(ours), 1e-3 * float(np.linalg.norm(claimed.ravel()[some])), 1e-10 * scale)
        if error > worst:
            worst, kink, words = error, found.kink, f"along a random direction the rule says {ours:+.6e}, measured is {nearest:+.6e}"
    return {"ok": worst <= (1e-3 if kink else TOLERANCE), "error": worst, "text": words}


def forward(op, values: dict) -> tuple[np.ndarray, dict]:
    """(y, what the forward kept for its rules)."""
    y = op.forward(**values)
    return (np.asarray(y.y), y.values) if isinstance(y, Kept) else (np.asarray(y), {})


def exact(value):
    return value.astype(np.float64) if floats(value) else value


def array(value) -> np.ndarray:
    return np.asarray(value._array if isinstance(value, Tensor) else value, np.float64)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Relative to the largest entry; NaN where both are NaN counts as equal."""
    if a.shape != b.shape:
        return np.inf
    off = np.abs(np.where(np.isfinite(a) & np.isfinite(b), a - b, 0))
    return float(off.max(initial=0)) / (float(np.abs(a[np.isfinite(a)]).max(initial=0)) + 1e-30)


def arguments(trace: Trace, step, known: dict, draw) -> dict:
    """The arguments of the forward call, in float64.  known: {node: its value}; draw(shape): numbers for what is not."""
    saved, op = trace.kept[step.node].saved, step.node.op
    inputs = {(e.name, e.position): exact(known[e.node]) if e.node in known and known[e.node].shape == e.shape else draw(e.shape)
              for e in step.node.edges}
    shape_of = {name: saved[f"{name}_shape"].value for name in op.inputs if f"{name}_shape" in saved}
    values = {}
    for name in op.parameters:
        if name == op.sequence:
            shapes = shape_of.get(name) or [e.shape for e in step.node.edges]
            values[name] = [inputs[name, k] if (name, k) in inputs else draw(s) for k, s in enumerate(shapes)]
        elif (name, None) in inputs:
            values[name] = inputs[name, None]
        elif name in saved:
            values[name] = exact(saved[name].value)
        elif name in op.inputs:                 # an array without gradient that no rule reads
            values[name] = draw(shape_of.get(name, step.g.shape)) if op.defaults.get(name, ...) is not None else None
        else:
            guesses = {"size": step.g.shape[2:], "shape": step.g.shape, "keepdims": step.g.ndim == len(step.node.edges[0].shape)}
            if name not in guesses and name not in op.defaults:
                raise KeyError(f"the setting {name!r} was not kept")
            values[name] = guesses.get(name, op.defaults.get(name))
    return values
