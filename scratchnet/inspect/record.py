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
    """How much of each axis is kept: all of up to 2·limit entries, else as many whole rows or images as fit, at least one."""
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
    size = {}
    if finite.size:
        size = {"min": float(finite.min()), "max": float(finite.max()), "norm": float(np.linalg.norm(finite.astype(np.float64)))}
    return {**size, "zero": float((a == 0).mean()), "nan": int(np.isnan(a).sum()), "inf": int(np.isinf(a).sum())}


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
    ids, places, rules = {node: k for k, node in enumerate(trace.order)}, Unique(), Unique()
    of_terms, arrived, steps = shares(trace, called), {}, []
    for step in progress(trace.steps):
        arrived[step.to] = arrived.get(step.to, 0) + 1
        rule = step.node.op.rule(step.name).function
        steps.append({**numbers_of(trace, step, arrived[step.to], arrays),
                      "node": ids[step.node], "to": ids[step.to], "input": step.name, "rule": rules.add(rule, rule_text),
                      "ran": None if step.rule is rule else step.rule.__name__, "check": verdict(trace, step, known, rng),
                      "shares": of_terms.get((step.node, step.name, step.position), [])})
        steps[-1]["check"]["mask"] = arrays.add(steps[-1]["check"].get("mask"))
    at = layout(trace.order, {n: [e.node for e in n.edges] for n in trace.order}, lambda n: isinstance(n, Leaf))
    nodes = [{"name": name_of(called, node), "at": at[node], "value": arrays.add(known.get(node)),
              "sources": [[e.name, ids[e.node]] for e in node.edges],
              "steps": [k for k, s in enumerate(trace.steps) if s.node is node], **about(node, places)} for node in trace.order]
    wrong = next((k for k, s in enumerate(steps) if s["check"]["ok"] is False), None)
    return {"loss": name_of(called, trace.root), "nodes": nodes, "steps": steps, "start": wrong or 0, "wrong": wrong,
            "places": places.made, "rules": rules.made}, arrays


def numbers_of(trace: Trace, step, arrived: int, arrays: Arrays) -> dict:
    """The arrays of one step, and which entries of g make which of its result."""
    uses, how = trace.uses[step.to], structure(trace, step)
    for key in ("factor", "from"):
        if isinstance(how.get(key), np.ndarray):
            how[key] = {"array": arrays.add(how[key])}
    reads = [[name, arrays.add(v), None] if isinstance(v, np.ndarray) else [name, None, f"{v!r:.120}"]
             for name, v in trace.reads(step).items()]
    return {"g": arrays.add(step.g), "out": arrays.add(step.out), "reads": reads, "how": how, "arrived": arrived, "uses": uses,
            "before": arrays.add(step.total - step.out) if arrived > 1 else None,
            "total": arrays.add(step.total) if uses > 1 else None}


def about(node, places: Unique) -> dict:
    """What an op is and where it was written."""
    if isinstance(node, Leaf):
        return {"op": "leaf", "place": None, "formula": "", "by_grad": False, "ours": False}
    return {"op": node.op.name, "place": places.add(place(node), context), "formula": formula(node.op), "by_grad": by_grad(node),
            "ours": node.op.__module__.startswith("scratchnet.")}


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
    count, first = max(1, len(where.text.splitlines())), max(1, where.line - CONTEXT)
    return {"file": short(where.file), "first": first, "lines": lines[first - 1:where.line - 1 + count + CONTEXT],
            "line": where.line, "count": count, "piece": where.text[where.start:where.end]}


def rule_text(rule) -> dict:
    """A rule's source and the numbers of the lines that compute its result."""
    source = rule_source(rule)
    try:
        returns = [node for node in ast.walk(ast.parse(source.text)) if isinstance(node, ast.Return)]
    except SyntaxError:
        returns = []
    return {"name": rule.__name__, "file": short(source.file), "first": source.line, "lines": source.text.splitlines(),
            "current": sorted({n for node in returns for n in range(node.lineno, node.end_lineno + 1)})}

