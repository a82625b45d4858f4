"""k-means: the fast ways change no label: the sketch, float32, rows far from zero or tiny, any number of threads."""
import numpy as np
import pytest

import scratchnet as sn
from scratchnet import threads
from scratchnet.models import kmeans_loops, kmeans_sieve, kmeans_sums
from scratchnet.models.kmeans import comfortable
from scratchnet.models.kmeans_steps import nearest, reassigned
from scratchnet.models.kmeans_tiles import Rows
from tests.conftest import size
from tests.kmeans_cases import ALGORITHMS, blobs, both, each_dtype, fitted, rough


@each_dtype
def test_M_a_sketch_gives_exactly_lloyds_result_at_every_step(dtype, kernels, monkeypatch):
    for seed in range(size(3, 60)):
        rng = np.random.default_rng(seed)
        n, d, k = rng.integers(20, 400), rng.integers(1, 90), rng.integers(1, 12)
        monkeypatch.setattr("scratchnet.models.kmeans.WIDTH", int(rng.integers(1, 12)))    # columns of the sketch
        x = rng.standard_normal((n, d)) if seed % 2 else rng.integers(0, 4, (n, d))        # the second kind: full of ties
        x = (x + rng.choice([0, 3, 1e4])).astype(dtype)
        for steps in (1, 2, 3, 5, 9, 300):
            a, b = (fitted(x, x[:k], algorithm=name, max_iter=steps) for name in ALGORITHMS)
            np.testing.assert_array_equal(a.labels_, b.labels_)
            np.testing.assert_array_equal(a.cluster_centers_, b.cluster_centers_)
            assert (a.inertia_, a.n_iter_, a.inertia_history_) == (b.inertia_, b.n_iter_, b.inertia_history_)


@pytest.mark.parametrize("offset, unit", [(0, 1), (3, 1e-9), (0, 1e9)])
def test_a_sketch_settles_most_rows_and_never_a_wrong_one(monkeypatch, offset, unit):
    """Rows that spread in 12 of 200 directions, and a little in all: few are multiplied out."""
    pytest.importorskip("numba")
    rng, seen = np.random.default_rng(0), []
    x = rng.standard_normal((4000, 12)) @ rng.standard_normal((12, 200)) + 0.1 * rng.standard_normal((4000, 200))
    x = ((x + offset) * unit).astype(np.float32)
    rows, c = Rows(x), np.stack([x[j::10].mean(axis=0) + x[j] / 2 for j in range(10)])
    expected = nearest(x, c)                                   # compiles the file's loops, too
    whole = kmeans_sieve.wide_sieve
    monkeypatch.setattr(kmeans_sieve, "wide_sieve", lambda x, rows, *a: seen.append(len(rows)) or whole(x, rows, *a))
    labels, *_ = reassigned(x, c, rows, np.ones(4000), np.full(4000, -1))
    assert 0 < sum(seen) < 400
    np.testing.assert_array_equal(labels, nearest.reference(x, c))
    np.testing.assert_array_equal(labels, expected)


def test_rows_in_float64_are_sieved_in_float32_and_near_ties_are_settled_in_float64(monkeypatch):
    """Rows halfway between two centres, and a billionth off: float32 cannot see which side."""
    pytest.importorskip("numba")
    rng, seen = np.random.default_rng(0), []
    x, c = rng.standard_normal((6000, 10)), rng.standard_normal((7, 10))
    near = (c[rng.integers(0, 7, 600)] + c[rng.integers(0, 7, 600)]) / 2
    x[::10] = near + 1e-9 * rng.standard_normal((600, 10))
    expected = nearest.reference(x, c)
    assert (nearest.reference(near, c) != expected[::10]).sum() > 100
    np.testing.assert_array_equal(nearest(x, c), expected)
    settle = kmeans_loops.settle
    monkeypatch.setattr(kmeans_loops, "settle", lambda x, rows, *a: seen.append(len(rows)) or settle(x, rows, *a))
    np.testing.assert_array_equal(nearest(x, c), expected)
    assert 100 < sum(seen) < 700


@each_dtype
def test_labels_of_rows_much_smaller_than_others_are_exact(dtype):
    """Their squares and products have few digits in float32, or are 0."""
    x, c = np.random.default_rng(0).standard_normal((2, 700, 5))
    for scale in 10.0 ** np.arange(-25, -16):
        small, centres = ((scale * one).astype(dtype) for one in (x, c[:6]))
        beside = np.concatenate([small, x.astype(dtype)])
        np.testing.assert_array_equal(nearest(beside, centres)[:700], nearest.reference(small, centres))


@each_dtype
def test_labels_of_a_few_rows_much_larger_than_others_are_exact(dtype):
    """Their squares overflow in float32, and the unit of the tiles, found from some of the rows, does not know of them."""
    x, c = np.random.default_rng(0).standard_normal((2, 8000, 5))
    for scale in (1e18, 1e19, 3e19, 4e19, 5e19, 6e19, 8e19):
        large, centres = ((scale * one).astype(dtype) for one in (x, c[:6]))
        given = x.astype(dtype)
        given[1::2] = large[1::2]
        np.testing.assert_array_equal(nearest(given, centres), nearest.reference(given, centres))


@both
def test_labels_in_float32_are_those_of_float64_far_from_zero(algorithm, kernels):
    """A spread of 1 at an offset of 10⁴: ‖x‖² − 2xc + ‖c‖² would have lost every digit that matters."""
    x, _ = blobs(n=400, spread=3, dtype=np.float32, offset=1e4)
    km = fitted(x, x[:4], algorithm=algorithm)
    wide = fitted(x.astype(np.float64), x[:4].astype(np.float64), algorithm=algorithm)
    assert (km.labels_ != wide.labels_).sum() == 0
    assert km.inertia_ == pytest.approx(wide.inertia_, rel=1e-6)
    d = ((x[:, None].astype(np.float64) - km.cluster_centers_) ** 2).sum(axis=2)
    np.testing.assert_array_equal(km.labels_, d.argmin(axis=1))


def test_the_origin_loses_no_bit():
    rng = np.random.default_rng(0)
    for offset in (0, 7, 1e4, -3e6):
        x = rng.integers(0, 9, (50, 3)) + offset
        for dtype in (np.float32, np.float64):
            near, origin, variance = comfortable(x.astype(dtype))
            np.testing.assert_array_equal(near.astype(np.float64) + origin, x)
            assert np.abs(near).max() < 200 and variance == pytest.approx(x.var(axis=0).mean(), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e18, 1e30])
def test_the_scale_of_the_data_does_not_matter(scale):
    x, start = rough(dtype=np.float32)
    plain, scaled = fitted(x, start), fitted((x * scale).astype(np.float32), (start * scale).astype(np.float32))
    np.testing.assert_array_equal(plain.labels_, scaled.labels_)


def test_K3_same_bits_for_every_number_of_threads(monkeypatch):
    """Of a fit that is cut into many blocks."""
    monkeypatch.setattr(kmeans_sums, "PRODUCTS", 1 << 14)
    monkeypatch.setattr(kmeans_sums, "BLOCK", 1 << 12)
    x, start = rough(n=10_000, d=30)
    before, results = threads.threads, set()
    try:
        for n in (1, 2, 3):
            sn.set_threads(n)
            for algorithm in ALGORITHMS:
                km = fitted(x, start, algorithm=algorithm, max_iter=8)
                results.add((km.labels_.tobytes(), km.cluster_centers_.tobytes(), km.inertia_, *km.inertia_history_))
    finally:
        sn.set_threads(before)
    assert len(results) == 1 and len(x) / kmeans_sums.block_rows(x, len(start)) > 5
