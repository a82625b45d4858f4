"""What needs a fresh process: peak memory, and the time from its start to the first training step."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from .measure import Table
from .nets import NAMES

ROOT = Path(__file__).parents[2]

# Linux: VmHWM, which belongs to this process alone; ru_maxrss starts at the size of the process that forked it.
PEAK = """
def peak():
    try:
        return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        import resource, sys
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
"""

WORKER = """
import sys
from tests.benchmarks import measure, nets, timing
library, name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
step = nets.our_step(name) if library == "ours" else measure.libraries(threads, library)[library](name)
print(step.parameters, flush=True)
for line in sys.stdin:
    print(timing.timed(step.run, int(line)), flush=True)
"""

MEMORY = PEAK + """
import json, sys
from tests.benchmarks import growth, measure, nets
library, name, batch, size, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
if library == "PyTorch":
    import torch
    torch.set_num_threads(threads)
step = growth.step(library, batch, size) if name == "stack" else \\
    {"ours": nets.our_step, "PyTorch": nets.torch_step}[library](name, batch)
built = peak()
for _ in range(5):
    step.run()
print(json.dumps([built, peak()]))
"""

START = """
import time; begin = time.time()
import json, sys
start = float(sys.argv[1])
import numpy as np, scratchnet as sn
from scratchnet.models.vae import VAE, train_step
ours = time.time()
import numba
imported = time.time()
model = VAE(rng=0)
train_step(model, sn.optim.Adam(model.parameters()), np.random.default_rng(0).random((128, 1, 28, 28), np.float32), rng=1)
end = time.time()
print(json.dumps([begin - start, ours - begin, imported - ours, end - imported, end - start]))
"""


class Worker:
    """A library alone in its process, with its own heap: it makes steps when asked to."""

    def __init__(self, library: str, name: str, threads: int):
        self.process = subprocess.Popen([sys.executable, "-c", WORKER, library, name, str(threads)], cwd=ROOT, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.parameters = int(self.process.stdout.readline())

    def timed(self, calls: int) -> float:
        """Seconds of so many steps in a row."""
        self.process.stdin.write(f"{calls}\n")
        self.process.stdin.flush()
        if not (line := self.process.stdout.readline()):
            raise RuntimeError(f"a benchmark process ended: {self.process.args[3:]}")
        return float(line)

    def __call__(self) -> None:
        self.timed(1)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def run(code: str, *words: object, **environment: str) -> list[float]:
    """What a fresh process prints last, as JSON."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], cwd=ROOT, env={**os.environ, **environment},
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"a benchmark process failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_growth(library: str, name: str, threads: int, batch: int = 128, size: int = 28) -> float:
    """MB by which the largest resident size grows between the built model and the end of step 5."""
    built, later = run(MEMORY, library, name, batch, size, threads)
    return later - built


def memory(threads: int, rounds: int) -> Table:
    """MB by which the largest resident size grows from the built model to step 5, a fresh process each, batch 128."""
    others, rows = ["PyTorch"] if find_spec("torch") else [], []
    for name in ("vae", "dcgan"):
        peak_growth("ours", name, threads)                       # fills the cache of compiled kernels
        ours = peak_growth("ours", name, threads)
        rows.append([NAMES[name], f"{ours:.0f}"])
        for lib in others:
            theirs = peak_growth(lib, name, threads)
            rows[-1] += [f"{theirs:.0f}", f"{ours / theirs:.2f}"]
        print("   ", " | ".join(rows[-1]), flush=True)
    return ["training", "ours, MB", *(text for lib in others for text in (f"{lib}, MB", f"ours / {lib}"))], rows


def start(threads: int, rounds: int) -> Table:
    """Seconds from the start of a process to the end of the first VAE step, without and with compiled kernels on disk."""
    rows = []
    run(START, time.time())                                      # brings the libraries' files into memory
    with tempfile.TemporaryDirectory() as folder:
        for title in ("cold: nothing compiled yet", "warm"):
            seconds = run(START, time.time(), NUMBA_CACHE_DIR=folder)
            rows.append([title, *(f"{s:.2f}" for s in seconds)])
            print("   ", " | ".join(rows[-1]), flush=True)
    return ["kernel cache", "Python", "import NumPy, scratchnet", "import Numba", "the first step", "in all, s"], rows
