"""Whose turn it is: compiled loops that are shared among threads hand out their blocks themselves.

    block = first_turn(turn)
    while block < turn.blocks:
        …
        block = next_turn(turn)

Handing them out in Python would stop both threads at the interpreter lock after each block, and what Python needs for it
has left the caches by then: 10 microseconds a block, and a DCGAN step has 128.
"""
from typing import NamedTuple

import numpy as np

from .kernel import jit


class Turn(NamedTuple):
    """Of one shared loop (threads.Todo)."""
    blocks: int
    bell: np.ndarray                            # rung when the loop begins: threads that look for it are awake in time
    taken: np.ndarray                           # how many blocks are taken


@jit
def first_turn(turn):
    """The bell is rung here, where the caller has let go of the interpreter lock: who hears it finds the lock free."""
    add_one(turn.bell)
    return add_one(turn.taken)


@jit
def next_turn(turn):
    return add_one(turn.taken)


@jit(intrinsic="atomic.add_one")
def add_one(numbers):
    """numbers[0] += 1, in one go, whatever other threads do.  Returns what it was before."""
    numbers[0] += 1
    return numbers[0] - 1
