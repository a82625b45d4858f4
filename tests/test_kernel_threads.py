"""Kernels in bad company: threads, forks, Ctrl-C, processors, the end of Python (K9)."""
from __future__ import annotations

import os
import threading
import time

import pytest

numba = pytest.importorskip("numba")

import scratchnet as sn
from scratchnet import placement, threads
from scratchnet.threads import parallel
from tests.conftest import size
from tests.kernel_tools import as_before, bits, changing_threads, forks, python, real      # noqa: F401  as_before: for every test


# ---- K9 -----------------------------------------------------------------------------------------

CONV = """
import numpy as np, scratchnet as sn
from scratchnet.kernel import Kernel
from tests.kernel_tools import bits, real
sn.set_threads(3)
names = ["conv_y", "conv_dx", "conv_dw_db", "conv_dx_dw_db", "conv_y_dw_db"]
args = {name: real(name, 34) for name in names}
right = {name: bits(name, args[name]) for name in names}
def good(): return all(bits(name, args[name]) == right[name] for name in names)
"""


def test_K9_kernels_called_from_four_threads():
    python(CONV + f"""
import threading
wrong = []
def work():
    for _ in range({size(8, 300)}):
        if not good(): wrong.append(1)
several = [threading.Thread(target=work) for _ in range(4)]
for t in several: t.start()
for t in several: t.join()
assert not wrong
""")


@forks
def test_K9_children_of_a_process_whose_kernels_have_run():
    """os.fork, multiprocessing by fork, and a fork while another thread is inside a kernel; all end by themselves."""
    done = python(CONV + """
import multiprocessing, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)             # forking beside threads: exactly what is tested
if os.fork() == 0:
    helped = good() and any(t.name.startswith("scratchnet") for t in threading.enumerate())
    sys.exit(0 if helped and good() else 3)
assert os.wait()[1] == 0
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.starmap(good, [()] * 4) == [True] * 4
    pool.close(); pool.join()
stop = threading.Event()
def busy():
    while not stop.is_set(): good()
thread = threading.Thread(target=busy); thread.start()
for _ in range(4):
    if os.fork() == 0:
        os._exit(0 if good() else 3)
    assert os.wait()[1] == 0
stop.set(); thread.join()
assert good()
print("parent")
""", timeout=120)
    assert done.stdout == "parent\n"


def test_K9_kernels_run_while_python_ends():
    """Threads can no longer be started then."""
    assert python(CONV + "import atexit\natexit.register(lambda: print(good()))", timeout=60).stdout == "True\n"


def test_K9_ctrl_c_at_any_moment():
    python(CONV + f"""
import threading, _thread
good()
for trial in range({size(10, 300)}):
    timer = threading.Timer(0.0007 * (trial % 40), _thread.interrupt_main)
    caught = False
    try:
        timer.start()
        while True: good()
    except KeyboardInterrupt:
        caught = True
    assert caught and good()
print(threading.active_count())
""", timeout=120)


class Watch:
    """A work(todo) that counts who is inside a block, and does something special in one of them."""

    def __init__(self, special=None):
        self.active, self.done, self.special, self.lock = 0, [], special or (lambda b: None), threading.Lock()

    def __call__(self, todo):
        for block in todo:
            with self.lock:
                self.active += 1
            try:
                time.sleep(0.02)
                self.special(block)
                self.done.append(block)
            finally:
                with self.lock:
                    self.active -= 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("where", ["caller", "helper"])
def test_K9_after_an_error_nobody_is_at_work(error, where):
    sn.set_threads(3)
    main = threading.current_thread()

    def special(block):
        if (threading.current_thread() is main) == (where == "caller"):
            raise error("planted")
        time.sleep(0.05)                        # longer than the one that fails
    watch = Watch(special)
    with pytest.raises(error, match="planted"):
        parallel(watch, 50)
    assert watch.active == 0
    count = len(watch.done)
    time.sleep(0.1)
    assert len(watch.done) == count             # nor later
    assert count < 5                            # the blocks after the error are not begun
    watch = Watch()
    parallel(watch, 7)
    assert sorted(watch.done) == list(range(7))


def test_K9_parallel_within_parallel():
    """In a process of its own, where a deadlock ends after a while."""
    assert python("""
from scratchnet.threads import parallel, set_threads
set_threads(3)
seen = []
def inner(todo): seen.extend(todo)
def outer(todo):
    for _ in todo: parallel(inner, 5)
parallel(outer, 6)
print(len(seen), sorted(seen) == sorted(list(range(5)) * 6))
""", timeout=60).stdout == "30 True\n"


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_K9_a_system_that_grants_no_more_threads(granted, monkeypatch):
    start, left = threading.Thread.start, [granted]

    def limited(self):
        if left[0] == 0:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(self)
    sn.set_threads(5)
    monkeypatch.setattr(threading.Thread, "start", limited)
    for _ in range(3):
        watch = Watch()
        parallel(watch, 8)
        assert sorted(watch.done) == list(range(8)) and watch.active == 0
    monkeypatch.undo()
    parallel(watch := Watch(), 8)
    assert sorted(watch.done) == list(range(8))


@pytest.mark.skipif(placement.current_processor() < 0 or len(os.sched_getaffinity(0)) < 2, reason="nothing to keep apart")
def test_K9_the_caller_and_its_helpers_run_on_different_processors(monkeypatch):
    mine, seen = os.sched_getaffinity(0), []
    sn.set_threads(3)
    main = threading.current_thread()

    def look(block):
        seen.append((threading.current_thread() is main, os.sched_getaffinity(0)))
    parallel(Watch(), 6)                        # now the helpers are there
    for here in sorted(mine)[:2]:
        seen.clear()
        monkeypatch.setattr(placement, "current_processor", lambda: here)
        parallel(Watch(look), 6)
        assert {True, False} == {caller for caller, _ in seen}
        assert all(where == ({here} if caller else mine - {here}) for caller, where in seen)
        assert os.sched_getaffinity(0) == mine                 # free again
    with pytest.raises(ValueError):
        parallel(lambda todo: int("x"), 4)
    assert os.sched_getaffinity(0) == mine


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
@pytest.mark.parametrize("change", ["os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",       # one processor
                                    "os.sched_setaffinity = refuse",                               # a strict container
                                    "placement.current_processor = lambda: -1"])                   # another system
def test_K9_without_a_say_in_where_threads_run(change):
    assert python("""
import os
from scratchnet import placement, threads
def refuse(*a): raise PermissionError
before = os.sched_getaffinity(0)
""" + change + """
threads.set_threads(2)
done = []
for _ in range(3): threads.parallel(done.extend, 9)
print(sorted(done) == sorted(3 * list(range(9))), os.sched_getaffinity(0) <= before)
""", timeout=60).stdout == "True True\n"


def test_K9_no_more_threads_while_another_caller_has_them(monkeypatch):
    """What could not be handed out must not be started later, when the other caller's helper is free."""
    def refuse(self): raise RuntimeError("can't start new thread")
    sn.set_threads(4)
    first, main = threading.Event(), threading.current_thread()

    def occupy(todo):
        for _ in todo:
            first.set()
            time.sleep(0.1)
    with monkeypatch.context() as patch:
        other = threading.Thread(target=parallel, args=(occupy, 2))     # one of three helpers starts
        other.start()
        first.wait()
        time.sleep(0.02)
        patch.setattr(threading.Thread, "start", refuse)
        watch = Watch(lambda block: time.sleep(0 if threading.current_thread() is main else 0.3))
        parallel(watch, 12)
        assert sorted(watch.done) == list(range(12)) and watch.active == 0
    other.join()


def test_K9_another_thread_may_change_the_number_of_threads():
    with changing_threads(0):
        for _ in range(size(50, 1000)):
            seen = []
            parallel(seen.extend, 6)
            assert sorted(seen) == list(range(6))


@pytest.mark.parametrize("n, error", [(0, ValueError), (-1, ValueError), (2.5, TypeError), ("2", TypeError)])
def test_numbers_of_threads_that_are_refused(n, error):
    with pytest.raises(error):
        sn.set_threads(n)


@pytest.mark.parametrize("env, expected", [
    ({"NUMBA_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, 3), ({"OMP_NUM_THREADS": "2"}, 2),
    ({"OMP_NUM_THREADS": "4,2"}, 4), ({"OMP_NUM_THREADS": "0"}, None), ({"OMP_NUM_THREADS": "many"}, None), ({}, None)])
def test_default_number_of_threads(env, expected, monkeypatch):
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    n = threads.default_threads()
    assert n == expected if expected else n >= 1
