"""k-means: its two half-steps, its promises (ids M of k-means), and scikit-learn beside it where that is installed."""
import warnings

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models import kmeans_loops, kmeans_sieve
from scratchnet.models.kmeans import ConvergenceWarning, KMeans, comfortable
from scratchnet.models.kmeans_steps import Means, assign, inertia, nearest, nearest_sketched, update
from tests.conftest import size

ALGORITHMS = ("lloyd", "sketch")
both = pytest.mark.parametrize("algorithm", ALGORITHMS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def blobs(seed=0, n=600, d=5, k=4, spread=1.0, dtype=np.float64, offset=0.0):
    """Rows around k centres, and which centre each is from."""
    rng = np.random.default_rng(seed)
    centres, own = 10 * rng.standard_normal((k, d)), rng.integers(0, k, n)
    return (centres[own] + spread * rng.standard_normal((n, d)) + offset).astype(dtype), own


def rough(seed=0, n=500, d=7, k=6, dtype=np.float64):
    """Rows without clusters, so that k-means takes many steps; the first k rows to start from."""
    x = np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)
    return x, x[:k].copy()


def fitted(x, start, **settings):
    """A fit from given centres, without the warning that max_iter was reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(len(start), init=start, **settings).fit(x)


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

@each_dtype
def test_M_a_sketch_gives_exactly_lloyds_result_at_every_step(dtype, kernels, monkeypatch):
    for seed in range(size(6, 60)):
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
    x, c = ((x + offset) * unit).astype(np.float32), None
    whole = kmeans_sieve.wide_sieve
    monkeypatch.setattr(kmeans_sieve, "wide_sieve", lambda x, rows, *a: seen.append(len(rows)) or whole(x, rows, *a))
    rows = kmeans_loops.Rows(x)
    c = np.stack([x[j::10].mean(axis=0) + x[j] / 2 for j in range(10)])
    labels = nearest_sketched(x, c, rows)
    assert 0 < sum(seen) < 400
    np.testing.assert_array_equal(labels, nearest.reference(x, c))


@both
@each_dtype
def test_M_inertia_never_rises(algorithm, dtype):
    for seed in range(size(3, 30)):
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
def test_M_fewer_places_than_clusters_is_a_warning(algorithm):
    x = np.repeat([[0.0, 1.0], [5.0, 5.0]], 10, axis=0)
    for init in ("k-means++", "random", x[:3]):
        with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(2\) found smaller than n_clusters \(3\).*duplicate"):
            km = KMeans(3, init=init, algorithm=algorithm, seed=0).fit(x)
        assert np.isfinite(km.cluster_centers_).all() and km.inertia_ == 0


def test_M_max_iter_reached_is_a_warning():
    x, start = rough()
    with pytest.warns(ConvergenceWarning, match="max_iter=2 reached while labels still changed.*Raise max_iter"):
        assert KMeans(6, init=start, max_iter=2).fit(x).n_iter_ == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KMeans(6, init=start, tol=0).fit(x)


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


def test_K3_same_bits_for_every_number_of_threads():
    x, start = rough(n=30_000, d=30)
    before, results = sn.kernel.threads, set()
    try:
        for n in (1, 2, 3):
            sn.set_threads(n)
            for algorithm in ALGORITHMS:
                km = fitted(x, start, algorithm=algorithm, max_iter=8)
                results.add((km.labels_.tobytes(), km.cluster_centers_.tobytes(), km.inertia_))
    finally:
        sn.set_threads(before)
    assert len(results) == 1


def test_mini_batches_come_near_all_rows_at_once():
    x, own = blobs(n=3000)
    whole, parts = KMeans(4, seed=0).fit(x), KMeans(4, seed=0, batch_size=100, max_iter=10, tol=1e-3).fit(x)
    assert whole.inertia_ * (1 - 1e-12) <= parts.inertia_ < 1.05 * whole.inertia_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mean = KMeans(1, init=x[:1], batch_size=7, max_iter=1).fit(x).cluster_centers_
    np.testing.assert_allclose(mean[0], x.mean(axis=0), rtol=1e-12)            # one centre, one pass: the mean of all


# ---- what is refused --------------------------------------------------------------------------------

X = np.arange(12.0).reshape(6, 2)
NAN, INF = X.copy(), X.copy()
NAN[3, 1], INF[5, 0] = np.nan, -np.inf


@pytest.mark.parametrize("call, message", [
    (lambda: KMeans(7).fit(X), r"n_samples=6 should be >= n_clusters=7"),
    (lambda: KMeans(0), r"n_clusters is 0, expected 1 or more"),
    (lambda: KMeans(-2), r"n_clusters is -2, expected 1 or more"),
    (lambda: KMeans(2.5), r"n_clusters is 2.5, expected a whole number"),
    (lambda: KMeans(True), r"n_clusters is True, expected a whole number"),
    (lambda: KMeans(2, tol="0.1"), r"tol is '0.1', expected a number, 0 or more"),
    (lambda: KMeans(2).fit([[1, 2], [3]]), r"fit: x has rows of different lengths"),
    (lambda: KMeans(2).fit(X * 1e-200), r"differences so small that their squares are 0; multiply x"),
    (lambda: KMeans(2, seed=-1).fit(X), r"seed -1, expected an integer, 0 or more"),
    (lambda: KMeans(2, n_init=0), r"n_init is 0, expected 1 or more"),
    (lambda: KMeans(2, max_iter=0), r"max_iter is 0, expected 1 or more"),
    (lambda: KMeans(2, tol=-1), r"tol is -1, expected a number, 0 or more"),
    (lambda: KMeans(2, algorithm="full"), r"algorithm is 'full', expected one of auto, lloyd, sketch"),
    (lambda: KMeans(2, init="kmeans++"), r"init is 'kmeans\+\+', expected \"k-means\+\+\", \"random\" or an array"),
    (lambda: KMeans(2, init=X[:3]).fit(X), r"init has shape \(3, 2\), expected .* = \(2, 2\)"),
    (lambda: KMeans(2, init=X[:2, :1]).fit(X), r"init has shape \(2, 1\), expected .* = \(2, 2\)"),
    (lambda: KMeans(2, init=NAN[3:5]).fit(X), r"init: x has nan in row 0, column 1"),
    (lambda: KMeans(2).fit(NAN), r"fit: x has nan in row 3, column 1, expected finite.*1 of 6 rows"),
    (lambda: KMeans(2).fit(INF), r"fit: x has -inf in row 5, column 0, expected finite.*1 of 6 rows"),
    (lambda: KMeans(2).fit(X[0]), r"x has shape \(2,\), expected \(rows, columns\).*x\[:, None\]"),
    (lambda: KMeans(2).fit(np.zeros((3, 1, 28, 28))), r"x has shape \(3, 1, 28, 28\).*x.reshape\(len\(x\), -1\)"),
    (lambda: KMeans(2).fit(X[:0]), r"x has shape \(0, 2\), expected \(rows, columns\) with at least one"),
    (lambda: KMeans(2).fit(X + 1j), r"x has dtype complex128, expected real numbers"),
    (lambda: KMeans(2).fit(X * 1e200), r"whose squares overflow; divide x by that"),
    (lambda: KMeans(2).predict(X), r"predict: this KMeans has no centres yet; call fit\(x\) first"),
    (lambda: KMeans(2, seed=0).fit(X).predict(X[:, :1]), r"predict: x has 1 columns, but the centres were fitted to 2"),
    (lambda: KMeans(2, seed=0).fit(X).transform(NAN), r"transform: x has nan in row 3, column 1"),
    (lambda: KMeans(2).fit(X, sample_weight=np.ones(5)), r"sample_weight has shape \(5,\), expected \(6,\)"),
    (lambda: KMeans(2).fit(X, sample_weight=-np.ones(6)), r"sample_weight has negative"),
    (lambda: KMeans(2).fit(X, sample_weight=np.zeros(6)), r"only zero entries"),
])
def test_what_cannot_work_is_refused_with_the_reason(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_lists_integers_and_tensors_are_taken():
    x = [[0, 0], [0, 1], [9, 9], [9, 8]]
    for given in (x, np.array(x), sn.Tensor(x), np.array(x, np.float32, order="F")):
        km = KMeans(2, seed=0).fit(given)
        assert km.labels_[0] == km.labels_[1] != km.labels_[2] == km.labels_[3]
        assert km.inertia_ == 1.0


# ---- scikit-learn -----------------------------------------------------------------------------------

@both
@each_dtype
def test_M_same_labels_as_scikit_learn_at_every_step(algorithm, dtype):
    cluster, compared, seeds = pytest.importorskip("sklearn.cluster"), 0, size(2, 20)
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
