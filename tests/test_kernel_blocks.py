"""Work handed out in blocks: the same bits by however many threads (K3), in any order, every time (K4); callers (K9)."""
from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("numba")

import scratchnet as sn
from scratchnet.kernel import Kernel
from scratchnet.ops.matmul_kernels import matmul_dw, matmul_dx, matmul_y
from scratchnet.threads import parallel
from tests.conftest import size
from tests.kernel_rows import each_kernel, large, run
from tests.kernel_tools import as_before, forks, instead_of_threads, python      # noqa: F401  as_before: for every test


@each_kernel
def test_K3_same_bits_for_every_number_of_threads(name):
    args, results = large(name), set()
    for n in (1, 2, 3, 1):
        sn.set_threads(n)
        results.add(tuple(a.tobytes() for a in run(name, args, "numba")))
    assert len(results) == 1


@each_kernel
def test_K4_same_bits_in_whatever_order_the_blocks_are_done(name, monkeypatch):
    """K3 again, without waiting for threads to meet: each block alone, first to last and last to first."""
    args, results = large(name), set()
    for order in (1, -1):
        def do(run_block, blocks, arrays):
            for block in range(blocks)[::order]:
                run_block(block)
        with monkeypatch.context() as patch:
            instead_of_threads(patch, do)
            results.add(tuple(a.tobytes() for a in run(name, args, "numba")))
    assert len(results) == 1


@each_kernel
def test_K4_same_bits_every_time(name):
    """K4: a race would show as another result now and then."""
    sn.set_threads(3)
    args = large(name)
    results = [run(name, args, "numba") for _ in range(size(3, 300))]
    assert len({tuple(a.tobytes() for a in several) for several in results}) == 1


def test_K2_the_loop_for_these_layouts_runs_and_not_another():
    """Rows and columns of the first factor by turns: after some hundred calls, Numba 0.60 mixed them up."""
    calls = [(kernel, large(kernel.reference.__name__)[:2]) for kernel in (matmul_dx, matmul_y, matmul_dw)]
    expected = [kernel.reference(*args) for kernel, args in calls]
    for _ in range(300):
        for (kernel, args), right in zip(calls, expected):
            np.testing.assert_allclose(kernel(*args), right, atol=1e-3)


def test_parallel_hands_out_every_block_once():
    for n in (1, 2, 3, 7):
        for count in (0, 1, 2, 5, 12):
            sn.set_threads(n)
            seen = []
            parallel(seen.extend, count)
            assert sorted(seen) == list(range(count))


def test_an_error_in_a_thread_is_raised():
    def work(todo):
        if 5 in todo:
            raise KeyError("block 5")
    sn.set_threads(3)
    for _ in range(10):                         # whichever thread takes that block
        with pytest.raises(KeyError, match="block 5"):
            parallel(work, 6)


def test_K9_kernels_may_be_called_from_several_threads():
    """K9: our threads within the caller's threads."""
    sn.set_threads(2)
    with sn.use_kernels("numba"):
        args = large("conv_y")
        expected, wrong = Kernel.registry["conv_y"](*args).tobytes(), []

        def work():
            for _ in range(size(5, 300)):
                if Kernel.registry["conv_y"](*args).tobytes() != expected:
                    wrong.append(1)
        several = [threading.Thread(target=work) for _ in range(4)]
        for t in several:
            t.start()
        for t in several:
            t.join()
    assert not wrong


@forks
def test_K9_a_forked_child_can_go_on():
    """K9: threads do not survive a fork; the child must not wait for them."""
    assert "child 27.0\nparent 27.0" in python("""
import os, numpy as np, scratchnet as sn
sn.set_threads(2)
x, w = np.ones((4, 3, 5, 5)), np.ones((2, 3, 3, 3))
sn.conv2d(x, w)
if os.fork() == 0:
    print("child", sn.conv2d(x, w).max(), flush=True)
    os._exit(0)
assert os.wait()[1] == 0
print("parent", sn.conv2d(x, w).max())
""").stdout
