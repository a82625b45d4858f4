"""Single-edit mutants: every way in which one slip of the keyboard makes another function of this one.

    for mutant in mutants(f):                   # mutant.function, and what the edit was
        with planted(f, mutant): …              # f now is the mutant, for everyone who holds it

The edits: an operator, comparison, constant or name becomes another; an operand, argument, index, bound of a
slice, call, transpose, minus or statement is left out; two neighbours change places; a sign turns; = becomes +=.
Left alone: what is raised and its condition (tests/test_errors*.py look at those), names inside messages,
the signature, the docstring.
Source  DeMillo, Lipton & Sayward 1978, "Hints on test data selection"; Offutt et al. 1996 (which edits suffice).
"""
from __future__ import annotations

import ast
import builtins
import inspect
import signal
import textwrap
import warnings
from contextlib import contextmanager
from functools import partial
from os.path import commonprefix
from typing import Callable, Iterator, NamedTuple

from tests.mutation_edits import edits

COMPREHENSIONS = (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)


class Mutant(NamedTuple):
    """One edit of `name`: the lines it changed, before and after, and the function it gives."""
    name: str
    kind: str                                   # of syntax that was edited: Name, BinOp, Call, …
    line: int                                   # counted from the `def`
    before: str
    after: str
    function: Callable

    def __str__(self):
        return f"{self.name}: {self.before} → {self.after}"


def mutants(function: Callable) -> Iterator[Mutant]:
    """Every single-edit mutant of a function written with `def`, compiled where the original was."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    tree.decorator_list, tree.returns = [], None
    for argument in ast.walk(tree.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    if ast.get_docstring(tree):
        tree.body = tree.body[1:] or [ast.Pass()]
    scope = {**vars(builtins), **function.__globals__, **inspect.getclosurevars(function).nonlocals}
    original = ast.unparse(tree)
    seen = {original}
    arguments = [a.arg for a in ast.walk(tree.args) if isinstance(a, ast.arg)]
    for node, put, line, names in list(slots(tree, tree.lineno, arguments)):
        for other in edits(node, names, scope):
            put(other)
            source = ast.unparse(tree)
            put(node)
            if source in seen:
                continue
            seen.add(source)
            try:
                made = build(source, function)
            except (SyntaxError, ValueError):
                continue                        # no program at all: a * before keyword-only names, say
            yield Mutant(function.__name__, type(node).__name__, line - tree.lineno, *difference(original, source), made)


def build(source: str, function: Callable) -> Callable:
    """The function that `source` defines, living in the module (and closure) of `function`."""
    free = inspect.getclosurevars(function).nonlocals
    found: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)         # a mutant may look odd
        code = compile(source, f"<mutant of {function.__name__}>", "exec", dont_inherit=True)
    exec(code, {**function.__globals__, **free} if free else function.__globals__, found)
    return found[function.__name__]


def difference(before: str, after: str) -> tuple[str, str]:
    """The lines in which two texts differ."""
    a, b = before.split("\n"), after.split("\n")
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    a, b = ("; ".join(line.strip() for line in lines) or "(nothing)" for lines in (a, b))
    return shortened(a, b)


def shortened(a: str, b: str, context: int = 20) -> tuple[str, str]:
    """Two long lines cut to where they differ, with some characters on either side."""
    if max(len(a), len(b)) <= 60:
        return a, b
    head = len(commonprefix([a, b]))
    tail = len(commonprefix([a[head:][::-1], b[head:][::-1]]))
    start = max(0, head - context)
    cut = [text[start:len(text) - tail] + text[len(text) - tail:][:context] for text in (a, b)]
    return tuple("…" * (start > 0) + text + "…" * (tail > context) for text in cut)


@contextmanager
def planted(function: Callable, mutant: Mutant | Callable) -> Iterator[None]:
    """`function` computes what the mutant does, also where it was imported or registered under other names."""
    made = getattr(mutant, "function", mutant)
    before = function.__code__
    function.__code__ = made.__code__
    try:
        yield
    finally:
        function.__code__ = before


class TimeIsUp(Exception):
    """A mutant that loops for ever."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeIsUp in the block after so many seconds (where the system has alarms: not on Windows)."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_):
        raise TimeIsUp
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

# ---- where an edit may be made ------------------------------------------------------------------------


def slots(node: ast.AST, line: int, names: list) -> Iterator[tuple]:
    """(part, put, line, names) for every part that may be edited: put(other) exchanges it; names it may read."""
    if isinstance(node, (ast.For, ast.While, *COMPREHENSIONS)):
        names = names + assigned(node)
    for field, value in ast.iter_fields(node):
        if field == "args" and isinstance(value, ast.arguments):
            continue
        so_far = list(names)
        for i, part in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(part, ast.AST) or is_refusal(part) or is_message(part, node):
                continue
            here = getattr(part, "lineno", line)
            put = partial(value.__setitem__, i) if isinstance(value, list) else partial(setattr, node, field)
            yield part, put, here, so_far
            yield from slots(part, here, list(so_far))
            if isinstance(part, ast.stmt):      # what it assigns can be read from the next statement on
                so_far = list(dict.fromkeys(so_far + assigned(part)))


def assigned(node: ast.AST) -> list:
    """The names that `node` sets, not counting those of comprehensions inside it."""
    found = [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []
    for part in ast.iter_child_nodes(node):
        found += [] if isinstance(part, COMPREHENSIONS) else assigned(part)
    return found


def is_message(part: ast.AST, node: ast.AST) -> bool:
    """An f-string, or a string passed on: a name for somebody's message, unless it is einsum's."""
    return isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str)
                                               and isinstance(node, ast.Call) and "->" not in part.value)


def is_refusal(node: ast.AST) -> bool:
    return isinstance(node, ast.Raise) or isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise)
