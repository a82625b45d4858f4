"""The variational autoencoder: noise that can be differentiated

The encoder gives not a code but a cloud of codes, N(μ, σ²).  A drawn number has no slope; written as
z = μ + σ·ε with ε drawn beforehand, it has one in μ and in σ.  A second term, KL, keeps the clouds near N(0, 1).

Formula
    σ = e^(½·logvar)                                logvar = log σ², so half of it is log σ
    z = μ + σ·ε                                     ∂z/∂μ = 1    ∂z/∂logvar = ½·σ·ε
    recon = ½ Σ (z @ v − x)² / N                    v: the decoder, here one matrix
    KL    = ½ Σ (μ² + σ² − 1 − logvar) / N          ∂/∂μ = μ / N    ∂/∂logvar = ½ (σ² − 1) / N
    L     = recon + KL                              sums over every entry; N is the batch

Shapes
    mu, logvar, eps, z (N, Z)    v (Z, D)    x (N, D)    L one number

Example
    N = Z = D = 1, μ = 1, logvar = 0 (so σ = 1), ε = 2, v = 1, x = 0:  z = 3, recon = 4.5, KL = ½.
    >>> mu, logvar, eps, v, x = (np.array([[float(a)]]) for a in (1, 0, 2, 1, 0))
    >>> float(loss(mu, logvar, v, eps, x))
    5.0
    >>> [float(d[0, 0]) for d in loss_backward(1.0, mu, logvar, v, eps, x)]
    [4.0, 3.0, 9.0]

    (∂L/∂z = 3: dμ = 3 + 1;  dlogvar = 3·½·1·2 + 0;  dv = z·3.)

To do
    The sample, the KL term, and the three gradients.
"""
import numpy as np


def sample(mu, logvar, eps):
    # >>> one line
    return mu + np.exp(0.5 * logvar) * eps
    # <<<


def kl(mu, logvar):
    # >>> one line
    return 0.5 * np.sum(mu ** 2 + np.exp(logvar) - 1 - logvar) / len(mu)
    # <<<


def loss(mu, logvar, v, eps, x):
    z = sample(mu, logvar, eps)
    recon = 0.5 * np.sum((z @ v - x) ** 2) / len(x)
    return recon + kl(mu, logvar)


def loss_backward(g, mu, logvar, v, eps, x):
    z, N = sample(mu, logvar, eps), len(x)
    dr = g * (z @ v - x) / N
    dz = dr @ v.T
    # >>> three lines: dmu, dlogvar, dv
    dmu = dz + g * mu / N
    dlogvar = dz * 0.5 * np.exp(0.5 * logvar) * eps + g * 0.5 * (np.exp(logvar) - 1) / N
    dv = z.T @ dr
    # <<<
    return dmu, dlogvar, dv
