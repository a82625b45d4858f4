"""Kernels without Numba (K10), with bounds checked or without compiling (K5); and what the source of a loop does without."""
from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("numba")

from tests.kernel_tools import ROOT, python


@pytest.mark.parametrize("why, reason", [
    ("sys.modules['numba'] = None", "Numba is not available"),                  # import numba now raises ImportError
    ("import numba, types; numba.version_info = types.SimpleNamespace(short=(0, 60))", "wrong numbers, 0.61 is needed")])
def test_K10_without_numba_the_references_run_and_say_so_once(why, reason):
    assert python(f"""
import sys, warnings
{why}
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import scratchnet as sn
    x = sn.Tensor(np.ones((2, 1, 4, 4)), requires_grad=True)
    assert not caught                           # importing alone is silent
    for _ in range(3):
        y = sn.max_pool2d(sn.relu(sn.conv2d(x, np.ones((1, 1, 3, 3)))), 2).sum()
        y.backward()
print(y.item(), x.grad.max(), len(caught), {reason!r} in str(caught[0].message))
""", SCRATCHNET_KERNELS="numba").stdout == "18.0 3.0 1 True\n"


def test_numpy_kernels_never_import_numba():
    assert python("""
import sys, numpy as np, scratchnet as sn
sn.max_pool2d(sn.relu(sn.conv2d(np.ones((2, 1, 4, 4)), np.ones((1, 1, 3, 3)))), 2)
print("numba" in sys.modules, sn.kernel.mode)
""", SCRATCHNET_KERNELS="numpy").stdout == "False numpy\n"


@pytest.mark.full
@pytest.mark.parametrize("setting", ["NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT"])
def test_K5_kernels_with_bounds_checked_and_without_compiling(setting, tmp_path):
    """K5: no index outside an array; and the loops are plain Python that a learner can step through."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-k", "whole_numbers", "tests/test_kernels.py"], cwd=ROOT,
                          env={**os.environ, setting: "1", "NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


# ---- rules for the source -----------------------------------------------------------------------

@pytest.mark.parametrize("word", ["prange", "fastmath=True", "guvectorize", "parallel=True"])
def test_words_that_kernels_do_without(word):
    for path in (ROOT / "scratchnet").rglob("*.py"):
        assert word not in path.read_text(), path
