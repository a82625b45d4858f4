"""Every function that is one small edit away from a given one: slips, and what undoes them.

    for edit in edits(tree): edit.put(); …; edit.undo()         the tree is changed in place and put back

An operator, comparison, constant, name or axis becomes another; an operand, call, index, transpose or minus is left
out or put in; sums become means; = becomes +=; two arguments change places.
Source  DeMillo, Lipton & Sayward 1978, "Hints on test data selection" (a slip is close to the right program).
"""
from __future__ import annotations

import ast
import copy
from typing import Any, Callable, Iterator, NamedTuple

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
FAMILIES = (("sum", "mean", "max", "min", "var", "std", "prod", "cumsum"), ("exp", "log", "sqrt", "abs", "tanh", "sign", "square", "sigmoid"),
            ("zeros_like", "ones_like", "empty_like"), ("zeros", "ones", "empty"), ("maximum", "minimum"), ("softmax", "log_softmax"))


class Edit(NamedTuple):
    """line: of the source; before, after: the text of the expression."""
    line: int
    before: str
    after: str
    put: Callable[[], None]
    undo: Callable[[], None]


def edits(tree: ast.FunctionDef | ast.Lambda) -> Iterator[Edit]:
    """All single edits of a function's body."""
    arguments = tree.args.posonlyargs + tree.args.args + tree.args.kwonlyargs
    names = [a.arg for a in arguments] + [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    names = list(dict.fromkeys(names))
    places = sorted(slots(tree), key=lambda slot: (slot[3].lineno, slot[3].col_offset))
    for kind in (expressions, wrapped, combined):              # likely ones first
        for parent, field, place, node in places:
            if isinstance(node, ast.stmt):
                values = statements(node) if kind is expressions else ()
            else:
                values = kind(node, parent, field, names)
            for new in values:
                yield edit(parent, field, place, node, new)


def slots(tree) -> Iterator[tuple]:
    """(parent, field, place in a list or None, node) of everything in the body that may be exchanged."""
    stack = [(tree, "body")]
    while stack:
        parent, field = stack.pop()
        value = getattr(parent, field)
        for place, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            if isinstance(node, (ast.expr, ast.stmt)) and not stored and not isinstance(parent, ast.Expr):     # what a bare call does
                yield parent, field, place, node                                                           # is unknown
            if isinstance(node, ast.AST) and not isinstance(node, (ast.FunctionDef, ast.Import, ast.Raise)):
                stack += [(node, name) for name in node._fields if name not in ("ctx", "func") or isinstance(node, ast.Call)]


def edit(parent, field: str, place, node, new) -> Edit:
    def into(what):
        def put():
            if place is None:
                setattr(parent, field, what)
            else:
                getattr(parent, field)[place] = what
        return put
    return Edit(getattr(node, "lineno", 0), text(node), text(new), into(new), into(node))


def text(node) -> str:
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))) if not isinstance(node, ast.Pass) else "(nothing)"


def statements(node) -> Iterator[ast.stmt]:
    if isinstance(node, ast.AugAssign):
        yield from (like(node, op=op()) for op in (ast.Add, ast.Sub, ast.Mult, ast.Div) if not isinstance(node.op, op))
        yield ast.copy_location(ast.Assign([node.target], node.value), node)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Name, ast.Subscript)):
        yield ast.copy_location(ast.AugAssign(node.targets[0], ast.Add(), node.value), node)
    if isinstance(node, ast.AugAssign):
        yield ast.copy_location(ast.Pass(), node)


def expressions(node, parent, field: str, names: list[str]) -> Iterator[ast.expr]:
    if field == "func" or isinstance(parent, ast.Attribute) or isinstance(node, ast.Slice) or field == "slice":
        yield from index_edits(node) if field == "slice" or isinstance(node, ast.Slice) else called(node)
        return
    if isinstance(parent, ast.keyword) and parent.arg == "axis" and not isinstance(node, ast.Constant):
        yield from (ast.Constant(v) for v in (0, 1, -1, None))
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from (ast.Name(n, ast.Load()) for n in names if n != node.id)
    if isinstance(node, ast.Constant):
        yield from (ast.Constant(v) for v in constants(node.value))
    if isinstance(node, ast.BinOp):
        yield from (like(node, op=op()) for op in OPERATORS if not isinstance(node.op, op))
        yield like(node, left=node.right, right=node.left)
        yield from (node.left, node.right)
    if isinstance(node, ast.UnaryOp):
        yield node.operand
    if isinstance(node, ast.Compare):
        yield from (like(node, ops=[op()]) for op in COMPARISONS if not isinstance(node.ops[0], op))
        yield from (node.left, node.comparators[0])
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value
    if isinstance(node, ast.Subscript):
        yield node.value
    if isinstance(node, ast.Call):
        yield from calls(node)


def constants(v: Any) -> list:
    if v is None:
        return [0, 1, -1]
    if isinstance(v, bool):
        return [not v]
    if isinstance(v, (int, float)):
        return [u for u in dict.fromkeys((0, 1, 2, -1, -2, 0.5, -0.5, v + 1, v - 1, -v, 2 * v, v / 2, 3, None)) if u != v]
    return []


def called(node) -> Iterator[ast.expr]:
    """np.sum for np.mean, x.mean for x.sum."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
    for family in FAMILIES:
        if name in family:
            yield from (like(node, **{"attr" if isinstance(node, ast.Attribute) else "id": other}) for other in family if other != name)


def calls(node: ast.Call) -> Iterator[ast.expr]:
    """Without the call, an argument or a keyword; with arguments exchanged; with an axis it did not have."""
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
    if receiver is not None and not (isinstance(receiver, ast.Name) and receiver.id in ("np", "numpy", "sn")):
        yield receiver
    yield from node.args
    for i in range(len(node.args) - 1):
        yield like(node, args=node.args[:i] + [node.args[i + 1], node.args[i]] + node.args[i + 2:])
    for i in range(len(node.args)):
        yield like(node, args=node.args[:i] + node.args[i + 1:])
    for i in range(len(node.keywords)):
        yield like(node, keywords=node.keywords[:i] + node.keywords[i + 1:])
    had = {k.arg for k in node.keywords}
    if "axis" not in had and isinstance(node.func, (ast.Attribute, ast.Name)):
        yield from (like(node, keywords=node.keywords + [ast.keyword("axis", ast.Constant(a))]) for a in (0, 1, -1))
    if "keepdims" not in had and "axis" in had:
        yield like(node, keywords=node.keywords + [ast.keyword("keepdims", ast.Constant(True))])


def index_edits(node) -> Iterator[ast.expr]:
    """Bounds moved by one or left out; indices exchanged or moved by one."""
    if isinstance(node, ast.Slice):
        for bound in ("lower", "upper", "step"):
            value = getattr(node, bound)
            if value is not None:
                yield like(node, **{bound: None})
                yield from (like(node, **{bound: ast.BinOp(value, op(), ast.Constant(1))}) for op in (ast.Add, ast.Sub))
            else:
                yield from (like(node, **{bound: ast.Constant(c)}) for c in ((1, -1) if bound != "step" else (-1, 2)))
    elif isinstance(node, ast.Tuple):
        for i in range(len(node.elts) - 1):
            yield like(node, elts=node.elts[:i] + [node.elts[i + 1], node.elts[i]] + node.elts[i + 2:])
    elif isinstance(node, (ast.Name, ast.BinOp)):
        yield from (ast.BinOp(node, op(), ast.Constant(1)) for op in (ast.Add, ast.Sub))


def is_array(node, parent, field: str) -> bool:
    return isinstance(node, (ast.Name, ast.BinOp, ast.Call, ast.Attribute, ast.Subscript, ast.UnaryOp)) and not (
        field in ("func", "slice", "target", "targets") or isinstance(parent, (ast.Attribute, ast.keyword)))


def wrapped(node, parent, field: str, names: list[str]) -> Iterator[ast.expr]:
    """With something put round it: a minus, a transpose, a 2, a sum, a local variable as factor."""
    if not is_array(node, parent, field):
        return
    yield ast.UnaryOp(ast.USub(), node)
    yield ast.Attribute(node, "T", ast.Load())
    yield ast.BinOp(ast.Constant(1), ast.Sub(), node)
    yield from (ast.BinOp(node, op(), ast.Constant(c)) for op, c in ((ast.Mult, 2), (ast.Div, 2), (ast.Pow, 2), (ast.Pow, 3)))
    yield from (ast.BinOp(node, op(), ast.Name(name, ast.Load())) for name in names for op in (ast.Mult, ast.Div))
    for method in ("sum", "mean"):
        for axis in (0, 1, -1):
            yield ast.Call(ast.Attribute(node, method, ast.Load()), [], [ast.keyword("axis", ast.Constant(axis))])


def combined(node, parent, field: str, names: list[str]) -> Iterator[ast.expr]:
    """With a local variable added or subtracted."""
    for name in names if is_array(node, parent, field) else ():
        other = ast.Name(name, ast.Load())
        yield from (ast.BinOp(a, op(), b) for a, op, b in ((node, ast.Add, other), (node, ast.Sub, other), (other, ast.Sub, node)))


def like(node, **fields):
    """A copy of the node with some fields exchanged."""
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new
