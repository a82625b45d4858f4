"""What docstrings and sources say, as Markdown: sections, links to lines, code."""
from __future__ import annotations

import inspect
import re
from pathlib import Path

from scratchnet.kernel import Kernel
from scratchnet.op import Op

DOCS = Path(__file__).resolve().parent
SECTIONS = ("Derivation", "Shapes", "Units", "At kinks", "Errors", "Source")


def ops() -> dict[str, Op]:
    """The package's own ops by name, in the order of the files."""
    return {o.name: o for (module, _), o in Op.registry.items() if module.startswith("scratchnet.")}


def sections(text: str) -> dict[str, str]:
    """A docstring cut at the words that open a section ("Shapes  x (N,C) …"); what comes before is "Formula"."""
    found, name = {"Formula": []}, "Formula"
    for line in inspect.cleandoc(text).splitlines():
        opens = re.match(rf"({'|'.join(SECTIONS)})\s\s+", line)
        if opens:
            name = opens[1]
            line = " " * opens.end() + line[opens.end():]
        elif line and not line.startswith(" ") and name != "Formula" and not found[name][-1]:
            name = "Formula"                                               # a paragraph of its own again
        found.setdefault(name, []).extend(re.split(rf"\s\s\s+(?=(?:{'|'.join(SECTIONS)})\s\s+)", line)[:1])
        for more in re.split(rf"\s\s\s+(?=(?:{'|'.join(SECTIONS)})\s\s+)", line)[1:]:     # "… any shape.   Errors  …"
            name, rest = re.match(rf"({'|'.join(SECTIONS)})\s\s+(.*)", more).groups()
            found.setdefault(name, []).append(rest)
    return {k: inspect.cleandoc("\n".join(v)).strip() for k, v in found.items() if "".join(v).strip()}


def place(thing, page: Path) -> str:
    """A Markdown link from `page` to the line where a function or a class begins."""
    if not inspect.isclass(thing):                             # an op's forward, a kernel's reference
        thing = inspect.unwrap(getattr(thing, "forward", getattr(thing, "reference", thing)))
    path = Path(inspect.getsourcefile(thing)).resolve()
    line = inspect.getsourcelines(thing)[1]
    up = "../" * (len(page.parent.relative_to(DOCS).parts) + 1)
    return f"[{path.relative_to(DOCS.parent)}, line {line}]({up}{path.relative_to(DOCS.parent)}#L{line})"


def source(function) -> str:
    return f"```py\n{inspect.getsource(inspect.unwrap(function)).rstrip()}\n```\n"


def kernels_in(functions) -> list[Kernel]:
    """The kernels that these functions name."""
    found = {}
    for f in functions:
        for name in f.__code__.co_names:
            if isinstance(f.__globals__.get(name), Kernel):
                found[name] = f.__globals__[name]
    return list(found.values())


def first_line(thing) -> str:
    doc = inspect.getdoc(thing)
    if not doc:
        raise ValueError(f"{thing!r} is public and has no docstring")
    return doc.splitlines()[0].strip()
