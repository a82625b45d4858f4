"""How threads meet over a compiled loop, in compiled code: nobody holds the interpreter lock, or waits for it.

    the caller of a loop                                    a helper, who looks out for one (say_and_listen)
    offer    FREE → CLAIMED → OFFERED                       OFFERED → WORKING, runs its part of the loop, → DONE
    runs its own part
    settle   OFFERED → FREE where a helper has not begun;   looks out again
             else waits for it:  DONE → FREE

One of these words stands in the mail of each helper, and changes by the arrow only, in one go.  So nobody begins what has
been taken back, a helper has one caller at a time, and when `settle` ends no helper is at work.

A thread that falls asleep takes 30 to 100 microseconds to wake, and a training step has dozens of shared loops, many not
much longer.  So helpers stay awake between them, for two milliseconds.  (Run from Python, with a queue and the interpreter
lock, a helper began 50 microseconds after the caller, who had needed 40 to call it, and who needed 40 more to return.)
"""
from functools import cache
from time import perf_counter

import numpy as np

from .kernel import around, inner, jit
from .kernel_cache import sched_yield

AWAKE = 2e-3                                    # seconds of looking out, if nobody else wants the processor
FREE, CLAIMED, OFFERED, WORKING, DONE = range(5)
STATE, LOOKS_OUT, PART, JOB, THREAD, FAILED = range(6)                     # where what stands in a helper's mail


def starter(loop):
    """start(mails, taken, blocks, *args): loop(turn, *args) in this thread, and in helpers of these mails who see it in time."""
    loop = inner(loop)
    inner(offer)                                # the first time; from here on, the names below stand for what it compiled

    def start(mails, taken, blocks, *args):
        part, job = addresses(loop, blocks, taken, args)
        offer(mails, part, job)
        failed = call(part, job, 0)
        if settle(mails, job) + failed > 0:
            raise RuntimeError("a compiled loop of scratchnet failed: out of memory?")
    return around(loop, start)


@jit
def offer(mails, part, job):
    """To all, also who is about to wake: what nobody has begun is taken back."""
    for i in range(len(mails)):
        mail = mails[i]
        if swap_if(mail, STATE, FREE, CLAIMED):
            mail[PART], mail[JOB], mail[THREAD], mail[FAILED] = part, job, i + 1, 0
            write(mail, STATE, OFFERED)


@jit
def settle(mails, job):
    """How many helpers failed."""
    failed = 0
    for i in range(len(mails)):
        mail = mails[i]
        if read(mail, JOB) == job:              # else it has another caller, or none
            if not swap_if(mail, STATE, OFFERED, CLAIMED):
                while read(mail, STATE) != DONE:
                    sched_yield()               # for whoever needs this processor
                failed += mail[FAILED]
            write(mail, JOB, 0)
            write(mail, STATE, FREE)
    return failed


@jit
def say_and_listen(done, number, mail, bell, heard, looks):
    """The helper: done[0] = number; then it takes part in what is offered, until bell[0] ≠ heard, or until so many looks in
    a row have found nothing."""
    write(done, 0, number)
    left = looks
    write(mail, LOOKS_OUT, 1)
    while left > 0 and read(bell, 0) == heard:
        left = looks if take_part(mail) else left - 1
        sched_yield()
    write(mail, LOOKS_OUT, 0)


@jit
def take_part(mail):
    """Whether there was something to take part in."""
    if not swap_if(mail, STATE, OFFERED, WORKING):
        return False
    mail[FAILED] = call(mail[PART], mail[JOB], mail[THREAD])
    write(mail, STATE, DONE)
    return True


@jit
def look_for(number, least, looks):
    """Until number[0] ≥ least, or the last look."""
    for _ in range(looks):
        if read(number, 0) >= least:
            break
        sched_yield()


@cache
def looks() -> int:
    """How often one can look in that time, measured once: a look takes 0.1 to 0.5 microseconds."""
    nothing, times = np.zeros(1, np.int64), []
    for _ in range(5):
        start = perf_counter()
        look_for(nothing, 1, 100)
        times.append(perf_counter() - start)
    return int(min(max(100 * AWAKE / min(times), 500), 40_000))


# ---- in LLVM's instructions: the first three, in one go whatever other threads do, by atomic.py; the others by addresses.py


@jit(intrinsic="atomic.read")
def read(numbers, i):
    return numbers[i]


@jit(intrinsic="atomic.write")
def write(numbers, i, new):
    numbers[i] = new


@jit(intrinsic="atomic.swap_if")
def swap_if(numbers, i, old, new):
    """numbers[i] = new, if it is `old`.  Returns whether it was."""
    if numbers[i] != old:
        return False
    numbers[i] = new
    return True


@jit(intrinsic="addresses.addresses")
def addresses(loop, blocks, taken, args):
    """Of a part of the loop as a function, and of what it reads.  Not to be had in Python."""


@jit(intrinsic="addresses.call")
def call(part, job, thread):
    """Run a part as thread number `thread`.  1: it failed."""
