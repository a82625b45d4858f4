"""Networks for GANs on 28 × 28 images: each function returns (generator, discriminator).

A generator maps z (N, latent) to images (N, 1, 28, 28) in [−1, 1], the range of tanh; a discriminator maps such
images to scores (N, 1).  Batch norm in G shifts every channel back to where ReLU or LeakyReLU has both its sides.

    dense      dense layers only: G must learn from nothing that neighbouring pixels belong together
    conv       a dense trunk, which lays out the digit as a whole, then thin transposed convolutions, which draw
               the strokes; D without normalisation: R1 holds its slope
    dcgan      the textbook: convolutions as wide as they are deep, no trunk; batch norm in D as well
    spectral   the same with spectral normalisation in D: ‖∂D/∂x‖ is at most the product of its layers' norms
    bare       the same without any normalisation in D, for R1
"""
from __future__ import annotations

from typing import Callable

from .. import init
from ..layers import (BatchNorm, Conv2d, ConvTranspose2d, Dense, Flatten, LeakyReLU, ReLU, Reshape, Sequential,
                      SpectralNorm, Tanh)


def dense(latent: int, rng) -> tuple[Sequential, Sequential]:
    def block(inputs: int, outputs: int):
        return Dense(inputs, outputs, rng=rng), BatchNorm(outputs), LeakyReLU(0.2)
    return (Sequential(*block(latent, 256), *block(256, 512), *block(512, 1024),            # (N,1024)
                       Dense(1024, 784, rng=rng), Tanh(), Reshape(1, 28, 28)),              # (N,1,28,28)
            Sequential(Flatten(), Dense(784, 1024, rng=rng), LeakyReLU(0.2),                # (N,1024)
                       Dense(1024, 512, rng=rng), LeakyReLU(0.2), Dense(512, 256, rng=rng), LeakyReLU(0.2),
                       Dense(256, 1, rng=rng)))                                             # (N,1)


def conv(latent: int, rng) -> tuple[Sequential, Sequential]:
    size = dict(stride=2, padding=1, rng=rng)                                               # a 4×4 window halves or doubles
    return (Sequential(Dense(latent, 256, rng=rng), BatchNorm(256), ReLU(),                 # (N,256)
                       Dense(256, 32 * 7 * 7, rng=rng), BatchNorm(32 * 7 * 7), ReLU(), Reshape(32, 7, 7),
                       ConvTranspose2d(32, 16, 4, **size), BatchNorm(16), ReLU(),           # (N,16,14,14)
                       ConvTranspose2d(16, 1, 4, **size), Tanh()),                          # (N,1,28,28)
            Sequential(Conv2d(1, 16, 4, **size), LeakyReLU(0.2),                            # (N,16,14,14)
                       Conv2d(16, 32, 4, **size), LeakyReLU(0.2), Flatten(),                # (N,1568)
                       Dense(32 * 7 * 7, 256, rng=rng), LeakyReLU(0.2), Dense(256, 1, rng=rng)))


def dcgan(latent: int, rng) -> tuple[Sequential, Sequential]:
    return textbook(latent, rng, lambda layer, channels: [layer, BatchNorm(channels)] if channels > 32 else [layer])


def spectral(latent: int, rng) -> tuple[Sequential, Sequential]:
    return textbook(latent, rng, lambda layer, channels: [SpectralNorm(layer, rng=rng)])


def bare(latent: int, rng) -> tuple[Sequential, Sequential]:
    return textbook(latent, rng, lambda layer, channels: [layer])


def textbook(latent: int, rng, normed: Callable) -> tuple[Sequential, Sequential]:
    """Radford, Metz & Chintala 2016, arXiv:1511.06434, for 28 × 28; first weights N(0, 0.02²), as they have it."""
    size = dict(stride=2, padding=1, rng=rng)
    networks = (
        Sequential(Dense(latent, 64 * 7 * 7, rng=rng), Reshape(64, 7, 7), BatchNorm(64), ReLU(),
                   ConvTranspose2d(64, 32, 4, **size), BatchNorm(32), ReLU(),               # (N,32,14,14)
                   ConvTranspose2d(32, 1, 4, **size), Tanh()),                              # (N,1,28,28)
        Sequential(*normed(Conv2d(1, 32, 4, **size), 32), LeakyReLU(0.2),                   # (N,32,14,14)
                   *normed(Conv2d(32, 64, 4, **size), 64), LeakyReLU(0.2), Flatten(),       # (N,3136)
                   *normed(Dense(64 * 7 * 7, 1, rng=rng), 1)))                              # (N,1)
    for network in networks:
        for name, p in network.named_parameters():
            if name.endswith(".w"):
                p.data = init.normal(p.shape, 0.02, rng)
    return networks


NETWORKS = {f.__name__: f for f in (dense, conv, dcgan, spectral, bare)}
