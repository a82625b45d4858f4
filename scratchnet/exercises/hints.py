"""Hints in four levels, one per request: where to look; the form of what belongs there; the line in words; the line.

The first three are the judge's HINTS.  The fourth is taken from the solution: the first line of it that
the learner's file does not have, so that a long hole is given away one line at a time.
"""
from __future__ import annotations

import ast

from .exercise import HOLE, Exercise

LABELS = ("where", "the form of it", "the line", "the code")


def hint(exercise: Exercise, level: int, learner: str) -> str:
    """Level 1 to 4."""
    said = exercise.judge.HINTS[level - 1] if level < len(LABELS) else next_line(exercise, learner)
    return f"{level} of {len(LABELS)}, {LABELS[level - 1]}:  {said}"


def next_line(exercise: Exercise, learner: str) -> str:
    written = "\n".join(hole[3] for hole in HOLE.finditer(learner)) or learner            # between the marks
    have = {meaning(line) for line in written.splitlines()}
    for line in "\n".join(exercise.holes).splitlines():
        if line.strip() and not line.strip().startswith("#") and meaning(line) not in have:
            return f"write   {line.strip()}"
    return "every line of the solution is in your file: look at their order, and at what stands between them"


def meaning(line: str) -> str:
    """The line without what means nothing: its comment, spaces, brackets."""
    line = line.strip()
    try:
        return ast.unparse(ast.parse(line))
    except (SyntaxError, ValueError):
        return "".join(line.partition("  #")[0].split())
