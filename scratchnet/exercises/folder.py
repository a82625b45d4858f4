"""The learner's folder: one file per exercise, their backups, and progress.json.

No path is written down anywhere, so the folder may be moved; an exercise's file is known by its name
without the number, so a course that grows may number it anew.
"""
from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path

from .exercise import Exercise, course
from .progress import Progress, unused, write_whole

BACKUPS = "backups"


class Trouble(Exception):
    """A usage or file error: a sentence for the learner, and exit code 2."""


class Folder:
    """path: where the exercises are.  progress: what was passed."""

    def __init__(self, path: Path):
        self.path, self.progress = path, Progress(path)

    def file(self, exercise: Exercise) -> Path:
        """Where the learner's file of this exercise is, or would be."""
        files = sorted(p for p in self.path.glob(f"*_{exercise.name}.py") if numbered(p.name) == exercise.name)
        return files[0] if files else self.path / exercise.filename

    def text(self, exercise: Exercise) -> str:
        """What is in that file; nothing if there is none."""
        try:
            return self.file(exercise).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def start(self) -> list[Exercise]:
        """Make the folder and write each exercise that is not in it; what is there stays.  Returns the new ones."""
        if self.path.exists() and not self.path.is_dir():
            raise Trouble(f"{self.path} is a file; name a folder that is new, or one with exercises in it")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            new = [one for one in course() if not self.file(one).exists()]
            for one in new:
                write_whole(self.file(one), one.stub, durable=False)
        except OSError as error:
            raise Trouble(f"cannot write to {self.path}: {error.strerror or error}; name another folder") from None
        self.progress.update(lambda content: None)
        return new

    def reset(self, exercise: Exercise) -> Path | None:
        """Put the stub in place of the learner's file.  Returns where the backup is, None if there was no file."""
        file, backup = self.file(exercise), None
        try:
            if file.exists():
                stamp = datetime.now().strftime("%Y-%m-%d_%H.%M.%S")
                (self.path / BACKUPS).mkdir(exist_ok=True)
                backup = unused(self.path / BACKUPS / f"{file.stem}.{stamp}.py.txt")
                shutil.copyfile(file, backup)
            write_whole(file, exercise.stub)
        except OSError as error:
            raise Trouble(f"{file.name} was not reset: {error.strerror or error}") from None
        self.progress.opened(exercise.name)
        return backup

    def current(self) -> Exercise | None:
        """The one worked on last, or the next after it that is open; None when all are passed."""
        content, all_ = self.progress.read(), course()
        still = [one for one in all_ if not self.passed(one, content)]
        last = next((one.number for one in all_ if one.name == content["current"]), 0)
        return next((one for one in still if one.number >= last), still[0] if still else None)

    def passed(self, exercise: Exercise, content: dict | None = None) -> bool:
        content = content or self.progress.read()
        return content["exercises"].get(exercise.name, {}).get("state") == "passed"


def numbered(filename: str) -> str | None:
    """dense_backward for 06_dense_backward.py; None for a file of another kind."""
    match = re.fullmatch(r"\d+_(\w+)\.py", filename)
    return match[1] if match else None


def find_folder(said: str | None) -> Folder:
    """The folder that was named, or the nearest one with exercises, from here upwards."""
    names = {one.name for one in course()}

    def has_exercises(path: Path) -> bool:
        return any(numbered(p.name) in names for p in path.glob("[0-9]*_*.py"))
    here = Path(said) if said else Path.cwd()
    for path in [here] if said else [here, *here.parents]:
        if has_exercises(path):
            return Folder(path)
    raise Trouble(f"there are no exercises in {here}; make a folder of them with  python -m scratchnet.exercises "
                  f"start FOLDER"
                  "  and go there, or name it with --dir FOLDER")
