"""Samplers and divergences against their definitions, with the error that chance allows.

    moments   mean and variance of n samples lie within z standard errors of what they should be:
              σ/√n for the mean, √((m₄ − σ⁴)/n) for the variance, with m₄ measured
    KL        KL(q ‖ p) = E_q[log q(z) − log p(z)]: the mean over n samples, within z standard errors
Source  any text on statistics; Kingma & Welling 2013, arXiv:1312.6114, appendix B.
"""
from __future__ import annotations

from typing import Callable

import numpy as np

from ..rng import generator
from .findings import Finding, GradientError, Passed

Z = 5.0                                         # a right sampler is accused once in 1.7 million entries


def check_sampler(draw: Callable, mean, var, *, n: int = 100_000, rng=None, z: float = Z) -> Passed:
    """draw(n, rng) gives n samples (n, …); their mean and variance must be `mean` and `var`, entry by entry.

    Returns the largest deviation in standard errors.
        |m − mean| ≤ z·s/√n,   |s² − var| ≤ z·√((m₄ − s⁴)/n),   m, s², m₄ = the samples' mean and central moments
    Shapes  mean and var (D,), or any that broadcast; draw(n, rng) → (n,D).
    Errors  GradientError (codes MEAN, VARIANCE, SHAPE), naming the usual slip where one fits: e^logvar used as σ, σ for
            σ², noise of unit size.
    Source  any text on statistics: the standard errors of a mean and of a variance.
    """
    samples = np.asarray(draw(n, generator(0 if rng is None else rng)), np.float64)
    mean, var = np.broadcast_arrays(np.asarray(mean, float), np.asarray(var, float))
    if samples.shape != (n, *mean.shape):
        raise GradientError([Finding("samples", "SHAPE", str(samples.shape), f"draw returned shape {samples.shape}, expected {(n, *mean.shape)}")])
    m, v = samples.mean(axis=0), samples.var(axis=0)
    fourth = ((samples - m) ** 4).mean(axis=0)
    off_mean = np.abs(m - mean) / (np.sqrt(v / n) + 1e-12 * (1 + np.abs(mean)))
    spread = np.sqrt(np.maximum(fourth - v * v, 0) / n)
    off_var = np.abs(v - var) / (spread + 1e-9 * (1 + var))
    findings = []
    if (off_mean > z).any():
        e = np.unravel_index(np.argmax(off_mean), mean.shape)
        findings.append(Finding("samples", "MEAN", "", f"the mean of {n} samples is {m[e]:.4g}, expected {mean[e]:.4g}: "
                                f"{off_mean[e]:.0f} standard errors away", got=m, right=mean, wrong=off_mean > z))
    if (off_var > z).any():
        e = np.unravel_index(np.argmax(off_var), mean.shape)
        slip = variance_slip(v, var, spread, z)
        findings.append(Finding("samples", "VARIANCE", slip, f"the variance of {n} samples is {v[e]:.4g}, expected {var[e]:.4g}"
                                + (f": it is {slip}" if slip else ""), got=v, right=var, wrong=off_var > z))
    if findings:
        raise GradientError(findings)
    return Passed(max(off_mean.max(initial=0), off_var.max(initial=0)))


SLIPS = {"var^2, as if e^logvar were the standard deviation": lambda v: v ** 2, "1, the size of the noise itself": np.ones_like,
         "sqrt(var), as if the standard deviation were the variance": np.sqrt, "0: the noise was forgotten": np.zeros_like,
         "4*var: the half in e^(logvar/2) is at the wrong place": lambda v: 4 * v, "1/var: the sign of logvar is wrong": lambda v: 1 / v}


def variance_slip(v, var, spread, z: float) -> str:
    """The one known slip that explains every entry, if only one does."""
    with np.errstate(all="ignore"):
        fitting = [name for name, f in SLIPS.items() if (np.abs(v - f(var)) <= z * spread + 1e-9 * (1 + var)).all()]
    return fitting[0] if len(fitting) == 1 else ""


def check_kl(kl, log_q: Callable, log_p: Callable, draw: Callable, *, n: int = 100_000, rng=None, z: float = Z) -> Passed:
    """A closed-form KL(q ‖ p) against Monte Carlo: draw(n, rng) ~ q; log_q(z), log_p(z) give (n,) log-densities.

    Returns the deviation in standard errors.
        KL = E_q[log q(z) − log p(z)] ≈ r̄ = 1/n Σ (log q(zᵢ) − log p(zᵢ)),   |kl − r̄| ≤ z·std(r)/√n
    Shapes  draw(n, rng) → n samples of any shape; log_q and log_p of them → (n,); kl one number.
    Errors  GradientError: code KL, with the factor or sign if a simple one fits; code SHAPE: log-densities not (n,).
    Source  Kingma & Welling 2013, arXiv:1312.6114, appendix B (the closed form for Gaussians).
    """
    samples = draw(n, generator(0 if rng is None else rng))
    ratio = np.asarray(log_q(samples), float) - np.asarray(log_p(samples), float)
    if ratio.shape != (n,):
        raise GradientError([Finding("kl", "SHAPE", str(ratio.shape), f"log_q − log_p has shape {ratio.shape}, expected {(n,)}: sum the "
                                     "log-densities over the axes of one sample")])
    measured, error = ratio.mean(), ratio.std() / np.sqrt(n) + 1e-12
    kl = float(kl)
    if abs(kl - measured) <= z * error:
        return Passed(abs(kl - measured) / error)
    slips = {"-1 times": -1.0, "2 times": 2.0, "1/2 times": 0.5}
    fitting = [name for name, c in slips.items() if abs(kl - c * measured) <= z * abs(c) * error]
    raise GradientError([Finding("kl", "KL", fitting[0] if len(fitting) == 1 else "", f"the closed form gives {kl:.6g}, {n} samples give "
                                 f"{measured:.6g} ± {error:.2g}" + (f": it is {fitting[0]} the right one" if len(fitting) == 1 else ""))])
