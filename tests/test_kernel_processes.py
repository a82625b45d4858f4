"""Compiled loops and processes: many at once, and killed ones (K8); what the first call says, and how long it takes."""
from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from scratchnet import kernel_cache
from tests.cache_tools import FRESH, X, compilations, learner, run
from tests.conftest import size
from tests.kernel_tools import ROOT, as_before, forks, python      # noqa: F401  as_before: for every test
from tests.test_kernel_cache import cache      # noqa: F401  a fixture


# ---- K8 -----------------------------------------------------------------------------------------

TOGETHER = """
import os, random, signal, sys, tempfile, time
import numba
from tests.cache_tools import X, compilations, learner
rng = random.Random(0)
SOURCE = '''
from scratchnet.kernel import jit
@jit
def total(x):
    s = 0.5
    for i in range(len(x)):
        s += x[i]
    return s
'''

def run():
    module = learner(SOURCE)
    return module.total(X), compilations(module)

def child():
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if run()[0] == 3.5 else 3
        finally:
            os._exit(status)
    return pid

def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

numba.config.CACHE_DIR = tempfile.mkdtemp(dir=sys.argv[2])
run()                                           # so that Numba has loaded itself, once for all children
for trial in range(int(sys.argv[1])):
    numba.config.CACHE_DIR = tempfile.mkdtemp(dir=sys.argv[2])
    assert [status(pid) for pid in [child() for _ in range(8)]] == [0] * 8         # eight at once
    assert run() == (3.5, 0)

    numba.config.CACHE_DIR = tempfile.mkdtemp(dir=sys.argv[2])
    killed = 0
    for moment in [rng.uniform(0, most) for most in (0.02, 0.1, 0.2, 0.4)]:         # killed, again and again
        pid = child()
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        killed += status(pid) == -signal.SIGKILL
    assert status(child()) == 0
    assert run() == (3.5, 0)
    print(killed)
"""


@forks
def test_K8_eight_processes_at_once_and_killed_ones(tmp_path):
    trials = size(2, 20)
    done = subprocess.run([sys.executable, "-c", TOGETHER, str(trials), str(tmp_path)], capture_output=True, text=True,
                          timeout=1000, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.split()) == trials and sum(map(int, done.stdout.split())) >= 1      # some were killed in time


# ---- the first call -----------------------------------------------------------------------------

def test_a_first_compilation_is_announced_once_and_a_cached_one_not(cache, capfd):      # noqa: F811
    module = learner()
    assert capfd.readouterr().err == ""
    module.total(X)
    assert capfd.readouterr().err == "scratchnet: compiling kernels for this machine, once (some seconds) …\n"
    module.total(X.astype(np.float32))          # compiled too, and not announced again
    assert compilations(module) == 4 and capfd.readouterr().err == ""
    kernel_cache._said.clear()
    run()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("stderr", ["None", "closed"])
def test_no_terminal_to_announce_it_on(cache, monkeypatch, capfd, stderr):      # noqa: F811
    closed = open(os.devnull, "w")
    closed.close()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", eval(stderr))
        assert run() == (FRESH, 2)
    assert capfd.readouterr() == ("", "")


STEP = """
import numba, time
start = time.perf_counter()
import numpy as np, scratchnet as sn
from scratchnet.models.vae import VAE, train_step
model = VAE(rng=0)
x = np.random.default_rng(0).random((128, 1, 28, 28), np.float32)
terms = train_step(model, sn.optim.Adam(model.parameters()), x, rng=1)
seconds = time.perf_counter() - start
from tests.test_kernel_bits import compiled_loops
print(seconds, sum(sum(loop.stats.cache_misses.values()) for loop, _ in compiled_loops()), terms)
"""


@pytest.mark.full
def test_first_training_step_cold_and_warm(tmp_path):
    """Seconds beyond importing Numba, with the first compilation and without."""
    runs = [python(STEP, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    (cold, some, *first), (warm, none, *second) = (r.stdout.split() for r in runs)
    assert int(some) > 5 and int(none) == 0 and first == second
    assert float(cold) < 20 and float(warm) < 3
    assert "compiling kernels" in runs[0].stderr and runs[1].stderr == ""
