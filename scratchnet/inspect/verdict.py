"""Does each rule return the slope of its own forward?  Every node is asked by itself, with the g that reached it.

check/nodes.py judges, and names the mistake where it knows it.  It wants the arguments of the node's call, which are
put together here from what the graph kept; a value it did not keep is one that no rule reads, and any number will do
in its place.  So a wrong rule is blamed where it stands and not where its numbers arrive.
"""
from __future__ import annotations

import numpy as np

from ..autograd import recording
from ..check.nodes import Call, Suspect, finding, node_draw, watched, wrong
from ..debug.terms import floats
from ..debug.trace import Trace
from ..tensor import Tensor

TOLERANCE = 1e-5


def verdict(trace: Trace, step, known: dict, rng) -> dict:
    """{"ok": True, False or None (could not be asked), "text": …, "error": relative error}."""
    rule, reads = step.node.op.rule(step.name).function, {k: exact(v) for k, v in trace.reads(step).items()}
    try:
        with np.errstate(all="ignore"):
            drift = difference(array(rule(np.asarray(step.g, np.float64), **reads)), step.out)
    except Exception as e:
        return {"ok": False, "text": f"the rule fails in float64: {type(e).__name__}: {e}"}
    if drift > (1e-3 if step.out.dtype == np.float32 else 1e-9):
        return {"ok": False, "error": drift, "text": "the pass has another result than this rule"}
    if not np.isfinite(step.out).all():
        return {"ok": False, "text": "the gradient contains NaN or infinity"}
    why = ""
    for draw in (rng.standard_normal, lambda shape: rng.uniform(0.5, 1.5, shape)):
        try:
            call, y = called_again(trace, step, known, draw)
        except (KeyError, TypeError, ValueError, IndexError, ArithmeticError) as e:
            why = f"not checked: the forward cannot be run again ({type(e).__name__}: {e})"
            continue
        if y.shape != step.g.shape:
            return {"ok": None, "text": f"not checked: run again, the forward gives {y.shape} instead of {step.g.shape}"}
        if np.isfinite(y).all():
            return judged(call, step, rng)
        why = "not checked: the forward is not finite where it was measured"
    return {"ok": None, "text": why}


def judged(call: Call, step, rng) -> dict:
    name = step.name if step.position is None else f"{step.name}[{step.position}]"
    with np.errstate(all="ignore"):
        d = node_draw(call, name, step.g, rng)
        verdict = wrong(d, name, TOLERANCE, rng)
        if verdict is None:
            return {"ok": True, "text": "measured with the g of this pass, and with three random ones"}
        found = finding(name, [Suspect(d, verdict, call, None)], rng, TOLERANCE)
    where = {} if verdict.wrong.all() else {"mask": verdict.wrong.astype(np.float32)}
    return {"ok": False, "error": float(verdict.error), "text": found.text, **where}


def called_again(trace: Trace, step, known: dict, draw) -> tuple[Call, np.ndarray]:
    """The node's call made once more, in float64, asking for the gradient of this step's input only."""
    op, values = step.node.op, arguments(trace, step, known, draw)
    asked = Tensor(values[step.name] if step.position is None else values[step.name][step.position], requires_grad=True)
    again = {**values, step.name: asked if step.position is None else
             [asked if k == step.position else v for k, v in enumerate(values[step.name])]}
    token = recording.set(True)
    try:
        with np.errstate(all="ignore"), watched() as calls:
            y = op(**again)
    finally:
        recording.reset(token)
    return calls[-1], y.numpy()


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
    inputs = {}
    for e in step.node.edges:
        kept = known.get(e.node)
        inputs[e.name, e.position] = draw(e.shape) if kept is None or kept.shape != e.shape else exact(kept)
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
            guesses = {"size": step.g.shape[2:], "shape": step.g.shape,
                       "keepdims": step.g.ndim == len(step.node.edges[0].shape)}
            if name not in guesses and name not in op.defaults:
                raise KeyError(f"the setting {name!r} was not kept")
            values[name] = guesses.get(name, op.defaults.get(name))
    return values
