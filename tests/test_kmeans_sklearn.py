"""k-means beside scikit-learn's, where that is installed: the same labels at every step, the same end."""
import warnings

import numpy as np
import pytest

import scratchnet as sn
from tests.conftest import size
from tests.kmeans_cases import both, each_dtype, fitted, rough


@both
@each_dtype
def test_M_same_labels_as_scikit_learn_at_every_step(algorithm, dtype):
    cluster, compared, seeds = pytest.importorskip("sklearn.cluster"), 0, size(1, 20)
    for seed in range(seeds):
        x, start = rough(seed, dtype=dtype)
        for n in range(1, 30):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = cluster.KMeans(6, init=start, n_init=1, max_iter=n, tol=0).fit(x)
            ours = fitted(x, start, algorithm=algorithm, max_iter=n, tol=0)
            if near_tie(x, ours, theirs):                      # each may round its own way; from there on the two part
                assert dtype == np.float32
                break
            compared += 1
            np.testing.assert_array_equal(ours.labels_, theirs.labels_)
            np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-4 if dtype == np.float32 else 1e-10,
                                       atol=1e-6)
            assert ours.n_iter_ == theirs.n_iter_ and ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-5)
    assert compared > 0.8 * 29 * seeds


def near_tie(x, ours, theirs) -> bool:
    """Whether labels differ, and only of rows that float32 cannot say to which of the two centres they are nearer."""
    rows = np.flatnonzero(ours.labels_ != theirs.labels_)
    x, c = x[rows].astype(np.float64), theirs.cluster_centers_.astype(np.float64)
    one, other = (np.square(x - c[labels[rows]]).sum(axis=1) for labels in (ours.labels_, theirs.labels_))
    return len(rows) > 0 and bool((np.abs(one - other) <= 1e-5 * (np.square(x).sum(axis=1) + np.square(c).sum(axis=1).max())).all())


def test_M_stops_where_scikit_learn_stops():
    cluster = pytest.importorskip("sklearn.cluster")
    for seed in range(5):
        x, start = rough(seed, n=2000)
        for tol in (1e-2, 1e-3, 1e-4):
            theirs = cluster.KMeans(6, init=start, n_init=1, tol=tol).fit(x)
            ours = fitted(x, start, tol=tol)
            assert ours.n_iter_ == theirs.n_iter_ and (ours.labels_ == theirs.labels_).all()


def test_M_empty_clusters_are_reseeded_as_in_scikit_learn():
    cluster = pytest.importorskip("sklearn.cluster")
    for seed in range(10):
        x, start = rough(seed)
        start[1], start[4] = 1000, -1000                       # no row is near these two
        theirs, ours = cluster.KMeans(6, init=start, n_init=1).fit(x), fitted(x, start)
        np.testing.assert_array_equal(ours.labels_, theirs.labels_)


@pytest.mark.full
@both
def test_M_mnist_pixels_as_scikit_learn_at_every_step(algorithm):
    """Real pixels, in float64, so that only exact ties could be told apart differently."""
    cluster = pytest.importorskip("sklearn.cluster")
    try:
        images, _ = sn.data.load("mnist")
    except sn.data.DataFileError as error:
        pytest.skip(str(error))
    x = images.reshape(len(images), -1).astype(np.float64)
    start = x[np.random.default_rng(0).choice(len(x), 10, replace=False)]
    for n in (1, 2, 3, 4, 5, 8, 12, 20, 40, 100):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = cluster.KMeans(10, init=start, n_init=1, max_iter=n, tol=0).fit(x)
        ours = fitted(x, start, algorithm=algorithm, max_iter=n, tol=0)
        np.testing.assert_array_equal(ours.labels_, theirs.labels_)
        assert ours.n_iter_ == theirs.n_iter_ and ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-9)
