"""Loops that are written in LLVM's own instructions (registers.py, transposes.py) against what they are in plain Python."""
from __future__ import annotations

import inspect
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given, strategies as st

pytest.importorskip("numba")

from scratchnet import kernel_cache
from scratchnet.kernel import jit
from scratchnet.ops.lanes import into_lanes, into_lanes_where, out_of_lanes, sixteen, sixteen_leaky, sixteen_where
from scratchnet.ops.matmul_kernels import turn_sixteen
from scratchnet.ops.products import product, product_transposed
from tests.cache_tools import compilations, learner
from tests.kernel_tools import ROOT
from tests.runs import ENVIRONMENT, RUNS, needs
from tests.test_kernel_cache import cache      # noqa: F401  a fixture

# One compiled loop for each intrinsic, which takes its place inside loops only; called from Python, the plain loop runs.


@jit
def do_product(a, b, y, b0, y0, n, add, start): product(a, b, y, b0, y0, n, add, start)
@jit
def do_transposed(a, b, y, a0, y0, n, add): product_transposed(a, b, y, a0, y0, n, add)
@jit
def do_turn(to, i, j, x, r, c): turn_sixteen(to, i, j, x, r, c)
@jit
def do_into(to, at, q, x, n, c): into_lanes(to, at, q, x, n, c)
@jit
def do_into_where(to, at, q, x, n, c, y, slope): into_lanes_where(to, at, q, x, n, c, y, slope)
@jit
def do_out(to, at, q, x, n, c, slope): out_of_lanes(to, at, q, x, n, c, slope)
@jit
def do_sixteen(to, a, x, b): sixteen(to, a, x, b)
@jit
def do_where(to, a, x, b, y, slope): sixteen_where(to, a, x, b, y, slope)
@jit
def do_leaky(to, a, x, b, slope): sixteen_leaky(to, a, x, b, slope)


WRITTEN = {"product": product, "transposed": product_transposed, "turn": turn_sixteen, "into": into_lanes,
           "into_where": into_lanes_where, "out": out_of_lanes, "sixteen": sixteen, "where": sixteen_where,
           "leaky": sixteen_leaky}


def compare(name: str, place: int, *args, exactly: bool = True) -> None:
    """Both versions write into args[place], which stands in a larger array of which they must leave the rest."""
    results = []
    for run in (globals()["do_" + name], inspect.unwrap(WRITTEN[name])):
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        room = np.full(args[place].size + 64, 7, args[place].dtype)
        target = room[32:-32].reshape(args[place].shape)
        target[...] = args[place]
        copies[place] = target
        with np.errstate(all="ignore"):
            run(*copies)
        assert (room[:32] == 7).all() and (room[-32:] == 7).all()
        for i, (a, before) in enumerate(zip(copies, args)):
            assert i == place or not isinstance(a, np.ndarray) or a.tobytes() == before.tobytes()
        results.append(target)
    if exactly:
        np.testing.assert_array_equal(*results)
    else:
        np.testing.assert_allclose(*results, rtol=1e-4 if results[0].dtype == np.float32 else 1e-12, atol=1e-5)


def numbers(rng, shape, dtype, whole=True):
    return (rng.integers(-4, 5, shape) if whole else rng.standard_normal(shape)).astype(dtype)


cases = given(seed=st.integers(0, 2**32), dtype=st.sampled_from([np.float32, np.float64]))


@cases
def test_product(seed, dtype):
    rng = np.random.default_rng(seed)
    M, P, n = rng.integers(1, 30), rng.integers(0, 20), rng.integers(1, 9)
    b0, y0, whole = *rng.integers(0, 3, 2), rng.random() < 0.5
    a = numbers(rng, (P, M) if rng.random() < 0.5 else (M, P), dtype, whole)
    a = a.T if a.shape != (M, P) or rng.random() < 0.2 and M == P else a
    b, y = numbers(rng, (P, 16 * (b0 + n)), dtype, whole), numbers(rng, (M, 16 * (y0 + n + 1)), dtype, whole)
    compare("product", 2, a, b, y, b0, y0, n, bool(rng.integers(2)), numbers(rng, M, dtype), exactly=whole)


def test_product_of_what_is_not_a_number():
    """A sum that starts anew does not look at what stood there."""
    a, b, y = np.ones((9, 5), np.float32), np.ones((5, 48), np.float32), np.full((9, 48), np.nan, np.float32)
    a[3, 2], b[1, 7], b[2, 9] = np.inf, np.nan, -np.inf
    compare("product", 2, a, b, y, 0, 0, 3, False, np.zeros(9, np.float32))
    compare("product", 2, a, b, y, 0, 0, 3, True, np.zeros(9, np.float32))


@cases
def test_product_transposed(seed, dtype):
    rng = np.random.default_rng(seed)
    F, P, n, a0, y0, whole = *(4 * rng.integers(1, 6, 2)), rng.integers(1, 9), *rng.integers(0, 3, 2), rng.random() < 0.5
    a, b = numbers(rng, (F, 16 * (a0 + n)), dtype, whole), numbers(rng, (P, 16 * n), dtype, whole)
    compare("transposed", 2, a, b, numbers(rng, (F, y0 + P + 1), dtype, whole), a0, y0, n, bool(rng.integers(2)), exactly=whole)


@cases
def test_transposes(seed, dtype):
    rng = np.random.default_rng(seed)
    pixels, n, c = rng.integers(16, 40), rng.integers(0, 3), rng.integers(0, 2)
    at, q, slope = rng.permutation(50)[:pixels], rng.integers(0, pixels - 15), dtype(rng.choice([0.0, 0.2, 1.0]))
    x, y = (special(rng, numbers(rng, (n + 17, 2, pixels), dtype)) for _ in range(2))
    row = special(rng, numbers(rng, 16 * 50, dtype))
    compare("into", 0, row, at, q, x, n, c)
    compare("into_where", 0, row, at, q, x, n, c, y, slope)
    compare("out", 3, row, at, q, x, n, c, slope)
    compare("turn", 0, numbers(rng, (20, 19), dtype), 3, 2, numbers(rng, (18, 33), dtype), 1, 16)


@cases
def test_sixteen(seed, dtype):
    rng = np.random.default_rng(seed)
    a, b, slope = *rng.integers(0, 5, 2), dtype(rng.choice([0.0, 0.2, 1.0]))
    to, x, y = (special(rng, numbers(rng, 30, dtype)) for _ in range(3))
    compare("sixteen", 0, to, a, x, b)
    compare("where", 0, to, a, x, b, y, slope)
    compare("leaky", 0, to, a, x, b, slope)


def special(rng, x):
    """A few of the numbers for which a product and a choice differ."""
    x.flat[rng.integers(0, x.size, 5)] = rng.choice([np.nan, np.inf, -np.inf, -0.0, 0.0], 5)
    return x


# ---- edits --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("file, old, new, result", [
    ("package.instructions", "FACTOR = 2.0", "FACTOR = 3.0", 9),            # a constant of a file that its file imports
    ("package.instructions", "fmul(a, b)", "fadd(a, b)", 5),                # a function
    ("package.instructions", "self.b.fmul(a, self.one)", "self.b.fadd(a, self.one)", 8),      # a method
    ("package.registers", "twice(code, values[0])", "twice(code, code.same(values[0]))", 6),  # the intrinsic itself
])
def test_K6_an_edit_of_an_intrinsic(cache, file, old, new, result):
    """Its instructions are in the machine code of the loop that calls it, and what writes them may be spread over files."""
    sources = {"package": "", "package.instructions": """
FACTOR = 2.0
class Code:
    def __init__(self, b, number): self.b, self.one = b, number(1.0)
    def same(self, a): return self.b.fmul(a, self.one)
def twice(code, a): return product(code.b, code.same(a), a.type(FACTOR))
def product(builder, a, b): return builder.fmul(a, b)
""", "package.registers": """
from numba import types
from package.instructions import Code, twice
def double(typing, a):
    def generate(context, builder, signature, values):
        code = Code(builder, values[0].type)
        return twice(code, values[0])
    return types.float64(types.float64), generate
"""}
    caller = """
from scratchnet.kernel import jit
@jit(intrinsic="registers.double")
def double(a): return 2 * a
@jit
def loop(x): return double(x)
"""
    assert old in sources[file]
    for version, expected, compiled in (({}, 6, 1), ({file: sources[file].replace(old, new)}, result, 1), ({}, 6, 0)):
        for name, source in {**sources, **version}.items():
            learner(source, name).__path__ = []
        module = learner(caller, "package.loops")
        assert (module.loop(3.0), compilations(module)) == (expected, compiled)


WRITES = """
import functools
from scratchnet.kernel_cache import files_of as other_module
TABLE, NUMBER = {"a": [1]}, 3
def plain(x, *, more=1): return x
@functools.cache
def cached(): return 4
class Writer:
    @property
    def width(self): return 5
    @staticmethod
    def count(): return 6
"""


@pytest.mark.parametrize("old, new", [("[1]", "[2]"), ("= {\"a\": [1]}, 3", "= {\"a\": [1]}, 4"),
                                      ("more=1", "more=2"), ("return x", "return 2"), ("return 4", "return 5"),
                                      ("return 5", "return 6"), ("return 6", "return 7")])
def test_K6_whatever_is_edited_in_a_file_that_writes_instructions(old, new):
    assert old in WRITES
    first, second = (kernel_cache.describe(kernel_cache.files_of(learner(source, "writes").__name__))
                     for source in (WRITES, WRITES.replace(old, new)))
    assert first != second


def test_numbers_of_two_kinds_are_refused():
    """The instructions are for one dtype; read as another, its numbers would be any."""
    one, other = np.ones((64, 64), np.float32), np.ones((64, 64))
    for args in ((one, other, one), (other, one, one), (one, one, other)):
        with pytest.raises(Exception, match="the instructions are for float"):
            do_product(*args, 0, 0, 4, False, np.zeros(64, np.float32))


# ---- other processors: fewer and shorter registers ----------------------------------------------------------

AVX = "+avx2,+avx,+fma,+sse4.2,+sse4.1,+ssse3,+sse3,+sse2,+sse,+popcnt,+bmi,+bmi2,+f16c,+cx16,+cmov,+fxsr,+64bit,+mmx,+lzcnt"
SSE = "+sse2,+sse,+fxsr,+mmx,+64bit,+cmov,+cx8"
HERE = ["tests/test_registers.py", "-k", "not processor"]
KERNELS = ["tests/test_kernels.py", "-k", "whole_numbers and (conv or matmul)"]


def on_processor(cpu, features, tests, folder):
    env = {**ENVIRONMENT, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(folder)}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], cwd=ROOT, env=env, capture_output=True, text=True)


OTHERS = {"haswell": ("haswell", AVX, HERE), "haswell, kernels": ("haswell", AVX, KERNELS),
          "x86-64": ("x86-64", SSE, HERE), "x86-64, kernels": ("x86-64", SSE, KERNELS)}
RUNS.update({name: partial(on_processor, *words) for name, words in OTHERS.items()})


@pytest.mark.skipif(os.uname().machine != "x86_64" if hasattr(os, "uname") else True, reason="another kind of processor")
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[needs(name)] + [pytest.mark.full] * (name != "haswell")) for name in OTHERS])
def test_on_a_processor_of_another_kind(name, ran):
    """Machine code for processors that this one can stand for."""
    assert ran[1].returncode == 0, ran[1].stdout[-3000:]
