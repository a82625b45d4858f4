"""Bugs that were reported against real projects: every one is caught, most are named, none by a wrong name."""
from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import scratchnet as sn
from tests import planted_real_images
from tests.conftest import size
from tests.planted_real import BUGS, Bug

assert planted_real_images                      # which adds its bugs to the list


@lru_cache(maxsize=None)
def findings(bug: Bug, seed: int) -> list:
    with np.errstate(all="ignore"):
        try:
            sn.check_backward(bug.forward, bug.backward, bug.sample, rng=seed)
        except sn.GradientError as e:
            return e.findings
    return []


def named(finding) -> bool:
    return finding.code != "UNKNOWN"


@pytest.mark.parametrize("bug", BUGS, ids=repr)
def test_a_reported_bug_is_caught_where_it_is_and_not_misnamed(bug):
    for seed in range(size(1, 5)):
        found = findings(bug, seed)
        assert found, "not caught"
        assert {f.target for f in found} <= bug.targets | {"*"}, f"accused {[f.target for f in found]}"
        keys = [f"{f.code}:{f.detail}" for f in found if named(f)]
        assert all(key.startswith(bug.names) for key in keys), f"{keys}, none of {bug.names}: {found[0].text}"


def test_most_reported_bugs_are_named():
    with_name = [bug for bug in BUGS if findings(bug, 0) and all(map(named, findings(bug, 0)))]
    print(f"{len(with_name)} of {len(BUGS)} named")
    assert len(with_name) >= 0.65 * len(BUGS)
