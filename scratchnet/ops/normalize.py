"""normalize: shift and scale to mean 0 and variance 1, then to what the next layer learns to want.

    d = x − mean      s = 1/√(var + eps)      y = γ · d · s + β

mean and var are inputs like the others.  Batch normalisation passes the batch's own, computed by
sn.mean and sn.var, and the graph then carries their dependence on x; at test time they are constants.

Derivation   ∂y/∂x = γs     ∂y/∂mean = −γs     ∂y/∂γ = d·s     ∂y/∂β = 1
             ∂y/∂var = γ·d·∂s/∂var = −½ γ·d·s³, because s = (var + eps)^(−1/2)
Shapes       the four statistics and parameters broadcast to x, (1,C,1,1) for images (N,C,H,W).
Errors       ValueError: shapes that do not broadcast to x's.
Source       Ioffe & Szegedy 2015, arXiv:1502.03167.
"""
import numpy as np

from ..op import op
from .broadcast import broadcast_shape, fit
from .channel_kernels import channel_dots, channel_scale, per_channel
from .elementwise import power


@op
def normalize(x, mean, var, gamma, beta, *, eps=1e-5):
    """y = gamma · (x − mean) / √(var + eps) + beta"""
    if broadcast_shape("normalize", x=x, mean=mean, var=var, gamma=gamma, beta=beta) != x.shape:
        raise ValueError(f"normalize: mean {mean.shape}, var {var.shape}, gamma {gamma.shape} and beta "
                         f"{beta.shape} must broadcast to x's shape {x.shape}, not beyond it")
    a = gamma / np.sqrt(var + eps)
    if one_per_channel(x, mean, var, gamma, beta):
        return channel_scale(x, mean.ravel(), a.ravel(), beta.ravel())
    return (x - mean) * a + beta


@normalize.vjp("x")
def normalize_dx(g, var, gamma, eps):
    return g * (gamma * power(var + eps, -0.5))


@normalize.vjp("mean")
def normalize_dmean(g, var, gamma, mean_shape, eps):
    return fit(-g * (gamma * power(var + eps, -0.5)), mean_shape)


@normalize.vjp("var")
def normalize_dvar(g, x, mean, var, gamma, var_shape, eps):
    return fit(g * (x - mean) * (-0.5 * gamma * power(var + eps, -1.5)), var_shape)


@normalize.vjp("gamma")
def normalize_dgamma(g, x, mean, var, gamma_shape, eps):
    return fit(g * (x - mean) * power(var + eps, -0.5), gamma_shape)


@normalize.vjp("beta")
def normalize_dbeta(g, beta_shape):
    return fit(g, beta_shape)


@normalize.fast_vjp
def normalize_fast(want, g, x, mean, var, gamma, beta_shape, eps):
    """For images: all sums in one pass over g and x, a quarter of the time."""
    if not one_per_channel(x, mean, var, gamma) or beta_shape != mean.shape:
        return None
    m, s, gamma = mean.ravel(), 1 / np.sqrt(var.ravel() + eps), gamma.ravel()
    zero = np.zeros_like(m)
    sums, dots = channel_dots(g, x, m)                         # Σ g and Σ g·d
    out = {"mean": -gamma * s * sums, "var": -0.5 * gamma * s**3 * dots, "gamma": dots * s, "beta": sums}
    return {"x": channel_scale(g, zero, gamma * s, zero) if "x" in want else None,
            **{name: per_channel(d, x)[None] for name, d in out.items()}}


def one_per_channel(x, *statistics) -> bool:
    """Are these one number per channel of images x (N,C,H,W)?"""
    return x.ndim == 4 and x.dtype.kind == "f" and all(s.shape == (1, x.shape[1], 1, 1) for s in statistics)
