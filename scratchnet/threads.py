"""Threads: `share` has them all take part in a compiled loop, `parallel` in a piece of Python.

Plain Python threads: compiled loops let go of the interpreter lock, and nothing here can abort a process that
forks or brings threads of its own.  Helpers stay awake for a while after a loop, and look out for the next (meeting.py).
"""
from __future__ import annotations

import atexit
import ctypes
import itertools
import operator
import os
import threading
from queue import SimpleQueue
from typing import Callable, Iterator

import numpy as np

from . import turns
from .kernel import as_written, numba_found
from .placement import Placement


def default_threads() -> int:
    """NUMBA_NUM_THREADS, else OMP_NUM_THREADS, else one for each processor this process may use."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        first = os.environ.get(name, "").split(",")[0].strip()             # OpenMP allows "4,2"
        if first.isdecimal() and int(first) > 0:
            return int(first)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_blas_thread() -> None:
    """Keep NumPy's matrix products on one thread, where its wheels' own OpenBLAS computes them.

    Its threads wait by spinning, on the cores that ours are to use: with two of each on two cores a VAE
    step took 72 ms, with ours alone 40.  At import, so that all results of a process come the same way.
    """
    try:
        ctypes.CDLL(np._core._multiarray_umath.__file__).scipy_openblas_set_num_threads64_(1)
    except (AttributeError, OSError):           # another BLAS: its own variable sets it (MKL_NUM_THREADS, …)
        pass


threads = default_threads()
if threads > 1:
    one_blas_thread()
_pool: Pool | None = None
_change = threading.RLock()                     # held while either of the two above changes


def thread_count() -> int:
    return threads


def set_threads(n: int) -> None:
    """How many threads our kernels use.  Their results are the same bits for every n.

    Errors   TypeError for what is no integer, ValueError below 1.
    """
    global threads, _pool
    n = operator.index(n)
    if n < 1:
        raise ValueError(f"set_threads: got {n}, expected 1 or more")
    with _change:
        former, threads, _pool = _pool, n, None
    if former:
        former.close()


# Of both: blocks share no result, so who takes which one does not matter, and neither does the number of threads.
# When they return or raise, no thread is at work.  Where loops run as they are written, one thread does it all.

def share(loop: Callable, blocks: int, *args, threads: int | None = None) -> None:
    """loop(turn, *args) in each thread.  It is compiled, and takes its blocks from `turn` (turns.py).

    threads   no more than these, turn.thread < threads: where each has scratch memory of its own
    Errors    RuntimeError if the loop raised one in any thread.
    """
    run_of(loop)(min(threads or thread_count(), blocks) - 1, blocks, *args)


def share_rows(loop: Callable, rows: int, size: int, *args) -> None:
    """loop(first, last, *args) for rows first … last−1, `size` of them at a time.  The same otherwise."""
    blocks = -(-rows // size)
    run_of(loop, "by_rows")(min(thread_count(), blocks) - 1, blocks, size, rows, *args)


def run_of(loop: Callable, way: str = "") -> Callable:
    """run(helpers, blocks, *args) for a loop(turn, *args); "by_rows": for what turns.by_rows makes of the loop."""
    try:
        return _runs[loop, way]
    except KeyError:
        return _runs.setdefault((loop, way), new_run(turns.by_rows(loop) if way else loop))


_runs: dict[tuple[Callable, str], Callable] = {}


def new_run(loop: Callable) -> Callable:
    if as_written() or meeting_place() is None:
        def plainly(helpers, blocks, *args):
            taken, numbers = np.zeros(1, np.int64), itertools.count()
            parallel(lambda todo: loop(turns.Turn(blocks, taken, next(numbers)), *args), helpers + 1)
        return plainly
    start = meeting_place().starter(loop)

    def run(helpers, blocks, *args):
        start(awake(helpers) if helpers > 0 else NOBODY, np.zeros(1, np.int64), blocks, *args)
    return run


NOBODY = np.zeros((0, 0), np.int64)


def awake(count: int) -> np.ndarray:
    """The mails of so many helpers, for compiled loops.  Those who were asleep are about to wake, and to look there."""
    pool = the_pool()
    for helper in pool.helpers(count):
        if not helper.looks_out():
            helper.jobs.put(NOTHING)
    pool.placement.keep_off()
    return pool.mails[:count]


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


def parallel(work: Callable[[Todo], None], blocks: int) -> None:
    """work(todo) in each thread: `todo` hands out the numbers 0 … blocks−1, each to one thread only."""
    count = min(threads, blocks)
    if count < 2 or as_written():
        return work(Todo(blocks, np.zeros(1, np.int64)))
    pool = the_pool()
    with pool.placement.apart():
        do(work, Todo(blocks, pool.bell), pool.helpers(count - 1))


def do(work: Callable, todo: Todo, helpers: list[Helper]) -> None:
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


# ---- helpers ------------------------------------------------------------------------------------

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
    """A thread that helps: takes its jobs from a queue; before it falls asleep there, looks out for compiled loops in its mail."""

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
    """The helpers, and a mail for each, which takes two lines of the cache: no helper waits for what is written for another."""

    def __init__(self, most: int):
        self.crew: list[Helper] = []
        self.bell, self.mails = np.zeros(8, np.int64), np.zeros((most, 16), np.int64)
        self.placement, self.closed, self.lock = Placement(self.crew), False, threading.Lock()

    def helpers(self, count: int) -> list[Helper]:
        """So many, or fewer if the system grants no more threads; none of a pool that is closed."""
        if len(self.crew) == count:
            return self.crew                    # as nearly always; if it has just been closed, they have no time to help
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


def the_pool() -> Pool:
    global _pool
    if _pool is not None:
        return _pool
    with _change:
        _pool = _pool or Pool(threads - 1)
        return _pool


def meeting_place():
    """The module meeting, where there is a Numba to compile it and a system that it runs on, else None."""
    if not numba_found() or not hasattr(os, "sched_yield"):
        return None
    from . import meeting                       # here, because it imports Numba
    return meeting


def _forget_pool() -> None:
    global _pool, _change
    _pool, _change = None, threading.RLock()    # threads do not survive a fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


@atexit.register
def _end_pool() -> None:
    """Threads that wait in compiled code should have left it when Python ends."""
    if _pool:
        for helper in _pool.close():
            helper.join()
