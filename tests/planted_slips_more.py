"""The other slips of planted_slips.py: losses, indices, convolutions, images."""
from __future__ import annotations

import numpy as np

from tests.planted_real import sizes, softmax
from tests.planted_slips import normals, slip


@slip("x", "LOCAL", "FACTOR", "DYFACTOR", "COMPUTES", "DROPPED", "LEAK")
def huber_loss_not_clipped():
    def forward(p, x):
        d = x - p
        a = np.where(d > 0, d, -d)
        return np.where(a < 1, 0.5 * d * d, a - 0.5).mean()

    def backward(g, p, x):
        d = x - p
        return -g * np.clip(d, -1, 1) / d.size, g * d / d.size
    return forward, backward, normals("nd", "nd")


@slip("n", "RATIO:-1")
def triplet_loss_pushes_the_negative_closer():
    def forward(a, p, n):
        return np.maximum(((a - p) ** 2).sum(axis=1) - ((a - n) ** 2).sum(axis=1) + 5, 0).mean()

    def backward(g, a, p, n):
        on = (((a - p) ** 2).sum(axis=1) - ((a - n) ** 2).sum(axis=1) + 5 > 0)[:, None] * g / len(a)
        return 2 * on * (n - p), -2 * on * (a - p), -2 * on * (a - n)
    return forward, backward, normals("nd", "nd", "nd")


@slip("x", "OVERSUMMED", "FACTOR", "DYFACTOR", "WRONG_AXES")
def logsumexp_weights_over_everything():
    def forward(x):
        return np.log(np.exp(x).sum(axis=1))

    def backward(g, x):
        return g[:, None] * np.exp(x) / np.exp(x).sum()
    return forward, backward, normals("nd")


@slip("E", "LOCAL", "LEAK", "FACTOR", "DY")
def embedding_padding_row_learns():
    def forward(E, tokens):
        return E[tokens] * (tokens != 0)[..., None]

    def backward(g, E, tokens):
        dE = np.zeros_like(E)
        np.add.at(dE, tokens, g)
        return dE, None

    def sample(rng):
        b, t, v, d = sizes(rng, 4)
        tokens = rng.integers(0, v, (b, t))
        tokens[0, 0] = 0
        return rng.standard_normal((v, d)), tokens
    return forward, backward, sample


@slip("w", "CONST", "SHIFTED", "DY", "SUBST")
def dilated_convolution_weights_without_the_dilation():
    def forward(x, w, dilation=2):
        out = x.shape[1] - dilation * (len(w) - 1)
        return sum(w[k] * x[:, k * dilation:k * dilation + out] for k in range(len(w)))

    def backward(g, x, w, dilation=2):
        dx, dw, out = np.zeros_like(x), np.zeros_like(w), g.shape[1]
        for k in range(len(w)):
            dx[:, k * dilation:k * dilation + out] += w[k] * g
            dw[k] = (x[:, k:k + out] * g).sum()
        return dx, dw

    def sample(rng): return rng.standard_normal((rng.integers(2, 4), rng.integers(9, 12))), rng.standard_normal(3)
    return forward, backward, sample


@slip("w", "LOCAL", "SUBST", "DY", "CONTRIB", "MISROUTED", "PRODUCT")
def depthwise_convolution_all_from_the_first_channel():
    def forward(x, w):
        out = x.shape[2] - w.shape[1] + 1
        return sum(w[None, :, k, None] * x[:, :, k:k + out] for k in range(w.shape[1]))

    def backward(g, x, w):
        dx, dw, out = np.zeros_like(x), np.zeros_like(w), g.shape[2]
        for k in range(w.shape[1]):
            dx[:, :, k:k + out] += w[None, :, k, None] * g
            dw[:, k] = (x[:, :1, k:k + out] * g).sum(axis=(0, 2))
        return dx, dw

    def sample(rng):
        n, c = sizes(rng, 2)
        return rng.standard_normal((n, c, 7)), rng.standard_normal((c, 3))
    return forward, backward, sample


@slip("x", "MISROUTED", "DY", "SHIFTED", "LOCAL", "CONTRIB", "PATHS:weights")     # the last: added after, one use counts twice, one not
def linear_upsampling_sent_back_to_the_nearest():
    def forward(x):
        y = np.empty((len(x), 2 * x.shape[1] - 1))
        y[:, ::2] = x
        y[:, 1::2] = (x[:, 1:] + x[:, :-1]) / 2
        return y

    def backward(g, x):
        dx = g[:, ::2].copy()
        dx[:, 1:] += g[:, 1::2]
        return dx
    return forward, backward, normals("nd")


@slip("x", "RATIO:p", "RATIO:0.8", "CONST", "RATIO", "FACTOR")
def dropout_scaled_in_the_forward_only():
    def forward(x, keep, p=0.8):
        return x * keep / p

    def backward(g, x, keep):
        return g * keep, None

    def sample(rng):
        shape = sizes(rng, 2, low=3)
        return rng.standard_normal(shape), rng.random(shape) < 0.8
    return forward, backward, sample


@slip("x", "SUBST", "CONST", "FACTOR", "TERM", "PATHS", "DYFACTOR", "COMPUTES")
def rotary_embedding_rotated_the_same_way_back():
    def forward(x, angle):
        c, s = np.cos(angle), np.sin(angle)
        a, b = np.split(x, 2, axis=1)
        return np.concatenate([a * c - b * s, a * s + b * c], axis=1)

    def backward(g, x, angle):
        c, s = np.cos(angle), np.sin(angle)
        a, b = np.split(x, 2, axis=1)
        ga, gb = np.split(g, 2, axis=1)
        dc, ds = ga * a + gb * b, gb * a - ga * b
        return np.concatenate([ga * c - gb * s, ga * s + gb * c], axis=1), dc * -s + ds * c

    def sample(rng):
        n, d = sizes(rng, 2)
        return rng.standard_normal((n, 2 * d)), rng.standard_normal((n, d))
    return forward, backward, sample


@slip("k", "RATIO", "DYFACTOR", "DY")
def attention_keys_without_the_scale():
    def forward(q, k, v):
        s = q @ k.T / np.sqrt(q.shape[1])
        causal = np.tril(np.ones(s.shape))
        e = np.exp(s - s.max()) * causal
        return e / e.sum(axis=1, keepdims=True) @ v

    def backward(g, q, k, v):
        s = q @ k.T / np.sqrt(q.shape[1])
        e = np.exp(s - s.max()) * np.tril(np.ones(s.shape))
        a = e / e.sum(axis=1, keepdims=True)
        da = g @ v.T
        ds = a * (da - (da * a).sum(axis=1, keepdims=True))
        return ds @ k / np.sqrt(q.shape[1]), ds.T @ q, a.T @ g
    return forward, backward, normals("td", "td", "tv")
