"""Where an operation was written, and what its author called the result.

A node remembers the code, the line and the instruction of the call that made it (op.py: caller).  From
Python 3.11 on, the instruction leads to the exact expression:  in  z = mu + sn.exp(0.5 * logvar) * eps
the three nodes of this line are told apart, and only the addition is called z.
"""
from __future__ import annotations

import ast
import inspect
import linecache
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..layers import Layer, layers_and_tensors
from ..tensor import Leaf, Tensor


class Place(NamedTuple):
    """A piece of source: its whole lines, and which expression in them (offsets into `text`) is meant."""
    file: str
    line: int                                   # number of the first line, from 1
    text: str
    start: int
    end: int


@lru_cache(maxsize=64)
def parsed(lines: tuple) -> dict:
    """{(line, end line, column, end column): (expression, its parent)} of a file."""
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):           # not Python, or not the file that ran
        return {}
    return {span(child): (child, parent) for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
            if hasattr(child, "end_col_offset")}


def span(node: ast.AST) -> tuple:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def expression(node) -> tuple:
    """(lines of the file, position of the expression in it or None) for the call that made a node."""
    code, number, instruction = node.line
    lines = tuple(linecache.getlines(code.co_filename))
    if number > len(lines) or not hasattr(code, "co_positions"):
        return lines, None
    position = next(islice(code.co_positions(), instruction // 2, None))
    if None in position:
        return lines, None
    known = parsed(lines)
    if position not in known:                   # a method call over several lines is said to begin at the method's name
        calls = [p for p, (e, _) in known.items() if isinstance(e, ast.Call)]
        position = max((p for p in calls if (p[1], p[3]) == (position[1], position[3])), default=position)
    return lines, position


def place(node) -> Place:
    """Where the operation of a node was written; text is empty if its file cannot be read."""
    code, number, _ = node.line
    lines, position = expression(node)
    if position is None:
        text = lines[number - 1].rstrip("\n") if number <= len(lines) else ""
        indent = len(text) - len(text.lstrip())
        return Place(code.co_filename, number, text.strip(), 0, len(text) - indent)
    first, last, start, end = position
    raw = [line.rstrip("\n") for line in lines[first - 1:last]]
    indent = min((len(line) - len(line.lstrip()) for line in raw if line.strip()), default=0)
    before, upto = (len(raw[i].encode()[:n].decode(errors="ignore")) for i, n in ((0, start), (-1, end)))   # n counts bytes
    text = "\n".join(line[indent:] for line in raw)
    return Place(code.co_filename, first, text, before - indent, len(text) - (len(raw[-1]) - upto))


def assigned(node) -> str | None:
    """`z` where the operation is the whole right side of  z = …"""
    lines, position = expression(node)
    value, parent = parsed(lines).get(position, (None, None))
    if isinstance(value, ast.AugAssign):        # loss += x: the instruction's place is the whole statement
        return ast.unparse(value.target)
    if isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and parent.value is value:
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        if isinstance(targets[0], (ast.Name, ast.Attribute)):
            return ast.unparse(targets[0])
    return None


def by_grad(node) -> bool:
    """Whether the operation was recorded by a rule, in a backward pass of sn.grad(…, create_graph=True)."""
    lines, position = expression(node)
    call = parsed(lines).get(position, (None, None))[0]
    return isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) == "grad"


def names(order: list, frame) -> dict:
    """{node: the learner's name for its value}: variables that hold it now, else what its line assigns it to.

    order   the nodes of the graph, each after all that use it.
    frame   where to begin looking for variables; from there outwards, through whoever called.
    """
    known, found = set(order), {}
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith(__package__.partition(".")[0] + "."):
            variables(frame.f_locals, known, found)
        frame = frame.f_back
    read_by = {}
    for node in order:
        for edge in node.edges:
            read_by.setdefault(edge.node, []).append(node)
    for node in order:
        if node not in found and not isinstance(node, Leaf):
            inner = any(getattr(user, "line", None) == node.line for user in read_by.get(node, ()))
            name = None if inner else assigned(node)          # of the ops in one call, the last makes its result
            parameters = [found[e.node] for e in node.edges if isinstance(e.node, Leaf) and "." in found.get(e.node, "")]
            if name:
                found[node] = name
            elif parameters and not by_grad(node):             # model.mu(…): what the layer with this w returned
                found[node] = parameters[0].rpartition(".")[0] + "(…)"
            elif not inner:
                text = place(node)
                text = text.text[text.start:text.end]
                if len(text) <= 44 and "\n" not in text:
                    found[node] = text
    return found


def variables(scope: dict, known: set, found: dict) -> None:
    """Add the Tensors that variables of one scope hold, themselves or in layers, lists, tuples and dicts."""
    mine = {}                                   # within one scope, the shortest name
    for name, value in list(scope.items()):
        if name.startswith("_") or not isinstance(value, (Tensor, Layer, list, tuple, dict)):
            continue
        if isinstance(value, (list, tuple, dict)) and len(value) > 1000:
            continue
        fields = zip(value._fields, value) if hasattr(value, "_fields") else None
        for path, one in ([(f"{name}.{k}", v) for k, v in fields] if fields else layers_and_tensors(name, value)):
            tensors = ((f"{path}.{p}", t) for p, t in one.named_arrays()) if isinstance(one, Layer) else [(path, one)]
            for called, t in tensors:
                node = t._node if isinstance(t, Tensor) else None
                if node in known and node not in found:
                    mine[node] = min(mine.get(node, called), called, key=len)
    found.update(mine)


def rule_source(rule) -> Place:
    """The source of a rule, its decorator included."""
    try:
        lines, first = inspect.getsourcelines(rule)
        file = inspect.getsourcefile(rule) or ""
    except (OSError, TypeError):                # made with exec, or not a Python function
        return Place("", 0, f"{getattr(rule, '__name__', rule)}: its source is not in a file", 0, 0)
    text = inspect.cleandoc("\n" + "".join(lines)) if lines[0][:1].isspace() else "".join(lines).rstrip()
    return Place(file, first, text, 0, len(text))


def formula(op) -> str:
    """The part of an op's docstring that says what it computes: all before Shapes, Errors and the like."""
    kept = []
    for line in (inspect.getdoc(op.forward) or "").splitlines():
        if line.strip().split(" ")[0] in ("Shapes", "Errors", "Source", "Units", "Derivation"):
            break
        kept.append(line)
    return "\n".join(kept).strip()


def short(file: str) -> str:
    """A path as a reader wants it: from the working directory if it is below, else its last two parts."""
    path = Path(file)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(Path(*path.parts[-2:]))
