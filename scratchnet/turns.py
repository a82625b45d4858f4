"""Whose turn it is: compiled loops that are shared among threads (threads.share) hand out their blocks themselves.

    block = next_turn(turn)
    while block < turn.blocks:
        …
        block = next_turn(turn)

Handing them out in Python would stop both threads at the interpreter lock after each block, and what Python needs for it
has left the caches by then: 10 microseconds a block, and a DCGAN step has 128.
"""
from .kernel import around, inner, jit


@jit
def next_turn(turn):
    """A block that nobody has taken; turn.blocks or more: none is left."""
    return add_one(turn.taken, 0)


def by_rows(loop):
    """Of a loop(first, last, *args) over rows, one that takes its turns: so many rows each."""
    loop, next_block = inner(loop), inner(next_turn)

    def turn_by_turn(turn, size, rows, *args):
        block = next_block(turn)
        while block < turn.blocks:
            loop(block * size, min((block + 1) * size, rows), *args)
            block = next_block(turn)
    return around(loop, turn_by_turn)


@jit(intrinsic="atomic.add_one")
def add_one(numbers, i):
    """numbers[i] += 1, in one go, whatever other threads do.  Returns what it was before."""
    numbers[i] += 1
    return numbers[i] - 1
