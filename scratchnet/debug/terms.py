"""Why is this number so?  One entry of a gradient as the sum it is, term by term, back to the loss.

A rule is linear in the gradient g that arrives at it, so an entry of what it returns is a sum over g:

    out[i] = Σⱼ g[j] · ∂y[j]/∂x[i]       one term for each entry j of g = ∂L/∂y

The factors ∂y[j]/∂x[i] are the slopes of out[i] in g[j]: they come from running the rule on a recorded g
and asking the engine for the gradient of out[i].  No rule is written a second time, and the sum says
whether the numbers agree with the pass.  Each g[j] is an entry of a gradient in turn, so it opens likewise.
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ..autograd import Node, Step, grad, no_grad, recording, toposort
from ..layers import layers_and_tensors
from ..tensor import Leaf, Tensor
from .show import number
from .source import names, place, short
from .trace import Trace


class Term(NamedTuple):
    """value = g · factor: what entry `index` of the gradient g that reached a rule adds to an entry of its result."""
    value: float
    g: float
    factor: float                               # ∂y[index]/∂x[the entry asked for]
    index: tuple
    step: Step
    factor_name: str                            # "x[0, 0, 3, 4]" where the factor is an entry of what the rule read
    origin: tuple                               # what `open` needs: see Entry

    def open(self) -> Entry:
        """The terms behind g: ∂L/∂y[index], y being the output of this step's op.  Its value is self.g."""
        trace, called = self.origin
        return Entry(trace, called, self.step.node, self.index)


class Entry(Sequence):
    """One entry of a gradient: a sequence of Terms, largest first, that sum to .value.

    value   the entry, as the backward pass computed it
    total   the sum of all terms, in float64: differs from value by rounding only, if the rules are right
    zeros   how many more entries of g take part with a product of 0; they are not among the terms
    open(k) the Entry behind term k.  At the loss itself there are no terms: ∂L/∂L = 1.
    """

    def __init__(self, trace: Trace, called: dict, node, index: tuple, shares: list[Step] | None = None):
        """shares: those of the node's uses that are meant; None means all of them."""
        self.trace, self.called, self.node, self.index = trace, called, node, index
        self.shares = trace.shares(node) if shares is None else shares
        if node is trace.root:
            self.value = float(trace.g[index])
        else:
            self.value = float((self.shares[-1].total if shares is None else shares[0].out)[index])
        parts, self.zeros = [], 0
        for k, step in enumerate(self.shares):
            c = factors(step, trace.reads(step), index)
            products = np.multiply(step.g, c, dtype=np.float64).ravel()
            here = np.flatnonzero(products)
            self.zeros += np.count_nonzero(c) - len(here)
            parts.append((products[here], here, c.ravel()[here], np.full(len(here), k)))
        empty = [(np.zeros(0), np.zeros(0, int), np.zeros(0), np.zeros(0, int))]
        values, self.places, self.factors, self.owners = (np.concatenate(p) for p in zip(*(parts or empty)))
        largest = np.argsort(-np.abs(values), kind="stable")
        self.values, self.places, self.factors, self.owners = (
            a[largest] for a in (values, self.places, self.factors, self.owners))
        self.total = float(values.sum()) if parts else self.value
        self.labels = [None] * len(self.shares)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, k):
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        if not -len(self) <= k < len(self):
            raise IndexError(f"term {k}: there are {len(self)}, numbered from 0")
        share = int(self.owners[k])
        step, j = self.shares[share], int(self.places[k])
        index = tuple(int(i) for i in np.unravel_index(j, step.g.shape))
        if self.labels[share] is None:
            self.labels[share] = factor_names(step, self.trace.reads(step), self.index)
        return Term(float(self.values[k]), float(step.g[index]), float(self.factors[k]), index, step,
                    self.labels[share].get(j, ""), (self.trace, self.called))

    @property
    def terms(self) -> Sequence:
        return self

    def open(self, k: int) -> Entry:
        return self[k].open()

    @property
    def name(self) -> str:
        """What it is an entry of, in the learner's words: "∂L/∂w[0, 3]"."""
        name = name_of(self.called, self.node)
        simple = self.node not in self.called or name.replace(".", "_").isidentifier()
        return f"∂L/∂{name if simple else f'({name})'}{written(self.index)}"

    def __repr__(self):
        return "\n".join(self.lines())

    def lines(self, most: int = 10) -> list[str]:
        lines = [f"{self.name} = {number(self.value)}"]
        if isinstance(self.node, Node):
            where = place(self.node)
            lines.append(f"  {self.node.op.name} at {short(where.file)}:{where.line}   {where.text.partition(chr(10))[0]}")
        if self.node is self.trace.root:
            return [*lines, "  this is the loss: here the pass began, with this number"]
        for k, step in enumerate(self.shares):
            count, rule = int(np.sum(self.owners == k)), step.node.op.rule(step.name)
            lines.append(f"  {count} term{'s' * (count != 1)} by {rule.function.__name__}({', '.join(('g', *rule.reads))}):"
                         f" g = ∂L/∂({name_of(self.called, step.node)}), factor = its slope in {step.name}")
        if not len(self):
            why = "g is, wherever the factor is not" if self.zeros else "the factors are"
            return [*lines, f"  every product g × factor is 0: {why}"]
        lines.append("   k          term             g × factor")
        for k, term in enumerate(self[:most]):
            read = f" = {term.factor_name}" if term.factor_name else ""
            lines.append(f"{k:4}  {number(term.value):>12}  =  {number(term.g):>12} × {number(term.factor)}"
                         f"     g{written(term.index)}{read and ', factor' + read}")
        if len(self) > most:
            lines.append(f"   …  {number(float(self.values[most:].sum())):>12}  the other {len(self) - most} together")
        zeros = f"   ({self.zeros} more terms are 0 because their g is)" if self.zeros else ""
        lines.append(f" sum  {number(self.total):>12}{zeros}")
        if abs(self.total - self.value) > 1e-4 * float(np.abs(self.values).sum()) + 1e-30:
            lines.append(f"  but the pass computed {number(self.value)}: a rule here is not linear in g")
        return lines


def explain(w: Tensor, index, loss: Tensor | None = None, g=None) -> Entry:
    """Why ∂L/∂w[index] is what it is: its terms, largest first, each of which opens into those behind it.

        e = sn.explain(w, (2, 0), loss)       print(e);  e[0].value, e[0].g, e[0].factor;  e.open(0) is ∂L/∂y[j]

        ∂L/∂w[index] = Σⱼ ∂L/∂y[j] · ∂y[j]/∂w[index]      y: what was computed from w; several uses add up

    loss   may be left out: then it is the one that a variable of the caller holds, or the last whose backward reached w
           (a weak reference, which keeps nothing in memory).  Either must still have its graph: ask before backward(), or
           after loss.backward(retain_graph=True).  g = ∂L/∂loss, 1 for a single number.
    The pass is run anew, on the paths to w only; no .grad is read or written, and the graph stays.
    Shapes   index: one integer per axis of w (a plain integer if there is one axis).
    Errors   ValueError: an index that is not one entry, or no path from loss to w.  RuntimeError: the graph is gone.
    Source   the chain rule; Griewank & Walther 2008, Evaluating Derivatives, §3.2 (adjoints as weighted sums).
    """
    if not isinstance(w, Tensor):
        raise TypeError(f"explain: w is a {type(w).__name__}, expected the Tensor whose gradient is asked about")
    if w._node is None:
        raise ValueError("explain: w has requires_grad=False, so it has no gradient")
    if loss is None:
        loss = last_loss(w, sys._getframe(1))
    if not isinstance(loss, Tensor):
        raise TypeError(f"explain: loss is a {type(loss).__name__}, expected a Tensor: explain(w, index, loss)")
    trace = Trace(loss, g, targets=[w._node])
    if not any(node is w._node for node in trace.order):
        raise ValueError("explain: no path leads from this loss to w: its gradient is None, not a number")
    trace.finish()
    return Entry(trace, names(trace.order, sys._getframe(1)), w._node, entry_index(index, w.shape))


def last_loss(w: Tensor, frame) -> Tensor:
    """The loss that is meant when none is named: of the last backward that reached w, or the only one in a variable."""
    last = w._node.loss() if isinstance(w._node, Leaf) and w._node.loss is not None else None
    if last is not None and not last._node.released:
        return last
    behind = {}                                 # single numbers that were computed from w, and all that is behind each
    while frame is not None and not behind:
        for value in list(frame.f_locals.values()):
            for _, t in layers_and_tensors("", value) if isinstance(value, (Tensor, tuple)) else ():
                if isinstance(t, Tensor) and t.size == 1 and isinstance(t._node, Node) and not t._node.released:
                    behind[t] = set(toposort(t._node))
        behind = {t: nodes for t, nodes in behind.items() if w._node in nodes and t._node is not w._node}
        frame = frame.f_back
    inner = {t._node for t in behind for other, nodes in behind.items() if t._node in nodes and t._node is not other._node}
    ends = {t._node: t for t in behind if t._node not in inner}
    if len(ends) == 1:
        return next(iter(ends.values()))
    why = f"{len(ends)} losses were computed from w" if ends else "backward() released the graph" if last is not None else \
        "no variable holds a loss that was computed from w and still has its graph"
    raise RuntimeError(f"explain: {why}; name the loss, before its backward(): sn.explain(w, index, loss), or keep the "
                       "graph: loss.backward(retain_graph=True)")


def entry_index(index, shape: tuple) -> tuple:
    """index as one non-negative integer per axis, or what is wrong with it."""
    given = index if isinstance(index, tuple) else (index,)
    try:
        fits = len(given) == len(shape) and all(-n <= int(i) < n and int(i) == i for i, n in zip(given, shape))
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(f"explain: index {index!r} for a gradient of shape {shape}, expected one entry: {len(shape)} "
                         f"integers, each within its axis{', such as ' + str((0,) * len(shape)) if len(shape) > 1 else ''}")
    return tuple(int(i) % n for i, n in zip(given, shape))


# ---- factors: the slopes of one entry of a rule's result -------------------------------------------

def factors(step: Step, reads: dict, index: tuple) -> np.ndarray:
    """∂out[index]/∂g, of g's shape, for the plain rule of a step, which is given `reads` besides g."""
    rule, g = step.node.op.rule(step.name), np.asarray(step.g)
    given, token = Tensor(g, requires_grad=True), recording.set(True)
    try:
        out = rule.function(given, **reads)
        one = np.zeros(step.out.shape, g.dtype)
        one[index] = 1
        if isinstance(out, Tensor):
            c = grad(out, given, one) if out.requires_grad else None
            return np.zeros(g.shape, g.dtype) if c is None else c.numpy()
    finally:
        recording.reset(token)
    return by_trial(rule.function, g, reads, index)


def by_trial(rule, g, reads: dict, index: tuple) -> np.ndarray:
    """The same for a rule that computes with NumPy: g = 1 at one place and 0 elsewhere, place after place."""
    c, one = np.zeros(g.shape, g.dtype), np.zeros(g.shape, g.dtype)
    with no_grad():
        for j in np.ndindex(*g.shape):
            one[j] = 1
            out = rule(one.copy(), **reads)
            c[j] = np.asarray(out._array if isinstance(out, Tensor) else out)[index]
            one[j] = 0
    return c


def factor_names(step: Step, reads: dict, index: tuple) -> dict:
    """{place in g: "x[…]"} where the factor is an entry of something the rule reads, as in a product or a convolution.

    Which one is found by reading other numbers in its place: if each entry held its own number, 1, 2, 3, …,
    a factor that is an entry would name it.  A second numbering must agree, and the true values, up to the rounding
    of a kernel that adds and takes away (conv_plan.py).
    """
    c = factors(step, reads, index).ravel()
    places = np.flatnonzero(c)
    exact = {k: v.astype(np.float64) if floats(v) else v for k, v in reads.items()}
    step = step._replace(g=step.g.astype(np.float64))
    for name, value in reads.items():
        if not floats(value) or value.size == 0:
            continue
        n = value.size
        with suppress(Exception), np.errstate(all="ignore"):  # a rule may refuse such numbers: then there is no name
            up, down = (factors(step, {**exact, name: labels.reshape(value.shape)}, index).ravel()[places]
                        for labels in (np.arange(1.0, n + 1), np.arange(2.0 * n, n, -1)))
            entry = up.astype(int) - 1
            if (entry + 1 == up).all() and (entry >= 0).all() and (down == 2 * n - entry).all() \
                    and np.abs(value.ravel()[entry] - c[places]).max() <= 8 * np.finfo(c.dtype).eps * np.abs(value).max():
                return {int(j): f"{name}{written(np.unravel_index(e, value.shape))}" for j, e in zip(places, entry)}
    return {}


def floats(value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def written(index) -> str:
    """[0, 3] for an index; nothing for a single number."""
    return f"[{', '.join(str(int(i)) for i in index)}]" if len(index) else ""


def name_of(called: dict, node) -> str:
    if node in called:
        return called[node]
    return f"({node.op.name})" if isinstance(node, Node) else "leaf"
