"""The verdict in words, for people and as JSON; the list of exercises; colours."""
from __future__ import annotations

import os
import sys
import textwrap
from typing import IO

from .exercise import Exercise
from .folder import Folder
from .questions import question
from .runner import MOST, SHOWN, Verdict

COMMAND = "python -m scratchnet.exercises"
LEVELS = 4                                      # of hints
SHOWN_NUMBERS = 2                               # findings of which the numbers are shown
colours = {"green": "32", "red": "31", "yellow": "33", "bold": "1", "dim": "2"}


def plain(stream: IO = sys.stdout) -> bool:
    """Whether to write without colours: into files and pipes, and where NO_COLOR asks for it (no-color.org)."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or not stream.isatty()


def paint(text: str, colour: str) -> str:
    return text if plain() else f"\x1b[{colours[colour]}m{text}\x1b[0m"


def wrap(text: str, indent: str = "    ") -> str:
    """Long lines broken, and all indented."""
    filled = textwrap.TextWrapper(110, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False,
                                  break_long_words=False)
    return "\n".join(filled.fill(line) if len(line) > 100 else indent + line for line in text.splitlines())


def background(exercise: Exercise, indent: str = "") -> str:
    """What is behind it, as paragraphs."""
    paragraphs = exercise.judge.BACKGROUND.strip().split("\n\n")
    return "\n\n".join(wrap(" ".join(p.splitlines()), indent) for p in paragraphs)


def told(verdict: Verdict, hints: int) -> str:
    """Verdict, diagnosis and question."""
    one, head = verdict.exercise, f"{verdict.exercise.number:02d} {verdict.exercise.name}"
    if verdict.passed:
        return paint(f"✓ {head}: right", "green") + f"   ({verdict.seconds:.1f} s)"
    if verdict.status == "broken":
        ours = f"! {head}: this is a mistake in the exercise, not in your file; please report it"
        return f"{paint(ours, 'yellow')}\n{wrap(verdict.findings[0].text)}"
    word, colour = ("still to be written", "yellow") if verdict.status == "unfinished" else ("not right yet", "red")
    lines = [paint(f"✗ {head}: {word}", colour) + f"   ({verdict.seconds:.1f} s)"]
    for n, finding in enumerate(verdict.findings):
        name = f"{finding.code} {finding.detail}".strip() if question(finding.code) else ""
        target = "backward" if finding.target == "*" else finding.target
        lines += [paint(f"  {target}", "bold") + (f"  {name}" if name else ""), wrap(finding.text)]
        if finding.where and n < SHOWN_NUMBERS:
            lines.append(paint(textwrap.indent(finding.where, "      "), "dim"))
    asked = dict.fromkeys(filter(None, (question(f.code) for f in verdict.findings)))
    lines += [paint("  ?", "bold") + wrap(q, "    ")[3:] for q in list(asked)[:2]]
    if hints < LEVELS:
        lines.append(paint(f"  a hint ({hints} of {LEVELS} seen):  {COMMAND} hint {one.name}", "dim"))
    return "\n".join(lines)


def passed_text(exercise: Exercise) -> str:
    """What to read once it is right."""
    solution = paint(f"  the solution:  {COMMAND} solution {exercise.name}", "dim")
    return f"{background(exercise, '  ')}\n{solution}"


def printed(verdict: Verdict) -> str:
    """What the learner's file printed, cut where it is long."""
    if not verdict.printed.strip():
        return ""
    lines = verdict.printed.rstrip().splitlines()
    shown = lines[:20] if len(lines) > 20 or len(verdict.printed) >= SHOWN else lines
    more = "\n    …" if shown != lines or len(verdict.printed) >= SHOWN else ""
    return "  your file printed:\n" + "\n".join(f"    {line[:200]}" for line in shown) + more


def as_json(verdict: Verdict, hints: int) -> dict:
    return {"exercise": verdict.exercise.name, "number": verdict.exercise.number, "file": str(verdict.path),
            "status": verdict.status, "seconds": round(verdict.seconds, 3), "hints": hints,
            "message": "\n".join(f.text for f in verdict.findings) or "right", "printed": verdict.printed,
            "findings": [{**f._asdict(), "question": question(f.code)} for f in verdict.findings]}


def overview(folder: Folder, exercises: list[Exercise]) -> str:
    """All exercises by chapter, with what was passed, and where to go on."""
    content, current = folder.progress.read(), folder.current()
    lines, chapter, done = [], None, 0
    for one in exercises:
        if one.chapter != chapter:
            chapter = one.chapter
            lines.append(paint(chapter, "bold"))
        record = content["exercises"].get(one.name, {})
        passed = record.get("state") == "passed"
        done += passed
        mark = paint("✓", "green") if passed else paint("→", "yellow") if current and one.name == current.name else "·"
        hints = f"   {record['hints']} of {LEVELS} hints" if record.get("hints") else ""
        lines.append(f"  {mark} {one.number:02d} {one.name:<24} {one.title}{hints}")
    further = f"next: {folder.file(current).name}" if current else "all done"
    lines.append(f"{done} of {len(exercises)} passed; {further}")
    return "\n".join(lines)


def overview_json(folder: Folder, exercises: list[Exercise]) -> list[dict]:
    content = folder.progress.read()
    return [{"number": one.number, "name": one.name, "chapter": one.chapter, "title": one.title,
             "file": str(folder.file(one)), "state": "open", "first_passed": None, "hints": 0, "runs": 0,
             **content["exercises"].get(one.name, {})} for one in exercises]


def limits() -> str:
    return f"each run may take 20 seconds and print {MOST // 1000} thousand characters"
