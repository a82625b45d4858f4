"""memory.py: large results get memory that was used before, and never memory that is still in use."""
import threading

import numpy as np
import pytest

from scratchnet import memory

LARGE = (3, memory.LEAST)                       # of bytes, more than come from malloc


@pytest.fixture(autouse=True)
def empty_shelf(monkeypatch):
    monkeypatch.setattr(memory, "shelf", {})


def idle() -> int:
    return sum(size * len(several) for size, several in memory.shelf.items())


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (5,), (7, 9), LARGE, (2, *LARGE)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_it_is_as_numpy_empty(shape, dtype):
    a = memory.empty(shape, dtype)
    assert (a.shape, a.dtype) == (shape, dtype) and a.flags.writeable and a.flags.c_contiguous
    assert a.ctypes.data % 64 == 0 or a.nbytes < memory.LEAST
    a[...] = 1
    assert (a == 1).all()


def test_memory_is_used_again_when_its_last_array_is_gone():
    a = memory.empty(LARGE, np.uint8)
    place, last = a.ctypes.data, a[1:].reshape(-1)[::7]
    del a
    assert idle() == 0                          # a view of a view still shows it
    last[...] = 5
    other = memory.empty(LARGE, np.uint8)
    assert not np.may_share_memory(last, other)
    del last
    assert idle() > 0 and memory.empty(LARGE, np.uint8).ctypes.data == place
    smaller = memory.empty((memory.LEAST,), np.uint8)
    assert smaller.ctypes.data == place         # sooner a larger one than fresh pages


def test_sizes_that_nobody_asks_for_any_more_are_freed():
    several = [memory.empty((memory.LEAST,), np.uint8) for _ in range(8)]
    del several
    assert idle() == 8 * memory.LEAST
    large = memory.empty((4 * memory.LEAST,), np.uint8)
    assert idle() == 4 * memory.LEAST and large.size == 4 * memory.LEAST


def test_threads_never_share():
    wrong = []

    def work(number):
        for k in range(200):
            a = memory.empty((memory.LEAST + 100 * k,), np.uint8)
            a[:] = number
            if not (a == number).all():
                wrong.append(number)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
