"""k-means, which is gradient descent too

Every point belongs to its nearest centre; every centre moves to the mean of its points; again, until nothing
moves.  Each half can only lower the inertia, the sum of squared distances.

Formula
    label of x[n] = the k with the smallest Σ_d (x[n,d] − c[k,d])²            of equals, the first
    c[k] = Σ_n a[n]·x[n] / Σ_n a[n]                over the n with label k; a[n] is the weight of point n
    inertia = Σ_n a[n]·|x[n] − c[label n]|²
    A centre without points (or with weight 0) stays where it is.

Shapes
    x (N, D)    c (M, D) centres    labels (N,) integers    a (N,) weights ≥ 0    inertia one number

Example
    >>> x, c = np.array([[0.], [1.], [10.]]), np.array([[0.], [8.], [50.]])
    >>> assign(x, c)
    array([0, 0, 1])
    >>> update(x, np.array([0, 0, 1]), c, np.array([1., 3., 1.]))      # (1·0 + 3·1) / 4;  10;  50 stays
    array([[ 0.75],
           [10.  ],
           [50.  ]])

To do
    Both halves of a step.  x[:, None] − c[None] has shape (N, M, D).
"""
import numpy as np


def assign(x, c):
    # >>> one or two lines
    return ((x[:, None] - c[None]) ** 2).sum(axis=2).argmin(axis=1)
    # <<<


def update(x, labels, c, a):
    # >>> about six lines
    new = c.copy()
    for k in range(len(c)):
        mine = labels == k
        if a[mine].sum() > 0:
            new[k] = (a[mine, None] * x[mine]).sum(axis=0) / a[mine].sum()
    return new
    # <<<


def inertia(x, labels, c, a):
    return np.sum(a * np.sum((x - c[labels]) ** 2, axis=1))
