"""k-means: what is refused, with the reason, and what is taken."""
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models.kmeans import KMeans

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
