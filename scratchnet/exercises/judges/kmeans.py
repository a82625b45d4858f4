"""Both halves by value, empty clusters and ties among the cases; inertia never rises; the step is a gradient step."""
import numpy as np

from ..exercise import wrong
from ..judging import require, values

SIZES = ((9, 2, 3), (7, 1, 4), (4, 4, 4))


def draw(rng, N, D, M):
    x, c = rng.standard_normal((N, D)), rng.standard_normal((M, D))
    return x, c, rng.integers(0, M, N), rng.integers(1, 5, N).astype(float)


def judge(answer, right):
    rng = np.random.default_rng(0)
    draws = [draw(rng, *size) for size in SIZES]
    ties = (np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]))
    values("labels", answer.assign, right.assign, [(x, c) for x, c, _, _ in draws] + [ties],
           ("SUBST farthest", lambda x, c: ((x[:, None] - c[None]) ** 2).sum(2).argmax(1),
            "these are the farthest centres, not the nearest"),
           ("OVERSUMMED", lambda x, c: np.abs((x[:, None] - c[None]).sum(2)).argmin(1),
            "differences are added up before they are squared: they cancel"),
           ("SUBST dot product", lambda x, c: (x @ c.T).argmax(1),
            "the largest product x·c is not the smallest distance: |c|² counts too"))
    whole = [(x, np.arange(len(x)) % len(c), c, a) for x, c, _, a in draws]
    some_empty = [(x, np.zeros_like(y), c, a) for x, c, y, a in draws] + [(x, y, c, 0 * a) for x, c, y, a in draws]
    values("c", answer.update, right.update, whole,
           ("SUBST weights", lambda x, y, c, a: right.update(x, y, c, np.ones_like(a)),
            "the weights a are not used: a point of weight 2 must count as two"),
           ("RATIO count",
            lambda x, y, c, a: right.update(x, y, c, a) * sums(a, y, len(c)) / sums(np.ones_like(a), y, len(c)),
            "the weighted sum is divided by the number of points; divide by the sum of their weights"),
           ("RATIO sum", lambda x, y, c, a: right.update(x, y, c, a) * sums(a, y, len(c)),
            "this is the sum, not the mean: divide by Σ a"))
    values("c", answer.update, right.update, some_empty,
           ("EMPTY zero", lambda x, y, c, a: np.where(sums(a, y, len(c)) > 0, right.update(x, y, c, a), 0.0),
            "a centre without points goes to 0; it should stay where it is"))
    for x, c, _, a in draws:
        before = np.inf
        for _ in range(6):
            labels = answer.assign(x, c)
            now = right.inertia(x, labels, c, a)
            require(now <= before + 1e-9, "inertia", "MONOTONE", f"the inertia rose from {before:.6g} to {now:.6g}")
            before, c = now, answer.update(x, labels, c, a)


def sums(a, labels, M):
    """The weight of each cluster, (M, 1)."""
    return np.bincount(labels, weights=a, minlength=M)[:, None]


HINTS = ("two functions; the diagnosis names labels (assign) or c (update)",
         "assign: squared differences (N, M, D), a sum over the last axis, argmin over the centres; update: a loop "
         "over k with a mask labels == k",
         "start from c.copy(), so that a centre without points stays; divide by a[mine].sum(), and only where that is "
         "above 0")

BACKGROUND = """
∂inertia/∂c[k] = 2 Σ a·(c[k] − x): so the mean is c[k] − gradient / (2 Σ a), a gradient step whose size is just
right for this cluster (Bottou and Bengio 1995).  The labels are the other half: coordinate descent.  It ends in a
local minimum, which is why the first centres matter: k-means++ spreads them (Arthur and Vassilvitskii 2007).
"""

WRONG = (
    wrong("farthest instead of nearest", ".argmin(axis=1)", ".argmax(axis=1)", "labels SUBST:farthest"),
    wrong("differences added before squaring", "((x[:, None] - c[None]) ** 2).sum(axis=2)",
          "((x[:, None] - c[None]).sum(axis=2) ** 2)", "labels OVERSUMMED"),
    wrong("product for distance", "((x[:, None] - c[None]) ** 2).sum(axis=2).argmin(axis=1)",
          "(x @ c.T).argmax(axis=1)", "labels SUBST:dot product"),
    wrong("weights ignored", "(a[mine, None] * x[mine]).sum(axis=0) / a[mine].sum()", "x[mine].mean(axis=0)",
          "c SUBST:weights"),
    wrong("divided by the number of points", ".sum(axis=0) / a[mine].sum()", ".sum(axis=0) / mine.sum()",
          "c RATIO:count"),
    wrong("empty cluster divides 0 by 0", "        if a[mine].sum() > 0:\n            new[k]",
          "        with np.errstate(all=\"ignore\"):\n            new[k]", "c NOT_FINITE"),
    wrong("empty cluster goes to 0", "new = c.copy()", "new = np.zeros_like(c)", "c EMPTY:zero"),
    wrong("centres changed in place", "new = c.copy()", "new = c", "c MUTATES"),
)
