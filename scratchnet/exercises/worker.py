"""The process in which one learner's file runs, once.  It imports everything, then waits for its job.

    stdin    one line of JSON: {"exercise": name, "path": file, "limit": seconds}
    stdout   a line when the learner's time begins, then one of JSON: {"status": …, "findings": […], "cpu": seconds}
    stderr   whatever the learner's file prints

Whatever that file does (raise, exit, loop, read, print), it does to this process alone.
"""
from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
import types
from contextlib import suppress
from pathlib import Path

from .exercise import find
from .judging import Answer, Finding, Slip
from .runner import PATIENCE
from .sentences import explain, syntax

ROOM = 2 << 30                                  # bytes that a learner's code may take before it gets a MemoryError
GRACE = 5                                       # seconds after which a process without a parent ends itself


def main() -> None:
    ahead = find(sys.argv[-1]) if len(sys.argv) > 1 else None
    if ahead:
        prepare(ahead)
    line = sys.stdin.readline()
    if not line:                                # the parent is gone
        return
    job = json.loads(line)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)                               # from here on, what is printed is the learner's
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(Path(job["path"]).parent)
    exercise = find(job["exercise"])
    prepare(exercise)
    confine(job["limit"])
    channel.write("begun\n")
    channel.flush()
    begun = time.process_time()
    result = {**run(exercise, Path(job["path"])), "cpu": time.process_time() - begun}
    for stream in (sys.__stdout__, sys.__stderr__):                        # the file may have put others in their place
        with suppress(OSError, ValueError):
            stream.flush()
    channel.write(json.dumps(result) + "\n")
    channel.flush()
    os._exit(0)                                 # threads that the file may have started do not keep us


def prepare(exercise) -> None:
    """Import what judging will need: nothing of it counts in the learner's time."""
    exercise.right, exercise.judge
    getattr(exercise.judge, "warm", lambda: None)()


def confine(limit: float) -> None:
    """What this process may take at most, should nobody be left to end it."""
    try:
        import resource
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(PATIENCE * limit) + GRACE)
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = math.ceil(used.ru_utime + used.ru_stime + limit)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + GRACE))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, resource.RLIM_INFINITY))
    except (ImportError, AttributeError, OSError, ValueError):             # a system without these
        pass


def run(exercise, path: Path) -> dict:
    """Judge the file at path: {"status": "passed" | "wrong" | "unfinished" | "broken", "findings": […]}."""
    try:
        source = path.read_bytes()
        module = types.ModuleType("exercise")
        module.__file__ = str(path)
        sys.modules["exercise"] = module
        try:
            exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
        except (SyntaxError, ValueError) as error:
            if isinstance(error, SyntaxError) or "null byte" in str(error):
                return verdict("wrong", syntax(error, path))
            raise
        exercise.judge.judge(Answer(module, exercise.right), exercise.right)
        return verdict("passed")
    except Slip as slip:
        return verdict("wrong", *slip.findings)
    except BaseException as error:              # SystemExit, KeyboardInterrupt and MemoryError among them
        finding = explain(error, path)
        if finding.code == "BROKEN" and works(exercise):
            finding = finding._replace(code="TYPE", text="the judge cannot work with what your functions return "
                                       f"({finding.text}): compare their results with the Shapes of the text")
        return verdict({"UNFINISHED": "unfinished", "BROKEN": "broken"}.get(finding.code, "wrong"), finding)


def works(exercise) -> bool:
    """Whether the judge has no trouble with the solution: then its trouble comes from the learner's results."""
    try:
        exercise.judge.judge(Answer(exercise.right, exercise.right), exercise.right)
        return True
    except BaseException:
        return False


def verdict(status: str, *findings: Finding) -> dict:
    return {"status": status, "findings": [f._asdict() for f in findings]}


if __name__ == "__main__":
    main()
