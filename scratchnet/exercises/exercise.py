"""An exercise: the file in course/ and the judge of the same name in judges/.

The solution is the only source.  In course/NAME.py it stands between two marks,

    # >>> what is to be written
    dx = g @ w.T
    # <<<

and the learner's file is that text with `raise NotImplementedError` between them.  Lines that begin
with `#|` between the marks are what the learner finds there instead.  In a "find the bug" exercise
nothing is cut: the judge's PLANTED edit is made, and the learner has to undo it.
"""
from __future__ import annotations

import importlib
import re
import textwrap
from functools import cached_property
from importlib import resources
from types import ModuleType
from typing import NamedTuple

HOLE = re.compile(r"^([ \t]*)# >>> ([^\n]*)\n(.*?)^\1# <<<\n", re.S | re.M)


class WrongAnswer(NamedTuple):
    """An edit of the solution that learners really make, and the diagnoses of it that are right.

    old, new   `old` stands once in the solution.
    names      each "target CODE" or "target CODE:beginning of the detail"; any one of them is right.
    """
    slip: str
    old: str
    new: str
    names: tuple


def wrong(slip: str, old: str, new: str, *names: str) -> WrongAnswer:
    return WrongAnswer(slip, old, new, names)


class Exercise:
    """name, number, chapter; title and text, solution and stub; judge.  See the head of this file."""

    def __init__(self, name: str, number: int, chapter: str):
        self.name, self.number, self.chapter = name, number, chapter

    @property
    def filename(self) -> str:
        return f"{self.number:02d}_{self.name}.py"

    @cached_property
    def solution(self) -> str:
        return (resources.files(__package__) / "course" / f"{self.name}.py").read_text(encoding="utf-8")

    @cached_property
    def right(self) -> ModuleType:
        """The solution, imported."""
        return importlib.import_module(f"{__package__}.course.{self.name}")

    @cached_property
    def judge(self) -> ModuleType:
        return importlib.import_module(f"{__package__}.judges.{self.name}")

    @cached_property
    def text(self) -> str:
        return self.solution.split('"""')[1]

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0]

    @property
    def planted(self) -> tuple[str, str] | None:
        """(right lines, wrong lines) where the learner is handed a whole layer with a bug in it."""
        return getattr(self.judge, "PLANTED", None)

    @cached_property
    def stub(self) -> str:
        """The learner's file."""
        return edited(self.solution, *self.planted) if self.planted else HOLE.sub(emptied, self.solution)

    @property
    def holes(self) -> list[str]:
        """What the learner is to write, or the right lines in place of the wrong ones."""
        if self.planted:
            return [textwrap.dedent(self.planted[0])]
        return [textwrap.dedent(without_template(hole[3])) for hole in HOLE.finditer(self.solution)]

    @cached_property
    def answer(self) -> str:
        """The solution as the learner would have written it: without the lines of the stub."""
        return HOLE.sub(lambda m: f"{m[1]}# >>> {m[2]}\n{without_template(m[3])}{m[1]}# <<<\n", self.solution)

    def wrong(self, answer: WrongAnswer) -> str:
        """The learner's file with this wrong answer in it."""
        return edited(self.answer, answer.old, answer.new)


def emptied(hole: re.Match) -> str:
    given = re.findall(r"^[ \t]*#\| ?(.*)$", hole[3], re.M) or ["raise NotImplementedError"]
    return "".join(f"{hole[1]}{line}\n" if line else "\n" for line in [f"# >>> {hole[2]}", *given, "# <<<"])


def without_template(lines: str) -> str:
    return re.sub(r"^[ \t]*#\|.*\n", "", lines, flags=re.M)


def edited(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise ValueError(f"an edit needs lines that stand once in the file; {text.count(old)} times there is {old!r}")
    return text.replace(old, new)


def course() -> list[Exercise]:
    """All exercises in their order."""
    from .course import CHAPTERS
    named = [(name, chapter) for chapter, names in CHAPTERS for name in names.split()]
    return [Exercise(name, number, chapter) for number, (name, chapter) in enumerate(named, 1)]


def find(said: str) -> Exercise | None:
    """The exercise that is meant: 6, 06, dense_backward, 06_dense_backward.py, a path to it, or the only match."""
    stem = re.split(r"[/\\]", said.strip())[-1].removesuffix(".py").lower()
    all_ = course()
    for one in all_:
        if stem in (one.name, str(one.number), f"{one.number:02d}") or re.fullmatch(rf"\d+_{one.name}", stem):
            return one
    near = [one for one in all_ if stem and stem in one.name]
    return near[0] if len(near) == 1 else None
