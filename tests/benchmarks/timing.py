"""Times of several things from alternating runs, so that a slow moment of the machine meets all of them."""
from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np


class Spread(NamedTuple):
    """Median and quartiles."""
    median: float
    low: float
    high: float

    def __str__(self):
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def spread(numbers) -> Spread:
    low, median, high = np.percentile(numbers, [25, 50, 75])
    return Spread(float(median), float(low), float(high))


def alternate(runs: dict[str, Callable], rounds: int, *, warm: int = 3, least: float = 0.0, pause: float = 0.0
              ) -> dict[str, np.ndarray]:
    """Seconds of one call of each, per round: the first, the second, …, the first again, and so on.

    warm    rounds that do not count.        least   a turn calls often enough to take this many seconds.
    pause   before each turn, where several threads run: those of the other library spin for a while
            after their work, and would be in the way.
    """
    for run in runs.values():
        for _ in range(warm):
            run()
    calls = {name: max(1, int(np.ceil(least / timed(run)))) if least else 1 for name, run in runs.items()}
    seconds = {name: np.empty(rounds) for name in runs}
    gc.collect()
    gc.freeze()                                 # what was there before is not searched for garbage during a turn
    try:
        for i in range(rounds):
            for name, run in runs.items():
                time.sleep(pause)
                seconds[name][i] = timed(run, calls[name]) / calls[name]
    finally:
        gc.unfreeze()
    return seconds


def timed(run: Callable, calls: int = 1) -> float:
    """Seconds of so many calls in a row."""
    if hasattr(run, "timed"):                   # a process of its own measures itself
        return run.timed(calls)
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return time.perf_counter() - start


class Machine:
    """How busy it is besides this process, where the system tells: from the load and from /proc/stat."""

    def __init__(self):
        self.before, self.start, self.ticks = load(), time.monotonic(), busy()
        self.own = own()

    def now(self) -> dict[str, float | None]:
        """load before and now (minutes are averaged: ours included), and the cores that others used since."""
        others = None
        if self.ticks is not None:
            others = max(0.0, (busy() - self.ticks) - (own() - self.own)) / (time.monotonic() - self.start)
        return {"before": self.before, "after": load(), "others": others}


def load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):           # Windows
        return None


def busy() -> float | None:
    """Seconds of all processors spent on processes since the start of the machine; stolen ones count."""
    try:
        user, nice, system, _, _, irq, soft, steal, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def own() -> float:
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system
