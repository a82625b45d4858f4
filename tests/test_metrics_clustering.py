"""Measures of agreement: by hand, by every permutation, beside scikit-learn, and what they refuse."""
from itertools import permutations

import numpy as np
import pytest

from scratchnet.metrics.clustering import accuracy, ari, confusion, matching, nmi, purity, silhouette
from tests.conftest import size

MEASURES = (accuracy, purity, nmi, ari)


def drawn(seed, n=60, classes=4, clusters=5):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, n), rng.integers(0, clusters, n)


def test_by_hand():
    labels, clusters = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 0, 0])
    assert confusion(labels, clusters).tolist() == [[1, 2, 1], [2, 0, 0]]
    assert accuracy(labels, clusters) == 4 / 6                  # cluster 1 is class 0, cluster 0 is class 1
    assert purity(labels, clusters) == 4 / 6
    log = np.log
    H, K = -(log(1 / 2) / 2 + log(1 / 3) / 3 + log(1 / 6) / 6), -(2 / 3 * log(2 / 3) + log(1 / 3) / 3)
    together = -(2 * log(1 / 6) / 6 + 2 * log(1 / 3) / 3)
    assert nmi(labels, clusters) == pytest.approx(2 * (H + K - together) / (H + K), rel=1e-14)
    R, A, B, pairs = 2, 7, 4, 15                                # pairs together in both, in clusters, in classes, in all
    assert ari(labels, clusters) == pytest.approx((R - A * B / pairs) / ((A + B) / 2 - A * B / pairs), rel=1e-14)


def test_the_same_groups_under_other_names_agree_wholly():
    labels, _ = drawn(0)
    renamed = np.array([3, 0, 2, 1])[labels]
    for measure in MEASURES:
        assert measure(labels, renamed) == pytest.approx(1, rel=1e-14)


def test_one_group_and_groups_of_one():
    one, all_apart = np.zeros(5, int), np.arange(5)
    for measure in MEASURES:
        assert measure(one, one) == 1 and measure(all_apart, all_apart) == pytest.approx(1)
    assert nmi(one, all_apart) == 0 and ari(one, all_apart) == 0
    assert accuracy(one, all_apart) == 0.2 and purity(one, all_apart) == 1
    assert accuracy(np.array([3]), np.array([7])) == 1


def test_unrelated_groups_have_an_ari_around_zero_but_not_a_purity():
    values = [ari(*drawn(seed, 1000)) for seed in range(30)]
    assert abs(np.mean(values)) < 0.002
    assert min(purity(*drawn(seed, 1000)) for seed in range(30)) > 0.25


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (5, 5), (6, 3), (3, 6), (1, 4), (4, 1)])
def test_no_matching_is_better(shape):
    """Against every one-to-one matching there is."""
    for seed in range(size(15, 300)):
        rng = np.random.default_rng(seed)
        n = rng.integers(0, 5 if seed % 2 else 1000, shape)     # few numbers: many ties
        pairs = matching(n)
        rows, columns = zip(*pairs)
        assert len(pairs) == min(shape) == len(set(rows)) == len(set(columns))
        short, long = (n, n.T)[shape[0] > shape[1]], max(shape)
        best = max(sum(short[r, c] for r, c in enumerate(p)) for p in permutations(range(long), min(shape)))
        assert sum(n[j, i] for j, i in pairs) == best


def test_matchings_of_large_tables_are_as_good_as_scipys():
    optimize = pytest.importorskip("scipy.optimize")
    for seed in range(10):
        n = np.random.default_rng(seed).normal(size=(40, 40 + seed))
        j, i = optimize.linear_sum_assignment(-n)
        assert sum(n[a, b] for a, b in matching(n)) == pytest.approx(n[j, i].sum(), rel=1e-12)


def test_scikit_learn_agrees():
    metrics = pytest.importorskip("sklearn.metrics")
    for seed in range(50):
        rng = np.random.default_rng(seed)
        labels, clusters = drawn(seed, rng.integers(1, 200), rng.integers(1, 12), rng.integers(1, 12))
        assert nmi(labels, clusters) == pytest.approx(metrics.normalized_mutual_info_score(labels, clusters), abs=1e-12)
        assert ari(labels, clusters) == pytest.approx(metrics.adjusted_rand_score(labels, clusters), abs=1e-12)
        k, c = clusters.max() + 1, labels.max() + 1
        np.testing.assert_array_equal(confusion(labels, clusters),
                                      metrics.confusion_matrix(clusters, labels, labels=range(max(k, c)))[:k, :c])


def test_silhouette_of_groups_far_apart_touching_and_of_one():
    x = np.array([[0.0], [1.0], [10.0], [11.0], [50.0]])
    a, b = np.array([1, 1, 1, 1, 0]), np.array([10.5, 9.5, 9.5, 10.5, 1])
    assert silhouette(x, np.array([0, 0, 1, 1, 2])) == pytest.approx(((b - a) / b)[:4].sum() / 5)     # one alone counts 0
    assert silhouette(x, np.array([0, 1, 0, 1, 0])) < 0
    with pytest.raises(ValueError, match="1 cluster.*expected at least 2"):
        silhouette(x, np.zeros(5, int))
    with pytest.raises(ValueError, match=r"x \(5, 1\) and clusters \(4,\)"):
        silhouette(x, np.arange(4))


def test_silhouette_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x, clusters = rng.normal(size=(80, 3)), rng.integers(0, 6, 80)
        x[clusters == 1] += 3
        assert silhouette(x, clusters, block=7) == pytest.approx(metrics.silhouette_score(x, clusters), rel=1e-10)


def test_measures_are_symmetric_where_they_should_be_and_do_not_see_the_order_of_rows():
    labels, clusters = drawn(3)
    order = np.random.default_rng(0).permutation(len(labels))
    for measure in MEASURES:
        assert measure(labels[order], clusters[order]) == measure(labels, clusters)
    for measure in (accuracy, nmi, ari):
        assert measure(clusters, labels) == pytest.approx(measure(labels, clusters), rel=1e-12)


def test_a_table_may_have_room_for_empty_groups():
    n = confusion(np.array([0, 1]), np.array([0, 0]), (3, 10))
    assert n.shape == (3, 10) and n.sum() == 2
    with pytest.raises(ValueError, match=r"shape is \(1, 1\), but there are 1 clusters and 2 classes"):
        confusion(np.array([0, 1]), np.array([0, 0]), (1, 1))


@pytest.mark.parametrize("labels, clusters, message", [
    ([0, 1], [0, 1, 1], r"labels \(2,\) and clusters \(3,\), expected one of each"),
    ([[0, 1]], [[0, 1]], r"labels has shape \(1, 2\), expected \(N,\)"),
    ([], [], r"labels has shape \(0,\), expected \(N,\) with N ≥ 1"),
    ([0, -1], [0, 1], r"labels holds -1, expected numbers from 0"),
    ([0, 1], [0.0, 1.0], r"clusters has dtype float64, expected integers"),
])
def test_what_cannot_be_compared_is_refused(labels, clusters, message):
    for measure in MEASURES:
        with pytest.raises((ValueError, TypeError), match=message):
            measure(labels, clusters)
