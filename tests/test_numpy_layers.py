"""The diagnosis on backwards it was not made for: single-edit mutants of layers as courses write them.

Every mutant that computes something else must be caught; most should be named; a name must be true, so it must be
found again on fresh draws.  `python -m tests.test_numpy_layers 20` prints the table for 20 mutants a layer.
"""
from __future__ import annotations

import sys
import warnings
from collections import Counter
from typing import Iterator

import numpy as np
import pytest

import scratchnet as sn
from tests import numpy_cells
from tests.conftest import size
from tests.mutation import Mutant, mutants, time_limit
from tests.numpy_layers import LAYERS, Layer

assert numpy_cells
CRASHED, SAME, MISSED, UNKNOWN, UNSTABLE, NAMED = "crashed", "the same", "MISSED", "unknown", "UNSTABLE", "named"


def gradients(layer: Layer, backward, draws: int = 12) -> list:
    """What a backward returns for some draws and random g."""
    rng, found = np.random.default_rng(77), []
    for _ in range(draws):
        arrays = layer.sample(rng)
        g = rng.standard_normal(np.shape(layer.forward(*arrays)))
        result = backward(g, *(a.copy() if isinstance(a, np.ndarray) else a for a in arrays))
        found += [d for d in (result if isinstance(result, tuple) else [result]) if d is not None]
    return found


def alike(a, b) -> bool:
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-9, atol=1e-12)


def names(layer: Layer, mutant: Mutant, seed: int) -> set | None:
    """(target, code, detail) of every finding; None if the checker is content."""
    try:
        sn.check_backward(layer.forward, mutant.function, layer.sample, rng=seed)
    except sn.GradientError as e:
        return {(f.target, f.code, f.detail) for f in e.findings}
    return None


def verdict(layer: Layer, mutant: Mutant) -> tuple[str, set]:
    """What became of one mutant, and the checker's names for it."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with time_limit(20):
                theirs = gradients(layer, mutant.function)
        except Exception:
            return CRASHED, set()
        ours = gradients(layer, layer.backward)
        if len(ours) == len(theirs) and all(map(alike, ours, theirs)):
            return SAME, set()
        found = names(layer, mutant, 0)
        if found is None:
            return MISSED, set()
        if any(code == "UNKNOWN" for _, code, _ in found):
            return UNKNOWN, found
        again = names(layer, mutant, 1) or set()
        if not any(code == "UNKNOWN" for _, code, _ in again) and {f[:2] for f in found} != {f[:2] for f in again}:
            return UNSTABLE, found | again
    return NAMED, found


def wrong_ones(layer: Layer, count: int) -> Iterator[tuple[Mutant, str, set]]:
    """`count` mutants of a layer's backward that are wrong; those that crash or compute the same say nothing about names."""
    every = list(mutants(layer.backward))
    for i in np.random.default_rng(5).permutation(len(every)):
        what, keys = verdict(layer, every[i])
        if what not in (CRASHED, SAME):
            yield every[i], what, keys
            count -= 1
        if count <= 0:
            return


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_the_layers_are_right(layer):
    sn.check_backward(layer.forward, layer.backward, layer.sample)


@pytest.mark.parametrize("layer", LAYERS[::size(3, 1)], ids=repr)
def test_mutants_are_caught_and_not_misnamed(layer):
    found = Counter(what for _, what, _ in wrong_ones(layer, size(1, 40)))
    print(layer, dict(found))
    assert found[MISSED] == 0 and found[UNSTABLE] <= 0.03 * found.total()


def main(count: int, *only: str) -> None:
    rows: Counter = Counter()                   # (layer or kind of edit, what) -> how many
    for layer in LAYERS if not only else [one for one in LAYERS if one.name in only]:
        for m, what, keys in wrong_ones(layer, count):
            print(f"{what:9} {m}  {'; '.join(f'{t} {code}:{detail}' for t, code, detail in sorted(keys))}", flush=True)
            rows.update((row, what) for row in (repr(layer), m.kind, "all"))
    for row in dict.fromkeys(row for row, _ in rows):
        n = sum(rows[row, what] for what in (NAMED, UNKNOWN, UNSTABLE, MISSED))
        print(f"{row:14} {n:4} wrong, caught {1 - rows[row, MISSED] / n:6.1%}, named {rows[row, NAMED] / n:6.1%}, "
              f"unstable {rows[row, UNSTABLE] / n:6.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
