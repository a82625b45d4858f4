"""Slips in layers and losses of today's papers, written down before the checker saw them: held-out for the diagnosis.

25 wrong backwards (here and in planted_slips_more.py), each with the inputs it gets wrong and the names that would be true of it;
right ones, at places where a careless check accuses, are in right_ones.py.
"""
from __future__ import annotations

import numpy as np

from tests.planted_real import Bug, sigmoid, sizes, softmax

SLIPS: list[Bug] = []
EDIT = "EDIT"                                   # "with this one edit it is right" is true wherever it is said


def slip(targets: str, *names: str):
    """Register the (forward, backward, sample) that the decorated function makes."""
    def register(make):
        SLIPS.append(Bug(make.__name__, frozenset(targets.split()), (*names, EDIT), *make()))
        return make
    return register


def normals(*shapes):
    """A sampler of arrays whose shapes are words of letters: the same letter, the same length."""
    letters = sorted(set("".join(shapes)))

    def sample(rng):
        n = dict(zip(letters, sizes(rng, len(letters))))
        return tuple(rng.standard_normal([n[c] for c in shape]) for shape in shapes)
    return sample


# ---- gates ------------------------------------------------------------------------------------------------

@slip("az", "RATIO:-1")
def gru_update_gate_the_wrong_way_round():
    def forward(az, an, h):
        z, n = sigmoid(az), np.tanh(an)
        return (1 - z) * n + z * h

    def backward(g, az, an, h):
        z, n = sigmoid(az), np.tanh(an)
        return g * (n - h) * z * (1 - z), g * (1 - z) * (1 - n * n), g * z
    return forward, backward, normals("nh", "nh", "nh")


@slip("ar", "FACTOR", "DYFACTOR", "COMPUTES", "TERM_FACTOR")
def gru_reset_gate_times_the_state_before_its_product():
    def forward(ar, x, h, u):
        hu = h @ u
        return np.tanh(x + sigmoid(ar) * hu)

    def backward(g, ar, x, h, u):
        r, hu = sigmoid(ar), h @ u
        dn = g * (1 - np.tanh(x + r * hu) ** 2)
        dhu = dn * r
        return dn * h * r * (1 - r), dn, dhu @ u.T, h.T @ dhu
    return forward, backward, normals("nh", "nh", "nh", "hh")


@slip("x", "PATHS", "TERM", "FACTOR", "ADDITIVE")
def swish_without_its_second_path():
    def forward(x):
        return x * sigmoid(x)

    def backward(g, x):
        return g * sigmoid(x)
    return forward, backward, normals("nd")


@slip("x", "PATHS", "TERM", "FACTOR", "DYFACTOR", "ADDITIVE")
def gelu_with_the_cube_differentiated_as_a_square():
    def forward(x):
        u = np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)
        return 0.5 * x * (1 + np.tanh(u))

    def backward(g, x):
        c = np.sqrt(2 / np.pi)
        t = np.tanh(c * (x + 0.044715 * x ** 3))
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 2 * 0.044715 * x ** 2))
    return forward, backward, normals("nd")


@slip("x", "LOCAL", "FACTOR", "COMPUTES", "ADDITIVE")
def elu_from_the_output_without_alpha():
    def forward(x):
        return np.where(x > 0, x, 0.7 * (np.exp(np.minimum(x, 0)) - 1))

    def backward(g, x):
        y = np.where(x > 0, x, 0.7 * (np.exp(np.minimum(x, 0)) - 1))
        return g * np.where(x > 0, 1, y + 1)
    return forward, backward, normals("nd")


@slip("a", "FACTOR", "COMPUTES", "DYFACTOR", "TERM", "PATHS")
def prelu_slope_without_the_mask():
    def forward(x, a):
        return np.where(x > 0, x, a * x)

    def backward(g, x, a):
        return g * np.where(x > 0, 1, a), (g * x).sum(axis=0)
    return forward, backward, normals("nd", "d")


# ---- normalisation ----------------------------------------------------------------------------------------

@slip("x", "PATHS", "DYFACTOR", "TERM", "RATIO")
def group_norm_mean_over_all_channels():
    def forward(x, groups):
        v = x.reshape(len(x), groups, -1)
        d = v - v.mean(axis=2, keepdims=True)
        return (d / np.sqrt((d ** 2).mean(axis=2, keepdims=True) + 1e-5)).reshape(x.shape)

    def backward(g, x, groups):
        v, dy = x.reshape(len(x), groups, -1), g.reshape(len(x), groups, -1)
        d = v - v.mean(axis=2, keepdims=True)
        s = np.sqrt((d ** 2).mean(axis=2, keepdims=True) + 1e-5)
        n = x.shape[1]
        xh = d / s
        dx = (dy - dy.sum(axis=2, keepdims=True) / n - xh * (dy * xh).sum(axis=2, keepdims=True) / v.shape[2]) / s
        return dx.reshape(x.shape), None

    def sample(rng):
        n, m = sizes(rng, 2)
        return rng.standard_normal((n, 2 * m, 3)), 2
    return forward, backward, sample


@slip("x", "PATHS", "DYFACTOR", "TERM", "STEP")
def rms_norm_sum_for_mean():
    def forward(x, w):
        rms = np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6)
        return x / rms * w

    def backward(g, x, w):
        rms = np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6)
        gw = g * w
        return gw / rms - x * (gw * x).sum(axis=1, keepdims=True) / rms ** 3, (g * x / rms).sum(axis=0)
    return forward, backward, normals("nd", "d")


@slip("x", "PATHS", "DYFACTOR", "TERM", "STEP", "VARIABLE")        # `dd` is the wrong one: over L where it should be L − 1
def instance_norm_with_bessel_in_the_forward_only():
    def forward(x):
        d = x - x.mean(axis=-1, keepdims=True)
        var = (d * d).sum(axis=-1, keepdims=True) / (x.shape[-1] - 1)
        return d / np.sqrt(var + 1e-5)

    def backward(g, x):
        L = x.shape[-1]
        d = x - x.mean(axis=-1, keepdims=True)
        r = 1 / np.sqrt((d * d).sum(axis=-1, keepdims=True) / (L - 1) + 1e-5)
        dd = g * r - d * r ** 3 * (g * d).sum(axis=-1, keepdims=True) / L
        return dd - dd.mean(axis=-1, keepdims=True)
    return forward, backward, normals("ncl")


@slip("v", "PATHS", "TERM", "DYFACTOR")
def weight_norm_direction_not_projected():
    def forward(x, v, s):
        w = s * v / np.sqrt((v * v).sum(axis=0))
        return x @ w

    def backward(g, x, v, s):
        norm = np.sqrt((v * v).sum(axis=0))
        dw = x.T @ g
        return g @ (s * v / norm).T, dw * s / norm, (dw * v).sum(axis=0) / norm
    return forward, backward, normals("nd", "dm", "m")


@slip("x", "FACTOR", "DYFACTOR", "PATHS")
def unit_rows_divided_by_the_squared_norm():
    def forward(x):
        norm = np.sqrt((x * x).sum(axis=1, keepdims=True))
        return x / norm

    def backward(g, x):
        n2 = (x * x).sum(axis=1, keepdims=True)
        y = x / np.sqrt(n2)
        return (g - y * (g * y).sum(axis=1, keepdims=True)) / n2
    return forward, backward, normals("nd")


@slip("a", "PATHS", "TERM", "DYFACTOR")
def cosine_similarity_with_the_norm_held_fixed():
    def forward(a, b):
        na, nb = np.sqrt((a * a).sum(axis=1)), np.sqrt((b * b).sum(axis=1))
        return (a * b).sum(axis=1) / (na * nb)

    def backward(g, a, b):
        na, nb = np.sqrt((a * a).sum(axis=1)), np.sqrt((b * b).sum(axis=1))
        y = (a * b).sum(axis=1) / (na * nb)
        da = g[:, None] * b / (na * nb)[:, None]
        db = g[:, None] * (a / (na * nb)[:, None] - (y / nb ** 2)[:, None] * b)
        return da, db
    return forward, backward, normals("nd", "nd")


# ---- losses -----------------------------------------------------------------------------------------------

@slip("z", "ADDITIVE", "CONST", "TERM", "SUBST", "FACTOR")
def label_smoothing_left_out():
    def forward(z, y, eps=0.1):
        t = (1 - eps) * np.eye(z.shape[1])[y] + eps / z.shape[1]
        return -(t * np.log(softmax(z))).sum() / len(z)

    def backward(g, z, y):
        return g * (softmax(z) - np.eye(z.shape[1])[y]) / len(z), None

    def sample(rng):
        n, c = sizes(rng, 2, low=3)
        return rng.standard_normal((n, c)), rng.integers(0, c, n)
    return forward, backward, sample


@slip("z", "PATHS", "TERM", "FACTOR", "DYFACTOR", "ADDITIVE", "COMPUTES")
def focal_loss_with_its_weight_held_fixed():
    def forward(z):
        p = sigmoid(z)
        return np.sum((1 - p) ** 2 * -np.log(p))

    def backward(g, z):
        p = sigmoid(z)
        return g * -(1 - p) ** 3
    return forward, backward, normals("nd")


@slip("z", "SUBST", "FACTOR", "PATHS", "TERM", "ADDITIVE", "RATIO")
def distillation_kl_with_its_arguments_exchanged():
    def forward(z, t):
        p, q = softmax(t), softmax(z)
        return np.sum(p * (np.log(p) - np.log(q)))

    def backward(g, z, t):
        p, q = softmax(t), softmax(z)
        r = np.log(p) - np.log(q)
        return g * (p - q), g * p * (r - (p * r).sum(axis=1, keepdims=True))
    return forward, backward, normals("nc", "nc")
