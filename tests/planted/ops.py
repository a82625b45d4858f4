"""The ops that mistakes are planted in: forwards of this project's own ops, backwards written out in plain NumPy."""
from __future__ import annotations

import itertools
from typing import Callable, NamedTuple

import numpy as np

import scratchnet as sn


class Pair(NamedTuple):
    """forward(*inputs), backward(dy, *inputs) → {name: gradient}; draws: rng, regime → inputs, in three regimes."""
    name: str
    forward: Callable
    backward: Callable
    draw: Callable
    wrt: tuple

    def sample(self) -> Callable:
        """A sampler for one check: distinct lengths, other ones, all equal, in turn."""
        regimes = itertools.cycle(range(3))
        return lambda rng: self.draw(rng, next(regimes))


PAIRS: dict[str, Pair] = {}


def pair(wrt: str, draw: Callable, forward: Callable):
    """Decorator of a backward: the op is called like its forward."""
    def register(backward):
        PAIRS[forward.__name__] = made = Pair(forward.__name__, forward, backward, draw, tuple(wrt.split()))
        return made
    return register


def normal(*shapes) -> Callable:
    """shapes: one tuple of shapes per regime."""
    return lambda rng, i: tuple(rng.standard_normal(s) for s in shapes[i])


ONE = normal(((5, 4),), ((3, 7),), ((4, 4),))

# ---- dense, elementwise, softmax ----------------------------------------------------------------


def dense(x, w, b):
    return sn.dense(x, w, b)


@pair("x w b", normal(((5, 3), (3, 4), (4,)), ((3, 7), (7, 2), (2,)), ((4, 4), (4, 4), (4,))), dense)
def DENSE(dy, x, w, b):
    return {"x": dy @ w.T, "w": x.T @ dy, "b": dy.sum(axis=0)}


def relu(x):
    return sn.relu(x)


def relu_draw(rng, i):
    x, = ONE(rng, i)
    x += np.sign(x) * 0.05
    if i == 2:
        x.flat[::5] = 0.0                       # exactly at the kink
    return (x,)


@pair("x", relu_draw, relu)
def RELU(dy, x):
    return {"x": dy * (x > 0)}


def sigmoid(x):
    return sn.sigmoid(x)


@pair("x", ONE, sigmoid)
def SIGMOID(dy, x):
    y = sn.sigmoid(x)
    return {"x": dy * y * (1 - y)}


def tanh(x):
    return sn.tanh(x)


@pair("x", ONE, tanh)
def TANH(dy, x):
    return {"x": dy * (1 - np.tanh(x) ** 2)}


def softmax(x):
    return sn.softmax(x)


@pair("x", ONE, softmax)
def SOFTMAX(dy, x):
    p = sn.softmax(x)
    return {"x": p * (dy - (dy * p).sum(-1, keepdims=True))}

# ---- losses -------------------------------------------------------------------------------------


def mse(a, t):
    return sn.mse(a, t)


@pair("a", normal(((5, 3), (5, 3)), ((2, 7), (2, 7)), ((4, 4), (4, 4))), mse)
def MSE(dy, a, t):
    return {"a": dy * 2 * (a - t) / a.size}


def bce(z, t):
    return sn.bce_with_logits(z, t)


def bce_draw(rng, i):
    shape = [(5, 3), (2, 7), (4, 4)][i]
    return rng.standard_normal(shape), rng.random(shape)


@pair("z", bce_draw, bce)
def BCE(dy, z, t):
    return {"z": dy * (sn.sigmoid(z) - t) / z.size}


def cross_entropy(z, labels):
    return sn.cross_entropy(z, labels)


def ce_draw(rng, i):
    B, C = [(5, 3), (2, 7), (4, 4)][i]
    return rng.standard_normal((B, C)), rng.integers(0, C, B)


@pair("z", ce_draw, cross_entropy)
def CE(dy, z, labels):
    return {"z": dy * (sn.softmax(z) - np.eye(z.shape[1])[labels]) / len(z)}

# ---- broadcasting, reduction --------------------------------------------------------------------


def broadcast_mul(a, b):                        # (B,1,D) · (C,D)
    return sn.mul(a, b)


@pair("a b", normal(((5, 1, 3), (2, 3)), ((3, 1, 2), (4, 2)), ((4, 1, 4), (4, 4))), broadcast_mul)
def BMUL(dy, a, b):
    return {"a": (dy * b).sum(axis=1, keepdims=True), "b": (dy * a).sum(axis=0)}


def add(a, b):
    return sn.add(a, b)


@pair("a b", normal(((5, 4), (5, 4)), ((3, 7), (3, 7)), ((4, 4), (4, 4))), add)
def ADD(dy, a, b):
    return {"a": dy.copy(), "b": dy.copy()}


def mean_axis1(x):
    return sn.mean(x, axis=1)


@pair("x", ONE, mean_axis1)
def MEAN(dy, x):
    return {"x": np.broadcast_to(dy[:, None] / x.shape[1], x.shape).copy()}

# ---- convolution, pooling -----------------------------------------------------------------------


def conv(x, w, b, s, p):
    return sn.conv2d(x, w, b, stride=int(s), padding=int(p))


def conv_draw(rng, i):
    B, C, O, H, W, k, s, p = [(3, 2, 4, 6, 5, 3, 1, 1), (2, 3, 1, 7, 6, 3, 2, 1), (2, 2, 2, 5, 5, 3, 1, 1)][i]
    return rng.standard_normal((B, C, H, W)), rng.standard_normal((O, C, k, k)), rng.standard_normal(O), s, p


def padded(x, p, more=0):
    return np.pad(x, ((0, 0), (0, 0), (p, p + more), (p, p + more)))


@pair("x w b", conv_draw, conv)
def CONV(dy, x, w, b, s, p):
    (N, C, H, W), k = x.shape, w.shape[2]
    xp = padded(x, p)
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            window = np.s_[:, :, i * s:i * s + k, j * s:j * s + k]
            dw += np.einsum("bo,bckl->ockl", dy[:, :, i, j], xp[window])
            dxp[window] += np.einsum("bo,ockl->bckl", dy[:, :, i, j], w)
    return {"x": dxp[:, :, p:p + H, p:p + W], "w": dw, "b": dy.sum(axis=(0, 2, 3))}


def conv_transpose(x, w, b, s, p, q):
    return sn.conv_transpose2d(x, w, b, stride=int(s), padding=int(p), output_padding=int(q))


def convt_draw(rng, i):
    B, C, O, H, W, k, s, p, q = [(3, 2, 4, 4, 3, 3, 2, 1, 1), (2, 3, 1, 3, 5, 3, 2, 0, 1), (2, 2, 2, 4, 4, 3, 2, 1, 1)][i]
    return rng.standard_normal((B, C, H, W)), rng.standard_normal((C, O, k, k)), rng.standard_normal(O), s, p, q


@pair("x w b", convt_draw, conv_transpose)
def CONVT(dy, x, w, b, s, p, q):
    H, W = x.shape[2:]
    dyp, dx, dw = padded(dy, p), np.zeros_like(x), np.zeros_like(w)
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            g = dyp[:, :, i:i + (H - 1) * s + 1:s, j:j + (W - 1) * s + 1:s]
            dx += np.einsum("bohw,co->bchw", g, w[:, :, i, j])
            dw[:, :, i, j] += np.einsum("bohw,bchw->co", g, x)
    return {"x": dx, "w": dw, "b": dy.sum(axis=(0, 2, 3))}


def max_pool(x):
    return sn.max_pool2d(x, 2)


def pool_draw(rng, i):
    shape = [(3, 2, 6, 4), (2, 3, 4, 6), (2, 2, 4, 4)][i]
    n = int(np.prod(shape))
    return (rng.permutation(n).reshape(shape) / n * 4 - 2.0,)


def up(v):
    return v.repeat(2, axis=2).repeat(2, axis=3)


@pair("x", pool_draw, max_pool)
def POOL(dy, x):
    return {"x": up(dy) * (x == up(sn.max_pool2d(x, 2)))}

# ---- VAE and GAN losses, graphs -----------------------------------------------------------------


def vae_loss(mu, lv, V, eps, t):
    z = mu + np.exp(0.5 * lv) * eps
    recon = 0.5 * np.sum((z @ V - t) ** 2) / len(mu)
    KL = sn.gaussian_kl(mu, lv)
    return recon + KL


def vae_draw(rng, i):
    B, L, D = [(5, 3, 4), (3, 2, 7), (4, 4, 4)][i]
    return (rng.standard_normal((B, L)), 0.7 * rng.standard_normal((B, L)), rng.standard_normal((L, D)),
            rng.standard_normal((B, L)), rng.standard_normal((B, D)))


@pair("mu lv V", vae_draw, vae_loss)
def VAE(dy, mu, lv, V, eps, t):
    z = mu + np.exp(0.5 * lv) * eps
    dr = (z @ V - t) / len(mu)
    dz = dr @ V.T
    return {"mu": dy * (dz + mu / len(mu)), "V": dy * z.T @ dr,
            "lv": dy * (dz * eps * 0.5 * np.exp(0.5 * lv) + 0.5 * (np.exp(lv) - 1) / len(mu))}


def gan_d_loss(real, fake):
    return np.mean(sn.softplus(-real)) + np.mean(sn.softplus(fake))


@pair("real fake", normal(((5, 1), (5, 1)), ((7, 1), (7, 1)), ((6, 1), (6, 1))), gan_d_loss)
def GAND(dy, real, fake):
    return {"real": dy * (sn.sigmoid(real) - 1) / real.size, "fake": dy * sn.sigmoid(fake) / fake.size}


def gan_g_loss(fake):
    return np.mean(sn.softplus(-fake))


@pair("fake", normal(((5, 1),), ((7, 1),), ((6, 1),)), gan_g_loss)
def GANG(dy, fake):
    return {"fake": dy * (sn.sigmoid(fake) - 1) / fake.size}


def diamond(x):
    h = np.tanh(x)
    return h * x + 3 * x


@pair("x", ONE, diamond)
def DIAMOND(dy, x):
    h = np.tanh(x)
    return {"x": dy * x * (1 - h ** 2) + dy * h + 3 * dy}


def mlp(x, W, V):
    h = sn.sigmoid(x @ W)
    return h @ V


@pair("x W V", normal(((5, 3), (3, 4), (4, 2)), ((3, 2), (2, 5), (5, 4)), ((4, 4), (4, 4), (4, 4))), mlp)
def CHAIN(dy, x, W, V):
    h = sn.sigmoid(x @ W)
    da = (dy @ V.T) * h * (1 - h)
    return {"x": da @ W.T, "W": x.T @ da, "V": h.T @ dy}
