"""python -m tests.benchmarks: speed and memory beside PyTorch and Keras, where they are installed.

Numbers of threads are set here, before NumPy, Numba and the others are imported: that is when they read them.
"""
from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial

SECTIONS = ("steps", "ops", "kernels", "kmeans", "memory", "growth", "start")
IDLE = 0.3                                      # figures at 2 threads count below this load only


def options(words=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of every library")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="this section only (may be repeated)")
    parser.add_argument("--rounds", type=int, default=25, help="alternating runs of each (default: 25)")
    parser.add_argument("--apart", type=int, nargs="?", const=1, default=0, metavar="N",
                        help="steps: each library in a process of its own, taking turns; N such processes, one after the other")
    parser.add_argument("--write", action="store_true", help="put the results into docs/benchmarks.md and docs/images/")
    chosen = parser.parse_args(words)
    if chosen.threads < 1 or chosen.rounds < 1:
        parser.error("--threads and --rounds must be 1 or more")
    return chosen


def set_threads(n: int) -> None:
    if "numpy" in sys.modules:
        raise RuntimeError("NumPy is already imported: its threads can no longer be set")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(n)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    chosen = options()
    set_threads(chosen.threads)
    from . import clusters, growth, measure, processes, report
    from .timing import Machine
    functions = {"steps": partial(measure.steps, apart=chosen.apart), "ops": measure.ops, "kernels": measure.kernels,
                 "kmeans": clusters.kmeans, "memory": processes.memory, "growth": growth.growth, "start": processes.start}
    machine, results, begin = Machine(), {}, time.monotonic()
    print(f"{report.described(chosen.threads)}; load {report.number(machine.before)}")
    for name in chosen.only or SECTIONS:
        print(f"{name}: {report.notes()[name]}", flush=True)
        results[name] = functions[name](chosen.threads, chosen.rounds)
    state = machine.now()
    print(report.load_line(chosen.threads, state, IDLE))
    print(f"{time.monotonic() - begin:.0f} seconds")
    if chosen.write:
        report.write(results, chosen, state, IDLE)


if __name__ == "__main__":
    main()
