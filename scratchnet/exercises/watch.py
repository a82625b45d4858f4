"""`watch`: run the current exercise whenever its file is saved.

The folder is looked at twenty times a second, each file's time and size: no extra package, and it works on
every file system.  A save while a run is under way ends that run.  In a terminal, one key each: h l s n r q.
"""
from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import Iterator

from . import cli, feedback
from .exercise import Exercise, course
from .feedback import LEVELS, paint
from .folder import Folder, numbered
from .hints import hint
from .runner import Job, Runner

QUIT = ("q", "\x03", "\x04")                    # the last two: Ctrl-C and Ctrl-D
PAUSE = 0.05                                    # seconds between two looks


class Watch:
    """current: the exercise that is run, None once all are passed.  seen: what each file was like at the last look."""

    def __init__(self, folder: Folder, current: Exercise | None, limit: float, as_json: bool):
        self.folder, self.current, self.as_json = folder, current, as_json
        self.runner, self.job, self.keys = Runner(limit), None, False
        self.last: Exercise | None = None       # passed just now
        self.files = {one.name: one for one in course()}
        self.seen = self.states()
        self.changed: dict[str, tuple] = {}     # seen to be new, waiting to be the same twice: it is being written

    def loop(self) -> int:
        if not self.as_json:
            cli.notice(f"watching {self.folder.path.absolute()}: save a file and it is run; {feedback.limits()}")
        if self.current is None:
            print("all exercises are passed", flush=True)
            return 0
        try:
            with pressed_keys() as self.keys:
                self.go_to(self.current, begin=True)
                while True:
                    self.look()
                    self.finish()
                    if self.keys and self.key(self.keys()):
                        return 0
                    time.sleep(PAUSE)
        except KeyboardInterrupt:
            return 0
        finally:
            self.stop()
            self.runner.close()

    def go_to(self, one: Exercise, begin: bool = False) -> None:
        self.current = one
        if not self.as_json:
            print(paint(f"{one.number:02d} {one.title}", "bold") + f"   in {self.folder.file(one).name}", flush=True)
            if self.keys:
                cli.notice(paint("keys:  h hint   l list   s solution   n next   r run again   q quit", "dim"))
        if begin and self.folder.file(one).is_file():
            self.begin(one)
        self.runner.prepare(one)

    def begin(self, one: Exercise) -> None:
        self.stop()
        if not self.folder.file(one).is_file():
            return cli.notice(cli.missing(self.folder, one))
        self.job: Job | None = self.runner.begin(one, self.folder.file(one))
        self.runner.prepare(one)                # ready for the next save

    def stop(self) -> None:
        if self.job:
            self.job.worker.close()
            self.job = None

    def look(self) -> None:
        """Find a file that was saved, and run it."""
        for name, now in self.states().items():
            if now == self.seen.get(name):
                self.changed.pop(name, None)
            elif self.changed.get(name) != now:
                self.changed[name] = now        # editors write in several steps: wait until two looks agree
            else:
                self.seen[name] = self.changed.pop(name)
                if name != self.current.name:
                    self.go_to(self.files[name])
                self.begin(self.files[name])

    def states(self) -> dict[str, tuple]:
        """What changes when a file is saved, for each exercise that has one."""
        found: dict[str, tuple] = {}
        with suppress(OSError):                 # a file that was there a moment ago, a folder that is gone
            for entry in sorted(os.scandir(self.folder.path), key=lambda entry: entry.name, reverse=True):
                name = numbered(entry.name)
                if name in self.files:
                    now = entry.stat()
                    found[name] = now.st_mtime_ns, now.st_size, now.st_ino
        return found

    def finish(self) -> None:
        """Tell the verdict when it is there; after a pass, go on to the next exercise."""
        verdict = self.job and self.job.verdict()
        if not verdict:
            return
        self.job = None
        cli.tell(self.folder, verdict, self.as_json)
        if verdict.passed:
            self.last = verdict.exercise
            following = self.folder.current()
            if following is None:
                print(paint("all exercises are passed", "green"), flush=True)
            else:
                self.go_to(following)

    def key(self, key: str) -> bool:
        """Do what the key says.  Whether it says to quit."""
        one = self.current
        if key == "h":
            level = self.folder.progress.hinted(one.name, LEVELS)
            print("hint " + hint(one, level, self.folder.text(one)), flush=True)
        elif key == "l":
            print(feedback.overview(self.folder, course()), flush=True)
        elif key == "s":
            done = self.last if self.last and not self.folder.passed(one) else one
            print(done.answer if self.folder.progress.of(done.name)["first_passed"] else
                  f"the solution of {one.name} is shown once you have passed it", flush=True)
        elif key == "n":
            still = [e for e in course() if not self.folder.passed(e)]
            after = [e for e in still if e.number > one.number] or still
            self.go_to(after[0] if after else one)
        elif key == "r":
            self.begin(one)
        return key in QUIT


@contextmanager
def pressed_keys() -> Iterator:
    """A function that gives the key that was pressed, or ''; False where nobody sits at a terminal."""
    if not sys.stdin.isatty():
        yield False
        return
    try:
        import select
        import termios
        import tty
    except ImportError:                         # Windows
        import msvcrt
        yield lambda: msvcrt.getwch() if msvcrt.kbhit() else ""
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        def read() -> str:
            try:
                return (os.read(fd, 1) or b"q").decode("ascii", "ignore") if select.select([fd], [], [], 0)[0] else ""
            except OSError:                     # the terminal was closed
                return "q"
        yield read
    finally:
        with suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
