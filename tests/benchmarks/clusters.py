"""k-means beside scikit-learn: the same rows, starts and number of steps, on MNIST or, without it, drawn digits."""
from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np

from .measure import Table, compared, ms, pause, ratio
from .timing import alternate

START = 0                                       # the seed that draws the first centres


def rows() -> dict[str, np.ndarray]:
    """60,000 × 784 pixels, and their ten widest principal components, whitened, in place of codes."""
    import scratchnet as sn
    name, _ = sn.data.choose("auto")
    images, _ = sn.data.load(name)
    return {f"pixels of {name}": images.reshape(len(images), -1),
            "10 principal components": sn.models.PCA(10).fit(images).whiten(images)}


def kmeans(threads: int, rounds: int) -> Table:
    """k-means with 10 clusters from the same centres, the same number of steps: 20, or as many as it takes to settle."""
    from scratchnet.models import KMeans
    table = []
    for name, x in rows().items():
        c = x[np.random.default_rng(START).choice(len(x), 10, replace=False)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                    # that max_iter was reached is what is asked for
            for steps in (20, KMeans(10, init=c).fit(x).n_iter_):
                for algorithm in ("lloyd", "sketch"):
                    runs = {"ours": lambda: KMeans(10, init=c, max_iter=steps, tol=0, algorithm=algorithm).fit(x)}
                    if find_spec("sklearn"):
                        from sklearn.cluster import KMeans as Theirs
                        runs["scikit-learn"] = lambda: Theirs(10, init=c, n_init=1, max_iter=steps, tol=0).fit(x)
                    seconds = alternate(runs, min(rounds, 5), warm=1, pause=pause(threads))
                    table.append([f"{name}, {steps} steps, {algorithm}", ms(seconds["ours"])])
                    for lib in runs.keys() - {"ours"}:
                        table[-1] += [ms(seconds[lib]), str(ratio(seconds, lib))]
                    print("   ", " | ".join(table[-1]), flush=True)
    return ["k-means", "ours, ms", *compared(["scikit-learn"] if find_spec("sklearn") else [])], table
