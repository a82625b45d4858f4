"""Find the bug: a VAE whose gradients are all right

Every gradient of this model passes the check, and it draws blurred, timid digits.  The mistake is in the
forward, so forward and backward agree; it was found in several published VAEs.

Formula
    (μ, logvar) = encoder(x),  logvar = log σ²
    z = μ + σ·ε,  ε from N(0, 1):          mean of z: μ          variance of z: σ² = e^logvar
    KL = ½ Σ (μ² + σ² − 1 − logvar) / N    the distance of N(μ, σ²) from N(0, 1): zero only where μ = 0, σ = 1

Shapes
    x (N, D)    μ, logvar, z, ε (N, Z)    logits (N, D)    every term one number, a Tensor

Example
    logvar = log 4 means σ² = 4, σ = 2; so ε = 1 moves z by 2.
    >>> z = sample(sn.Tensor([10.0]), sn.Tensor([np.log(4.0)]), np.ones(1, np.float32))
    >>> round(z.item(), 4)
    12.0

To do
    The judge draws many samples and measures their spread, which no gradient can.  Repair one line.
"""
import numpy as np

import scratchnet as sn


class VAE(sn.layers.Layer):
    def __init__(self, D, Z, hidden, rng):
        self.encoder = sn.layers.Sequential(sn.layers.Dense(D, hidden, rng=rng), sn.layers.Tanh())
        self.mu = sn.layers.Dense(hidden, Z, rng=rng)
        self.logvar = sn.layers.Dense(hidden, Z, rng=rng)
        self.decoder = sn.layers.Sequential(sn.layers.Dense(Z, hidden, rng=rng), sn.layers.Tanh(),
                                            sn.layers.Dense(hidden, D, rng=rng))

    def loss(self, x, eps):
        h = self.encoder(x)
        mu, logvar = self.mu(h), self.logvar(h)
        logits = self.decoder(sample(mu, logvar, eps))
        reconstruction = sn.bce_with_logits(logits, x, reduction="sum") / len(x)
        return reconstruction + kl(mu, logvar)


def sample(mu, logvar, eps):
    return mu + sn.exp(0.5 * logvar) * eps


def kl(mu, logvar):
    return 0.5 * (mu ** 2 + sn.exp(logvar) - 1.0 - logvar).sum() / mu.shape[0]
