"""The edits that tests/mutation.py tries: for each kind of syntax node, what may stand in its place."""
from __future__ import annotations

import ast
import inspect
from copy import copy
from typing import Callable, Iterator

COMPARED = {ast.Lt: (ast.LtE, ast.Gt, ast.GtE), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt, ast.LtE),
            ast.GtE: (ast.Gt, ast.LtE), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
            ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,)}
COMPUTED = {ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add), ast.Div: (ast.Mult,),
            ast.Pow: (ast.Mult,), ast.MatMult: (ast.Mult,), ast.FloorDiv: (ast.Mult, ast.Mod), ast.Mod: (ast.FloorDiv,),
            ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,)}
ORDER_COUNTS = (ast.Sub, ast.Div, ast.Pow, ast.MatMult, ast.FloorDiv, ast.Mod)
TWINS = [("sum", "mean"), ("mean", "var"), ("var", "std"), ("max", "min"), ("maximum", "minimum"), ("argmax", "argmin"),
         ("exp", "log"), ("sin", "cos"), ("tanh", "sigmoid"), ("sqrt", "square"), ("zeros", "ones"),
         ("zeros_like", "ones_like"), ("rot90", "flip")]
TWIN = {a: [d for pair in TWINS for d in pair if a in pair and d != a] for pair in TWINS for a in pair}


def edits(node: ast.AST, names: list, scope: dict) -> Iterator[ast.AST]:
    """What may stand in the place of `node`."""
    kind = type(node).__name__
    if kind in EDITS:
        yield from EDITS[kind](node, names, scope)


EDITS: dict[str, Callable] = {}


def edits_of(*kinds: str):
    def register(rule):
        EDITS.update((kind, rule) for kind in kinds)
        return rule
    return register


def like(node, **changes):
    """A copy of a node with some fields changed; its parts are shared."""
    other = copy(node)
    vars(other).update(changes)
    return other


def negative(node):
    already = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    return node.operand if already else ast.UnaryOp(ast.USub(), node)


def one_negative(nodes: list) -> Iterator[list]:
    """The list with the sign of one part turned."""
    return (nodes[:i] + [negative(nodes[i])] + nodes[i + 1:] for i in range(len(nodes)))


def without(parts: list) -> Iterator[list]:
    """The list with one part left out."""
    return (parts[:i] + parts[i + 1:] for i in range(len(parts)))


def exchanged(parts: list) -> Iterator[list]:
    """The list with two neighbours exchanged."""
    return (parts[:i] + [parts[i + 1], parts[i]] + parts[i + 2:] for i in range(len(parts) - 1))


@edits_of("BinOp")
def _(node, names, scope):
    yield from (like(node, op=op()) for op in COMPUTED.get(type(node.op), ()))
    yield from (node.left, node.right)
    if isinstance(node.op, ORDER_COUNTS):
        yield like(node, left=node.right, right=node.left)
    if isinstance(node.op, ast.MatMult):
        for side in ("left", "right"):
            part = getattr(node, side)
            if not (isinstance(part, ast.Attribute) and part.attr == "T"):
                yield like(node, **{side: ast.Attribute(part, "T", ast.Load())})


@edits_of("UnaryOp")
def _(node, names, scope): yield node.operand


@edits_of("BoolOp")
def _(node, names, scope):
    yield like(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    yield from node.values


@edits_of("Compare")
def _(node, names, scope):
    for i, op in enumerate(node.ops):
        yield from (like(node, ops=node.ops[:i] + [other()] + node.ops[i + 1:]) for other in COMPARED[type(op)])


@edits_of("IfExp")
def _(node, names, scope):
    yield from (node.body, node.orelse, like(node, body=node.orelse, orelse=node.body))


@edits_of("Constant")
def _(node, names, scope):
    v = node.value
    if isinstance(v, bool):
        yield ast.Constant(not v)
    elif isinstance(v, int):
        yield from (ast.Constant(n) for n in dict.fromkeys((v + 1, v - 1, -v)) if n != v)
    elif isinstance(v, float):
        yield from (ast.Constant(n) for n in dict.fromkeys((2 * v, v / 2, -v, 0.0, 1.0)) if n != v)
    elif isinstance(v, str) and "->" in v:
        swapped = ("".join(letters) for letters in exchanged(list(v)))             # two letters of an einsum
        yield from (ast.Constant(w) for w in swapped if w.find("->") == v.find("->") and w.find(",") == v.find(","))
    elif isinstance(v, str):
        yield ast.Constant(v + "?")


@edits_of("Name")
def _(node, names, scope):
    if isinstance(node.ctx, ast.Load) and node.id in names:
        yield from (ast.Name(other, ast.Load()) for other in dict.fromkeys(names) if other != node.id)


@edits_of("Attribute")
def _(node, names, scope):
    if node.attr == "T":
        yield node.value


@edits_of("Call")
def _(node, names, scope):
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    for twin in TWIN.get(name, ()):
        if isinstance(node.func, ast.Attribute) or twin in scope:
            yield like(node, func=like(node.func, **{"attr" if isinstance(node.func, ast.Attribute) else "id": twin}))
    if isinstance(node.func, ast.Attribute) and not inspect.ismodule(scope.get(getattr(node.func.value, "id", ""))):
        yield node.func.value                   # x.sum(…) → x
    arguments = [a.value if isinstance(a, ast.Starred) else a for a in node.args]
    yield from (a for a in arguments if not isinstance(getattr(a, "value", None), str))      # fit(x, s) → x
    yield from (like(node, args=args) for args in (*without(node.args), *exchanged(node.args)))
    yield from (like(node, keywords=keywords) for keywords in without(node.keywords))
    if name == "range" and len(node.args) == 1:
        yield like(node, args=[ast.BinOp(node.args[0], ast.Sub(), ast.Constant(1))])
        yield like(node, args=[ast.Constant(1), *node.args])


@edits_of("Subscript")
def _(node, names, scope):
    if isinstance(node.ctx, ast.Load):
        yield node.value


@edits_of("Slice")
def _(node, names, scope):
    yield from (like(node, **{part: None}) for part in ("lower", "upper", "step") if getattr(node, part))
    if node.lower or node.upper:
        yield like(node, lower=node.upper, upper=node.lower)


@edits_of("Tuple", "List", "Set")
def _(node, names, scope):
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    yield from (like(node, elts=elts) for elts in without(node.elts) if elts)
    if not isinstance(node, ast.Set):
        yield from (like(node, elts=elts) for elts in exchanged(node.elts))


@edits_of("comprehension")
def _(node, names, scope):
    yield from (like(node, ifs=ifs) for ifs in without(node.ifs))

# ---- statements ---------------------------------------------------------------------------------------


@edits_of("Assign")
def _(node, names, scope):
    yield ast.Pass()
    if isinstance(node.value, ast.Tuple):
        yield from (like(node, value=like(node.value, elts=elts)) for elts in one_negative(node.value.elts))
    elif not isinstance(node.value, ast.Constant):
        yield like(node, value=negative(node.value))
    if isinstance(node.targets[0], (ast.Subscript, ast.Name)):
        yield ast.AugAssign(node.targets[0], ast.Add(), node.value)


@edits_of("AugAssign")
def _(node, names, scope):
    yield ast.Pass()
    yield ast.Assign([node.target], node.value, lineno=0)
    yield from (like(node, op=op()) for op in COMPUTED.get(type(node.op), ()))


@edits_of("Return")
def _(node, names, scope):
    if isinstance(node.value, (ast.Tuple, ast.List)):
        yield from (like(node, value=like(node.value, elts=elts)) for elts in one_negative(node.value.elts))
    elif isinstance(node.value, ast.Dict):
        yield from (like(node, value=like(node.value, values=vs)) for vs in one_negative(node.value.values))
    elif node.value:
        yield like(node, value=negative(node.value))


@edits_of("Expr", "With")
def _(node, names, scope): yield ast.Pass()


@edits_of("If")
def _(node, names, scope):
    yield ast.If(ast.Constant(True), node.body, node.orelse)
    yield ast.If(ast.Constant(False), node.body, node.orelse)


@edits_of("For", "While")
def _(node, names, scope):
    yield ast.Pass()
    yield like(node, body=[*node.body, ast.Break()])
