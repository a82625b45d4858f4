"""What all tests share: two tiers of size, the two kernel sets, one thread.

    pytest               the quick tier: minutes, the same drawn cases every time
    pytest -m full       everything at full size, cases drawn anew; tests marked `full` run only here
"""
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")           # before NumPy is imported: it reads them once

import importlib.util
import signal

import hypothesis
import pytest

import scratchnet as sn
from tests.runs import begun, ran               # noqa: F401, fixtures

KERNELS = ("numpy", "numba") if importlib.util.find_spec("numba") else ("numpy",)
FULL = False                                    # whether this is the full tier


def pytest_configure(config):
    global FULL
    # A shell starts background jobs with Ctrl-C ignored, and their children inherit that; some tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    FULL = config.getoption("markexpr") == "full"
    hypothesis.settings.register_profile(
        "scratchnet", deadline=None, database=None, derandomize=not FULL, print_blob=FULL,
        suppress_health_check=list(hypothesis.HealthCheck))
    hypothesis.settings.load_profile("scratchnet")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """In the full tier every test counts as `full`: -m full leaves none out."""
    for item in items if FULL else ():
        item.add_marker("full")


def size(quick: int, full: int) -> int:
    """How many cases: `quick` by default, `full` in the full tier."""
    return full if FULL else quick


def for_all(strategy, check, count: int) -> None:
    """check(value) for `count` values that Hypothesis draws; a failing one is made small and printed."""
    seen = 0

    @hypothesis.settings(max_examples=count)
    @hypothesis.given(strategy)
    def run(value):
        nonlocal seen
        seen += 1
        check(value)

    run()
    assert seen >= count, f"only {seen} of {count} cases were drawn"


@pytest.fixture(params=KERNELS)
def kernels(request):
    """The test runs once with the NumPy kernels, once with the Numba kernels."""
    with sn.use_kernels(request.param):
        yield request.param
