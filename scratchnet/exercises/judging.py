"""What judges are written with: the learner's functions, held against the right ones.

    def judge(answer, right):                           # the learner's module; the solution, imported
        values("y", answer.relu, right.relu, cases)                     equal results on these arguments
        gradients(right.relu, answer.relu_backward, sample)             the gradient checker
        require(slope > 1.9, "h", "ONE_SIDED", "…")                     anything else

Each raises Slip, with findings, at what is wrong.  A name is given only where it explains every case.
"""
from __future__ import annotations

import ast
import copy
import inspect
import re
import textwrap
from types import FunctionType, ModuleType
from typing import Any, Callable, Iterable, NamedTuple

import numpy as np

from ..check import GradientError, check_backward, message

TOLERANCE = 1e-7                                # of the largest entry, in float64: far above round-off
FACTORS = {-1.0: "-1", 2.0: "2", 0.5: "1/2", -2.0: "-2", -0.5: "-1/2", 0.0: "0"}


class Finding(NamedTuple):
    """One thing that is wrong: of what (an input, a result, * for all), its code, the code's detail, a sentence.

    where   numbers side by side, a picture of the error: lines to print below the sentence
    """
    target: str
    code: str
    detail: str
    text: str
    where: str = ""


class Slip(Exception):
    """The answer is wrong; findings say how."""

    def __init__(self, *findings: Finding):
        self.findings = list(findings)
        super().__init__("\n".join(f.text for f in self.findings))


def require(holds: Any, target: str, code: str, text: str, detail: str = "") -> None:
    """The general form: unless it holds, this finding."""
    if not holds:
        raise Slip(Finding(target, code, detail, text))


class Answer:
    """The learner's module.  Asking for a function checks that it is there and takes what it must take."""

    def __init__(self, module: ModuleType, right: ModuleType):
        self._module, self._right = module, right

    def __getattr__(self, name: str):
        expected = getattr(self._right, name)
        require(hasattr(self._module, name), name, "GONE",
                f"the file defines no {name}; it must keep the name it had ({heading(name, expected)})")
        got = getattr(self._module, name)
        if isinstance(expected, type):
            require(isinstance(got, type), name, "GONE", f"{name} is a {type(got).__name__}, it must stay a class")
            for method, function in vars(expected).items():
                if isinstance(function, FunctionType):
                    require(callable(getattr(got, method, None)), name, "GONE",
                            f"class {name} has no {method} any more")
                    same_signature(f"{name}.{method}", getattr(got, method), function)
            return got
        if callable(expected):
            require(callable(got), name, "GONE", f"{name} is a {type(got).__name__}, it must stay a function")
            same_signature(name, got, expected)
            return guarded(name, got, results(expected))
        return got


def heading(name: str, function: Callable) -> str:
    return f"def {name}{inspect.signature(python_of(function))}" if callable(function) else name


def results(function: Callable) -> list[str]:
    """What is behind its last `return`: ["dx", "dw"] for `return dx, dw`; nothing if there is none."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(python_of(function))))
    last = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None][-1:]
    return [ast.unparse(v) for value in last for v in (value.elts if isinstance(value, ast.Tuple) else [value])]


def python_of(function: Callable) -> Callable:
    """The Python function behind one that Numba compiles."""
    return getattr(function, "py_func", function)


def same_signature(name: str, got: Callable, expected: Callable) -> None:
    def parameters(f):
        return [p.name for p in inspect.signature(python_of(f)).parameters.values() if p.default is p.empty]
    try:
        same = parameters(got) == parameters(expected)
    except (TypeError, ValueError):
        same = False
    require(same, name, "SIGNATURE",
            f"{name} takes other arguments than it should: it must stay  {heading(name, expected)}")


def guarded(name: str, function: Callable, expected: list[str]) -> Callable:
    """The same function, with a finding where it returns nothing, or not as many things as it should."""
    def call(*args, **settings):
        result = function(*args, **settings)
        require(result is not None or not expected, name, "NONE",
                f"{name} returned None: is a return missing at its end?")
        if len(expected) > 1:
            several = isinstance(result, (tuple, list))
            got = f"{len(result)} result{'s' * (len(result) != 1)}" if several else f"one {type(result).__name__}"
            require(several and len(result) == len(expected), name, "RESULTS",
                    f"{name} returned {got}, expected {len(expected)} results: {', '.join(expected)}")
        return result
    call.__name__, call.__wrapped__ = name, python_of(function)
    if hasattr(function, "py_func"):            # compiled by Numba: that is what its judge wants to see
        call.py_func = function.py_func
    return call


# ---- the gradient checker -------------------------------------------------------------------------

def gradients(forward: Callable, backward: Callable, sample, of: str = "", letters: tuple | None = None,
              **settings) -> None:
    """backward(g, *inputs) must be the gradient of forward(*inputs), or the checker says what it is instead.

    of        put in front of the names of the inputs, where one exercise has several functions: tanh.x
    letters   the axes of the inputs in the letters of the exercise's text, ("ND", "DM", "M"), for the diagnosis
    settings  of sn.check_backward:  wrt=["x"]  looks at the gradient of x alone
    The checker says `dy` for the gradient that arrives; here it is `g`, as in the texts of the exercises.
    """
    ours, crashes = [], []

    def noting(g, *inputs):
        try:
            return backward(g, *inputs)
        except (Slip, NotImplementedError) as error:                       # not for the checker to explain
            ours.append(error)
            raise
        except Exception as error:
            crashes.append(error)
            raise
    if letters:
        def sizes(*arrays) -> dict:
            return {letter: n for axes, a in zip(letters, arrays) for letter, n in zip(axes, np.shape(a))}
        settings["sizes"] = sizes
    try:
        check_backward(forward, noting, sample, **settings)
    except Exception as error:
        if ours:
            raise ours[0] from None
        if not isinstance(error, GradientError):
            raise
        if error.findings[0].code == "CRASH" and not isinstance(crashes[0], (ValueError, IndexError)):
            raise crashes[0] from None          # no matter of shapes: sentences.py says it better
        prefix = f"{of}." if of else ""
        raise Slip(*(Finding("*" if f.target == "*" else prefix + f.target, f.code, lettered(f.detail),
                             lettered(f.text), numbers_of(f)) for f in error.findings)) from None


def lettered(text: str) -> str:
    return re.sub(r"\bdy\b", "g", text)


def numbers_of(f) -> str:
    """The worst entries, backward against measured, and where an image is wrong."""
    if f.got is None or f.right is None or f.got.shape != f.right.shape:
        return ""
    return textwrap.dedent("\n".join(message.table(f, rows=3) + message.picture(f)))


def regimes(build: Callable, *sizes: tuple) -> Callable:
    """A sampler for the checker: build(rng, *s) for each s of sizes in turn.

    Three regimes tell mistakes apart: all sizes different, one of them 1, all equal (a missing
    transpose fails by its shape except on square arrays, where it must fail by its numbers).
    """
    turn = 0

    def sample(rng) -> tuple:
        nonlocal turn
        turn += 1
        return build(rng, *sizes[(turn - 1) % len(sizes)])
    return sample


# ---- results --------------------------------------------------------------------------------------

def values(target: str, got: Callable, right: Callable, cases: Iterable[tuple], *slips: tuple[str, Callable, str],
           tol: float = TOLERANCE) -> None:
    """got(*case) must equal right(*case) for every case.

    slips   (code, function, text): known ways to be wrong.  The text is said where got equals that
            function on every case on which it can be told from the right one.
    """
    pairs, cases = [], [tuple(case) for case in cases]
    for case in cases:
        given = copy.deepcopy(case)
        y, want = got(*given), right(*copy.deepcopy(case))
        arrays = [(a, b) for a, b in zip(given, case) if isinstance(a, np.ndarray)]
        require(all(same(a, b, 0) for a, b in arrays), target, "MUTATES", f"{target}: an argument is changed in place; "
                "whoever called still needs it: work on a copy")
        pairs.append((numbers(target, y), np.asarray(want, float)))
    if all(same(y, want, tol) for y, want in pairs):
        return
    for code, function, text in slips:
        wrong = [np.asarray(function(*copy.deepcopy(case)), float) for case in cases]
        told = [(y, w) for (y, want), w in zip(pairs, wrong) if not same(w, want, tol)]
        if told and all(same(y, w, tol) for y, w in told) and all(
                same(y, want, tol) for (y, want), w in zip(pairs, wrong) if same(w, want, tol)):
            raise Slip(Finding(target, *code.partition(" ")[::2], text))
    for case, (y, want) in zip(cases, pairs):
        require(y.shape == want.shape, target, "SHAPE",
                f"{target} has shape {y.shape}, expected {want.shape}{given_shapes(case)}")
        require(np.isfinite(y).all() or not np.isfinite(want).all(), target, "NOT_FINITE",
                f"{target} has {np.sum(~np.isfinite(y))} entries that are NaN or infinite{given_values(case)}")
    a, b = (np.concatenate([p[i].ravel() for p in pairs]) for i in (0, 1))
    for factor, name in FACTORS.items():
        require(not same(a, factor * b, tol), target, "RATIO",
                f"{target} is {name} times what it should be, in every entry", name)
    case, (y, want) = next((case, pair) for case, pair in zip(cases, pairs) if not same(*pair, tol))
    where = np.unravel_index(np.nanargmax(np.abs(y - want)), y.shape) if y.size else ()
    bad = np.abs(y - want) > tol * max(np.abs(want).max(initial=0), 1e-300)
    place = f"[{', '.join(map(str, where))}]" if y.ndim else ""
    raise Slip(Finding(target, "VALUE", "", f"{target}{place} is {y[where]:.6g}, expected {want[where]:.6g}"
                       + (f"; {bad.sum()} of {y.size} entries are wrong" if y.ndim else "") + given_values(case)))


def same(a, b, tol: float = TOLERANCE) -> bool:
    """Equal in shape, and in value to tol of the largest entry."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):
        finite = np.isfinite(b)
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
            return False
        return bool(np.all(np.abs(a[finite] - b[finite]) <= tol * max(np.abs(b[finite]).max(initial=0), 1e-300)))


def numbers(target: str, y) -> np.ndarray:
    """The learner's result as an array of floats."""
    require(y is not None, target, "NONE", f"{target} is None: is a return missing, or a value never assigned?")
    try:
        return np.asarray(y, float)
    except (TypeError, ValueError):
        text = f"{target} is a {type(y).__name__}, expected numbers (an array or a float)"
        raise Slip(Finding(target, "TYPE", "", text)) from None


def given_shapes(case: tuple) -> str:
    shapes = [str(a.shape) for a in case if isinstance(a, np.ndarray)]
    return f", for arguments of shape {', '.join(shapes)}" if shapes else ""


def given_values(case: tuple) -> str:
    """' for x = 2.0, …' where the arguments are few enough to print."""
    parts = [np.array2string(a, precision=4, separator=", ") if isinstance(a, np.ndarray) else
             getattr(a, "__name__", None) or repr(a) for a in case]
    text = ", ".join(parts)
    return f"; the arguments were {text}" if len(text) < 120 and "\n" not in text else given_shapes(case)
