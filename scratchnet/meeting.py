"""Two threads that meet: each looks for the other's number for a while, awake and without the interpreter lock.

A thread that falls asleep takes 30 to 100 microseconds to wake, and one that needs the interpreter lock while another
holds it falls asleep.  So these loops are compiled, and `say` happens in them: whoever sees the number finds the lock
free.  They only save time: that a number was seen proves nothing, and callers go on to wait in the usual way.
"""
import numpy as np

from .kernel import jit
from .kernel_cache import sched_yield

LOOKS = 1000                                    # half a millisecond, if nobody else wants the processor


@jit
def look_for(numbers: np.ndarray, place: int, least: int, looks: int) -> None:
    """Until numbers[place] ≥ least, or the last look."""
    for _ in range(looks):
        if numbers[place] >= least:
            break
        sched_yield()                           # for whoever needs this processor; and LLVM reads the number again


@jit
def say_and_look_for(numbers: np.ndarray, mine: int, number: int, place: int, least: int, looks: int) -> None:
    """numbers[mine] = number; then until numbers[place] ≥ least, or the last look."""
    numbers[mine] = number
    look_for(numbers, place, least, looks)
