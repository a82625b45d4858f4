"""Batch normalisation of images by their own mean and variance, with the ReLU behind it or without, as one op.

    m[c], v[c] = mean and variance of x[:,c]     x̂ = (x − m)/√(v + eps)     z = γ·x̂ + β     y = relu(z)
    relu(z) = z where z > 0, else slope·z        slope 0: ReLU; None: y = z

Derivation   h = ∂L/∂z = g where y > 0, else slope·g (elementwise.py).  ∂L/∂γ = Σ h·x̂ and ∂L/∂β = Σ h, over a channel.
             With s = 1/√(v + eps), x acts on z in three ways (normalize.py, reduce.py):
                 by itself      γ·s·h
                 through m      ∂L/∂m = −γ·s·Σ h           times ∂m/∂xᵢ = 1/n          → −γ·s·mean(h)
                 through v      ∂L/∂v = −½ γ·s²·Σ h·x̂      times ∂v/∂xᵢ = 2(xᵢ − m)/n   → −γ·s·x̂ᵢ·mean(h·x̂)
             ∂L/∂x = γ·s·(h − mean(h) − x̂·mean(h·x̂)):  a shift and a scale of x change nothing, and none is learnt.
Why          sn.mean, sn.var and sn.normalize say the same as three ops, with three gradients for x to be added up.
             Here it is one pass over memory for the sums and one for ∂L/∂x: a step of a DCGAN takes 0.93 of the time.
Shapes       x and y (N,C,H,W), γ and β (C,)
Errors       ValueError: other shapes, nothing in x, slope < 0
Source       Ioffe & Szegedy 2015, arXiv:1502.03167.

Training runs it: inside `with joined():` BatchNorm takes it instead of the three.  The numbers differ by rounding.
"""
import numpy as np

from ..op import keep, op
from .channel_kernels import channel_dots, channel_moments, channel_rest, channel_scale
from .conv_relu import before_relu, check_slope
from .elementwise import power
from .reduce import mean, sum, var
from .shape import reshape

IMAGES = (0, 2, 3)                              # what a channel's sums run over: all axes of images but the channels'


@op
def batch_norm(x, gamma, beta, *, eps=1e-5, slope=None, tell=None):
    """y = relu(γ·(x − m)/√(v + eps) + β),  m, v mean and variance of each channel of x;  tell(m, v) is told them"""
    if x.ndim != 4 or gamma.shape != x.shape[1:2] or beta.shape != gamma.shape:
        raise ValueError(f"batch_norm: x {x.shape}, gamma {gamma.shape} and beta {beta.shape}, expected images (N, C, H, W) and "
                         "one gamma and one beta for each of the C channels")
    if x.size == 0:
        raise ValueError(f"batch_norm: x has shape {x.shape}: of no numbers there is no mean")
    if slope is not None:
        check_slope("batch_norm", slope)
    m, v = channel_moments(x)
    if tell:
        tell(m, v)
    return keep(channel_scale(x, m, gamma / np.sqrt(v + eps), beta, slope), m=m, v=v)


def standard(x, eps):
    """x̂ and s"""
    s = power(var(x, axis=IMAGES, keepdims=True) + eps, -0.5)
    return (x - mean(x, axis=IMAGES, keepdims=True)) * s, s


def before(g, y, slope):
    """h"""
    return g if slope is None else before_relu(g, y, slope)


@batch_norm.vjp("x")
def batch_norm_dx(g, y, x, gamma, eps, slope):
    h, (x_hat, s) = before(g, y, slope), standard(x, eps)
    rest = h - mean(h, axis=IMAGES, keepdims=True) - x_hat * mean(h * x_hat, axis=IMAGES, keepdims=True)
    return reshape(gamma, (-1, 1, 1)) * s * rest


@batch_norm.vjp("gamma")
def batch_norm_dgamma(g, y, x, eps, slope):
    return sum(before(g, y, slope) * standard(x, eps)[0], axis=IMAGES)


@batch_norm.vjp("beta")
def batch_norm_dbeta(g, y, slope):
    return sum(before(g, y, slope), axis=IMAGES)


@batch_norm.fast_vjp
def batch_norm_fast(want, g, y, x, gamma, m, v, eps, slope):
    s, n = 1 / np.sqrt(v + eps), x.size // len(m)
    relu = () if slope is None else (y, slope)
    sums, dots = channel_dots(g, x, m, *relu)                  # Σ h and Σ h·(x − m)
    dx = channel_rest(g, x, m, gamma * s, sums / n, s * s * dots / n, *relu) if "x" in want else None
    return {"x": dx, "gamma": dots * s, "beta": sums}
