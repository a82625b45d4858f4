"""What the tests of kernels in bad company share: a process of its own, real shapes, results as bytes."""
from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import time
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")

import scratchnet as sn
from scratchnet import meeting, optim_kernels, threads, turns
from scratchnet.kernel import Kernel, inner
from scratchnet.models.kmeans_tiles import Rows
from scratchnet.ops import channel_kernels, conv_plan, elementwise_kernels, matmul_kernels
from tests.kernel_rows import large, run
from tests.runs import ENVIRONMENT

ROOT = Path(__file__).parent.parent
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def python(code: str, *, status: int = 0, timeout: float = 300, **env) -> subprocess.CompletedProcess:
    """Run code in a process of its own; a deadlock or an abort there fails the test here."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, cwd=ROOT,
                          env={**ENVIRONMENT, "PYTHONPATH": str(ROOT), "SCRATCHNET_KERNELS": "numba", **env})
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Numba kernels, which share small arrays among threads, too; restore the number of threads."""
    before = threads.threads
    monkeypatch.setattr(elementwise_kernels, "NUMBERS", 1 << 14)
    monkeypatch.setattr(channel_kernels, "NUMBERS", 1 << 12)
    monkeypatch.setattr(matmul_kernels, "NUMBERS", 1 << 12)
    monkeypatch.setattr(conv_plan, "FILTERS", 3)
    monkeypatch.setattr(optim_kernels, "BLOCK", 1 << 12)
    with sn.use_kernels("numba"):
        yield
    sn.set_threads(before)


@contextmanager
def occupied_helper():
    """Two threads, and the only helper is at work for another caller."""
    sn.set_threads(2)
    busy, free = threading.Event(), threading.Event()

    def occupy(todo):
        for _ in todo:
            if threading.current_thread().name == "scratchnet":
                busy.set()
                free.wait(60)
            else:
                busy.wait(60)                   # so that the helper gets the other block
    other = threading.Thread(target=threads.parallel, args=(occupy, 2))
    other.start()
    assert busy.wait(60)
    yield
    free.set()
    other.join()


@contextmanager
def changing_threads(pause: float):
    """Meanwhile another thread changes the number of threads, again and again."""
    stop = threading.Event()

    def change():
        while not stop.is_set():
            for n in (1, 2, 4):
                sn.set_threads(n)
                time.sleep(pause)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def alone(block: int) -> threads.Todo:
    """What hands out this block and no other."""
    todo = threads.Todo(block + 1, np.zeros(1, np.int64))
    todo.numbers = iter([block])
    return todo


def instead_of_threads(monkeypatch, do) -> None:
    """Whatever is shared among threads is handed to do(run, blocks, arrays): run(block) runs one block of it alone; arrays: what
    it may write to, scratch memory aside (None: not known)."""
    def parallel(work, blocks):
        do(lambda block: work(alone(block)), blocks, None if work.__closure__ is None else within_reach(work))

    def run_of(loop, wrap=inner):
        names = list(inspect.signature(getattr(loop, "function", getattr(loop, "py_func", loop))).parameters)[1:]
        start = starters[loop, wrap] = starters.get((loop, wrap)) or meeting.starter(wrap(loop))

        def run(helpers, blocks, *args):
            arrays = [a for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.flags.writeable
                      and (wrap is turns.by_rows or names[i:i + 1] != ["scratch"])]
            do(lambda block: start(threads.NOBODY, np.array([block]), block + 1, *args), blocks, arrays)
        return run
    monkeypatch.setattr(threads, "run_of", run_of)
    original = threads.parallel
    for module in [m for n, m in sys.modules.items() if n.startswith("scratchnet.")]:
        if vars(module).get("parallel") is original:
            monkeypatch.setattr(module, "parallel", parallel)


starters: dict = {}


def within_reach(function) -> list[np.ndarray]:
    """The writeable arrays in a function's closure, also those in lists and objects there and in closures of functions there."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]           # not the empty ones
    each = [v for c in cells for v in (c if isinstance(c, (list, tuple)) else vars(c).values() if isinstance(c, Rows) else [c])]
    return [v for v in each if isinstance(v, np.ndarray) and v.flags.writeable] + \
        [a for v in each if isinstance(v, types.FunctionType) for a in within_reach(v)]


# ---- real shapes --------------------------------------------------------------------------------

def real(name: str, N: int, dtype=np.float32) -> tuple:
    """The arguments of a kernel as the layers of a small VAE or classifier call it, for N images; of another, its row's."""
    rng = np.random.default_rng(0)

    def a(*shape):
        return rng.standard_normal(shape).astype(dtype)
    ONE, TWO = (1, 1), (2, 2)
    where = np.arange(N * 32 * 49).reshape(N, 32, 7, 7) % 196
    rows = {                                    # the row that is asked for, and no other, is drawn
        "conv_y": lambda: (a(N, 32, 14, 14), a(64, 32, 3, 3), a(64), TWO, ONE, ONE),
        "conv_dx": lambda: (a(N, 64, 7, 7), a(64, 32, 3, 3), a(32), (14, 14), TWO, ONE, ONE),
        "conv_dw": lambda: (a(N, 32, 14, 14), a(N, 64, 7, 7), (3, 3), TWO, ONE, ONE),
        "conv_dw_db": lambda: (a(N, 32, 14, 14), a(N, 64, 7, 7), (3, 3), TWO, ONE, ONE, a(N, 64, 7, 7)),
        "conv_dx_dw_db": lambda: (a(N, 32, 14, 14), a(64, 32, 3, 3), a(N, 64, 7, 7), TWO, ONE, ONE, a(N, 64, 7, 7)),
        "conv_y_dw_db": lambda: (a(N, 32, 14, 14), a(64, 32, 3, 3), a(N, 64, 7, 7), TWO, ONE, ONE),
        "channel_sum": lambda: (a(N, 32, 28, 28),),
        "argmax_windows": lambda: (a(N, 32, 14, 14), TWO, TWO, (0, 0)),
        "take_pixels": lambda: (a(N, 32, 14, 14), where),
        "put_pixels": lambda: (a(N, 32, 7, 7), where, (14, 14)),
        "positive_part": lambda: (a(N, 32, 28, 28),),
        "where_positive": lambda: (a(N, 32, 28, 28), a(N, 32, 28, 28)),
        "matmul_y": lambda: (a(128, 784), a(784, 528)),
        "matmul_dw": lambda: (a(128, 784), a(128, 528)),
        "matmul_dx": lambda: (a(128, 512), a(784, 512)),
        "bce_slope": lambda: (a(N, 32, 28, 28), a(N, 32, 28, 28), abs(a(N, 32, 28, 28)), 0.5),
        "leaky_part": lambda: (a(N, 32, 28, 28), 0.2),
        "leaky_slope": lambda: (a(N, 32, 28, 28), a(N, 32, 28, 28), 0.2),
        "channel_dots": lambda: (a(N, 32, 14, 14), a(N, 32, 14, 14), a(32)),
        "channel_rest": lambda: (a(N, 32, 14, 14), a(N, 32, 14, 14), *a(4, 32), a(N, 32, 14, 14), 0.2),
        "channel_moments": lambda: (a(N, 32, 14, 14),),
        "channel_scale": lambda: (a(N, 32, 14, 14), a(32), a(32), a(32)),
        "adam_step": lambda: (a(784, 512), a(784, 512), a(784, 512) ** 2, a(784, 512), 0.9, 0.999, 1e-3, 2.0, 1e-8),
    }
    return rows[name]() if name in rows else large(name, dtype)


def bits(name: str, args: tuple) -> tuple:
    return tuple(r.tobytes() for r in run(name, args, "numba"))


NAMES = [name for name, k in Kernel.registry.items() if k.fast_version]
