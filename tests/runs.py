"""Long runs, in processes of their own, that begin with the first test and go on beside the others, which use one thread.

A test that looks at such a run says `@needs(name)` and takes `ran`; RUNS[name] does it, in a folder that it is given.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import pytest

RUNS: dict[str, Callable[[Path], object]] = {}  # of all test files
ENVIRONMENT = dict(os.environ)                  # as it was at the start: a run may begin while a test has changed os.environ
needs = pytest.mark.needs


def needed(test) -> list[str]:
    return [name for mark in test.iter_markers("needs") for name in mark.args]


@pytest.fixture(scope="session", autouse=True)
def begun(request, tmp_path_factory):
    """{name: (folder, future of what the run returns)} of all runs that the selected tests need; each is done once."""
    names = dict.fromkeys(name for test in request.session.items for name in needed(test))
    folders = {name: tmp_path_factory.mktemp("run") for name in names}
    pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1))
    yield {name: (folder, pool.submit(RUNS[name], folder)) for name, folder in folders.items()}
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def ran(request, begun):
    """(folder, what the run returned) of the run that the test needs; of several, a list."""
    found = [(folder, future.result()) for folder, future in (begun[name] for name in needed(request.node))]
    return found[0] if len(found) == 1 else found
