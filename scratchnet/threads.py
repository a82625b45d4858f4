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
from typing import Callable

import numpy as np

from . import turns
from .helpers import NOTHING, Pool, Todo, do, meeting_place
from .kernel import as_written, inner
from .turn import Turn


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


# Of `share` and `parallel`: blocks share no result, so who takes which one does not matter, and neither does the number of threads.
# When they return or raise, no thread is at work.  Where loops run as they are written, one thread does it all.

def share(loop: Callable, blocks: int, *args, threads: int | None = None) -> None:
    """loop(turn, *args) in each thread.  It is compiled, and takes its blocks from `turn` (turns.py).

    threads   no more than these, so that turn.thread < threads: where each has scratch memory of its own
    Errors    RuntimeError if the loop raised one in any thread.
    """
    run_of(loop)(min(threads or thread_count(), blocks) - 1, blocks, *args)


def share_rows(loop: Callable, rows: int, size: int, *args) -> None:
    """loop(first, last, *args) for rows first … last−1, `size` of them at a time.  The same otherwise."""
    blocks = -(-rows // size)
    run_of(loop, turns.by_rows)(min(thread_count(), blocks) - 1, blocks, size, rows, *args)


def run_of(loop: Callable, wrap: Callable = inner) -> Callable:
    """run(helpers, blocks, *args) for the loop(turn, *args) that `wrap` makes of this one."""
    try:
        return _runs[loop, wrap]
    except KeyError:
        one = inner(loop)                       # from now on, this is what the loop's name stands for
        _runs[loop, wrap] = _runs[one, wrap] = _runs.get((one, wrap)) or new_run(wrap(one))
        return _runs[one, wrap]


_runs: dict[tuple[Callable, Callable], Callable] = {}


def new_run(loop: Callable) -> Callable:
    """By a compiled function that starts the loop and lets helpers take part; where there can be none, by `parallel`."""
    if as_written() or meeting_place() is None:
        def plainly(helpers, blocks, *args):
            taken, numbers = np.zeros(1, np.int64), itertools.count()
            parallel(lambda todo: loop(Turn(blocks, taken, next(numbers)), *args), helpers + 1)
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


def parallel(work: Callable[[Todo], None], blocks: int) -> None:
    """work(todo) in each thread: `todo` hands out the numbers 0 … blocks−1, each to one thread only."""
    count = min(threads, blocks)
    if count < 2 or as_written():
        return work(Todo(blocks, np.zeros(1, np.int64)))
    pool = the_pool()
    with pool.placement.apart():
        do(work, Todo(blocks, pool.bell), pool.helpers(count - 1))


def the_pool() -> Pool:
    global _pool
    if (pool := _pool) is not None:
        return pool
    with _change:
        _pool = _pool or Pool(threads - 1)
        return _pool


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
