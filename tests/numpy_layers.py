"""Layers as courses write them, in plain NumPy with a backward by hand: held-out material for the diagnosis.

In the manner of CS231n's assignments and of llm.c.  All are right; tests/test_numpy_layers.py makes every single-edit
mutant of each backward.
"""
from __future__ import annotations

from typing import Callable, NamedTuple

import numpy as np


class Layer(NamedTuple):
    """y = forward(*arrays); gradients = backward(g, *arrays); arrays = sample(rng)."""
    name: str
    forward: Callable
    backward: Callable
    sample: Callable

    def __repr__(self):
        return self.name


LAYERS: list[Layer] = []


def layer(make):
    LAYERS.append(Layer(make.__name__, *make()))
    return make


def lengths(rng, n, low=2):
    """n different lengths of axes."""
    return rng.permutation(np.arange(low, low + n + 1))[:n]


@layer
def affine():
    def forward(x, w, b):
        return x.reshape(len(x), -1) @ w + b

    def backward(dout, x, w, b):
        dx = dout.dot(w.T).reshape(x.shape)
        dw = x.reshape(x.shape[0], -1).T.dot(dout)
        db = np.sum(dout, axis=0)
        return dx, dw, db

    def sample(rng):
        N, C, H, M = lengths(rng, 4)
        return rng.standard_normal((N, C, H)), rng.standard_normal((C * H, M)), rng.standard_normal(M)
    return forward, backward, sample


@layer
def relu():
    def forward(x):
        return np.maximum(0, x)

    def backward(dout, x):
        dx = dout.copy()
        dx[x <= 0] = 0
        return dx

    def sample(rng):
        return 2 * rng.standard_normal((4, 5)),                # some above 1, whatever the draw
    return forward, backward, sample


@layer
def leaky_relu():
    def forward(x):
        return np.where(x > 0, x, 0.1 * x)

    def backward(dout, x):
        return dout * np.where(x > 0, 1.0, 0.1)

    def sample(rng):
        return rng.standard_normal(lengths(rng, 2)),
    return forward, backward, sample


@layer
def conv():
    def forward(x, w, b, stride, pad):
        (N, C, H, W), (F, _, K, L) = x.shape, w.shape
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        out = np.zeros((N, F, 1 + (H + 2 * pad - K) // stride, 1 + (W + 2 * pad - L) // stride))
        for n, f, i, j in np.ndindex(out.shape):
            window = x[n, :, i * stride:i * stride + K, j * stride:j * stride + L]
            out[n, f, i, j] = np.sum(window * w[f]) + b[f]
        return out

    def backward(dout, x, w, b, stride, pad):
        N, F, I, J = dout.shape
        K, L = w.shape[2], w.shape[3]
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        dxp, dw, db = np.zeros(xp.shape), np.zeros(w.shape), np.zeros(b.shape)
        for n in range(N):
            for f in range(F):
                db[f] += np.sum(dout[n, f])
                for i in range(I):
                    for j in range(J):
                        h, v = i * stride, j * stride
                        dw[f] += xp[n, :, h:h + K, v:v + L] * dout[n, f, i, j]
                        dxp[n, :, h:h + K, v:v + L] += w[f] * dout[n, f, i, j]
        dx = dxp[:, :, pad:pad + x.shape[2], pad:pad + x.shape[3]]
        return dx, dw, db, None, None

    def sample(rng):
        N, C, F = rng.permutation([1, 2, 3])
        H, W = rng.permutation([4, 5])
        K, L = rng.permutation([2, 3])
        return (rng.standard_normal((N, C, H, W)), rng.standard_normal((F, C, K, L)), rng.standard_normal(F),
                int(rng.integers(1, 3)), 1)
    return forward, backward, sample


@layer
def max_pool():
    def forward(x, size, stride):
        N, C, H, W = x.shape
        out = np.zeros((N, C, 1 + (H - size) // stride, 1 + (W - size) // stride))
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                out[:, :, i, j] = x[:, :, i * stride:i * stride + size, j * stride:j * stride + size].max(axis=(2, 3))
        return out

    def backward(dout, x, size, stride):
        dx = np.zeros(x.shape)
        N, C, I, J = dout.shape
        for n in range(N):
            for c in range(C):
                for i in range(I):
                    for j in range(J):
                        h, v = i * stride, j * stride
                        window = x[n, c, h:h + size, v:v + size]
                        mask = window == np.max(window)
                        dx[n, c, h:h + size, v:v + size] += mask * dout[n, c, i, j]
        return dx, None, None

    def sample(rng):
        shape = lengths(rng, 4, low=1) + np.array([0, 0, 2, 2])
        return rng.permutation(np.prod(shape)).reshape(shape) / 10.0, int(rng.integers(2, 4)), int(rng.integers(1, 3))
    return forward, backward, sample


@layer
def batch_norm():
    def forward(x, gamma, beta):
        return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) + beta

    def backward(dout, x, gamma, beta):
        N = x.shape[0]
        mu = np.mean(x, axis=0)
        xmu = x - mu
        var = np.mean(xmu ** 2, axis=0)
        ivar = 1 / np.sqrt(var + 1e-5)
        xhat = xmu * ivar
        dbeta = np.sum(dout, axis=0)
        dgamma = np.sum(dout * xhat, axis=0)
        dxhat = dout * gamma
        dvar = np.sum(dxhat * xmu, axis=0) * -0.5 * ivar ** 3
        dmu = -ivar * np.sum(dxhat, axis=0)
        dx = dxhat * ivar + dvar * 2 * xmu / N + dmu / N
        return dx, dgamma, dbeta

    def sample(rng):
        N, D = lengths(rng, 2, low=3)
        return rng.standard_normal((N, D)), rng.uniform(0.5, 2, D), rng.standard_normal(D)
    return forward, backward, sample


@layer
def layer_norm():
    def forward(x, w, b):
        m = x.mean(axis=-1, keepdims=True)
        return (x - m) / np.sqrt(((x - m) ** 2).mean(axis=-1, keepdims=True) + 1e-5) * w + b

    def backward(dout, x, w, b):
        mean = x.mean(axis=-1, keepdims=True)
        rstd = (((x - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5
        norm = (x - mean) * rstd
        dw = (dout * norm).sum((0, 1))
        db = dout.sum((0, 1))
        dnorm = dout * w
        dx = dnorm - dnorm.mean(axis=-1, keepdims=True) - norm * (dnorm * norm).mean(axis=-1, keepdims=True)
        dx *= rstd
        return dx, dw, db

    def sample(rng):
        B, T, C = lengths(rng, 3)
        return rng.standard_normal((B, T, C + 1)), rng.standard_normal(C + 1), rng.standard_normal(C + 1)
    return forward, backward, sample


@layer
def softmax_loss():
    def forward(x, y):
        shifted = x - x.max(axis=1, keepdims=True)
        logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -np.sum(logp[np.arange(len(x)), y]) / len(x)

    def backward(dout, x, y):
        N = x.shape[0]
        probs = np.exp(x - np.max(x, axis=1, keepdims=True))
        probs /= np.sum(probs, axis=1, keepdims=True)
        dx = probs.copy()
        dx[np.arange(N), y] -= 1
        dx /= N
        return dx * dout, None

    def sample(rng):
        N, C = lengths(rng, 2, low=3)
        return rng.standard_normal((N, C)), rng.integers(0, C, N)
    return forward, backward, sample


@layer
def attention():
    def forward(q, k, v):
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True) @ v

    def backward(dout, q, k, v):
        scale = 1 / np.sqrt(q.shape[-1])
        scores = q @ k.transpose(0, 2, 1) * scale
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        att = e / e.sum(axis=-1, keepdims=True)
        dv = att.transpose(0, 2, 1) @ dout
        datt = dout @ v.transpose(0, 2, 1)
        dscores = att * (datt - np.sum(att * datt, axis=-1, keepdims=True))
        dq = dscores @ k * scale
        dk = dscores.transpose(0, 2, 1) @ q * scale
        return dq, dk, dv

    def sample(rng):
        B, T, S, D, V = lengths(rng, 5)
        return rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D)), rng.standard_normal((B, S, V))
    return forward, backward, sample


@layer
def embedding():
    def forward(wte, wpe, tokens):
        return wte[tokens] + wpe[:tokens.shape[1]]

    def backward(dout, wte, wpe, tokens):
        dwte, dwpe = np.zeros(wte.shape), np.zeros(wpe.shape)
        B, T = tokens.shape
        for b in range(B):
            for t in range(T):
                dwte[tokens[b, t]] += dout[b, t]
                dwpe[t] += dout[b, t]
        return dwte, dwpe, None

    def sample(rng):
        B, T, C, V = lengths(rng, 4)
        return rng.standard_normal((V, C)), rng.standard_normal((T + 1, C)), rng.integers(0, V, (B, T))
    return forward, backward, sample


@layer
def dropout():
    def forward(x, keep):
        return x * keep / 0.8

    def backward(dout, x, keep):
        return dout * keep / 0.8, None

    def sample(rng):
        shape = lengths(rng, 2, low=3)
        return rng.standard_normal(shape), rng.random(shape) < 0.8
    return forward, backward, sample
