"""Bugs that were reported against real projects, and slips of our own: every one is caught, most are named, none by a wrong name."""
from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import scratchnet as sn
from tests import planted_real_images, planted_slips_more
from tests.conftest import size
from tests.planted_real import BUGS, Bug
from tests.planted_slips import SLIPS
from tests.right_ones import RIGHT

assert planted_real_images and planted_slips_more              # which add theirs to the lists


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


EVERY = size(2, 1)                              # the quick tier takes every second one


@pytest.mark.parametrize("bug", BUGS[::EVERY] + SLIPS[::EVERY], ids=repr)
def test_a_reported_bug_is_caught_where_it_is_and_not_misnamed(bug):
    for seed in range(size(1, 5)):
        found = findings(bug, seed)
        assert found, "not caught"
        assert {f.target for f in found} <= bug.targets | {"*"}, f"accused {[f.target for f in found]}"
        keys = [f"{f.code}:{f.detail}" for f in found if named(f)]
        assert all(key.startswith(bug.names) for key in keys), f"{keys}, none of {bug.names}: {found[0].text}"


@pytest.mark.parametrize("bugs, least", [(BUGS[::EVERY], 0.8), (SLIPS[::EVERY], 0.9)], ids=["reported", "slips"])
def test_most_are_named(bugs, least):
    with_name = [bug for bug in bugs if findings(bug, 0) and all(map(named, findings(bug, 0)))]
    print(f"{len(with_name)} of {len(bugs)} named")
    assert len(with_name) >= least * len(bugs)


@pytest.mark.parametrize("case", RIGHT, ids=repr)
def test_right_backwards_at_difficult_places_pass(case):
    for seed in range(size(1, 20)):
        sn.check_backward(case.forward, case.backward, case.sample, rng=seed)
