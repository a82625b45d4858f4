"""What the tests of the cache of compiled loops share: loops as a learner writes them, and how many were compiled."""
from __future__ import annotations

import sys
import types

import numpy as np

SOURCE = """
import math
import numpy as np
from scratchnet.kernel import jit

FACTOR = 10.0
TABLE = np.array([1.0, 2.0, 3.0])

@jit
def helper(x, plus=0.0):
    return x * 2.0 + plus

@jit(flags={"contract"})
def total(x, start=0.5):
    s = start
    for i in range(len(x)):
        s += helper(x[i]) + FACTOR + TABLE[1] + math.floor(math.pi)
    return s

@jit
def other(x):
    return x[len(x)]
"""
X = np.arange(3.0)                              # total(X) = 0.5 + 2·3 + 3·(10 + 2 + 3) = 51.5
FRESH = 51.5


def learner(source: str = SOURCE, name: str = "learner"):
    """The module of this source, with nothing compiled, as a new process would see it."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, f"{name}.py", "exec"), vars(module))
    return module


def compilations(module) -> int:
    return sum(sum(thing.stats.cache_misses.values()) for thing in vars(module).values() if hasattr(thing, "stats"))


def run(source: str = SOURCE) -> tuple[float, int]:
    """(total(X), how many loops were compiled for it)."""
    module = learner(source)
    return module.total(X), compilations(module)
