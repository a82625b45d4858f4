"""Eighteen wrong backwards and seven right ones, for comparing gradient checkers: see test_rivals.py.

Each is made anew by a function without arguments: (forward, backward, arrays), with gradients for every array.
"""
from __future__ import annotations

import numpy as np

WRONG, RIGHT = {}, {}                           # what it does -> the function that makes it
rng = np.random.default_rng(0)
X, W, B = rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), rng.standard_normal(3)      # square: shapes hide nothing
ROW, KERNEL = rng.standard_normal((2, 7)), rng.standard_normal(3)
LABELS = np.array([0, 2, 1])


def wrong(what: str): return lambda make: WRONG.setdefault(what, make)
def right(what: str): return lambda make: RIGHT.setdefault(what, make)


def dense(x, w, b): return x @ w + b
def relu(x): return np.maximum(x, 0)
def sigmoid(x): return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@wrong("dense: dw returned transposed")
def _(): return dense, lambda g, x, w, b: (g @ w.T, g.T @ x, g.sum(0)), (X, W, B)


@wrong("dense: w not transposed in dx")
def _(): return dense, lambda g, x, w, b: (g @ w, x.T @ g, g.sum(0)), (X, W, B)


@wrong("dense: bias averaged, not summed")
def _(): return dense, lambda g, x, w, b: (g @ w.T, x.T @ g, g.mean(0)), (X, W, B)


@wrong("dense: backward computes in float32")
def _():
    def backward(g, x, w, b):
        g, x, w = (a.astype(np.float32) for a in (g, x, w))
        return tuple(d.astype(float) for d in (g @ w.T, x.T @ g, g.sum(0)))
    return dense, backward, (X, W, B)


@wrong("dense: remembers the input of its first call")
def _():
    kept = []

    def forward(x, w):
        if not kept:
            kept.append(x.copy())
        return x @ w
    return forward, lambda g, x, w: (g @ w.T, kept[0].T @ g), (X, W)


@wrong("relu: mask forgotten")
def _(): return relu, lambda g, x: g.copy(), (X,)


@wrong("relu: incoming gradient changed in place")
def _():
    def backward(g, x):
        g *= x > 0
        return g
    return relu, backward, (X,)


@wrong("sigmoid: 1 - y forgotten")
def _(): return sigmoid, lambda g, x: g * sigmoid(x), (X,)


@wrong("tanh: 1 - x² for 1 - y²")
def _(): return np.tanh, lambda g, x: g * (1 - x ** 2), (X,)


@wrong("softmax: as if elementwise")
def _(): return softmax, lambda g, x: g * softmax(x) * (1 - softmax(x)), (X,)


@wrong("squared error: 2 forgotten")
def _(): return lambda x, w: np.mean((x - w) ** 2), lambda g, x, w: (g * (x - w) / x.size, g * (w - x) / x.size), (X, W)


@wrong("a loss of size 1e-7: no gradient")
def _(): return lambda x: 1e-7 * np.sum(x ** 2), lambda g, x: np.zeros(x.shape), (X,)


def correlate(x, w): return np.stack([np.correlate(row, w, "valid") for row in x])
def correlate_dx(g, x, w): return np.stack([np.convolve(row, w) for row in g])
def correlate_dw(g, x, w): return sum(np.correlate(row, h, "valid") for row, h in zip(x, g))


@wrong("convolution: filter turned around in dx")
def _(): return correlate, lambda g, x, w: (correlate_dx(g, x, w[::-1]), correlate_dw(g, x, w)), (ROW, KERNEL)


@wrong("convolution: dw turned around")
def _(): return correlate, lambda g, x, w: (correlate_dx(g, x, w), correlate_dw(g, x, w)[::-1].copy()), (ROW, KERNEL)


def max_pool(x): return np.lib.stride_tricks.sliding_window_view(x, 3, axis=1).max(axis=2)


def max_pool_dx(g, x, add=True):
    dx = np.zeros(x.shape)
    for n, i in np.ndindex(g.shape):
        where = n, i + x[n, i:i + 3].argmax()
        dx[where] = g[n, i] + (dx[where] if add else 0)
    return dx


@wrong("max-pool: = for += where windows overlap")
def _(): return max_pool, lambda g, x: max_pool_dx(g, x, add=False), (np.array([[0.1, 0.4, 2.0, 0.3, 0.2, 0.8, 0.5]]),)


@wrong("indexing: = for += where an index repeats")
def _():
    def backward(g, x):
        dx = np.zeros(x.shape)
        dx[LABELS[[0, 0, 1]]] = g
        return dx
    return lambda x: x[LABELS[[0, 0, 1]]], backward, (X,)


def normalise(x): return (x - x.mean(0)) / (np.sqrt(x.var(0)) + 1e-6)


def normalise_dx(g, x, eps):
    n, d, s = len(x), x - x.mean(0), np.sqrt(x.var(0))
    return (g - g.mean(0)) / (s + 1e-6) - d * (g * d).sum(0) / (n * np.sqrt(s * s + eps) * (s + 1e-6) ** 2)


@wrong("batch norm: mean and variance held constant")
def _(): return normalise, lambda g, x: g / (np.sqrt(x.var(0)) + 1e-6), (X,)


@wrong("batch norm: another eps than in the forward")
def _(): return normalise, lambda g, x: normalise_dx(g, x, 1e-5), (X,)


# ---- right --------------------------------------------------------------------------------------------------

ON_ZERO = np.array([[0.0, -1.0, 2.0], [0.5, 0.0, -0.3]])


@right("relu at 0, slope 0")
def _(): return relu, lambda g, x: g * (x > 0), (ON_ZERO,)


@right("relu at 0, slope 1")
def _(): return relu, lambda g, x: g * (x >= 0), (ON_ZERO,)


@right("|x| at 1e-9 from 0")
def _(): return np.abs, lambda g, x: g * np.sign(x), (ON_ZERO + 1e-9,)


@right("max-pool with ties, overlapping windows")
def _(): return max_pool, max_pool_dx, (np.array([[1.0, 1, 0, 1, 1, 0, 0], [0, 0, 0, 1, 2, 2, 2]]),)


@right("clip on its bounds")
def _(): return lambda x: np.clip(x, -1, 1), lambda g, x: g * (np.abs(x) <= 1), (np.array([-1.0, 0.5, 1.0, 3.0]),)


@right("x² at 1e8")
def _(): return lambda x: x * x, lambda g, x: 2 * g * x, (1e8 * X,)


@right("softmax of logits of a thousand")
def _():
    def backward(g, x):
        p = softmax(x)
        return p * (g - (g * p).sum(axis=1, keepdims=True))
    return softmax, backward, (1e3 * X,)
