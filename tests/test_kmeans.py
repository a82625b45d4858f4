"""k-means: its two half-steps and its promises (ids M of k-means)."""
import warnings

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models.kmeans import ConvergenceWarning, KMeans
from scratchnet.models.kmeans_steps import Means, assign, inertia, update
from tests.conftest import size
from tests.kmeans_cases import blobs, both, each_dtype, fitted, rough


# ---- the two half-steps -----------------------------------------------------------------------------

def test_assign_takes_the_nearest_and_on_a_tie_the_first(kernels):
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert assign(x, np.array([[0.0], [2.0]])).tolist() == [0, 0, 1, 1]
    assert assign(x, np.array([[2.0], [0.0]])).tolist() == [1, 0, 0, 0]
    assert assign(x, np.array([[1.0], [1.0], [1.0]])).tolist() == [0, 0, 0, 0]


def test_G1_inertia_has_no_gradient_at_the_updated_centres():
    """∂J/∂c = Σ 2w(c − x): by the engine, whose sum of squares is J; and new = old − gradient / (2·W)."""
    (x, start), w = rough(), np.random.default_rng(1).random(500)
    labels = assign(x, start)

    def J(c):
        return (((c[labels] - x) ** 2) * w[:, None]).sum()
    sn.check_grad(J, start)
    c = sn.Tensor(start, requires_grad=True)
    J(c).backward()
    assert J(c).item() == pytest.approx(inertia(x, start, labels, w), rel=1e-13)
    new, W = update(x, labels, w, 6), np.bincount(labels, w, 6)[:, None]
    np.testing.assert_allclose(new, start - c.grad / (2 * W), rtol=1e-12, atol=1e-13)
    assert np.abs(sn.grad(J(at := sn.Tensor(new, requires_grad=True)), at).numpy()).max() < 1e-11


def test_update_of_an_empty_cluster_is_nan():
    new = update(np.ones((2, 3)), np.array([0, 2]), np.ones(2), 3)
    assert np.isnan(new[1]).all() and not np.isnan(new[[0, 2]]).any()


@each_dtype
def test_sums_that_follow_the_labels_equal_sums_made_anew(dtype, kernels):
    """Only rows that changed cluster are moved over; after many labelings nothing may have piled up."""
    rng = np.random.default_rng(0)
    x, w = (100 + rng.standard_normal((300, 4))).astype(dtype), 10.0 ** rng.integers(-9, 9, 300)
    means, labels, c = Means(x, w, 5), rng.integers(0, 5, 300), np.zeros((5, 4))
    for step in range(60):
        some = rng.random(300) < rng.choice([0.01, 0.2, 0.9])
        labels = np.where(some, rng.integers(0, 5, 300), labels)
        if step % 7 == 3:                                      # now and then one is empty, and is given a row
            labels = np.where(labels == 4, 0, labels)
        c, there = means.update(labels, c), means.labels
        assert (there != labels).sum() == 5 - len(np.unique(labels))
        W = np.bincount(there, w)
        np.testing.assert_allclose(means.weights, W, rtol=1e-12)
        np.testing.assert_allclose(c, update(x, there, w, 5), rtol=1e-12)


# ---- M: k-means as a whole --------------------------------------------------------------------------

@both
@each_dtype
def test_M_inertia_never_rises(algorithm, dtype):
    for seed in range(size(2, 30)):
        x, start = rough(seed, dtype=dtype)
        run = [fitted(x, start, algorithm=algorithm, max_iter=n, tol=0).inertia_ for n in range(1, 40)]
        assert (np.diff(run) <= 1e-12 * run[0]).all()
        history = fitted(x, start, algorithm=algorithm, tol=0).inertia_history_
        assert (np.diff(history) <= 1e-12 * history[0]).all() and len(history) > 5
        assert history[-1] == pytest.approx(fitted(x, start, tol=0).inertia_, rel=1e-12 if dtype == np.float64 else 1e-6)


def test_M_sixty_seeds_leave_no_nan_and_no_empty_cluster():
    for seed in range(60):
        x, own = blobs(seed, n=200)
        for init in ("k-means++", "random"):
            km = KMeans(4, init=init, n_init=1 if init == "random" else 10, seed=seed).fit(x)
            assert np.isfinite(km.cluster_centers_).all() and np.isfinite(km.inertia_)
            assert len(np.unique(km.labels_)) == 4
        best = fitted(x, np.stack([x[own == j].mean(axis=0) for j in np.unique(own)]))
        assert KMeans(4, seed=seed).fit(x).inertia_ <= best.inertia_ * (1 + 1e-9)


@both
def test_M_weight_n_equals_n_repeats(algorithm):
    x, start = rough(n=200)
    w = np.random.default_rng(0).integers(0, 4, 200)
    weighted = KMeans(6, init=start, algorithm=algorithm, tol=0).fit(x, sample_weight=w)
    repeated = KMeans(6, init=start, algorithm=algorithm, tol=0).fit(np.repeat(x, w, axis=0))
    np.testing.assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, rtol=1e-10)
    np.testing.assert_array_equal(np.repeat(weighted.labels_, w), repeated.labels_)
    assert weighted.inertia_ == pytest.approx(repeated.inertia_, rel=1e-12)
    assert weighted.score(x, sample_weight=w) == pytest.approx(-repeated.inertia_, rel=1e-12)


def test_M_labels_of_rows_without_weight_settle_too(kernels):
    """Only a row of weight 0 changes its cluster in the end: that counts as a change of labels."""
    x, w = np.array([[0.0], [1.0], [10.0], [11.0], [5.4]]), np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    km = KMeans(2, init=np.array([[0.0], [10.9]]), tol=0).fit(x, sample_weight=w)
    assert km.cluster_centers_.ravel().tolist() == [0.5, 10.5] and km.labels_.tolist() == [0, 0, 1, 1, 0]
    moved = KMeans(2, init=np.array([[-1.0], [11.5]]), tol=0).fit(np.r_[x[:4], [[5.3]]], sample_weight=w)
    assert moved.labels_.tolist() == [0, 0, 1, 1, 0] and moved.n_iter_ == 2


def test_M_scaling_all_weights_changes_nothing():
    x, w = rough()[0], np.random.default_rng(0).random(500)
    for init in ("k-means++", "random"):
        one, many = (KMeans(6, init=init, n_init=2, seed=1).fit(x, sample_weight=factor * w) for factor in (1, 1024))
        np.testing.assert_array_equal(one.labels_, many.labels_)
        np.testing.assert_allclose(one.cluster_centers_, many.cluster_centers_, rtol=1e-12)


def test_M_permuting_rows_permutes_labels():
    x, start = rough()
    order = np.random.default_rng(0).permutation(len(x))
    a, b = fitted(x, start), fitted(x[order], start)
    np.testing.assert_array_equal(a.labels_[order], b.labels_)


@both
def test_M_translation_and_rotation_move_the_centres_along(algorithm):
    x, start = rough()
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((7, 7)))
    plain = fitted(x, start, algorithm=algorithm)
    moved = fitted(x @ q + 5, start @ q + 5, algorithm=algorithm)
    np.testing.assert_array_equal(plain.labels_, moved.labels_)
    np.testing.assert_allclose(moved.cluster_centers_, plain.cluster_centers_ @ q + 5, atol=1e-12)


@both
def test_M_an_empty_cluster_gets_the_farthest_row(algorithm):
    x = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]])
    km = fitted(x, np.array([[0.0], [100.0], [2.0]]), algorithm=algorithm, max_iter=1)
    assert km.cluster_centers_.ravel().tolist() == [0.5, 11.0, 6.0]            # 11 was farthest from its centre, 2
    done = fitted(x, np.array([[0.0], [100.0], [200.0]]), algorithm=algorithm)
    assert sorted(done.cluster_centers_.ravel().tolist()) == [0.5, 2.0, 10.5] or len(set(done.labels_)) == 3


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_M_fewer_places_than_clusters_are_refused(algorithm, dtype):
    x = np.repeat(np.array([[0.0, 1.0], [5.0, 5.0]], dtype), 10, axis=0)
    for settings in ({}, {"init": "random"}, {"init": x[:3]}, {"batch_size": 7}):
        km = KMeans(3, algorithm=algorithm, seed=0, **settings)
        with pytest.raises(ValueError, match=r"only 2 of 20 rows are distinct, expected at least n_clusters=3: .*fewer clusters"):
            km.fit(x)
        assert not hasattr(km, "cluster_centers_")             # still as before fit
    km = KMeans(2, algorithm=algorithm, seed=0).fit(x)         # just as many
    assert km.inertia_ == 0 and sorted(map(tuple, km.cluster_centers_)) == [(0, 1), (5, 5)]


def test_M_a_cluster_left_empty_by_mini_batches_is_a_warning():
    """Two centres at one place, and every batch has rows for all the others."""
    x = np.array([2.0, 2, 5, 2, 1, 5, 0, 2])[:, None]
    with pytest.warns(ConvergenceWarning, match="3 clusters found, fewer than n_clusters=4, though enough rows are distinct"):
        KMeans(4, init=x[:4], max_iter=2, batch_size=3, seed=19).fit(x)


def test_M_max_iter_reached_is_a_warning():
    x, start = rough()
    with pytest.warns(ConvergenceWarning, match="max_iter=2 reached while labels still changed.*Raise max_iter"):
        assert KMeans(6, init=start, max_iter=2).fit(x).n_iter_ == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KMeans(6, init=start, tol=0).fit(x)


@each_dtype
def test_predict_transform_and_score_belong_together(dtype, kernels):
    x, _ = blobs(dtype=dtype)
    km = KMeans(4, seed=0)
    labels = km.fit_predict(x)
    np.testing.assert_array_equal(labels, km.labels_)
    np.testing.assert_array_equal(km.predict(x), km.labels_)
    distances = km.transform(x)
    assert distances.shape == (600, 4) and distances.dtype == km.cluster_centers_.dtype == dtype
    np.testing.assert_allclose(distances, np.sqrt(((x[:, None] - km.cluster_centers_) ** 2).sum(axis=2)), rtol=1e-5)
    np.testing.assert_array_equal(distances.argmin(axis=1), labels)
    assert km.score(x) == pytest.approx(-km.inertia_, rel=1e-12)
    assert km.inertia_ == pytest.approx((distances.astype(float).min(axis=1) ** 2).sum(), rel=1e-5)


def test_R1_same_seed_same_result():
    x, _ = rough()
    a, b, c = KMeans(6, seed=3).fit(x), KMeans(6, seed=3).fit(x), KMeans(6, seed=np.random.default_rng(3)).fit(x)
    for other in (b, c):
        np.testing.assert_array_equal(a.cluster_centers_, other.cluster_centers_)
    before = np.random.get_state()[1].copy()
    KMeans(3).fit(x)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_mini_batches_come_near_all_rows_at_once():
    x, own = blobs(n=3000)
    whole, parts = KMeans(4, seed=0).fit(x), KMeans(4, seed=0, batch_size=100, max_iter=10, tol=1e-3).fit(x)
    assert whole.inertia_ * (1 - 1e-12) <= parts.inertia_ < 1.05 * whole.inertia_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mean = KMeans(1, init=x[:1], batch_size=7, max_iter=1).fit(x).cluster_centers_
    np.testing.assert_allclose(mean[0], x.mean(axis=0), rtol=1e-12)            # one centre, one pass: the mean of all
