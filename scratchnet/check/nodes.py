"""Node by node: every rule of a tape is checked with the g that the backward pass itself brought to it.

A node whose rule is right passes whatever came from above, so one wrong rule is one wrong node, however deep
it sits: the others answer correctly to a g that is already wrong.
"""
from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator, NamedTuple

import numpy as np

from .. import op as ops
from ..autograd import Node, backward_steps, toposort
from ..tensor import Tensor, sealed
from .compare import Verdict, along_directions, compare
from .diagnose import diagnose, from_directions
from .draw import Draw
from .findings import Finding
from .repair import bank
from .subject import Subject

EVERY_ENTRY = 300
DIRECTIONS = 2                                  # of an input with more entries than that, with four g each


class Call(NamedTuple):
    """One node of the tape and all the arguments of its call."""
    node: Node
    values: dict[str, Any]


@contextmanager
def watched() -> Iterator[list[Call]]:
    """The list fills with every node made inside the block."""
    calls: list[Call] = []

    def note(node, values):
        calls.append(Call(node, dict(values)))
    ops.watchers.append(note)
    try:
        yield calls
    finally:
        ops.watchers.remove(note)


def arrived(y: Tensor, g) -> dict[Node, np.ndarray]:
    """node → the g that the engine's own pass from y brought to it; of a pass that raises, as far as it came."""
    found: dict = {y._node: np.asarray(g, y.dtype)}
    targets = {node: None for node in toposort(y._node) if not node.edges}     # with targets, no .grad is touched
    try:
        for step in backward_steps(y, g, retain_graph=True, found=targets):
            found[step.to] = np.array(step.total)
    except Exception:                           # a rule that raised, or returned what does not fit: that node is looked at
        pass
    return found


def flat_inputs(call: Call) -> dict[str, np.ndarray]:
    """The float inputs by name; a sequence's as xs[0], xs[1], …"""
    found = {}
    for name in call.node.op.inputs:
        value = call.values.get(name)
        for i, a in enumerate(value) if isinstance(value, (list, tuple)) else [(None, value)]:
            if isinstance(a, np.ndarray) and a.dtype.kind == "f":
                found[name if i is None else f"{name}[{i}]"] = a
    return found


def edge_name(edge) -> str:
    return edge.name if edge.position is None else f"{edge.name}[{edge.position}]"


def node_subject(call: Call, wanted: str) -> Subject:
    """The op's forward, and the rule the engine ran for one input, raw: nothing mended, nothing refused."""
    node, op, inputs = call.node, call.node.op, flat_inputs(call)

    def invoke(forward, arrays, changed):
        values = {**call.values, **changed}
        for name, a in zip(inputs, arrays):
            if name in values:
                values[name] = a
            else:
                values[op.sequence] = list(values[op.sequence])
                values[op.sequence][int(name[len(op.sequence) + 1:-1])] = a
        y = forward(**values)
        return y.y if isinstance(y, ops.Kept) else y

    def backward(g, *arrays):
        out = None
        if op.fast and not op.replacements:
            out = op.fast.function({e.name for e in node.edges}, g, **op.restore(node, op.fast.reads, False))
        if out is not None:
            results = {edge_name(e): out[e.name] for e in node.edges}
        else:
            e = next(e for e in node.edges if edge_name(e) == wanted)
            rule = op.rule(e.name)
            values = op.restore(node, rule.reads, False)
            if "position" in rule.reads:
                values["position"] = e.position
            results = {wanted: rule.function(g, **values)}
        return [results.get(name) for name in inputs]
    settings = {k: v for k, v in call.values.items() if k not in op.inputs}
    return Subject(op.forward, backward, list(inputs), code=op.forward, settings=settings, invoke=invoke, records=True)


def node_draw(call: Call, name: str, g, rng) -> Draw:
    inputs, shape = flat_inputs(call), np.shape(g)
    gs = [np.array(g, float)] + [rng.standard_normal(shape) for _ in range(3)]
    d = Draw(node_subject(call, name), [np.array(a, float) for a in inputs.values()], rng, gs=gs, wrt=[name])
    d.call = call
    return d


def run_rule(rule: Callable, reads: list[str], d: Draw, g, name: str):
    """Any rule of this node's op, with what it reads computed afresh."""
    op, values = d.call.node.op, d.call.values
    y = op.forward(**values)
    kept = y.values if isinstance(y, ops.Kept) else {}
    known = {**values, **kept, "y": y.y if isinstance(y, ops.Kept) else y}
    for k, v in values.items():
        known[f"{k}_shape"] = [np.shape(a) for a in v] if k == op.sequence else np.shape(v)
    if "[" in name:
        known["position"] = int(name[name.index("[") + 1:-1])
    return rule(sealed(g), **{k: sealed(known[k]) if isinstance(known[k], np.ndarray) else known[k] for k in reads})


def judged(d: Draw, name: str, tol: float, rng) -> Verdict:
    """This node's gradient for its input `name`, held against the slopes of its own forward."""
    x = d.inputs[name]
    if d.crash or d.got[name][0] is None or d.got[name][0].shape != x.shape:
        return Verdict(np.inf, np.ones(x.shape, bool), np.zeros(x.shape, bool))
    small = x.size <= EVERY_ENTRY and d.affordable(name)
    return compare(d, name, tol) if small else along_directions(d, name, tol, rng, DIRECTIONS)


def wrong(d: Draw, name: str, tol: float, rng) -> Verdict | None:
    """The verdict, if it is that the gradient is wrong."""
    verdict = judged(d, name, tol, rng)
    return verdict if verdict.wrong.any() else None


def blame(runs: list[tuple[Callable, dict]], rng, tol: float = 1e-6) -> list[Finding]:
    """The wrong rules, each once with all its nodes.  runs: per draw, () → (y, g) on Tensors, and {leaf: name}."""
    suspects: dict[tuple, list[Suspect]] = {}
    for call, edge, d, verdict, leaf in rules_of(runs, rng, tol):
        if verdict.wrong.any():
            suspects.setdefault((call.node.op, edge_name(edge)), []).append(Suspect(d, verdict, call, leaf))
    return [finding(name, found, rng, tol) for (_, name), found in suspects.items()]


def rules_of(runs, rng, tol: float) -> Iterator[tuple]:
    """(call, edge, draw, verdict, leaf's name or None) of every rule that ran."""
    for run, names in runs:
        with watched() as calls:
            y, g = run()
        reached = arrived(y, g)
        for call in calls:
            if call.node not in reached or not flat_inputs(call):
                continue
            for edge in call.node.edges:
                name = edge_name(edge)
                d = node_draw(call, name, reached[call.node], rng)
                yield call, edge, d, judged(d, name, tol, rng), names.get(edge.node)


class Suspect(NamedTuple):
    """A node whose gradient for one input is wrong; leaf: the name of that input, where it is one of the function's."""
    draw: Draw
    verdict: Verdict
    call: Call
    leaf: str | None


def finding(name: str, found: list[Suspect], rng, tol: float) -> Finding:
    """The diagnosis of a rule; its nodes serve as draws, the smallest first."""
    d, _, call, leaf = found[0]
    whole = [s for s in found if s.draw.crash is None and s.draw.got[name][0] is not None]
    if not whole:
        f = Finding(name, "CRASH", type(d.crash.error).__name__, f"the rule raised {d.crash}") if d.crash else \
            Finding(name, "NO_GRAD", "", f"the rule for {name} returned None")
    else:
        small = sorted((s for s in whole if s.draw.affordable(name)), key=lambda s: s.draw.inputs[name].size)[:3]
        pairs = [(s.draw, s.verdict) for s in small] or cropped(whole[0].call, name, rng, tol)
        f = diagnose(pairs, name) if pairs else from_directions([(s.draw, s.verdict) for s in whole[:3]], name)
        f = bank(call.node.op, name, [d for d, _ in pairs], lambda *a: run_rule(*a, name), f) if pairs else f
    op, places = call.node.op.name, list(dict.fromkeys(s.call.node.where.split(" at ", 1)[-1] for s in found))
    f.target = leaf or f"{op}.{name}"
    f.data.update(op=op, input=name, nodes=[s.call.node for s in found])
    f.where = f"the rule of {op} for {name}, called at {', '.join(places[:3])}{f' and {len(places) - 3} more' if places[3:] else ''}"
    return f


def cropped(call: Call, name: str, rng, tol: float) -> list[tuple[Draw, Verdict]]:
    """The same call on a corner of its inputs: equal lengths stay equal, different ones different; [] where that cannot be."""
    lengths = sorted({n for a in flat_inputs(call).values() for n in a.shape})
    small = {n: n if n <= 3 else 4 + i for i, n in enumerate(m for m in lengths if m > 3)} | {n: n for n in lengths if n <= 3}

    def corner(a):
        if not (isinstance(a, np.ndarray) and a.dtype.kind == "f"):
            return a
        return Tensor(a[tuple(slice(0, min(n, small[n])) for n in a.shape)], requires_grad=True)
    values = {k: [corner(a) for a in v] if isinstance(v, list) else corner(v) for k, v in call.values.items()}
    try:
        with watched() as calls:
            y = call.node.op(**values)
        d = node_draw(calls[-1], name, rng.standard_normal(y.shape), rng)
        verdict = wrong(d, name, tol, rng)
    except Exception:                           # a setting that speaks of the original lengths
        return []
    return [(d, verdict)] if verdict is not None and d.affordable(name) and d.crash is None else []
