"""Two threads that meet: each looks out for the other for a while, awake and without the interpreter lock.

A thread that falls asleep takes 30 to 100 microseconds to wake, and one that needs the interpreter lock while another
holds it falls asleep.  So these loops are compiled, and what the other looks for is said in compiled code: whoever sees it
finds the lock free.  They only save time: that a number was seen proves nothing, and callers go on to wait in the usual way.
"""
from functools import cache
from time import perf_counter

import numpy as np

from .kernel import jit
from .kernel_cache import sched_yield

AWAKE = 5e-4                                    # seconds of looking out, if nobody else wants the processor


@cache
def looks() -> int:
    """How often one can look in that time, measured once: a look takes 0.1 to 0.5 microseconds."""
    nothing, times = np.zeros(1, np.int64), []
    for _ in range(5):
        start = perf_counter()
        look_for(nothing, 1, 100)
        times.append(perf_counter() - start)
    return int(min(max(100 * AWAKE / min(times), 500), 10_000))


@jit
def look_for(number: np.ndarray, least: int, looks: int) -> None:
    """Until number[0] ≥ least, or the last look."""
    for _ in range(looks):
        if number[0] >= least:
            break
        sched_yield()                           # for whoever needs this processor; and LLVM reads the number again


@jit
def say_and_listen(mine: np.ndarray, number: int, bell: np.ndarray, heard: int, looks: int) -> None:
    """mine[0] = number; then until bell[0] ≠ heard, or the last look."""
    mine[0] = number
    for _ in range(looks):
        if bell[0] != heard:
            break
        sched_yield()
