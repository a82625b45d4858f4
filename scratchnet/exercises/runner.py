"""Runs a learner's file in a process of its own, with a time limit, and brings back the verdict.

One worker (worker.py) is always ready: it has imported everything and waits for a job, so that a verdict
comes within a second of saving.  Each worker judges one file once; then the next one is made ready.
"""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .exercise import Exercise
from .judging import Finding

LIMIT = 20.0                                    # seconds for one file, of the processor where the system counts those,
PATIENCE = 3 if os.name == "posix" else 1       # and so many times as long by the clock: the machine may be busy
START = 120.0                                   # seconds that Python may take to get ready for it
SHOWN, MOST = 4000, 200_000                     # characters of the learner's prints: shown; before it is stopped
BOOT = ("import sys; sys.path[:] = [sys.argv.pop(1)] + [p for p in sys.path if p]; "      # '' is the learner's folder
        "from scratchnet.exercises.worker import main; main()")
ROOT = Path(__file__).resolve().parents[2]


class Verdict(NamedTuple):
    """status: passed, wrong, unfinished, or broken (a mistake of ours).  printed: what the file printed.

    seconds   from the save to the verdict; cpu: those of the processor, for the file and its judge alone
    """
    exercise: Exercise
    path: Path
    status: str
    findings: list[Finding]
    printed: str
    seconds: float
    cpu: float = 0.0

    @property
    def passed(self) -> bool:
        return self.status == "passed"


class Worker:
    """One process.  ahead: the exercise to prepare for."""

    def __init__(self, ahead: Exercise | None = None, environment: dict | None = None):
        safe = {"PYTHONIOENCODING": "utf-8:backslashreplace", "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", BOOT, str(ROOT), *([ahead.name] if ahead else [])], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, start_new_session=True,
            env={**os.environ, **safe, **(environment or {})})
        self.answer, self.printed, self.count = b"", b"", 0
        self.begun: float | None = None         # when the file began to run: what comes before is Python's own start
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self.read_answer, self.read_printed)]
        for reader in self.readers:
            reader.start()

    def read_answer(self) -> None:
        if self.process.stdout.readline():
            self.begun = time.monotonic()
            self.answer = self.process.stdout.read()

    def read_printed(self) -> None:
        while chunk := os.read(self.process.stderr.fileno(), 1 << 16):
            self.count += len(chunk)
            if len(self.printed) < SHOWN:
                self.printed += chunk
            if self.count > MOST:
                self.kill()

    def kill(self) -> None:
        """End the process and all that it started.  Safe to call at any time, from any thread."""
        with suppress(OSError):
            if os.name == "posix":
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def close(self) -> None:
        self.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join(5)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(OSError):
                pipe.close()


class Job:
    """One file being judged.  verdict() is None until there is one."""

    def __init__(self, worker: Worker, exercise: Exercise, path: Path, limit: float):
        self.worker, self.exercise, self.path, self.limit = worker, exercise, path, limit
        self.begun = time.monotonic()
        line = json.dumps({"exercise": exercise.name, "path": str(path), "limit": limit}) + "\n"
        with suppress(OSError):                 # it is dead already: that will be said
            worker.process.stdin.write(line.encode())
            worker.process.stdin.close()

    def verdict(self) -> Verdict | None:
        now = time.monotonic()
        seconds = now - self.begun
        in_time = now - self.worker.begun < PATIENCE * self.limit if self.worker.begun else seconds < START
        if self.worker.process.poll() is None and in_time:
            return None
        ended = self.worker.process.poll()
        self.worker.close()
        printed = self.worker.printed[:SHOWN].decode("utf-8", "replace")
        with suppress(ValueError, KeyError, TypeError):
            said = json.loads(self.worker.answer)
            return Verdict(self.exercise, self.path, said["status"], [Finding(**f) for f in said["findings"]], printed,
                           seconds, said["cpu"])
        return Verdict(self.exercise, self.path, *self.without_answer(ended, printed), printed, seconds)

    def without_answer(self, ended: int | None, printed: str) -> tuple[str, list[Finding]]:
        """(status, findings) for a process that was stopped, or ended without a word."""
        def wrong(code: str, text: str) -> tuple[str, list[Finding]]:
            return "wrong", [Finding(self.path.name, code, "", f"{self.path.name} {text}")]
        if self.worker.count > MOST:
            return wrong("FLOOD", f"printed more than {MOST // 1000} thousand characters and was stopped: "
                         "is there a print in a loop, or a loop without end?")
        if self.worker.begun is None:
            return "broken", [Finding("*", "BROKEN", "", f"the judge did not start:\n{printed}")]
        if ended is None or -ended in (getattr(signal, "SIGALRM", 0), getattr(signal, "SIGXCPU", 0)):
            return wrong("TIMEOUT", f"was stopped after {self.limit:g} seconds: "
                         "is there a loop without end?  What is to change so that it stops?")
        how = f"by signal {signal.Signals(-ended).name}" if ended < 0 else f"with exit code {ended}"
        return wrong("DIED", f"ended Python itself, {how}, before it could be judged; look for os._exit, "
                     "for memory that runs out, for compiled code that writes beyond an array")


class Runner:
    """Judges files one after the other; keeps a worker ready in between."""

    def __init__(self, limit: float = LIMIT, environment: dict | None = None):
        self.limit, self.environment, self.ready = limit, environment, None

    def prepare(self, ahead: Exercise | None = None) -> None:
        if self.ready is None or self.ready.process.poll() is not None:
            self.ready = Worker(ahead, self.environment)

    def begin(self, exercise: Exercise, path: Path) -> Job:
        self.prepare(exercise)
        worker, self.ready = self.ready, None
        return Job(worker, exercise, Path(path).absolute(), self.limit)

    def run(self, exercise: Exercise, path: Path, again: bool = False) -> Verdict:
        """Wait for the verdict.  again: another run will follow, so prepare for it meanwhile."""
        job = self.begin(exercise, path)
        if again:
            self.prepare(exercise)
        return self.wait(job)

    def wait(self, job: Job) -> Verdict:
        try:
            while (verdict := job.verdict()) is None:
                with suppress(subprocess.TimeoutExpired):
                    job.worker.process.wait(0.1)
            return verdict
        except BaseException:                   # Ctrl-C
            job.worker.close()
            raise

    def close(self) -> None:
        if self.ready:
            self.ready.close()
            self.ready = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exception) -> None:
        self.close()
