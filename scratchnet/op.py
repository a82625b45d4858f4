"""An op: a plain function, and one named, pure rule per input that says how gradients flow back.

    @op
    def mul(a, b): return a * b
    @mul.vjp("a")
    def mul_da(g, b, a_shape): return fit(g * b, a_shape)        # keeps b, and a's shape only
    @mul.vjp("b")
    def mul_db(g, a, b_shape): return fit(g * a, b_shape)

Parameters before `*` are inputs (arrays or Tensors), after it settings; callers may pass either by
position.  A rule's first parameter is g = ∂L/∂y.  The others say, by name, what the graph keeps:
    an input   a setting   y (the output)   NAME_shape   position (which input of a sequence)
    or what the forward kept with `return keep(y, where=idx)`.
Forward functions get arrays.  Rules get arrays too, and then simply compute; when the backward pass
is itself recorded (sn.grad with create_graph=True) the same rules get Tensors, so a rule must be
written with ops.  That is why kept floats are closed to it: they would be constants at order two.
"""
from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager, suppress
from typing import Any, Callable, Iterator, NamedTuple

import numpy as np

from . import guard
from .arguments import admit, bind, each_input
from .autograd import Edge, Node, recording
from .tensor import FLOATS, Tensor, sealed

ENGINE = tuple(f"{__package__}.{module}" for module in ("op", "ops", "autograd", "tensor", "layers"))
watchers: list[Callable] = []                   # called with every node made and all its arguments: check/nodes.py


class Kept(NamedTuple):
    """What a forward returns to keep more than its output."""
    y: np.ndarray
    values: dict


def keep(y, **values) -> Kept:
    """Return this from a forward: y is the output, the named values are there for its rules."""
    return Kept(y, values)


class Rule(NamedTuple):
    function: Callable
    reads: tuple                                # parameter names after g


class Saved(NamedTuple):
    """One value kept for the rules, and how to see it as a Tensor when they are recorded."""
    value: object
    node: object                                # where its gradients go, None for a constant
    leaf: object                                # whose memory it is, if a leaf's,
    version: int | None                         # and how often that had been overwritten by then


def save(value, node=None, leaf=None) -> Saved:
    return Saved(value, node, leaf, leaf.version if leaf else None)


def save_argument(given, value) -> Saved:
    """Arrays and settings belong to the caller, who may go on to change them: keep a copy."""
    if isinstance(given, Tensor):
        return save(value, given._node, given._leaf)
    return save(copied(value))


def copied(value):
    """A copy of an array, and of a list or tuple (an index, labels) with the arrays in it."""
    if isinstance(value, (list, tuple)):
        return getattr(value, "_make", type(value))([copied(v) for v in value])        # _make: of a named tuple
    return value.copy() if isinstance(value, np.ndarray) else value


class Op:
    """A function with one rule per differentiable input.  Made by the decorator `op`.

    vjp(name)   decorator: the rule for input `name`.
    fast_vjp    decorator: rule(want, g, …) -> {name: gradient, of a sequence a list of them}, all inputs
                at once, where computing them together saves work; first order only, so it may read
                kept floats.  Where it returns None the plain rules run.
    """
    registry: dict[tuple[str, str], Op] = {}
    replaced = 0                                # rules that are, of all ops

    def __init__(self, forward: Callable, sequence: str | None = None):
        self.forward, self.name, self.sequence = forward, forward.__name__, sequence
        self.__name__, self.__doc__, self.__module__ = self.name, forward.__doc__, forward.__module__
        signature = inspect.signature(forward)
        parameters = signature.parameters.values()
        by_position = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) if p.default is p.empty else p for p in parameters]
        with suppress(ValueError):              # help() shows required settings before the *, as callers write them
            self.__signature__ = signature.replace(parameters=by_position)
        self.parameters = tuple(p.name for p in parameters)
        self.names = set(self.parameters)
        self.inputs = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        self.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        self.rules: dict[str, Rule] = {}
        self.fast: Rule | None = None
        self.replacements = 0
        self.reads: dict[tuple, tuple] = {}     # what was worked out by what_is_read
        for word in {"y", "position"} & set(self.parameters):
            raise ValueError(f"op {self.name}: a parameter cannot be called {word!r}: in a rule that name means "
                             f"{'the output' if word == 'y' else 'the place in a sequence'}")
        key = (forward.__module__, self.name)
        if key in Op.registry:
            raise ValueError(f"op: {key[0]} already has an op named {key[1]!r}; choose another name")
        Op.registry[key] = self

    def vjp(self, name: str):
        if name not in self.inputs:
            raise ValueError(f"{self.name}.vjp: no input {name!r}; the inputs are {self.inputs}")

        def register(rule):
            self.rules[name] = Rule(rule, tuple(inspect.signature(rule).parameters)[1:])
            self.reads.clear()
            return rule
        return register

    def fast_vjp(self, rule):
        self.fast = Rule(rule, tuple(inspect.signature(rule).parameters)[2:])
        self.reads.clear()
        return rule

    def __repr__(self):
        return f"<op {self.name}({', '.join(self.parameters)})>"

    # ---- forward --------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = bind(self, args, kwargs)
        inputs = each_input(self, given)
        values, dtype = admit(self, given, inputs)
        y = self.forward(**values)
        y, kept = y if isinstance(y, Kept) else (y, {})
        tensors = [v for _, _, v in inputs if isinstance(v, Tensor)]
        if not tensors:                         # also where a rule computes: its result is checked as a whole
            return y
        if guard.active:
            guard.check_forward(self, values, y, caller())
        y = np.asarray(y)
        if y.dtype != dtype:
            raise TypeError(f"{self.name}: its forward returned {y.dtype} for inputs of {dtype}")
        views = [] if y.base is None else [t._leaf for t in tensors if t._leaf and np.may_share_memory(y, t._array)]
        leaf = views[0] if views else None
        edges = [Edge(name, position, t._node, t._array.shape, t._array.dtype)
                 for name, position, t in inputs if isinstance(t, Tensor) and t._node] if recording.get() else []
        return Tensor.of(y, self.record(given, values, save(y, leaf=leaf), kept, edges) if edges else None, leaf)

    def record(self, given: dict, values: dict, y: Saved, kept: dict, edges: list[Edge]) -> Node:
        """The node of this call: edges to the inputs that need gradients, and what rules will read."""
        key = tuple([edge.name for edge in edges])
        reads, plainly = self.reads.get(key) or self.what_is_read(key)
        for name in kept:
            self.check_kept(name, kept[name], plainly)
        saved = {}
        for name in reads:
            if name in kept:
                saved[name] = save(kept[name])
            elif name == "y":
                saved[name] = y
            elif name == self.sequence:
                saved[name] = [save_argument(t, a) for t, a in zip(given[name], values[name])]
            elif name in given:
                saved[name] = save_argument(given[name], values[name])
            elif (source := name.removesuffix("_shape")) == self.sequence:
                saved[name] = save([a.shape for a in values[source]])
            elif source in self.inputs:
                saved[name] = save(np.shape(values[source]))
            else:
                raise TypeError(f"{self.name}: a rule reads {name!r}, which is neither an input, a setting, "
                                "y, an input's _shape, position, nor something its forward kept")
        node = Node(self, edges, saved, caller())
        for watch in watchers:
            watch(node, values)
        return node

    def what_is_read(self, inputs: tuple) -> tuple[list, set]:
        """(names that rules for these inputs read, `position` aside; those of them that the plain rules do)"""
        plainly = {name for each in inputs for name in self.rule(each).reads} - {"position"}
        fast = self.fast.reads if self.fast and not self.replacements else ()
        return self.reads.setdefault(inputs, (sorted(plainly.union(fast)), plainly))

    def check_kept(self, name: str, value, plainly: set) -> None:
        if name in self.names:
            raise TypeError(f"{self.name}: the forward keeps {name!r}, which is already the name of a parameter")
        if name in plainly and np.asarray(value).dtype.kind in "fc":
            raise TypeError(f"{self.name}: a plain rule reads {name!r}, a float kept by the forward, which would be a "
                            "constant at second order; recompute it with ops from the inputs, or read it in a fast_vjp")

    # ---- backward -------------------------------------------------------------------------------

    def rule(self, name: str) -> Rule:
        if name not in self.rules:
            raise TypeError(f"{self.name} has no rule for its input {name!r}: write one with "
                            f"@{self.name}.vjp({name!r}), or pass {name} as a constant (.detach())")
        return self.rules[name]

    def run_rules(self, node: Node, edges: list[Edge], g, create_graph: bool) -> Iterator:
        """Yield (edge, rule, gradient for that edge), each checked to fit the input it is for."""
        g = g if create_graph else sealed(g)
        if self.fast and not create_graph and not self.replacements:
            want = {edge.name for edge in edges}
            out = self.fast.function(want, g, **self.restore(node, self.fast.reads, False))
            for edge in edges if out else ():
                one = out[edge.name] if edge.position is None else out[edge.name][edge.position]
                yield edge, self.fast.function, self.fitting(edge, one, node, False)
            if out:
                return
        for edge in edges:
            rule = self.rule(edge.name)
            values = self.restore(node, rule.reads, create_graph)
            if "position" in rule.reads:
                values["position"] = edge.position
            out = rule.function(g, **values)
            yield edge, rule.function, self.fitting(edge, out, node, create_graph)

    def restore(self, node: Node, names: tuple, create_graph: bool) -> dict:
        """What a rule reads, as arrays, or as Tensors that continue the graph."""
        def see(name, s):
            if s.leaf is not None and s.leaf.version != s.version:
                raise RuntimeError(f"{node.where}: its input {name!r} was changed in place (an optimiser "
                                   "step, load_state) after this forward; call backward() before step()")
            if not isinstance(s.value, np.ndarray):
                return s.value
            if not create_graph or s.value.dtype not in FLOATS:
                return sealed(s.value)
            return Tensor.of(s.value, node if name == "y" else s.node)
        values = {}
        for name in names:
            if name == "position":
                continue
            if name not in node.saved:
                raise RuntimeError(f"{node.where}: the rule reads {name!r}, which this forward did not save;"
                                   " with sn.replaced, run forward and backward both inside the block or both outside")
            s = node.saved[name]
            values[name] = [see(name, one) for one in s] if isinstance(s, list) else see(name, s)
        return values

    def fitting(self, edge: Edge, out, node: Node, create_graph: bool):
        """The gradient for an input has the input's shape and dtype; anything else is a wrong rule."""
        if isinstance(out, Tensor):
            out = out if create_graph else out._array
        elif create_graph and out is not None:
            raise TypeError(f"{node.where}: the rule for {edge.name!r} left the graph (it returned a "
                            f"{type(out).__name__}): written with sn functions instead of .numpy() and NumPy's, it "
                            "can be differentiated again")
        elif out is not None:
            out = np.asarray(out)
        if out is None or out.shape != edge.shape or out.dtype != edge.dtype:
            got = "None" if out is None else f"{out.dtype} {out.shape}"
            raise ValueError(f"{node.where}: the rule for {edge.name!r} returned {got}, expected "
                             f"{edge.dtype} {edge.shape} like {edge.name}; where {edge.name} was "
                             "broadcast, its gradient is summed back: fit(…, shape)")
        if guard.active:
            guard.check_backward(node, edge.name, out)
        return out


def op(forward: Callable | None = None, *, sequence: str | None = None):
    """Make an op of a function.  sequence: the one input that is a list (concatenate, stack).

    Errors   ValueError: a parameter named y or position, or a second op of that name in the module.
    """
    return Op(forward, sequence) if forward else lambda f: Op(f, sequence)


@contextmanager
def replaced(target: Op, name: str, rule: Callable) -> Iterator[None]:
    """Use `rule` as target's rule for input `name` inside the block, forward and backward.

    Errors   TypeError: target is not an op.  ValueError: it has no input of that name.
    """
    if not isinstance(target, Op):
        raise TypeError(f"replaced: {getattr(target, '__name__', target)} is not an op but a function made of ops; "
                        "replace the rule of the op inside it")
    original = target.rules.get(name)
    target.vjp(name)(rule)
    target.replacements, Op.replaced = target.replacements + 1, Op.replaced + 1
    try:
        yield
    finally:
        target.replacements -= 1
        Op.replaced -= 1
        if original is None:
            del target.rules[name]
        else:
            target.rules[name] = original
        target.reads.clear()


def caller() -> tuple:
    """(code, line, instruction) of the nearest frame outside the engine: where the user wrote this operation."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(ENGINE):
        frame = frame.f_back
    return frame.f_code, frame.f_lineno, frame.f_lasti
