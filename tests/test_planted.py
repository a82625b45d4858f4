"""Known mistakes are noticed, and called by their names: the 117 of tests/planted/ (full tier: over five seeds; quick: every fourth, once)."""
from collections import Counter

import pytest

import scratchnet as sn
from tests.conftest import size
from tests.planted.mistakes import MISTAKES
from tests.planted.ops import PAIRS


def keys_found(mistake, seed: int) -> list[str]:
    """What the checker says; [] if it says nothing."""
    forward, backward = mistake.make()
    at_kinks = "left" if mistake.pair is PAIRS["relu"] else None         # relu'(0) = 0 is the convention of this project
    try:
        sn.check_backward(forward, backward, mistake.pair.sample(), rng=seed, wrt=mistake.pair.wrt, at_kinks=at_kinks)
    except sn.GradientError as e:
        assert all(f.text and str(f) in str(e) for f in e.findings)
        return [f.key for f in e.findings]
    return []


def verdict(mistake, seed: int) -> str:
    found = keys_found(mistake, seed)
    if any(key.startswith(mistake.accepted) for key in found):
        return "named"
    return "missed" if not found else "unknown" if any(key.startswith("UNKNOWN") for key in found) else f"misnamed {found}"


def test_there_are_117_and_their_labels_name_real_codes():
    assert len(MISTAKES) == 117 and all(m.accepted for m in MISTAKES)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=lambda p: p.name)
def test_the_right_backwards_pass(pair):
    for seed in range(size(1, 50)):
        sn.check_backward(pair.forward, pair.backward, pair.sample(), rng=seed, wrt=pair.wrt)


def test_planted_mistakes_are_noticed_and_named():
    seeds, some = range(size(1, 5)), MISTAKES[::size(4, 1)]
    verdicts = {(m, seed): verdict(m, seed) for m in some for seed in seeds}
    count = Counter(v.split()[0] for v in verdicts.values())
    print(f"{len(verdicts)} checks: {dict(count)}")
    assert count["missed"] == 0, [repr(m) for (m, _), v in verdicts.items() if v == "missed"]
    assert count["named"] >= 0.95 * len(verdicts), {repr(m): v for (m, _), v in verdicts.items() if v != "named"}
    assert count["misnamed"] <= 0.01 * len(verdicts), {repr(m): v for (m, _), v in verdicts.items() if v.startswith("misnamed")}
