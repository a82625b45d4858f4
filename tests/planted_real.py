"""Bugs reported against real projects, each made small again as a plain NumPy pair: held-out cases for the diagnosis.

The accepted names were written down before the checker was asked; codes as in docs/diagnoses.md.  A bug that
no name fits may stay unnamed (UNKNOWN), but a name given to it must be one of these.
"""
from __future__ import annotations

from typing import Callable, NamedTuple

import numpy as np


class Bug(NamedTuple):
    source: str                                 # project and thread
    targets: frozenset                           # the inputs whose gradients are wrong
    names: tuple                                # codes, or beginnings of CODE:detail
    forward: Callable
    backward: Callable
    sample: Callable

    def __repr__(self):
        return self.source


BUGS: list[Bug] = []


def reported(source: str, targets: str, *names: str):
    """Register the (forward, backward, sample) that the decorated function makes."""
    def register(make):
        BUGS.append(Bug(f"{source}, {make.__name__}", frozenset(targets.split()), names, *make()))
        return make
    return register


def sizes(rng, n, low=2, high=6):
    """n different lengths of axes."""
    return rng.permutation(np.arange(low, max(high, low + n) + 1))[:n]


def sigmoid(z): return 1 / (1 + np.exp(-z))


# ---- reductions and broadcasting --------------------------------------------------------------------------

@reported("nd4j #2424", "b", "UNSUMMED")
def broadcast_operand_not_summed():
    def forward(a, b): return a + b
    def backward(g, a, b): return g, g.copy()
    def sample(rng):
        N, D = sizes(rng, 2)
        return rng.standard_normal((N, D)), rng.standard_normal((1, D))
    return forward, backward, sample


@reported("philipperemy/tensorflow-phased-lstm #9", "y", "RATIO:1/")
def broadcast_operand_averaged():
    def forward(x, y): return x - np.floor(x / y) * y
    def backward(g, x, y): return g.copy(), np.mean(-np.floor(x / y) * g, axis=0)

    def sample(rng):
        N, D = sizes(rng, 2)
        y = rng.uniform(1, 2, D)
        return (rng.integers(-3, 4, (N, D)) + rng.uniform(0.2, 0.8, (N, D))) * y, y
    return forward, backward, sample


@reported("pytorch #28993", "x", "RATIO:")
def mean_not_divided():
    def forward(x): return x.mean(axis=1)
    def backward(g, x): return np.repeat(g[:, None], x.shape[1], axis=1)
    def sample(rng): return rng.standard_normal(sizes(rng, 2)),
    return forward, backward, sample


# ---- activations and softmax ------------------------------------------------------------------------------

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def logits(rng): return rng.standard_normal(sizes(rng, 2)),


@reported("libnd4j #440", "z", "DIAGONAL")
def softmax_as_if_elementwise():
    def backward(g, z):
        p = softmax(z)
        return g * p * (1 - p)
    return softmax, backward, logits


@reported("HomericIntelligence/Odyssey #2134", "z", "PRODUCT", "COMPUTES", "ADDITIVE", "TERMS", "CROSS")
def softmax_without_the_sum():
    def backward(g, z):
        return softmax(z) * g
    return softmax, backward, logits


@reported("mlpack #2360", "z", "COMPUTES", "PRODUCT", "ADDITIVE", "TERMS")
def log_softmax_adds_the_upstream():
    def forward(z):
        d = z - z.max(axis=1, keepdims=True)
        return d - np.log(np.exp(d).sum(axis=1, keepdims=True))

    def backward(g, z):
        return g + np.exp(forward(z))
    return forward, backward, logits


@reported("ddbourgin/numpy-ml #94", "x", "FACTOR", "LEAK", "LOCAL", "PRODUCT", "DYFACTOR")
def dropout_without_its_mask():
    def forward(x, mask): return x * mask / 0.75
    def backward(g, x, mask): return g / 0.75, None
    def sample(rng):
        shape = sizes(rng, 2)
        return rng.standard_normal(shape), rng.random(shape) < 0.75
    return forward, backward, sample


# ---- values used several times ------------------------------------------------------------------------------

@reported("micrograd #2", "a", "PATHS", "RATIO:1/2")
def a_node_used_twice_keeps_one_gradient():
    def forward(a): return a + a
    def backward(g, a): return g.copy()
    def sample(rng): return rng.standard_normal(sizes(rng, 2)),
    return forward, backward, sample


@reported("mxnet #17989", "w", "PATHS")
def one_use_of_a_shared_layer_is_lost():
    def forward(x, w):
        h = np.tanh(x @ w)
        h = np.tanh(h @ w)
        return h @ w

    def backward(g, x, w):
        h1 = np.tanh(x @ w)
        h2 = np.tanh(h1 @ w)
        d2 = (g @ w.T) * (1 - h2 ** 2)
        d1 = (d2 @ w.T) * (1 - h1 ** 2)
        dw = h2.T @ g
        dw = h1.T @ d2
        dw += x.T @ d1
        return d1 @ w.T, dw

    def sample(rng):
        N, D = sizes(rng, 2)
        return rng.standard_normal((N, D)), rng.standard_normal((D, D))
    return forward, backward, sample


@reported("sebgao/cTensor #5", "x", "PATHS", "RATIO:7/6", "RATIO:1.16667")
def a_node_sends_its_gradient_back_too_early():
    def forward(x, a):
        xa = x * a
        return x * xa + x * xa + x * x * a

    def backward(g, x, a):
        dx = g * (2 * x * a) + g * 2 * x * a                   # x in both products x·xa, and in x·x
        dx += g * x * a + g * 2 * x * a                        # xa after its first use, and again after its second
        return dx, g * 3 * x * x

    def sample(rng):
        shape = sizes(rng, 2)
        return rng.standard_normal(shape), rng.standard_normal(shape)
    return forward, backward, sample


# ---- recurrent cells --------------------------------------------------------------------------------------

@reported("mxnet #4057", "z c", "PATHS", "DY", "CONTRIB", "TERMS", "DROPPED")
def the_cell_state_loses_what_comes_from_later():
    def forward(z, c):
        i, f, o, u = np.split(z, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(u)
        return np.concatenate([sigmoid(o) * np.tanh(c), c], axis=1)

    def backward(g, z, c):
        dh, dc = np.split(g, 2, axis=1)
        i, f, o, u = np.split(z, 4, axis=1)
        i, f, o, u = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(u)
        t = np.tanh(f * c + i * u)
        dc = dh * o * (1 - t ** 2)
        dz = [dc * u * i * (1 - i), dc * c * f * (1 - f), dh * t * o * (1 - o), dc * i * (1 - u ** 2)]
        return np.concatenate(dz, axis=1), dc * f

    def sample(rng):
        N, D = sizes(rng, 2)
        return rng.standard_normal((N, 4 * D)), rng.standard_normal((N, D))
    return forward, backward, sample


@reported("CaptainE/RNN-LSTM-in-numpy #1", "z", "FACTOR", "DYFACTOR", "SUBST", "PRODUCT", "COMPUTES")
def a_gate_without_its_derivative():
    def forward(z, c): return sigmoid(z) * c

    def backward(g, z, c):
        f = sigmoid(z)
        return g * c * sigmoid(f), g * f

    def sample(rng):
        shape = sizes(rng, 2)
        return rng.standard_normal(shape), rng.standard_normal(shape)
    return forward, backward, sample


@reported("hanbt/learn_dl #53", "bi", "RETURNS", "SUBST", "SWAPPED", "COMPUTES", "PRODUCT")
def one_gate_gets_the_bias_gradient_of_another():
    def forward(x, bi, bf): return np.tanh(x + bi) * sigmoid(x + bf)

    def backward(g, x, bi, bf):
        i, f = np.tanh(x + bi), sigmoid(x + bf)
        di, df = g * f * (1 - i ** 2), g * i * f * (1 - f)
        return di + df, df.sum(axis=0), df.sum(axis=0)

    def sample(rng):
        N, D = sizes(rng, 2)
        return rng.standard_normal((N, D)), rng.standard_normal(D), rng.standard_normal(D)
    return forward, backward, sample


# ---- normalisation ----------------------------------------------------------------------------------------

def batch(rng):
    N, D = sizes(rng, 2, low=3)
    return rng.standard_normal((N, D)), rng.uniform(0.5, 2, D)


@reported("deeplearning4j #8379", "x", "PATHS", "DETACHED", "CONST", "FACTOR", "TERMS", "COMPUTES")
def batch_norm_with_its_statistics_held_constant():
    def forward(x, gamma):
        return gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)

    def backward(g, x, gamma):
        s = 1 / np.sqrt(x.var(0) + 1e-5)
        return g * gamma * s, (g * (x - x.mean(0)) * s).sum(0)
    return forward, backward, batch


@reported("darknet #1723", "x", "CONST", "FACTOR", "PRECISION")
def batch_norm_with_two_kinds_of_eps():
    def forward(x, gamma):
        return gamma * (x - x.mean(0)) / (np.sqrt(x.var(0)) + 1e-6)

    def backward(g, x, gamma):
        n, d, v = len(x), x - x.mean(0), x.var(0)
        dgamma = (g * d / (np.sqrt(v) + 1e-6)).sum(0)
        g = g * gamma
        dv = (g * d).sum(0) * -0.5 * (v + 1e-5) ** -1.5
        dm = -g.sum(0) / np.sqrt(v + 1e-5)
        return g / (np.sqrt(v) + 1e-6) + dv * 2 * d / n + dm / n, dgamma
    return forward, backward, batch


@reported("chainer #4190", "x", "CONST", "FACTOR")
def l2_normalisation_forgets_that_eps_is_no_part_of_the_norm():
    def forward(x, eps):
        return x / (np.linalg.norm(x, axis=1, keepdims=True) + eps)

    def backward(g, x, eps):
        norm = np.linalg.norm(x, axis=1, keepdims=True) + eps
        return g / norm - x * (g * x).sum(1, keepdims=True) / norm ** 3, None

    def sample(rng):
        return rng.standard_normal(sizes(rng, 2)), 1
    return forward, backward, sample


# ---- losses -----------------------------------------------------------------------------------------------

@reported("y0ast/VAE-Torch #5", "logvar", "TERMS", "TERM_FACTOR", "ADDITIVE", "PATHS")
def gaussian_likelihood_with_a_quarter_for_a_half():
    def forward(mu, logvar, x):
        return np.sum(0.5 * (np.log(2 * np.pi) + logvar) + 0.5 * (x - mu) ** 2 / np.exp(logvar))

    def backward(g, mu, logvar, x):
        d = (x - mu) / np.exp(logvar)
        return -g * d, g * (0.25 - 0.5 * (x - mu) * d), g * d

    def sample(rng):
        shape = sizes(rng, 2)
        return tuple(rng.standard_normal(shape) for _ in range(3))
    return forward, backward, sample


@reported("Kaixhin/Autoencoders #9", "z", "RATIO:-1")
def categorical_kl_upside_down():
    def forward(z):
        p = softmax(z)
        return np.sum(p * (np.log(p) + np.log(z.shape[1])))

    def backward(g, z):
        p = softmax(z)
        d = np.log(p) + 1 + np.log(z.shape[1])
        return -g * p * (d - (d * p).sum(axis=1, keepdims=True))
    return forward, backward, logits
