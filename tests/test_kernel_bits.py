"""Kernels: the same bits for every number of threads (K3) and every time (K4), no index out of bounds (K5)."""
from __future__ import annotations

import ast
import os
import subprocess
import sys

import numpy as np
import pytest

numba = pytest.importorskip("numba")

import scratchnet as sn
from tests.conftest import size
from tests.kernel_tools import NAMES, ROOT, as_before, bits, instead_of_threads, python, real      # noqa: F401  as_before: for every test


each_kernel = pytest.mark.parametrize("name", NAMES)        # one without a row fails with a KeyError


@each_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_K3_same_bits_for_every_number_of_threads(name, dtype):
    args, results = real(name, size(23, 50), dtype), set()  # three or four blocks of images, the last not full
    for n in (1, 2, 3, 5):
        sn.set_threads(n)
        results.add(bits(name, args))
    assert len(results) == 1


@each_kernel
def test_K3_same_bits_for_every_size_of_the_pieces(name, monkeypatch):
    """As they are for users: the fixture makes them smaller."""
    args = real(name, 34)
    expected = bits(name, args)
    monkeypatch.undo()
    with sn.use_kernels("numba"):
        assert bits(name, args) == expected


@each_kernel
def test_K4_same_bits_every_time(name):
    sn.set_threads(4)
    args = real(name, 34)
    assert len({bits(name, args) for _ in range(size(6, 300))}) == 1


def writes(run, blocks: int, arrays: list) -> list[np.ndarray]:
    """For each of these arrays: how many blocks write to each of its numbers.

    Every block runs alone, over two backgrounds, so that writing what stood there does not go unnoticed.
    """
    before, counts = [a.copy() for a in arrays], [np.zeros(a.shape, int) for a in arrays]
    for block in range(blocks):
        changed = [np.zeros(a.shape, bool) for a in arrays]
        for background in (3, -5):
            for a in arrays:
                a[...] = background
            run(block)
            for a, c in zip(arrays, changed):
                c |= a != background
        for count, c in zip(counts, changed):
            count += c
    for a, old in zip(arrays, before):
        a[...] = old
    return counts


@each_kernel
def test_K4_no_two_blocks_write_to_the_same_memory(name, monkeypatch):
    """A race that no run has lost so far is one all the same."""
    sn.set_threads(3)
    args, seen = real(name, 50), []
    expected = bits(name, args)

    def spy(run, blocks, arrays):
        seen.append((blocks, writes(run, blocks, arrays)))
        for block in range(blocks):
            run(block)
    instead_of_threads(monkeypatch, spy)
    assert bits(name, args) == expected
    assert not seen or max(blocks for blocks, _ in seen) > 1
    for blocks, counts in seen:
        assert all(c.max(initial=0) <= 1 for c in counts)
        assert any(c.size and c.min() == 1 for c in counts) or name in ("nearest", "reassigned")   # these fill up tiles
    assert seen or name in ("take_pixels", "put_pixels")     # these use one thread


def test_K4_a_shared_sum_is_noticed():
    total, own = np.zeros(3), np.zeros(4)

    def run(block):
        own[block] = 1
        total[1] += 1
    counts = {a.size: a.tolist() for a in writes(run, 4, [total, own])}
    assert counts == {3: [0, 4, 0], 4: [1, 1, 1, 1]}


def test_K4_numba_starts_no_threads_and_is_used_in_one_place():
    """Loops are compiled by kernel.py only, which gives each its options; five files write instructions for it."""
    users = {"kernel.py", "kernel_cache.py", "atomic.py", "addresses.py", "instructions.py", "registers.py", "transposes.py"}
    for path in (ROOT / "scratchnet").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else \
                [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(m.split(".")[0] == "numba" for m in modules):
                assert path.name in users or "exercises" in path.parts, path
    loops = [loop for loop, _ in compiled_loops() if loop.__module__.startswith("scratchnet.")]
    for name in NAMES:
        bits(name, real(name, 1))
    assert loops or (loops := [loop for loop, _ in compiled_loops()])
    for loop in loops:
        options = loop.targetoptions
        assert options["nogil"] and not options.get("parallel") and options.get("fastmath") is not True
        assert not set(options["fastmath"]) - {"contract", "reassoc", "nsz"}


def compiled_loops() -> list[tuple]:
    """(loop, module) of everything that Numba was given in scratchnet, but for what learners are to write."""
    return [(thing, n) for n, m in list(sys.modules.items()) if n.startswith("scratchnet.") and ".exercises" not in n
            for thing in list(vars(m).values()) if hasattr(thing, "py_func")]


# ---- K5 -----------------------------------------------------------------------------------------

@pytest.mark.full
@pytest.mark.parametrize("setting, choice", [
    ("NUMBA_BOUNDSCHECK", "numba"), ("NUMBA_DISABLE_JIT", "stored_case and (numba-3 or numba-7) or R3_numba")])
def test_K5_tests_pass_with_bounds_checked_and_without_compiling(setting, choice):
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/test_conv_torch.py", "tests/test_vae.py",
                           "-k", choice], cwd=ROOT, env={**os.environ, setting: "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout


def test_K5_loops_are_plain_python_without_compiling():
    code = "import scratchnet as sn, numpy as np; from scratchnet.ops import pool; " \
           "print(sn.max_pool2d(np.arange(16.).reshape(1, 1, 4, 4), 2).ravel(), type(pool.argmax_loop).__name__)"
    for env in ({"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_DISABLE_JIT": "0"}):
        kind = "function" if env["NUMBA_DISABLE_JIT"] == "1" else "CPUDispatcher"
        assert python(code, **env).stdout == f"[ 5.  7. 13. 15.] {kind}\n"
