"""Numba's typing errors, said in the words of the learner's code.

    line 12: `acc` starts as an int and becomes an array; start it with …
"""
from __future__ import annotations

import linecache
import re
from pathlib import Path

from .judging import Finding

CODES = re.compile(r"\x1b\[[0-9;]*m")
DEFINED = re.compile(r"defined at (.+) \((\d+)\)")

# What Numba says, and what it means.  {0}, {1} are the groups of the pattern; types in them are put into words.
PATTERNS = (
    (r"Cannot unify (.+?) and (.+?) for '([\w$]+?)(?:\.\d+)?'",
     "`{2}` starts as {0} and becomes {1}; a variable has one type in compiled code: {remedy}"),
    (r"Cannot unify (.+?) and (.+?) for return",
     "the function returns {0} at one place and {1} at another: return one kind"),
    (r"NameError: name '(\w+)' is not defined", "`{0}` is defined nowhere"),
    (r"(?s)Untyped global name '(\w+)'",
     "`{0}` is not compiled: compiled code can only call functions with @njit, or Numba's own"),
    (r"Use of unsupported NumPy function '([\w.]+)'", "Numba does not know {0}: write the loops out"),
    (r"Cannot modify readonly array",
     "this writes into an argument: it is read-only here; write into an array of your own"),
    (r"cannot index (array\(.*?\)) with (\d+) indices", "{0} is indexed with {1} numbers"),
    (r"imprecise type: list\(undefined\)",
     "a list that starts empty has no type: make an array of the size that is needed"),
    (r"Unknown attribute '(\w+)' of type (.+)", "{1} has no .{0} in compiled code: write the loop out"),
    (r"got an unexpected keyword argument '(\w+)'",
     "compiled code knows this NumPy function without {0}=: write the loop out"),
    (r">>> setitem\((array\(.*?\)|readonly array\(.*?\)), (.+), (array\(.*?\)|float64|int64)\)",
     "{2} cannot be written into one place of {0}"),
    (r"No conversion from (.+?) to (.+?) for", "{0} cannot become {1} here"),
    (r"non-precise type pyobject",
     "an argument is an object that compiled code does not know: pass arrays and numbers only"),
    (r"SciPy", "matrix products in compiled code need SciPy, which is not installed: write the loops out"),
    (r"((?:format spec|generator|with|try|yield|async|lambda|set comprehension)[\w \-']*?not supported)",
     "{0} in compiled code"),
)
TYPES = ((r"Literal\[int\]|u?int\d", "an int"), (r"float\d", "a float"), (r"none|NoneType", "None"),
         (r"Literal\[bool\]|bool", "a bool"), (r"Uni[Tt]uple|Tuple", "a tuple"), (r"list|List", "a list"))


def translated(error: BaseException, path: Path) -> Finding | None:
    """The finding for an error of Numba's; None for any other error."""
    kind = type(error)
    if not any(k.__module__.startswith("numba.") for k in kind.__mro__):
        return None
    text = CODES.sub("", str(error))
    number = line_of(error, text, path)
    place = f"line {number}" if number else path.name
    for pattern, sentence in PATTERNS:
        found = re.search(pattern, text)
        if found:
            groups = [in_words(g) for g in found.groups()]
            said = sentence.format(*groups, remedy=remedy(groups))
            break
    else:
        first = text.split("\n\n")[0].partition("\n")[2] or text
        said = "Numba cannot compile this: " + re.sub(r"\s+", " ", first)[:200].strip()
    code = linecache.getline(str(path), number).strip() if number else ""
    return Finding(place, "NUMBA", "", f"{place}: {said}" + (f":  {code}" if code else ""))


def line_of(error: BaseException, text: str, path: Path) -> int | None:
    for file, number in DEFINED.findall(text):
        if Path(file).name == path.name:
            return int(number)
    number = getattr(getattr(error, "loc", None), "line", None)
    found = re.search(rf'File "[^"]*{re.escape(path.name)}", line (\d+)|Raised from .* \((\d+)\)', text)
    return number or (int(found[1] or found[2]) if found else None)


def in_words(type_: str) -> str:
    """'an int' for int64 or Literal[int](0), 'an array with 2 axes' for array(float64, 2d, C)."""
    array = re.match(r"(?:readonly )?(?:array|Array)\(\w+, (\d+)d", type_)
    if array:
        return f"an array with {array[1]} ax{'is' if array[1] == '1' else 'es'}"
    for begins, words in TYPES:
        if re.match(begins, type_):
            return words
    return type_


def remedy(kinds: list[str]) -> str:
    if {"an int", "a float"} <= set(kinds):
        return "start it with 0.0"
    if any(kind and kind.startswith("an array") for kind in kinds):
        return "start it as an array of the right size (np.zeros), or add numbers, not rows"
    return "start it as what it will be"
