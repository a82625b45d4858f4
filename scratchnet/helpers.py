"""The threads that help: how they wait, what they are given to do in Python, and who they are.

A helper has two ways to get work.  A compiled loop finds it in its mail, while it looks out (meeting.py): that takes a
microsecond.  A piece of Python is a Job in its queue, for which it needs the interpreter lock: some 50.
"""
from __future__ import annotations

import itertools
import os
import threading
from queue import SimpleQueue
from typing import Callable, Iterator

import numpy as np

from .kernel import numba_found
from .placement import Placement


class Todo:
    """Hands out the numbers 0 … blocks−1, each to one thread only."""

    def __init__(self, blocks: int, bell: np.ndarray):
        self.numbers, self.bell = iter(range(blocks)), bell

    def __iter__(self) -> Iterator[int]:
        self.bell[0] += 1                       # only now: helpers who hear it find the interpreter lock free, or soon
        return self.numbers                     # next() on it is atomic

    def end(self) -> None:
        """Nothing is left to hand out."""
        for _ in self.numbers:
            pass


def do(work: Callable, todo: Todo, helpers: list[Helper]) -> None:
    """work(todo) in this thread and in these helpers, as far as they come in time.  Returns when all have ended."""
    jobs: list[Job] = []
    try:
        for helper in helpers:
            jobs.append(Job(work, todo, helper))
            helper.jobs.put(jobs[-1])
        take_part(work, todo)
    finally:
        wait_for(jobs)                          # also after an error or Ctrl-C
    for job in jobs:
        job.raise_error()


def take_part(work: Callable, todo: Todo) -> None:
    try:
        work(todo)
    except BaseException:
        todo.end()
        raise


def wait_for(jobs: list[Job]) -> None:
    """Until none is at work.  Ctrl-C does not end the wait, but is raised after it."""
    interrupt = None
    while True:
        try:
            for job in jobs:
                job.withdraw_or_wait()
            break
        except BaseException as error:          # from a signal handler: nothing in there fails by itself
            interrupt = error
    if interrupt is not None:
        raise interrupt


NOTHING = object()                              # a job that only wakes


class Job:
    """One helper's part in Python."""

    def __init__(self, work: Callable, todo: Todo, helper: Helper):
        self.work, self.todo, self.helper, self.error = work, todo, helper, None
        self.number, self.finished = next(helper.count), threading.Event()
        self.owner: dict[str, str] = {}         # setdefault is atomic: the helper, who then begins, or the caller

    def run(self) -> None:
        if self.owner.setdefault("is", "helper") != "helper":
            return
        try:
            take_part(self.work, self.todo)
        except BaseException as error:          # the caller raises it
            self.error = error
        finally:
            self.finished.set()

    def raise_error(self) -> None:
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error                           # it knows this frame, and would keep the loop's arrays together with it

    def withdraw_or_wait(self) -> None:
        """Withdraw it from a helper that has not begun, else wait.  May be interrupted and called again."""
        if self.owner.setdefault("is", "caller") == "helper":
            self.helper.look_awake_for(self.number)
            self.finished.wait()                # this one is certain


class Helper(threading.Thread):
    """A thread that helps: takes its jobs from a queue; before it falls asleep there, it looks out for loops in its mail."""

    def __init__(self, mail: np.ndarray, bell: np.ndarray):
        super().__init__(name="scratchnet", daemon=True)
        self.jobs, self.count = SimpleQueue(), itertools.count(1)
        self.mail, self.bell, self.done = mail, bell, np.zeros(8, np.int64)      # the number of the last job done
        self.meeting = meeting_place()
        self.say_and_look_out(0)                # compiled here and now: not in the helper, while this thread forks
        self.start()

    def run(self) -> None:
        done = 0
        while (job := self.jobs.get()) is not None:
            if job is not NOTHING:
                job.run()
                done = job.number
            del job                             # and with it the arrays of its loop
            self.say_and_look_out(done)

    def looks_out(self) -> bool:
        """Whether it needs not be woken."""
        return self.meeting is None or bool(self.mail[self.meeting.LOOKS_OUT])

    def look_awake_for(self, done: int) -> None:
        """The caller, for the end of a job."""
        if self.meeting:
            self.meeting.look_for(self.done, done, self.meeting.looks())

    def say_and_look_out(self, done: int) -> None:
        """The helper: that this job is done, and for what comes next."""
        if self.meeting:
            heard = int(self.bell[0])           # before the queue is looked at: who puts something there rings afterwards
            looks = self.meeting.looks() if self.jobs.empty() else 0
            self.meeting.say_and_listen(self.done, done, self.mail, self.bell, heard, looks)


class Pool:
    """The helpers, and a mail for each.  It takes two lines of the cache: none waits for what is written for another."""

    def __init__(self, most: int):
        self.crew: list[Helper] = []
        self.bell, self.mails = np.zeros(8, np.int64), np.zeros((most, 16), np.int64)
        self.placement, self.closed, self.lock = Placement(self.crew), False, threading.Lock()

    def helpers(self, count: int) -> list[Helper]:
        """So many, or fewer if the system grants no more threads; none of a pool that is closed."""
        if len(self.crew) == count:
            return self.crew[:]                 # as nearly always; if the pool has just been closed, they do nothing any more
        with self.lock:
            try:
                while len(self.crew) < min(count, len(self.mails)) and not self.closed:
                    self.crew.append(Helper(self.mails[len(self.crew)], self.bell))
            except RuntimeError:                # Python is about to end, or this user has too many
                pass
            return [] if self.closed else self.crew[:count]

    def close(self) -> list[Helper]:
        """Let each go when it is done."""
        with self.lock:
            self.closed = True
            for helper in self.crew:
                helper.jobs.put(None)
            self.bell[0] += 1
            return self.crew


def meeting_place():
    """The module meeting, where there is a Numba to compile it and a system that it runs on, else None."""
    if not numba_found() or not hasattr(os, "sched_yield"):
        return None
    from . import meeting                       # here, because it imports Numba
    return meeting
