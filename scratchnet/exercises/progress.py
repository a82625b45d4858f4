"""What was passed: one small JSON file in the learner's folder, the old one or the new one, never half.

    {"format": 1, "current": "dense_backward",
     "exercises": {"dense_backward": {"state": "passed", "first_passed": "2026-01-31T12:00:00", "hints": 2, "runs": 7}}}

Every change is read, change, write to another name, rename, while a lock file is held; so two runners in
one folder lose nothing, and whoever is killed releases the lock with his life.  Exercises are known by
name, not by number, and keys that this version does not know are kept: an upgrade takes nothing away.
A file that cannot be read is moved aside, never overwritten; `verify` finds again all that is solved.
"""
from __future__ import annotations

import json
import os
import time
import uuid
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Callable, Iterator

FILE, LOCK = "progress.json", ".progress.lock"
PATIENCE = 5.0                                  # seconds to wait for another runner, which needs milliseconds


class Progress:
    """folder's progress.  notices: sentences about what went wrong with the file, for the learner."""

    def __init__(self, folder: Path):
        self.folder, self.path, self.notices = folder, folder / FILE, []

    def read(self) -> dict:
        """The file's content, sound in shape; what cannot be read counts as nothing."""
        try:
            return sound(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return sound({})
        except (OSError, ValueError, RecursionError):
            return {**sound({}), "damaged": True}

    def of(self, name: str) -> dict:
        return record(self.read(), name)

    def update(self, change: Callable[[dict], None]) -> dict:
        """change(content) and write it.  A folder that cannot be written to gives a notice, no error."""
        try:
            with locked(self.folder / LOCK):
                content = self.read()
                if content.pop("damaged", False):
                    self.set_aside()
                change(content)
                write_whole(self.path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
                return content
        except OSError as error:
            self.notices.append(f"progress was not written to {self.path}: {error.strerror or error}")
            content = self.read()
            change(content)
            return content

    def set_aside(self) -> None:
        aside = unused(self.path.with_name(f"{FILE}.damaged"))
        with suppress(FileNotFoundError):
            os.replace(self.path, aside)
        self.notices.append(f"{FILE} could not be read; it is kept as {aside.name}, and `verify` counts again "
                            "what you have solved")

    # ---- what happens to an exercise ----------------------------------------------------------------

    def ran(self, name: str, passed: bool, current: bool = True) -> dict:
        """name was judged.  current: it is the one that is being worked on."""
        def change(content: dict) -> None:
            one = record(content, name)
            one["runs"] += 1
            if passed:
                one["state"] = "passed"
                one["first_passed"] = one["first_passed"] or datetime.now().isoformat(timespec="seconds")
            if current:
                content["current"] = name
        return self.update(change)

    def hinted(self, name: str, levels: int) -> int:
        """One more hint was asked for: its level, from 1; the last one again when all were seen."""
        level = 0

        def change(content: dict) -> None:
            nonlocal level
            one = record(content, name)
            level = one["hints"] = min(one["hints"] + 1, levels)
        self.update(change)
        return level

    def opened(self, name: str) -> None:
        def change(content: dict) -> None:
            record(content, name).update(state="open", hints=0)
            content["current"] = name
        self.update(change)


def sound(content) -> dict:
    """The content with every key that is read here present and of its type; ValueError if it is another file."""
    if not isinstance(content, dict) or not isinstance(content.setdefault("exercises", {}), dict):
        raise ValueError("not a progress file")
    if not isinstance(content.setdefault("current", None), (str, type(None))):
        content["current"] = None
    for name in [name for name, one in content["exercises"].items() if not isinstance(one, dict)]:
        del content["exercises"][name]
    return {"format": 1, **content}


def record(content: dict, name: str) -> dict:
    """The record of one exercise, in `content`; made if it is not there."""
    one = content["exercises"].setdefault(name, {})
    for key, start in (("state", "open"), ("first_passed", None), ("hints", 0), ("runs", 0)):
        if not isinstance(one.setdefault(key, start), (str, type(None)) if key == "first_passed" else type(start)):
            one[key] = start
    return one


def write_whole(path: Path, text: str, durable: bool = True) -> None:
    """Write to another name, then rename: whoever looks sees the old file or the new one.

    durable   wait for the disk, so that this holds even if the power goes; not for what can be had again
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()                  # after os.replace it is gone already


def unused(path: Path) -> Path:
    """path, or path with the first number behind it that no file has."""
    n, free = 1, path
    while free.exists():
        n += 1
        free = path.with_name(f"{path.name}.{n}")
    return free


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`.  The system lets go of it when this process ends, however it ends."""
    with open(path, "ab") as file:
        deadline = time.monotonic() + PATIENCE
        while not try_lock(file):
            if time.monotonic() > deadline:     # a runner that was stopped (Ctrl-Z) holds it: go on without
                break
            time.sleep(0.01)
        yield                                   # closing the file unlocks it


def try_lock(file) -> bool:
    try:
        import fcntl
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except ImportError:                         # Windows
        import msvcrt
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    except OSError:                             # a file system without locks
        pass
    return True
