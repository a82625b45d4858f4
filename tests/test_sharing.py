"""Compiled loops that several threads take part in (threads.share): who does, errors, other callers, atomic numbers."""
from __future__ import annotations

import threading
import time
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("numba")

import scratchnet as sn
from scratchnet import meeting, threads, turns
from scratchnet.kernel import free, inner, jit
from scratchnet.threads import share, share_rows
from scratchnet.turns import add_one, next_turn
from tests.conftest import size
from tests.kernel_tools import as_before, changing_threads, forks, occupied_helper, python      # noqa: F401  as_before: for every test
from tests.runs import RUNS, needs


@jit
def count(turn, seen, by, long):
    """seen[block] += 1, by[block] = the thread; `long` rounds of something first"""
    block = next_turn(turn)
    while block < turn.blocks:
        x = 1.0
        for _ in range(long):
            x = np.sqrt(x + 1.0)
        seen[block] += 1
        by[block] = turn.thread + (x < 0)
        block = next_turn(turn)


@jit
def count_rows(first, last, seen):
    for i in range(first, last):
        seen[i] += 1


@jit
def fails_beyond(turn, thread):
    """Raises in threads from this number on, and waits in the others until one has."""
    block = next_turn(turn)
    while block < turn.blocks:
        if turn.thread >= thread:
            raise ValueError("planted")
        block = next_turn(turn)


@jit
def all_arrive(turn, here, looks):
    """Each thread says that it is here, and who it is, and looks for the others."""
    next_turn(turn)
    add_one(here, 0)
    add_one(here, 2 + turn.thread)
    for _ in range(looks):
        if here[0] >= turn.blocks:
            break
        add_one(here, 1)                                       # nothing but a reason to read again


def arrived(n: int) -> list[int]:
    """Which of n threads take part in a loop that waits for them all."""
    share(all_arrive, 1, np.zeros(3, np.int64), 1)             # compiled: meanwhile, helpers would fall asleep
    here = np.zeros(2 + n, np.int64)
    share(all_arrive, n, here, 300_000_000)
    return here[2:].tolist()


def counted(blocks: int, long: int = 0, **most) -> tuple[np.ndarray, np.ndarray]:
    seen, by = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
    share(count, blocks, seen, by, long, **most)
    return seen, by


def test_every_block_is_done_once():
    for n in (1, 2, 3, 7):
        sn.set_threads(n)
        for blocks in (0, 1, 2, 5, 3000):
            seen, by = counted(blocks)
            assert (seen == 1).all() and by.max(initial=0) < n
        for rows, piece in ((0, 3), (1, 3), (3000, 7), (6, 1000)):
            seen = np.zeros(rows, np.int64)
            share_rows(count_rows, rows, piece, seen)
            assert (seen == 1).all()


@pytest.mark.parametrize("n", [2, 3, 4])
def test_all_threads_take_part(n):
    """As soon as they are awake: each begins, and finds the others there."""
    sn.set_threads(n)
    for _ in range(20):
        assert arrived(n) == [1] * n


def test_no_more_threads_than_there_is_scratch_memory_for():
    sn.set_threads(5)
    for most in (1, 2, 3):
        seen, by = counted(200, 3000, threads=most)
        assert (seen == 1).all() and by.max() < most


def test_K9_an_error_in_a_compiled_loop():
    """In whichever thread: it is raised, nobody is at work afterwards, and the next loop runs."""
    sn.set_threads(3)
    with pytest.raises(RuntimeError, match="failed"):
        share(fails_beyond, 5, 0)
    failed = 0
    for _ in range(200):
        try:
            share(fails_beyond, 10_000, 1)                     # only helpers fail, if they come in time
        except RuntimeError:
            failed += 1
        assert not the_states().any()
    assert failed
    assert (counted(100)[0] == 1).all()


def the_states() -> np.ndarray:
    return threads.the_pool().mails[:, [meeting.STATE, meeting.JOB]]


def test_K9_a_helper_that_is_occupied_is_not_waited_for():
    with occupied_helper():
        seen, by = counted(50)
        assert (seen == 1).all() and not by.any() and not the_states().any()   # what was offered has been taken back


def test_K9_several_callers_at_once():
    sn.set_threads(3)
    wrong = []

    def work():
        for _ in range(size(100, 5000)):
            seen, by = counted(40, 50)
            if not (seen == 1).all() or by.max() > 2:
                wrong.append(seen)
    several = [threading.Thread(target=work) for _ in range(4)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    assert not wrong and not the_states().any()


def test_K9_the_number_of_threads_changes_meanwhile():
    with changing_threads(0.0003):
        for _ in range(size(150, 3000)):
            assert (counted(30, 100)[0] == 1).all()


def test_K9_helpers_fall_asleep_and_wake():
    sn.set_threads(2)
    arrived(2)
    [helper] = threads.the_pool().crew
    for _ in range(3):
        for _ in range(1000):
            if not helper.looks_out():
                break
            time.sleep(0.01)
        assert not helper.looks_out()
        assert arrived(2) == [1, 1]


@forks
def test_K9_a_fork_while_helpers_look_out():
    assert python("""
import os, numpy as np, scratchnet as sn
from tests.test_sharing import counted
sn.set_threads(3)
for _ in range(20):
    counted(50)
    if os.fork() == 0:
        os._exit(0 if (counted(50, 200)[0] == 1).all() else 3)
    assert os.wait()[1] == 0
print("parent")
""", timeout=120).stdout == "parent\n"


def test_without_a_way_to_meet(monkeypatch):
    """As on a system without sched_yield: threads share it from Python."""
    monkeypatch.setattr(threads, "meeting_place", lambda: None)
    monkeypatch.setattr(threads, "_runs", {})
    sn.set_threads(3)
    assert arrived(3) == [1, 1, 1]              # each of another number
    for blocks in (0, 1, 5, 300):
        seen, by = counted(blocks, 2000)
        assert (seen == 1).all() and by.max(initial=0) < 3
    seen = np.zeros(100, np.int64)
    share_rows(count_rows, 100, 7, seen)
    assert (seen == 1).all()
    with pytest.raises(ValueError, match="planted"):
        share(fails_beyond, 5, 0)
    sn.set_threads(1)                           # no helper without a meeting place stays behind


@pytest.mark.parametrize("setting", [{"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_BOUNDSCHECK": "1"}])
def test_loops_as_they_are_written_run_alone(setting):
    assert python("""
import threading
import scratchnet as sn
from tests.test_sharing import counted
sn.set_threads(3)
seen, by = counted(20)
print((seen == 1).all(), by.any(), threading.active_count())
""", **setting).stdout == "True False 1\n"


# ---- numbers that change in one go --------------------------------------------------------------


@jit
def do_read(numbers, i): return meeting.read(numbers, i)
@jit
def do_write(numbers, i, new): meeting.write(numbers, i, new)
@jit
def do_swap(numbers, i, old, new): return meeting.swap_if(numbers, i, old, new)
@jit
def do_add(numbers, i): return add_one(numbers, i)


class Plainly(NamedTuple):
    compiled: jit
    written: jit


@pytest.mark.parametrize("both", [Plainly(do_read, meeting.read), Plainly(do_write, meeting.write),
                                  Plainly(do_swap, meeting.swap_if), Plainly(do_add, add_one)])
def test_atomic_numbers_do_what_their_loops_say(both):
    written = getattr(both.written, "function", None) or both.written.__wrapped__
    for more in ((), (5,), (7, 6), (8, 6)):
        if len(more) != written.__code__.co_argcount - 2:
            continue
        ours, plain = np.array([7, 7, 9]), np.array([7, 7, 9])
        assert both.compiled(ours, 1, *more) == written(plain, 1, *more)
        np.testing.assert_array_equal(ours, plain)


def files_of_three(folder):
    """The names of shared loops on disk after each of three processes that have done other things before."""
    files = []
    for before in ("", "sn.relu(np.ones(9)); sn.use_kernels('numpy')",
                   "threads.parallel(list, 3); share(count, 3, np.zeros(3, np.int64), np.zeros(3, np.int64), 0)"):
        python(f"""
import numpy as np, scratchnet as sn
from scratchnet import threads
from scratchnet.threads import share
from tests.test_sharing import count, count_rows, counted
{before}
counted(5)
threads.share_rows(count_rows, 9, 4, np.zeros(9, np.int64))
""", NUMBA_CACHE_DIR=str(folder))
        files.append({path.name for path in folder.rglob("*.nbc") if "count" in path.name})
    return files


RUNS["three processes"] = files_of_three


@needs("three processes")
def test_K6_a_shared_loop_is_found_again_whatever_was_done_before(ran):
    """What its name on disk follows from must not be what a process happens to have in use."""
    files = ran[1]
    assert files[0] == files[1] == files[2] and len(files[0]) == 3


@jit(flags={"reassoc", "nsz"})
def total(x): return x.sum()
@jit
def total_again(x): return total(x)
@jit
def totals(first, last, x):
    for i in range(first, last):
        x[i, 0] = total_again(x[i])
@jit
def ping(n): return n if n < 1 else pong(n - 1)
@jit
def pong(n): return ping(n)


def test_K3_loops_of_free_order_are_part_of_whoever_calls_them():
    """By hand or by `share_rows`, however far, before and after they are compiled; no other loop is."""
    for _ in range(2):
        assert free(total) and free(total_again) and free(totals) and not any(map(free, (count, count_rows, ping, pong)))
        compiled = [turns.by_rows(totals), *map(inner, (totals, total_again, total)), turns.by_rows(count_rows), inner(count)]
        assert [one.targetoptions["forceinline"] for one in compiled] == [True, True, True, True, False, False]


def compiled_and_found(folder):
    """What a process prints that compiles its loops, and one that finds them."""
    code = """
import hashlib
from tests.kernel_tools import bits, real
from scratchnet.ops.matmul_kernels import matmul_y
import numpy as np
x, w = (np.random.default_rng(0).standard_normal(s).astype(np.float32) for s in ((128, 3136), (3136, 1)))
print([hashlib.sha256(b"".join(bits(n, real(n, 50)))).hexdigest() for n in ("channel_sum", "channel_dots", "channel_moments")],
      hashlib.sha256(matmul_y(x, w).tobytes()).hexdigest())
"""
    return [python(code, NUMBA_CACHE_DIR=str(folder)).stdout for _ in range(2)]


RUNS["compiled, found"] = compiled_and_found


@needs("compiled, found")
def test_K3_same_bits_whether_compiled_here_or_found_on_disk(ran):
    """Loops whose order of sums is left to LLVM: the copy that runs must not depend on what else this process has compiled."""
    compiled, found = ran[1]
    assert compiled == found
