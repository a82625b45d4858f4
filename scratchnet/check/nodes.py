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
from ..tensor import Tensor
from .compare import Verdict, along_directions, compare
from .diagnose import diagnose, from_directions
from .draw import Draw
from .findings import Finding
from .subject import Subject

EVERY_ENTRY = 300
DIRECTIONS = 3                                  # of an input with more entries than that, with four g each


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


def node_subject(call: Call) -> Subject:
    """The op's forward, and the rules the engine ran for this node, raw: nothing mended, nothing refused."""
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
            results = {}
            for e in node.edges:
                rule = op.rule(e.name)
                values = op.restore(node, rule.reads, False)
                if "position" in rule.reads:
                    values["position"] = e.position
                results[edge_name(e)] = rule.function(g, **values)
        return [results.get(name) for name in inputs]
    settings = {k: v for k, v in call.values.items() if k not in op.inputs}
    return Subject(op.forward, backward, list(inputs), code=op.forward, settings=settings, invoke=invoke)


def node_draw(call: Call, g, rng) -> Draw:
    inputs, shape = flat_inputs(call), np.shape(g)
    gs = [np.array(g, float)] + [rng.standard_normal(shape) for _ in range(3)]
    wanted = [edge_name(e) for e in call.node.edges]
    return Draw(node_subject(call), [np.array(a, float) for a in inputs.values()], rng, gs=gs, wrt=wanted)


def wrong_inputs(d: Draw, tol: float, rng) -> dict[str, Verdict]:
    """name → verdict for each gradient of this node that is wrong."""
    found = {}
    for name in d.wrt:
        x = d.inputs[name]
        if d.crash or d.got[name][0] is None or d.got[name][0].shape != x.shape:
            found[name] = Verdict(np.inf, np.ones(x.shape, bool), np.zeros(x.shape, bool))
            continue
        v = compare(d, name, tol) if x.size <= EVERY_ENTRY and d.affordable(name) else along_directions(d, name, tol, rng, DIRECTIONS)
        if v.wrong.any():
            found[name] = v
    return found


def blame(runs: list[tuple[Callable, dict]], rng, tol: float = 1e-6) -> list[Finding]:
    """The wrong nodes.  runs: per draw, () → (y, g) and the names of its leaves, {leaf: name}."""
    wrong: dict[tuple, list] = {}
    for run, names in runs:
        with watched() as calls:
            y, g = run()
        reached, order = arrived(y, g), {}
        for call in calls:
            key = call.node.op.name, order.setdefault(call.node.op.name, 0)
            order[call.node.op.name] += 1
            if call.node not in reached or not flat_inputs(call):
                continue
            d = node_draw(call, reached[call.node], rng)
            for name, verdict in wrong_inputs(d, tol, rng).items():
                leaf = next(e.node for e in call.node.edges if edge_name(e) == name)
                wrong.setdefault((*key, name), []).append((d, verdict, call, names.get(leaf)))
    return [finding(name, found) for (_, _, name), found in wrong.items()]


def finding(name: str, found: list) -> Finding:
    """The diagnosis of one node's gradient for its input `name`, over the draws in which it is wrong."""
    d, _, call, leaf = found[0]
    if d.crash is not None:
        f = Finding(name, "CRASH", type(d.crash.error).__name__, f"the rule raised {d.crash}")
    elif all(x[0].got[name][0] is None for x in found):
        f = Finding(name, "NO_GRAD", "", f"the rule for {name} returned None")
    else:
        small = [(d, v) for d, v, _, _ in found if d.crash is None and d.got[name][0] is not None and d.affordable(name)]
        f = diagnose(small, name) if small else from_directions([(d, v) for d, v, _, _ in found], name)
    f.target = leaf or f"{call.node.op.name}.{name}"
    f.data.update(op=call.node.op.name, input=name, node=call.node)
    f.where = f"the rule of {call.node.op.name} for {name}, called at {call.node.where.split(' at ', 1)[-1]}"
    return f
