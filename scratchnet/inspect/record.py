"""A backward pass as one JSON-able dict: what page.js draws.

Arrays are float32 in base64.  Of a large one the page gets a block: its first image or rows, whole; statistics
are always those of the whole array.
"""
from __future__ import annotations

import ast
import base64
import linecache

import numpy as np

from ..debug.layout import layout
from ..debug.source import by_grad, formula, place, rule_source, short
from ..debug.terms import floats, name_of
from ..debug.trace import Trace
from ..tensor import Leaf
from .shares import shares
from .structure import structure
from .verdict import verdict

CONTEXT = 3                                     # lines of the learner's file around the forward call
BLOCKS = (20_000, 1 << 12, 1 << 10, 1 << 8)    # entries of one array on the page: the first of these that keeps it small


class Arrays:
    """The arrays of a page, each once."""

    def __init__(self):
        self.arrays, self.known = [], {}

    def add(self, array) -> int | None:
        if array is None:
            return None
        a = np.asarray(array)
        key = a.__array_interface__["data"][0], a.shape, a.strides, a.dtype.str
        if key not in self.known:
            self.known[key] = len(self.arrays)
            self.arrays.append(a)               # holds it, so that its address is not given to another
        return self.known[key]

    def written(self, limit: int) -> list[dict]:
        """As JSON, blocks of about `limit` entries."""
        return [{"shape": list(a.shape), "dtype": str(a.dtype), "block": (b := block(a.shape, limit)), **statistics(a),
                 **dict(zip(("form", "data"), encoded(a[tuple(slice(n) for n in b)])))} for a in self.arrays]


def block(shape: tuple, limit: int) -> list[int]:
    """How much of each axis is kept: all of up to 2·limit entries, else as many whole rows or images as fit, but one at least."""
    if np.prod(shape, dtype=int) <= 2 * limit:
        return list(shape)
    kept = [1] * len(shape)
    for k, n in enumerate(shape):
        rest = int(np.prod(shape[k + 1:], dtype=int))
        if rest <= 2 * limit:
            return kept[:k] + [min(n, max(1, limit // max(rest, 1)))] + list(shape[k + 1:])
    return kept


def encoded(a: np.ndarray) -> tuple[str, str]:
    """(how the numbers are stored: u1, i4 or f4; base64).  Masks are many, and take a byte per entry."""
    form = "i4" if a.dtype.kind == "i" else "u1" if ((a == 0) | (a == 1)).all() else "f4"
    with np.errstate(over="ignore"):
        return form, base64.b64encode(np.ascontiguousarray(a, f"<{form}").tobytes()).decode()


def statistics(a: np.ndarray) -> dict:
    if a.dtype.kind != "f" or not a.size:
        return {}
    finite = a[np.isfinite(a)]
    ends = {"min": float(finite.min()), "max": float(finite.max()), "norm": float(np.linalg.norm(finite.astype(np.float64)))} if finite.size else {}
    return {**ends, "zero": float((a == 0).mean()), "nan": int(np.isnan(a).sum()), "inf": int(np.isinf(a).sum())}


def values_of(trace: Trace) -> dict:
    """{node: its value} as far as rules keep it: as y of the node itself, or as an input of one that uses it."""
    known = {}
    for node, kept in trace.kept.items():
        for name, saved in (kept.saved or {}).items():
            for one in saved if isinstance(saved, list) else [saved]:
                owner = node if name == "y" else one.node
                if owner is not None and floats(one.value):
                    known.setdefault(owner, one.value)
    return known


def record(trace: Trace, called: dict, progress=lambda steps: steps) -> tuple[dict, Arrays]:
    """(everything but the arrays, the arrays).  progress: wraps the list of steps, to show how far it is."""
    arrays, known, rng = Arrays(), values_of(trace), np.random.default_rng(0)
    ids = {node: k for k, node in enumerate(trace.order)}
    places, rules, steps = Unique(), Unique(), []
    at = layout(trace.order, {n: [e.node for e in n.edges] for n in trace.order}, lambda n: isinstance(n, Leaf))
    arrived, of_terms = {}, shares(trace, called)
    for k, step in enumerate(progress(trace.steps)):
        rule = step.node.op.rule(step.name)
        arrived[step.to] = arrived.get(step.to, 0) + 1
        uses = trace.uses[step.to]
        how = structure(trace, step)
        for key in ("factor", "from"):
            if isinstance(how.get(key), np.ndarray):
                how[key] = {"array": arrays.add(how[key])}
        check = verdict(trace, step, known, rng)
        check["mask"] = arrays.add(check.get("mask"))
        before = step.total - step.out if uses > 1 and arrived[step.to] > 1 else None
        steps.append({
            "node": ids[step.node], "to": ids[step.to], "input": step.name, "position": step.position,
            "rule": rules.add(step.node.op.rule(step.name).function, rule_text),
            "ran": step.rule.__name__ if step.rule is not rule.function else None,
            "g": arrays.add(step.g), "out": arrays.add(step.out), "before": arrays.add(before),
            "total": arrays.add(step.total) if uses > 1 else None, "arrived": arrived[step.to], "uses": uses, "how": how,
            "reads": [[name, arrays.add(v), None] if isinstance(v, np.ndarray) else [name, None, f"{v!r:.120}"]
                      for name, v in trace.reads(step).items()],
            "check": check, "shares": of_terms.get((step.node, step.name, step.position), [])})
    nodes = []
    for node in trace.order:
        leaf = isinstance(node, Leaf)
        nodes.append({
            "op": "leaf" if leaf else node.op.name, "by_grad": not leaf and by_grad(node), "ours": not leaf and node.op.__module__.startswith("scratchnet."),
            "name": name_of(called, node), "at": at[node],
            "value": arrays.add(known.get(node)), "sources": [[e.name, ids[e.node]] for e in node.edges],
            "steps": [k for k, s in enumerate(trace.steps) if s.node is node],
            "place": None if leaf else places.add(place(node), context), "formula": "" if leaf else formula(node.op)})
    bad = next((k for k, s in enumerate(steps) if s["check"]["ok"] is False), None)
    return {"loss": name_of(called, trace.root), "nodes": nodes, "steps": steps, "start": bad or 0, "wrong": bad,
            "places": places.made, "rules": rules.made}, arrays


class Unique:
    """Things that many steps share, each described once."""

    def __init__(self):
        self.known, self.made = {}, []

    def add(self, thing, describe) -> int:
        if thing not in self.known:
            self.known[thing] = len(self.made)
            self.made.append(describe(thing))
        return self.known[thing]


def context(where) -> dict:
    """The lines around a call, and which of them, and which piece of them, is the call."""
    lines = [line.rstrip("\n") for line in linecache.getlines(where.file)]
    count = max(1, len(where.text.splitlines()))
    first = max(1, where.line - CONTEXT)
    return {"file": short(where.file), "first": first, "lines": lines[first - 1:where.line - 1 + count + CONTEXT], "line": where.line,
            "count": count, "piece": where.text[where.start:where.end]}


def rule_text(rule) -> dict:
    """A rule's source and the numbers of the lines that compute its result."""
    source = rule_source(rule)
    try:
        tree = ast.parse(source.text)
    except SyntaxError:
        tree = None
    current = sorted({n for r in ast.walk(tree) if isinstance(r, ast.Return) for n in range(r.lineno, r.end_lineno + 1)}) if tree else []
    return {"name": rule.__name__, "file": short(source.file), "first": source.line, "lines": source.text.splitlines(), "current": current}

