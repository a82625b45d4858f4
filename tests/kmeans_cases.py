"""What the tests of k-means share: rows with and without clusters, a fit from given centres."""
import warnings

import numpy as np
import pytest

from scratchnet.models.kmeans import ConvergenceWarning, KMeans

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
