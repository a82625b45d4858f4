"""A learner's own forward, taken apart: every use of a variable and every step becomes a place to measure at.

    h = np.tanh(x @ w)         →      h = hold(2, np.tanh(hold(1, hold(0, x) @ w)))

`hold(k, v)` returns v, or what the checker wants there instead.  With v₀ the value on an undisturbed run,
v₀ + s·(v − v₀) scales the gradient that flows through place k by s: s = 0 cuts it, 2 counts it twice.
So the text of the forward tells which path of backward was lost, and names the line.
"""
from __future__ import annotations

import ast
import inspect
import textwrap
import types
from typing import Any, Callable, NamedTuple

import numpy as np

from .source import unwrapped

MOST = 48                                       # places in one function
ABOUT = {"shape", "ndim", "size", "dtype"}      # x.shape says nothing about x's numbers


class Place(NamedTuple):
    """kind: "use" of a variable, "term" of the returned sum, or "step".  text: that piece of the source."""
    kind: str
    name: str
    text: str
    line: int


class Traced:
    """A function rebuilt with holds.  places; values[k]: what place k had on an undisturbed run, one per visit."""

    def __init__(self, function: types.FunctionType, tree: ast.FunctionDef | ast.Lambda, text: str, offset: int):
        self.places: list[Place] = []
        self.values: dict[int, list] = {}
        self.change: dict[int, Callable] = {}
        self.visits: dict[int, int] = {}
        self.recording = False
        tree = Holds(self, tree, text, offset).visit(tree)
        self.function = rebuilt(function, tree, self.hold)

    def hold(self, k: int, v: Any) -> Any:
        if not (isinstance(v, (np.ndarray, np.number, float)) and np.asarray(v).dtype.kind in "fc"):
            return v
        visit = self.visits[k] = self.visits.get(k, -1) + 1
        if self.recording:
            self.values.setdefault(k, []).append(np.array(v))
        return self.change[k](v, visit) if k in self.change else v

    def run(self, call: Callable, **changes) -> Any:
        """call(function) with the holds as `changes`: {k: (v, visit) ↦ v'}."""
        self.change, self.visits = changes.get("change", {}), {}
        return call(self.function)

    def record(self, call: Callable) -> None:
        self.recording, self.values = True, {}
        try:
            self.run(call)
        finally:
            self.recording = False


def traced(function: Callable | None) -> Traced | None:
    """The function with holds; None where its text cannot be read or rebuilt."""
    f = unwrapped(function)
    if not isinstance(f, types.FunctionType):
        return None
    try:
        lines, start = inspect.getsourcelines(f)
        text = textwrap.dedent("".join(lines))
        tree = find(ast.parse(starting_point(text)), f)
        return None if tree is None else Traced(f, tree, starting_point(text), start - 1)
    except (OSError, TypeError, SyntaxError, ValueError, IndentationError):
        return None


def starting_point(text: str) -> str:
    """Text that parses: a lambda's line may be the middle of a call."""
    try:
        ast.parse(text)
        return text
    except SyntaxError:
        first = text.index("lambda")
        for end in range(len(text), first, -1):
            try:
                ast.parse(text[first:end], mode="eval")
                return text[first:end]
            except SyntaxError:
                continue
        raise


def find(tree: ast.Module, f: types.FunctionType):
    """The node of f; None where several could be meant."""
    kinds = ast.Lambda if f.__name__ == "<lambda>" else ast.FunctionDef
    names = f.__code__.co_varnames[:f.__code__.co_argcount + f.__code__.co_kwonlyargcount]
    found = [n for n in ast.walk(tree) if isinstance(n, kinds) and (kinds is ast.Lambda or n.name == f.__name__)
             and tuple(a.arg for a in n.args.posonlyargs + n.args.args + n.args.kwonlyargs) == names]
    return found[0] if len(found) == 1 else None


def rebuilt(f: types.FunctionType, tree, hold: Callable) -> types.FunctionType:
    """A function of the new tree in f's own scope."""
    name = "_traced"
    if isinstance(tree, ast.Lambda):
        make: ast.stmt = ast.Assign([ast.Name(name, ast.Store())], tree)
    else:
        tree.name, tree.decorator_list, tree.returns = name, [], None
        make = tree
    around = ast.parse(f"def _around({', '.join(('_hold', *f.__code__.co_freevars))}):\n    return {name}")
    around.body[0].body.insert(0, make)
    scope = dict(f.__globals__)
    exec(compile(ast.fix_missing_locations(around), "<traced>", "exec"), scope)
    new = scope["_around"](hold, *(cell.cell_contents for cell in f.__closure__ or ()))
    new.__defaults__, new.__kwdefaults__ = f.__defaults__, f.__kwdefaults__
    return new


class Holds(ast.NodeTransformer):
    """Puts a hold round uses of parameters and local variables, round arithmetic, and round calls."""

    def __init__(self, owner: Traced, tree, text: str, offset: int):
        self.places, self.text, self.offset, self.tree = owner.places, text, offset, tree
        stores = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        self.local = {a.arg for a in tree.args.posonlyargs + tree.args.args + tree.args.kwonlyargs} | set(stores)
        self.terms = set(map(id, returned_terms(tree)))

    def put(self, kind: str, name: str, node, new):
        if len(self.places) >= MOST:
            return new
        piece = (ast.get_source_segment(self.text, node) or name).replace("\n", " ")
        self.places.append(Place(kind, name, " ".join(piece.split()), self.offset + node.lineno))
        return ast.Call(ast.Name("_hold", ast.Load()), [ast.Constant(len(self.places) - 1), new], [])

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load) and node.id in self.local:
            kind = "term" if id(node) in self.terms else "use"
            return self.put(kind, node.id, node, node)
        return node

    def visit_Attribute(self, node):
        return node if node.attr in ABOUT else self.generic_visit(node)

    def visit_Subscript(self, node):
        node.value = self.visit(node.value) if isinstance(node.ctx, ast.Load) else node.value
        return node                             # indices are not numbers that gradients flow through

    def visit_Call(self, node):
        if isinstance(node.func, ast.Name) and node.func.id in ("len", "range", "enumerate"):
            return node
        return self.step(node)

    def visit_BinOp(self, node):
        return self.step(node)

    def visit_UnaryOp(self, node):
        return self.step(node) if id(node) in self.terms else self.generic_visit(node)

    def visit_FunctionDef(self, node):
        if node is not self.tree:
            return node                         # a function inside: left as it is
        node.body = [self.visit(s) for s in node.body]
        return node

    def visit_Lambda(self, node):
        if node is self.tree:
            node.body = self.visit(node.body)
        return node

    def step(self, node):
        kind = "term" if id(node) in self.terms else "step"
        return self.put(kind, "", node, self.generic_visit(node))


def returned_terms(tree) -> list:
    """The terms a + b − c of what is returned; a variable that is returned is looked up where it was assigned."""
    if isinstance(tree, ast.Lambda):
        value = tree.body
    else:
        returns = [n for n in ast.walk(tree) if isinstance(n, ast.Return) and n.value is not None]
        if not returns:
            return []
        value = returns[-1].value
        if isinstance(value, ast.Name):
            assigned = [n for n in ast.walk(tree) if isinstance(n, ast.Assign)
                        and any(isinstance(t, ast.Name) and t.id == value.id for t in n.targets)]
            value = assigned[-1].value if assigned else value
    return split(value) if len(split(value)) > 1 else []


def split(node) -> list:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        return split(node.left) + split(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)) and len(split(node.left)) > 1:
        return split(node.left)
    return [node]
