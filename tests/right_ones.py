"""Right backwards at places where a careless check accuses: kinks and ties, saturation, cancellation, real-only forwards."""
from __future__ import annotations

import numpy as np

from tests.planted_real import Bug, sigmoid, softmax

RIGHT: list[Bug] = []


def right(make):
    RIGHT.append(Bug(make.__name__, frozenset(), (), *make()))
    return make


@right
def hinge_at_the_margin():
    def forward(s, t): return np.maximum(0, 1 - s * t).sum()
    def backward(g, s, t): return -g * t * (s * t < 1), -g * s * (s * t < 1)
    def sample(rng): return rng.choice([-1.0, 0.0, 1.0, 2.0], (3, 4)), rng.choice([-1.0, 1.0], (3, 4))
    return forward, backward, sample


@right
def absolute_error_of_equal_numbers():
    def forward(p, t): return np.abs(p - t).mean()
    def backward(g, p, t): return g * np.sign(p - t) / p.size, -g * np.sign(p - t) / p.size
    def sample(rng): return rng.integers(0, 3, (4, 3)).astype(float), rng.integers(0, 3, (4, 3)).astype(float)
    return forward, backward, sample


@right
def relu6_at_both_bounds():
    def forward(x): return np.minimum(np.maximum(x, 0), 6)
    def backward(g, x): return g * ((x > 0) & (x < 6))
    def sample(rng): return rng.choice([-1.0, 0.0, 3.0, 6.0, 7.0], (5, 3)),
    return forward, backward, sample


@right
def median_of_ties_shared():
    def forward(x): return np.median(x, axis=1)
    def backward(g, x):
        on = x == np.median(x, axis=1)[:, None]
        return g[:, None] * on / on.sum(axis=1, keepdims=True)
    def sample(rng): return rng.permuted(np.tile([1.0, 2.0, 2.0, 2.0, 5.0], (3, 1)), axis=1),
    return forward, backward, sample


@right
def largest_first_of_ties():
    def forward(x): return x.max(axis=1)
    def backward(g, x): return g[:, None] * (np.arange(x.shape[1]) == x.argmax(axis=1)[:, None])
    def sample(rng): return rng.integers(0, 3, (4, 5)).astype(float),
    return forward, backward, sample


@right
def sorted_rows():
    def forward(x): return np.sort(x, axis=1)
    def backward(g, x):
        d = np.zeros_like(x)
        np.put_along_axis(d, np.argsort(x, axis=1), g, axis=1)
        return d
    def sample(rng): return rng.standard_normal((3, 5)),
    return forward, backward, sample


@right
def huber_at_delta():
    def forward(d): return np.where(np.abs(d) <= 1, 0.5 * d * d, np.abs(d) - 0.5).sum(axis=0)
    def backward(g, d): return g * np.clip(d, -1, 1)
    def sample(rng): return rng.choice([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0], (4, 3)),
    return forward, backward, sample


@right
def saturated_sigmoid():
    def forward(x): return sigmoid(x)
    def backward(g, x): return g * sigmoid(x) * sigmoid(-x)
    def sample(rng): return rng.uniform(-30, 30, (4, 3)),
    return forward, backward, sample


@right
def stable_cross_entropy_of_large_logits():
    def forward(z, y):
        z = z - z.max(axis=1, keepdims=True)
        return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), y]).mean()

    def backward(g, z, y):
        d = softmax(z)
        d[np.arange(len(z)), y] -= 1
        return g * d / len(z), None

    def sample(rng): return 300 * rng.standard_normal((4, 5)), rng.integers(0, 5, 4)
    return forward, backward, sample


@right
def kl_near_its_minimum():
    def forward(mu, v): return 0.5 * (np.expm1(v) - v + mu * mu).sum(axis=1)
    def backward(g, mu, v): return g[:, None] * mu, g[:, None] * 0.5 * (np.exp(v) - 1)
    def sample(rng): return 1e-8 * rng.standard_normal((3, 4)), 1e-8 * rng.standard_normal((3, 4))
    return forward, backward, sample


@right
def running_product():
    def forward(x): return np.cumprod(x, axis=1)
    def backward(g, x): return np.cumsum((g * np.cumprod(x, axis=1))[:, ::-1], axis=1)[:, ::-1] / x
    def sample(rng): return rng.uniform(0.5, 2, (3, 5)) * rng.choice([-1, 1], (3, 5)),
    return forward, backward, sample


@right
def log_add_exp():
    def forward(a, b): return np.logaddexp(a, b)
    def backward(g, a, b): return g * sigmoid(a - b), g * sigmoid(b - a)
    def sample(rng): return rng.uniform(-30, 30, (3, 4)), rng.uniform(-30, 30, (3, 4))
    return forward, backward, sample


@right
def clipped_by_norm():
    def forward(x):
        n = np.sqrt((x * x).sum())
        return x * (2 / n if n > 2 else 1.0)

    def backward(g, x):
        n = np.sqrt((x * x).sum())
        return g.copy() if n <= 2 else 2 / n * (g - x * (x * g).sum() / n ** 2)

    def sample(rng): return rng.standard_normal(rng.integers(2, 9)),
    return forward, backward, sample


@right
def distances_of_a_point_to_itself():
    def forward(x): return ((x[:, None] - x[None]) ** 2).sum(axis=2)
    def backward(g, x): return 2 * ((g + g.T)[:, :, None] * (x[:, None] - x[None])).sum(axis=1)
    def sample(rng): return rng.standard_normal((4, 3)),
    return forward, backward, sample


@right
def pooled_windows_that_overlap_on_a_flat_image():
    def forward(x): return np.lib.stride_tricks.sliding_window_view(x, 3, axis=1).max(axis=2)
    def backward(g, x):
        d = np.zeros_like(x)
        first = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1).argmax(axis=2)
        for b, t in np.ndindex(g.shape):
            d[b, t + first[b, t]] += g[b, t]
        return d
    def sample(rng): return rng.integers(0, 2, (3, 7)).astype(float),
    return forward, backward, sample
