"""Where no known mistake fits: which single edit of the code would have made it right?

    repaired   the learner's own backward, one edit away, gives the right gradients: "line 5: x.sum → x.mean"
    bank       of this project's ops the right rule is at hand: the learner's gradient is what that rule gives
               with one edit in it

Both are exact statements, tried on every draw with every random g.  They come last because a name that
explains is worth more than a line to change.
"""
from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import time
import types
import warnings
from typing import Callable, Iterator

import numpy as np

from .draw import Draw
from .edits import Edit, edits
from .findings import Finding
from .source import unwrapped
from .trace import find, rebuilt, starting_point
from .variables import equal, several

WEAK = {"UNKNOWN", "LOCAL", "DROPPED", "LEAK", "MISROUTED", "STEP", "VARIABLE", "COMPUTES", "CRASH", "CRASH_SHAPES", "SHAPE",
        "NOT_FINITE"}                           # they say where at best
SECONDS = 2.5                                   # of processor time


def repaired(draws: list[Draw], findings: list[Finding]) -> list[Finding]:
    """The findings, those without a name replaced by the edit that would mend them all, if there is one."""
    weak = [f for f in findings if f.code in WEAK]
    if not weak or len(findings) != len([f for f in findings if f.right is not None or f.code in WEAK]):
        return findings
    right = several(draws)
    if not right:
        return findings
    subject, first = draws[0].subject, right[0][0]

    def gradients(function, d, g):
        return d.all_of(function, g)
    for e, line in mending(subject.backward, right, gradients, same=lambda f: came_back(first, gradients(f, first, first.gs[0]))):
        words = f"backward is right with one edit: in line {line}, `{e.before}` should be `{e.after}`"
        for f in weak:
            if f.code == "UNKNOWN":
                f.others, f.code, f.detail, f.text = [], "EDIT", f"line {line}: {e.before} → {e.after}", words
            else:
                f.text += "; " + words
        return findings
    return findings


def came_back(d: Draw, found: list | None) -> bool:
    """Whether these are the gradients that were found wrong: the text is that of the function that ran."""
    return found is not None and all(a is None and b is None or a is not None and b is not None and np.array_equal(a, b, equal_nan=True)
                                     for a, b in zip(found, (d.got[name][0] for name in d.wrt)))


def mending(function: Callable, right: list, gradients: Callable, same: Callable) -> Iterator[tuple[Edit, int]]:
    """The edits of the function after which gradients(function, draw, g) are `right` for every draw and g."""
    code = unwrapped(function)
    if not isinstance(code, types.FunctionType) or code is not function:
        return
    try:
        lines, start = inspect.getsourcelines(code)
        source = starting_point(textwrap.dedent("".join(lines)))
        tree = find(ast.parse(source), code)
    except (OSError, TypeError, SyntaxError, ValueError):
        return
    try:
        if tree is None or not same(rebuilt(code, tree, None)):
            return
    except Exception:                           # it raises, as the backward did: then that is what is to be mended
        pass
    end = time.thread_time() + SECONDS
    for e, edited in variants(code, tree, end):
        if all(agree(gradients, edited, d, g, wanted[k]) for d, gs, wanted in right for k, g in enumerate(gs)):
            yield e, start + e.line - 1


def variants(function: types.FunctionType, tree, end: float) -> Iterator[tuple[Edit, Callable]]:
    """(edit, the edited function), as long as there is time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for e in edits(tree):
            if time.thread_time() > end:
                return
            e.put()
            try:
                yield e, rebuilt(function, tree, None)
            except (SyntaxError, ValueError, TypeError, AttributeError):
                pass
            finally:
                e.undo()


def agree(gradients: Callable, function: Callable, d, g, wanted: list) -> bool:
    try:
        with np.errstate(all="ignore"):
            return equal(gradients(function, d, g), wanted)
    except Exception:                           # most edits make no sense
        return False


def bank(op, name: str, draws: list[Draw], run: Callable, f: Finding) -> Finding:
    """The finding, named by an edit of the op's own right rule that gives what came back.  run(rule, what it reads, draw, g) → gradient."""
    found = original(op, name.split("[")[0])
    if f.code not in WEAK or found is None:
        return f
    function, tree, file = found
    reads = [a.arg for a in tree.args.args][1:]
    wanted = [(d, d.gs, [[a] for a in d.got[name]]) for d in draws]
    if any(a is None for _, _, rows in wanted for a, in rows):
        return f

    def gradients(rule, d, g):
        return [run(rule, reads, d, g)]
    for e, edited in variants(function, tree, time.thread_time() + SECONDS):
        if all(agree(gradients, edited, d, g, rows[k]) for d, gs, rows in wanted for k, g in enumerate(gs)):
            words = f"this is the right rule with `{e.after}` in place of `{e.before}` (line {e.line} of {file})"
            if f.code in ("UNKNOWN", "SHAPE", "CRASH"):
                f.others, f.code, f.detail, f.text = [], "BANK", f"{e.before} → {e.after}", words
            else:
                f.text += "; " + words
            break
    return f


def original(op, name: str):
    """(a function in the right scope, the tree, the file's name) of the rule as it is written in the op's module."""
    module = sys.modules.get(op.__module__)
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(d) in (f"{op.name}.vjp('{name}')",) for d in node.decorator_list):
            scope = vars(module)
            plain = types.FunctionType((lambda: None).__code__, scope, node.name)
            return plain, node, module.__name__.replace(".", "/") + ".py"
    return None
