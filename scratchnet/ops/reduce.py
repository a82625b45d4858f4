"""Reductions: many numbers become one, so on the way back one gradient reaches many.

Derivation   y = Σ x: every ∂y/∂xᵢ = 1, so each xᵢ receives g as it is: `spread` repeats g back over the
             axes that were reduced.  The others follow: times 1/n for the mean, times the slope of y in
             xᵢ for var (2 (xᵢ − mean)/n), logsumexp (softmax xᵢ), max (1 at the first largest, else 0).
Shapes       axis: None (all), an int or a tuple of ints; keepdims keeps reduced axes with length 1.
Errors       ValueError: an axis that x has not, or reducing nothing (an empty max).
Source       Goodfellow, Bengio & Courville 2016, §6.5; softmax: ibid. §6.2.2.3.
"""
import numpy as np

from ..op import keep, op
from .broadcast import broadcast_to
from .channel_kernels import channel_moments, channel_scale, channel_sum, of_channels, per_channel
from .elementwise import exp
from .shape import reshape


@op
def sum(x, *, axis=None, keepdims=False):
    """y = Σ x over `axis`.    ∂y/∂xᵢ = 1"""
    return x.sum(axis=axes_of("sum", x, axis), keepdims=keepdims)
@sum.vjp("x")
def sum_dx(g, x_shape, axis): return spread(g, x_shape, axis)


@op
def mean(x, *, axis=None, keepdims=False):
    """y = Σ x / n over `axis`.    ∂y/∂xᵢ = 1/n"""
    axis = axes_of("mean", x, axis)
    n = count("mean", x.shape, axis)
    if of_channels(x, axis, keepdims):
        return per_channel(channel_sum(x), x)[None] / n
    return x.mean(axis=axis, keepdims=keepdims)
@mean.vjp("x")
def mean_dx(g, x_shape, axis): return spread(g / count("mean", x_shape, axis), x_shape, axis)


@op
def var(x, *, axis=None, keepdims=False):
    """y = Σ (xᵢ − m)² / n with m the mean over `axis`: the population variance, as np.var.

    ∂y/∂xᵢ = 2 (xᵢ − m)/n:  the path through m adds Σⱼ 2 (xⱼ − m)/n · (−1/n) = 0.
    """
    axis = axes_of("var", x, axis)
    n = count("var", x.shape, axis)
    if of_channels(x, axis, keepdims):
        m, v = (per_channel(a, x)[None] for a in channel_moments(x))
        return keep(v, m=m)
    m = x.mean(axis=axis, keepdims=True)
    d = x - m
    return keep((d * d).sum(axis=axis, keepdims=keepdims) / n, m=m)          # np.var takes |d|², not complex-steppable
@var.vjp("x")
def var_dx(g, x, x_shape, axis):
    d = x - mean(x, axis=axis, keepdims=True)
    return spread(g * (2.0 / count("var", x_shape, axis)), x_shape, axis) * d
@var.fast_vjp
def var_fast(want, g, x, m, axis):
    """With the mean of the forward, instead of once more; for the channels of images in one pass."""
    g = g * (2.0 / count("var", x.shape, axis))
    if of_channels(x, axis, True):
        return {"x": channel_scale(x, m.ravel(), g.ravel(), np.zeros_like(m.ravel()))}
    return {"x": g.reshape(m.shape) * (x - m)}


@op
def max(x, *, axis=None, keepdims=False):
    """y = the largest x over `axis`.    ∂y/∂xᵢ = [i is the first that is largest]"""
    axis = axes_of("max", x, axis)
    count("max", x.shape, axis)
    rest = tuple(i for i in range(x.ndim) if i not in axis)
    rows = x.transpose(rest + axis)                            # the reduced axes last, as one
    inner = rows.shape
    rows = rows.reshape(rows.shape[:len(rest)] + (-1,))
    first = np.arange(rows.shape[-1]) == rows.argmax(-1)[..., None]
    first = first.reshape(inner).transpose(np.argsort(rest + axis))
    return keep(x.max(axis=axis, keepdims=keepdims), first=first)
@max.vjp("x")
def max_dx(g, first, x_shape, axis): return spread(g, x_shape, axis) * first


@op
def logsumexp(x, *, axis=None, keepdims=False):
    """y = log Σ eˣ = m + log Σ e⁽ˣ⁻ᵐ⁾ with m the largest x, so nothing overflows.    ∂y/∂xᵢ = e⁽ˣⁱ⁻ʸ⁾"""
    axis = axes_of("logsumexp", x, axis)
    count("logsumexp", x.shape, axis)
    m = x.max(axis=axis, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)                         # all −inf: y = −inf, not NaN
    with np.errstate(divide="ignore"):
        y = m + np.log(np.exp(x - m).sum(axis=axis, keepdims=True))
    return y if keepdims else y.squeeze(axis)
@logsumexp.vjp("x")
def logsumexp_dx(g, x, y, x_shape, axis):
    return spread(g, x_shape, axis) * exp(x - spread(y, x_shape, axis))


@op
def softmax(x, *, axis=-1):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ.    ∂yⱼ/∂xᵢ = yⱼ ([i = j] − yᵢ),  so  ∂L/∂xᵢ = yᵢ (gᵢ − Σⱼ gⱼ yⱼ)"""
    axis = axes_of("softmax", x, axis)
    count("softmax", x.shape, axis)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)
@softmax.vjp("x")
def softmax_dx(g, y, axis): return y * (g - sum(g * y, axis=axis, keepdims=True))


@op
def log_softmax(x, *, axis=-1):
    """yᵢ = xᵢ − log Σⱼ eˣʲ.    ∂yⱼ/∂xᵢ = [i = j] − softmaxᵢ,  so  ∂L/∂xᵢ = gᵢ − eʸⁱ Σⱼ gⱼ"""
    axis = axes_of("log_softmax", x, axis)
    count("log_softmax", x.shape, axis)
    d = x - x.max(axis=axis, keepdims=True)
    return d - np.log(np.exp(d).sum(axis=axis, keepdims=True))
@log_softmax.vjp("x")
def log_softmax_dx(g, y, axis): return g - exp(y) * sum(g, axis=axis, keepdims=True)

# ---- what they share ----------------------------------------------------------------------------


def axes_of(name: str, x, axis) -> tuple:
    """axis=None, an int or a tuple, as a tuple of distinct axes from 0."""
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    for a in axes:
        if not isinstance(a, (int, np.integer)) or not -x.ndim <= a < x.ndim:
            has = f"axes 0 to {x.ndim - 1}" if x.ndim else "none: it is a single number"
            raise ValueError(f"{name}: axis {a!r} does not exist: x of shape {x.shape} has {has}")
    axes = tuple(int(a) % x.ndim for a in axes)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis of x {x.shape} twice")
    return axes


def count(name: str, shape: tuple, axis) -> int:
    """How many numbers become one; none is an error, for then there is no mean and no maximum."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    n = int(np.prod([shape[a] for a in axes], dtype=int))
    if n == 0:
        raise ValueError(f"{name}: nothing to reduce: x has shape {shape}, axis {axis}")
    return n


def spread(g, shape: tuple, axis):
    """g repeated back to `shape` over the reduced axes, whether they were kept or not."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = {a % len(shape) for a in axes}
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return broadcast_to(reshape(g, shape=kept), shape=shape)
