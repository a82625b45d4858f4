"""The threads that help with a loop in Python: who takes part, what stays afterwards, and waiting awake (K9)."""
from __future__ import annotations

import signal
import threading
import time
import weakref
from contextlib import suppress

import numpy as np
import pytest

pytest.importorskip("numba")

import scratchnet as sn
from scratchnet import meeting
from scratchnet.kernel import jit
from scratchnet.helpers import Pool
from scratchnet.threads import parallel
from tests.cache_tools import FRESH, SOURCE, X, learner
from tests.kernel_tools import as_before, forks, occupied_helper, python      # noqa: F401  as_before: for every test


def test_K9_a_helper_that_comes_too_late_does_nothing():
    calls = []
    with occupied_helper():
        parallel(lambda todo: calls.append(list(todo)), 4)
    parallel(slowly, 4)                        # by now it has found the job that was withdrawn
    assert calls == [[0, 1, 2, 3]]


def test_K9_a_pool_that_is_closed_makes_no_more_helpers():
    pool = Pool(2)
    assert len(pool.helpers(2)) == 2 and len(pool.helpers(1)) == 1 and len(pool.helpers(9)) == 2
    for helper in pool.close():
        helper.join(60)
        assert not helper.is_alive()
    assert pool.helpers(3) == []


def test_K9_what_a_loop_used_is_free_when_it_is_done():
    """Also after an error in a helper, which knows the loop's frames."""
    class Array: pass
    sn.set_threads(2)
    for error in (False, True):
        array = Array()
        gone = weakref.ref(array)

        def work(todo, array=array):
            for _ in todo:
                time.sleep(0.01)
                if error and threading.current_thread().name == "scratchnet":
                    raise KeyError("planted")
        with suppress(KeyError):
            parallel(work, 6)
        del work, array
        time.sleep(0.05)
        assert gone() is None


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system cannot interrupt a thread")
def test_K9_ctrl_c_while_the_caller_waits_for_its_helper():
    assert python("""
import signal, threading, time
from scratchnet.threads import parallel, set_threads
set_threads(2)
main, log = threading.current_thread(), []
def work(todo):
    for _ in todo:
        time.sleep(0.05 if threading.current_thread() is main else 0.8)
        log.append(threading.current_thread() is main)
parallel(list, 2)                               # now the helper is there
threading.Timer(0.3, signal.pthread_kill, (main.ident, signal.SIGINT)).start()
try:
    parallel(work, 2)
except KeyboardInterrupt:
    print(sorted(log))                          # the helper's block is done
""", timeout=60).stdout == "[False, True]\n"


def test_looking_ends_when_there_is_something_to_see():
    done, bell, mail = np.zeros(1, np.int64), np.ones(1, np.int64), np.zeros(16, np.int64)
    meeting.say_and_listen(done, 7, mail, bell, 0, 10**15)     # looks that would take years
    meeting.look_for(done, 5, 10**15)
    assert done[0] == 7 and bell[0] == 1 and not mail.any()
    assert 500 <= meeting.looks() <= 40_000


def test_K9_an_error_leaves_nothing_to_hand_out():
    sn.set_threads(2)
    todos = []

    def work(todo):
        todos.append(todo)
        raise KeyError("planted")
    with pytest.raises(KeyError):
        parallel(work, 1000)
    assert list(todos[0]) == []


def test_K10_threads_without_numba():
    assert python("""
import sys, warnings
sys.modules["numba"] = None
warnings.simplefilter("ignore")
from scratchnet.threads import parallel, set_threads
set_threads(3)
seen = []
parallel(seen.extend, 5)
print(sorted(seen))
""", timeout=60).stdout == "[0, 1, 2, 3, 4]\n"


def test_K9_helpers_go_when_the_number_of_threads_changes():
    before = {t for t in threading.enumerate() if t.name == "scratchnet"}
    for n in (3, 2, 4, 1):
        sn.set_threads(n)
        parallel(slowly, 5)
    for helper in {t for t in threading.enumerate() if t.name == "scratchnet"} - before:
        helper.join(60)
        assert not helper.is_alive()


def slowly(todo) -> None:
    for _ in todo:
        time.sleep(0.02)


def test_K9_nothing_is_compiled_in_a_helper(tmp_path):
    """It would hold Numba's lock: a child forked meanwhile could never compile."""
    assert python("""
import threading, time
from numba.core import compiler_lock
from scratchnet.threads import parallel, set_threads
seen, acquire = set(), compiler_lock._CompilerLock.acquire
def noted(self):
    seen.add(threading.current_thread().name)
    acquire(self)
compiler_lock._CompilerLock.acquire = noted
set_threads(2)
both = threading.Barrier(2)
parallel(lambda todo: [both.wait(60) for _ in todo], 2)         # a block for each
time.sleep(0.5)
print(seen)
""", NUMBA_CACHE_DIR=str(tmp_path), timeout=60).stdout == "{'MainThread'}\n"


def test_K9_an_interrupt_while_names_are_put_in_place(monkeypatch):
    """Ctrl-C between two loops of a file: none of them is reached before all that they call is there."""
    module, versions = learner("from scratchnet.turns import add_one\n" + SOURCE), jit.versions

    def interrupted(loop):
        if loop.function.__name__ == "other":
            raise KeyboardInterrupt
        return versions(loop)
    monkeypatch.setattr(jit, "versions", interrupted)
    with pytest.raises(KeyboardInterrupt):
        module.total(X)
    assert isinstance(module.total, jit) and isinstance(module.helper, jit)
    monkeypatch.undo()
    assert module.total(X) == FRESH


@forks
def test_K9_a_child_does_not_wait_for_a_lock_that_nobody_holds():
    assert "child 5.0" in python("""
import os, threading, time
import numpy as np
from scratchnet.kernel import jit
from tests.cache_tools import learner
held = threading.Event()
def hold():
    with jit.lock:
        held.set()
        time.sleep(3600)
threading.Thread(target=hold, daemon=True).start()
held.wait()
if os.fork() == 0:
    print("child", learner("from scratchnet.kernel import jit\\n@jit\\ndef loop(x): return x + 2.0\\n").loop(3.0), flush=True)
    os._exit(0)
assert os.wait()[1] == 0
os._exit(0)
""", timeout=60).stdout
