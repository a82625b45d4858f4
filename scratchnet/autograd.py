"""Reverse-mode automatic differentiation: the graph a computation leaves, and the walk back.

    forward    y = op(x, …) leaves a Node: the op, what its rules will read, where x came from.
    backward   Start with g = ∂L/∂L = 1 at the loss L.  Visit each node after everything that used
               it; then g = ∂L/∂y is complete, and one rule per input gives that use's share,
                   ∂L/∂x  +=  rule(g, …) = Σ ∂L/∂y · ∂y/∂x                    (chain rule)

A Tensor points to the node that made it; a node points to the nodes behind it, never to a Tensor.
So there is no reference cycle, and memory goes as soon as the last name for it does.  What an op
and its rules look like is in op.py; the training loop, the gradient checks and the step-through
all iterate the one generator below, `backward_steps`.
"""
from __future__ import annotations

import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Iterator, NamedTuple, Sequence

import numpy as np

from .tensor import Leaf, Tensor

recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording: inside, results have requires_grad=False and keep nothing."""
    token = recording.set(False)
    try:
        yield
    finally:
        recording.reset(token)


# ---- the graph ----------------------------------------------------------------------------------

class Refused:
    """The end of a path that must not be taken: a gradient made without create_graph=True."""
    __slots__ = ("__weakref__",)
    edges, released = (), False


class Edge(NamedTuple):
    """One differentiable input of a node: gradients for it have its shape and dtype."""
    name: str                                   # the op's parameter
    position: int | None                        # which one, where that parameter is a sequence
    node: Node | Leaf | Refused
    shape: tuple
    dtype: np.dtype


class Node:
    """One op that was applied: its edges back, and what its rules read (`saved`, see op.py)."""
    __slots__ = ("op", "edges", "saved", "line", "__weakref__")

    def __init__(self, op, edges, saved, line):
        self.op, self.edges, self.saved, self.line = op, edges, saved, line

    released = property(lambda self: self.saved is None)

    @property
    def where(self) -> str:
        """'op at file:line' of the call that made this node."""
        code, number, _ = self.line
        return f"{self.op.name} at {code.co_filename}:{number}"


def toposort(root: Node) -> list:
    """Every node behind root, each after all nodes that use it.  No recursion: chains are long."""
    uses, stack = {}, [root]                    # uses: how many edges lead to a node
    while stack:
        node = stack.pop()
        uses[node] = uses.get(node, 0) + 1
        if uses[node] == 1:
            stack.extend(edge.node for edge in node.edges)
    order, stack = [], [root]
    while stack:
        node = stack.pop()
        order.append(node)
        for edge in node.edges:
            uses[edge.node] -= 1
            if uses[edge.node] == 0:
                stack.append(edge.node)
    return order


# ---- the walk back ------------------------------------------------------------------------------

class Step(NamedTuple):
    """One rule that ran: out = rule(g, …) is this use's share of ∂L/∂(input `name` of node.op)."""
    node: Node
    name: str
    position: int | None
    rule: Any
    g: Any
    out: Any
    to: Node | Leaf                             # whose gradient `out` is a share of
    total: Any                                  # the shares that arrived there so far; the walk may go on adding into it


def backward_steps(y: Tensor, g=None, *, retain_graph: bool = False, create_graph: bool = False,
                   found: dict | None = None) -> Iterator[Step]:
    """Run the backward pass from y, yielding after each rule.  `Tensor.backward` exhausts it.

    ∂L/∂x = Σ over the uses of x of  rule(g, …),  g = ∂L/∂(the output of that use): last use first.
    Without `found`, each leaf's total is added into its .grad when the walk arrives there.  With
    `found` = {node: None, …} (sn.grad) only rules on paths to those nodes run, and it is filled.
    Shapes   g as y; it may be left out for a single number.
    Errors   RuntimeError: y depends on nothing with requires_grad, or its graph is released.  ValueError: g does not fit y.
    Source   Linnainmaa 1976, BIT 16, "Taylor expansion of the accumulated rounding error"; Griewank & Walther 2008.
    """
    g = upstream(y, g, create_graph)
    order = toposort(y._node)
    paths = None if found is None else nodes_on_paths(order, found)
    refuse_dead_ends(order, paths)
    grads, ours, new = {y._node: g}, set(), set()      # ours: sums this walk made, so may add into; new: nobody else's
    for node in order:
        g = grads.pop(node, None)
        if g is None:
            continue
        if found is None and isinstance(node, Leaf):
            node.grad = node.grad + g if node.grad is not None else g if node in ours or node in new else np.array(g)
            node.loss = weakref.ref(y)
        elif found is not None and node in found:
            found[node] = g
        edges = [e for e in node.edges if paths is None or e.node in paths]
        if not edges:
            continue
        for edge, rule, out in node.op.run_rules(node, edges, g, create_graph):
            to = edge.node
            if to not in grads:
                grads[to] = out                 # perhaps g itself or a view: never written to
                if is_new(out, rule):
                    new.add(to)
            elif to in ours:
                grads[to] += out
            else:
                grads[to] = grads[to] + out if create_graph else np.asarray(grads[to] + out)
                if not create_graph:
                    ours.add(to)
            yield Step(node, edge.name, edge.position, rule, g, out, to, grads[to])
        if not retain_graph:
            node.saved = None                   # its edges stay: a later walk must see where it led


OURS = f"{__package__}.ops."


def is_new(out, rule) -> bool:
    """Whether one of our rules has just made this array: a leaf may keep it.

    What a rule passes on of g, or of what was kept for it, is read-only; a user's may return what it will write into again.
    """
    return isinstance(out, np.ndarray) and out.flags.writeable and getattr(rule, "__module__", "").startswith(OURS)


def upstream(y: Tensor, g, create_graph: bool):
    """∂L/∂y to start from: as given, or 1 where y is a single number."""
    if y._node is None:
        raise RuntimeError(f"backward: this {y.shape} tensor depends on nothing with requires_grad="
                           "True (or was computed under no_grad): there is nothing to differentiate")
    if g is None:
        if y.size != 1:
            raise ValueError(f"backward: y has shape {y.shape}, so ∂L/∂y is not simply 1; reduce y to "
                             f"one number (y.sum(), y.mean()) or pass g of shape {y.shape}")
        g = np.ones(y.shape, y.dtype)
    if not isinstance(g, Tensor):
        g = Tensor(np.asarray(g, y.dtype)) if create_graph else Tensor.of(np.asarray(g, y.dtype))   # a graph keeps a copy
    if g.shape != y.shape or g.dtype != y.dtype:
        raise ValueError(f"backward: g is {g.dtype} {g.shape}, expected {y.dtype} {y.shape}, as y is")
    return g if create_graph else g._array


def refuse_dead_ends(order: list, paths: set | None) -> None:
    """Say so before any gradient is touched if the walk would need what is gone or was never kept."""
    for node in order:
        if isinstance(node, Refused):
            raise RuntimeError("this value depends on a gradient from sn.grad(…, create_graph=False), "
                               "which recorded nothing: pass create_graph=True to differentiate "
                               "through it, or use its .detach() as a constant")
        if node.released and (paths is None or any(edge.node in paths for edge in node.edges)):
            raise RuntimeError(f"a backward pass already went through {node.where} and released what "
                               "it had saved; run the forward again, or pass retain_graph=True first")


def nodes_on_paths(order: list, found: dict) -> set:
    """The nodes from which something in `found` can be reached, `found` included."""
    paths = set()
    for node in reversed(order):
        if node in found or any(edge.node in paths for edge in node.edges):
            paths.add(node)
    return paths


def grad(y: Tensor, xs: Tensor | Sequence[Tensor], g: Any = None, create_graph: bool = False,
         retain_graph: bool | None = None) -> Any:
    """∂L/∂x for each x in xs, where g = ∂L/∂y (1 for a single number): no .grad is read or written.

    Shapes   each result as its x; None where no path leads from y to x.  xs one Tensor: one result.
    Orders   create_graph=True records the backward pass itself, so results can be differentiated
             again.  Without it they refuse to be: .detach() turns them into constants.
    retain_graph   keep what the forward saved for another pass; None means: as create_graph.
    Errors   TypeError: y or an x is no Tensor.  RuntimeError, ValueError: as backward_steps.
    Source   Griewank & Walther 2008, Evaluating Derivatives, §3.2 (the reverse mode).
    """
    if not isinstance(y, Tensor):
        raise TypeError(f"grad: y is a {type(y).__name__}, expected a Tensor")
    single = isinstance(xs, Tensor)
    if not single and not isinstance(xs, (list, tuple)):
        raise TypeError(f"grad: xs is a {type(xs).__name__}, expected a Tensor or a list of Tensors")
    xs = [xs] if single else list(xs)
    for i, x in enumerate(xs):
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: xs[{i}] is a {type(x).__name__}, expected a Tensor")
    found = {x._node: None for x in xs if x._node is not None}
    if y._node is not None:
        retain = create_graph if retain_graph is None else retain_graph
        token = recording.set(create_graph)
        try:
            for _ in backward_steps(y, g, retain_graph=retain, create_graph=create_graph, found=found):
                pass
        finally:
            recording.reset(token)
    result = []
    for x in xs:
        d = found.get(x._node)
        if d is not None and not create_graph:
            d = Tensor.of(np.array(d), Refused())
        result.append(d)
    return result[0] if single else result
