"""The variational autoencoder: codes that are clouds instead of points, so that the space between is used.

    encoder   x → μ, log σ²              q(z|x) = N(μ, σ²), one Gaussian per latent axis
    sample    z = μ + σ·ε, ε ~ N(0,1)    σ = e^(½ log σ²): written so, z has a gradient in μ and log σ²
    decoder   z → logits of every pixel  p(x|z) = Bernoulli(sigmoid(logits))

    L = reconstruction + KL = −E[log p(x|z)] + KL(q(z|x) ‖ N(0,1)) ≥ −log p(x)       per image, in nats

The first term pulls the clouds apart so that images stay distinguishable; the second pulls each cloud
towards N(0,1), so that they overlap, fill the space, and any z drawn from N(0,1) decodes to something.

Derivation   ∂z/∂μ = 1;  ∂z/∂(log σ²) = ½σε = ½(z − μ):  the engine's rules for *, +, exp say the same.
Shapes       x (N,1,28,28) in [0,1]; μ, log σ², z (N,latent); logits (N,1,28,28).
Source       Kingma & Welling 2013, arXiv:1312.6114; the network is the convolutional VAE of the Keras
             examples (F. Chollet), 69,076 + 65,089 parameters with 2 latent axes.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import ops
from ..layers import Array, Conv2d, ConvTranspose2d, Dense, Flatten, Layer, ReLU, Reshape, Sequential, joined
from ..optim import Optimiser
from ..rng import generator
from ..tensor import Tensor
from .images import check_codes, check_images, check_latent, in_batches

LOGVAR = (-30.0, 20.0)                          # σ from 3e-7 to 2e4: e^logvar stays finite in float32


class Terms(NamedTuple):
    """total = weighted sum of the two, each in nats per image, averaged over the batch."""
    total: Tensor
    reconstruction: Tensor
    kl: Tensor


class VAE(Layer):
    """Conv encoder, transposed-conv decoder.  latent: axes of the code; hidden: width before it.

        L = −E[log p(x|z)] + KL(N(μ, σ²) ‖ N(0, 1)),    z = μ + σ·ε,  ε ~ N(0, 1)
    Shapes  encode: x (N,1,28,28) → mu (N,latent), logvar (N,latent);  decode: z (N,latent) → (N,1,28,28);
            codes: x (N,1,28,28) → (N,latent);  images: z (N,latent) → (N,1,28,28);
            loss: x (N,1,28,28), eps (N,latent) → total (), reconstruction (), kl ().
    Errors  ValueError: latent not an integer ≥ 1; x, z or eps of other shapes; x, or z given to images, not finite.
            TypeError: x not floating point, such as bytes.
    Source  Kingma & Welling 2013, arXiv:1312.6114.
    """

    def __init__(self, latent: int = 2, hidden: int = 16, *, rng=None):
        check_latent("VAE", latent)
        rng = generator(rng)
        self.encoder = Sequential(
            Conv2d(1, 32, 3, stride=2, padding=1, rng=rng), ReLU(),                         # (N,32,14,14)
            Conv2d(32, 64, 3, stride=2, padding=1, rng=rng), ReLU(),                        # (N,64,7,7)
            Flatten(), Dense(64 * 7 * 7, hidden, rng=rng), ReLU())                          # (N,hidden)
        self.mu = Dense(hidden, latent, rng=rng)
        self.logvar = Dense(hidden, latent, rng=rng)
        self.decoder = Sequential(
            Dense(latent, 64 * 7 * 7, rng=rng), ReLU(), Reshape(64, 7, 7),                  # (N,64,7,7)
            ConvTranspose2d(64, 64, 3, stride=2, padding=1, output_padding=1, rng=rng), ReLU(),   # (N,64,14,14)
            ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1, rng=rng), ReLU(),   # (N,32,28,28)
            ConvTranspose2d(32, 1, 3, padding=1, rng=rng))                                  # (N,1,28,28)
        self.latent, self.hidden = latent, hidden

    @classmethod
    def from_autoencoder(cls, model: Layer, rng=None) -> VAE:
        """The VAE with the layers of an autoencoder, which it takes over: the last of its encoder gives μ, a new one log σ²."""
        *before, mu = model.encoder.layers
        vae = cls.__new__(cls)
        vae.hidden, vae.latent = mu.w.shape
        vae.encoder, vae.mu = Sequential(*before), mu
        vae.logvar, vae.decoder = Dense(vae.hidden, vae.latent, rng=generator(rng)), model.decoder
        return vae

    def encode(self, x: Array) -> tuple[Tensor, Tensor]:
        """μ and log σ² of q(z|x)."""
        h = self.encoder(check_images(x))
        return self.mu(h), ops.clip(self.logvar(h), *LOGVAR)

    def decode(self, z: Array) -> Tensor:
        """Logits of the pixels; sn.sigmoid of them is the image."""
        return self.decoder(z)

    def codes(self, x: np.ndarray) -> np.ndarray:
        """μ of many images, (N,latent), computed without recording."""
        return in_batches(self.encode, x)[0]

    def images(self, z: np.ndarray) -> np.ndarray:
        """The images of many codes, (N,1,28,28) in [0,1], computed without recording."""
        z = check_codes(z, self.latent).astype(self.decoder[0].w.dtype)
        return in_batches(lambda part: ops.sigmoid(self.decode(part)), z)

    def loss(self, x: Array, eps: Array | None = None, *, reconstruction: float = 1.0, kl: float = 1.0, rng=None) -> Terms:
        """Both terms and their weighted sum.  eps (N,latent): the noise, drawn from rng if not given."""
        mu, logvar = self.encode(x)
        z = sample(mu, logvar, eps, rng)
        rec = ops.bce_with_logits(self.decode(z), x, reduction="sum") / x.shape[0]
        div = ops.gaussian_kl(mu, logvar)
        return Terms(reconstruction * rec + kl * div, rec, div)


def sample(mu: Tensor, logvar: Tensor, eps: Array | None = None, rng=None) -> Tensor:
    """z = μ + e^(½ logvar)·ε.  Half the log-variance is the log of σ; e^logvar would be σ².

    Shapes  mu (N,D), logvar (N,D), eps (N,D) → (N,D), or any, all alike.
    Errors  ValueError: eps of another shape than mu.
    Source  Kingma & Welling 2013, arXiv:1312.6114, §2.4.
    """
    if eps is None:
        eps = generator(rng).standard_normal(mu.shape).astype(mu.dtype)
    eps = eps if isinstance(eps, Tensor) else np.asarray(eps)
    if eps.shape != mu.shape:
        raise ValueError(f"sample: eps {eps.shape}, expected {mu.shape} like mu")
    return mu + ops.exp(0.5 * logvar) * eps


def train_step(model: VAE, optimiser: Optimiser, x: Array, *, beta: float = 1.0, reconstruction: float = 1.0,
               rng=None) -> tuple[float, float]:
    """One step on a batch; the weights of the two terms are `reconstruction` and, for the KL, beta.

    Returns (reconstruction, KL) before the step, unweighted.
        L = reconstruction·rec + beta·KL;    θ ← optimiser(θ, ∂L/∂θ)
    Shapes  x (N,1,28,28) → (), ().    Errors  those of VAE.
    Source  Kingma & Welling 2013, arXiv:1312.6114, algorithm 1; Higgins et al. 2017, ICLR (beta).
    """
    with joined():
        terms = model.loss(x, reconstruction=reconstruction, kl=beta, rng=rng)
    optimiser.zero_grad()
    terms.total.backward()
    optimiser.step()
    return terms.reconstruction.item(), terms.kl.item()

