"""What the tests of kernels in bad company share: a process of its own, real shapes, results as bytes."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")

import scratchnet as sn
from scratchnet import threads
from scratchnet.kernel import Kernel
from scratchnet.ops import channel_kernels, elementwise_kernels, matmul_kernels
from tests.kernel_rows import large, run

ROOT = Path(__file__).parent.parent
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def python(code: str, *, status: int = 0, timeout: float = 300, **env) -> subprocess.CompletedProcess:
    """Run code in a process of its own; a deadlock or an abort there fails the test here."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, cwd=ROOT,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "SCRATCHNET_KERNELS": "numba", **env})
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Numba kernels, which share small arrays among threads, too; restore the number of threads."""
    before = threads.threads
    monkeypatch.setattr(elementwise_kernels, "NUMBERS", 1 << 14)
    monkeypatch.setattr(channel_kernels, "NUMBERS", 1 << 12)
    monkeypatch.setattr(matmul_kernels, "LARGE", 1)
    with sn.use_kernels("numba"):
        yield
    sn.set_threads(before)


def alone(block: int) -> threads.Todo:
    """What hands out this block and no other, in Python or to compiled loops."""
    todo = threads.Todo(block + 1, np.zeros(1, np.int64))
    todo.numbers, todo.turn.taken[0] = iter([block]), block
    return todo


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
