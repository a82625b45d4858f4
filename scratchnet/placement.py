"""Which processor threads run on, where the system is Linux: the caller of a shared loop stays on its own, its helpers on others.

Linux likes to wake a thread on the processor of the one that wakes it, and may take 10 ms to spread the two: after a
pause, a third of a training step then ran on one of two processors.  (Two threads, a VAE step taking turns with
PyTorch's: 42 ms; kept apart 29.)  Elsewhere nothing is done.
"""
from __future__ import annotations

import ctypes
import os
import threading
from contextlib import contextmanager


def current_processor() -> int:
    """The number of the one that this thread runs on; −1 where the system does not tell, or cannot keep threads apart."""
    return -1


if hasattr(os, "sched_setaffinity"):
    try:
        current_processor = ctypes.CDLL(None).sched_getcpu     # noqa: F811
    except (AttributeError, OSError):           # a C library without it
        pass


class Placement:
    """Of the threads that help: where they may run, and whose processor they keep off."""

    def __init__(self, helpers: list[threading.Thread]):
        self.helpers = helpers
        self.home = os.sched_getaffinity(0) if current_processor() >= 0 else set()      # where they may run
        self.done: tuple = ()

    def keep_off(self) -> int:
        """Keep helpers off the processor that this thread runs on, and return it; −1: they cannot be kept off."""
        here = current_processor()
        if len(self.home) < 2 or here not in self.home:
            return -1
        if self.done != (here, len(self.helpers)):             # the caller has moved, or a helper is new
            self.done = here, len(self.helpers)
            for helper in self.helpers[:self.done[1]]:
                move(helper.native_id, self.home - {here})
        return here

    @contextmanager
    def apart(self):
        """For the block the calling thread stays where it is, too."""
        here = self.keep_off()
        if here < 0:
            yield
            return
        mine = os.sched_getaffinity(0)
        try:
            move(0, {here})
            yield
        finally:
            move(0, mine)


def move(thread: int, processors: set[int]) -> None:
    try:
        os.sched_setaffinity(thread, processors)
    except OSError:                             # not allowed in this container, or the thread has ended
        pass
