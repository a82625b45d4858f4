"""The generative adversarial network: a forger and an expert, who learn from each other.

    generator      z → G(z), an image        z ~ N(0, 1), `latent` numbers; the forger
    discriminator  x → D(x), one number      high: "real", low: "made"; the expert

The two take turns.  A step moves one player's weights and holds the other's still:

    D's step   lowers L_D: D(x) up for real x, D(G(z)) down.  Here G(z) is a constant: `.detach()` cuts
               the graph behind it, so no gradient enters G.
    G's step   lowers L_G: D(G(z)) up.  The gradient goes through D into the image, and on into G:
                   ∂L_G/∂θ_G = ∂L_G/∂D · ∂D/∂image · ∂image/∂θ_G
               Nothing is cut here, but D is frozen: ∂D/∂image is needed, ∂D/∂θ_D is not.

Both steps see the same G(z), computed once.  The losses, and why G's is not just −L_D: gan_losses.py.

Shapes   z (N, latent); images (N, 1, 28, 28), in [0, 1] outside; the networks see [−1, 1]; scores (N, 1).
Source   Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1; networks and their sources: gan_networks.py.
"""
from __future__ import annotations

import math
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple

import numpy as np

from ..layers import Array, Layer, joined
from ..optim import Optimiser
from ..rng import generator
from ..tensor import Tensor
from .ema import Average
from .gan_losses import Game, non_saturating
from .gan_networks import conv
from .images import check_images, in_batches


class Diverged(FloatingPointError):
    """A player's loss or weights are no longer numbers: the game is over."""


class GAN(Layer):
    """Both players.  networks: a function (latent, rng) → (generator, discriminator), such as those of gan_networks.py.

        G(z) = generator(z),  z ~ N(0, 1)    D(x) = discriminator(2x − 1), high: "real"
    Shapes  forward: z (N,latent) → (N,1,28,28);  images: z (N,latent) → (N,1,28,28);
            real: x (N,1,28,28) → (N,1,28,28);  discriminator: x (N,1,28,28) → (N,1).
    Errors  TypeError: networks not callable; x not floating point.  ValueError: latent not an integer ≥ 1; z or x of
            another shape; x not finite or outside [0, 1].
    Source  Goodfellow et al. 2014, arXiv:1406.2661.
    """

    def __init__(self, latent: int = 64, networks: Callable = conv, *, rng=None):
        if not callable(networks):
            raise TypeError(f"GAN: networks is {networks!r}, expected a function (latent, rng) that makes both, such as "
                            "gan_networks.conv")
        if isinstance(latent, bool) or not isinstance(latent, int) or latent < 1:
            raise ValueError(f"GAN: latent is {latent!r}, expected how many numbers z has, 1 or more")
        self.latent = latent
        self.generator, self.discriminator = networks(latent, generator(rng))

    def noise(self, n: int, rng=None) -> np.ndarray:
        """n times z ~ N(0, 1), (n, latent)."""
        dtype = self.generator.parameters()[0].dtype
        return generator(rng).standard_normal((n, self.latent)).astype(dtype)

    def forward(self, z: Array) -> Tensor:
        """G(z), as D takes it."""
        return self.generator(self.check_noise(z))

    def check_noise(self, z: Array) -> Array:
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise ValueError(f"GAN: z has shape {z.shape}, expected (N, {self.latent}): this generator was made with "
                             f"latent={self.latent}")
        return z

    def real(self, x: Array) -> Tensor:
        """Images in [0, 1] as D takes them, in [−1, 1], the range of G's tanh."""
        check_images(x)
        x = x if isinstance(x, Tensor) else Tensor(x)
        low, high = x.data.min(), x.data.max()
        if low < 0 or high > 1:
            raise ValueError(f"images: from {low:g} to {high:g}, expected numbers in [0, 1]; bytes are divided by 255, "
                             "images from −1 to 1 become (x + 1) / 2")
        return 2.0 * x - 1.0

    def images(self, z: np.ndarray, average: Layer | None = None) -> np.ndarray:
        """G(z) as images in [0, 1], at test time; by the averaged weights if they are given."""
        network = average or self.generator
        was_training = network.training
        network.eval()
        try:
            return 0.5 * in_batches(network, self.check_noise(z)) + 0.5
        finally:
            network.train(was_training)


# ---- the two steps --------------------------------------------------------------------------------

class Turn(NamedTuple):
    """What one step of both players says, measured before their weights move."""
    discriminator: float                        # L_D, without the penalty
    generator: float                            # L_G; NaN on steps on which G rests
    accuracy: float                             # share of images judged rightly: real if D(x) > 0 (Wasserstein: no such 0)
    penalty: float                              # NaN on steps without one


def discriminator_step(gan: GAN, optimiser: Optimiser, real: Tensor, fake: Tensor, game: Game = non_saturating,
                       penalty: Callable | None = None, rng=None) -> tuple[float, float, float]:
    """D learns from real and made images; returns L_D, D's accuracy, and the penalty (NaN if there was none).

        θ_D ← optimiser(θ_D, ∂(L_D + every·penalty)/∂θ_D),  the penalty on every `every`-th step only
    Shapes  real (N,1,28,28), fake (N,1,28,28) → (), (), ().
    Errors  ValueError: an optimiser of other parameters.  Diverged: the loss is not finite; no weight was touched.
    Source  Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1; Karras et al. 2020, arXiv:1912.04958 (every).
    """
    check_optimiser("discriminator", gan.discriminator, optimiser)
    fake = fake.detach()                                       # a constant from here on: G gets no gradient
    with joined():
        r, f = gan.discriminator(real), gan.discriminator(fake)
    loss = total = game.discriminator(r, f)
    extra = None
    if penalty is not None and optimiser.t % penalty.every == 0:           # seldom, but the heavier
        extra = penalty.every * penalty(gan.discriminator, real, fake, rng)
        total = loss + extra
    check_finite(total, "discriminator", optimiser)
    optimiser.zero_grad()
    total.backward()
    optimiser.step()
    accuracy = 0.5 * float((r.data > 0).mean() + (f.data <= 0).mean())
    return loss.item(), accuracy, math.nan if extra is None else extra.item() / penalty.every


def generator_step(gan: GAN, optimiser: Optimiser, fake: Tensor, game: Game = non_saturating) -> float:
    """G learns what D makes of its images; returns L_G.

        θ_G ← optimiser(θ_G, ∂L_G/∂θ_G)
    Shapes  fake (N,1,28,28), as gan(z) made it → ().    Errors, Source  those of discriminator_step.
    """
    check_optimiser("generator", gan.generator, optimiser)
    with frozen(gan.discriminator), joined():                  # gradients pass through D and leave nothing there
        loss = game.generator(gan.discriminator(fake))
    check_finite(loss, "generator", optimiser)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def train_step(gan: GAN, optimisers: tuple[Optimiser, Optimiser], x: Array, *, game: Game = non_saturating,
               penalty: Callable | None = None, critics: int = 1, average: Average | None = None, rng=None) -> Turn:
    """A step of D, and on every `critics`-th one of G.  optimisers: of G's and of D's weights, in this order.

        z ~ N(0, 1);    θ_D ← optimiser(θ_D, ∂L_D/∂θ_D);    θ_G ← optimiser(θ_G, ∂L_G/∂θ_G)
    Shapes  x (N,1,28,28) in [0, 1] → discriminator (), generator (), accuracy (), penalty ().
    Errors  those of GAN and of both steps.
    Source  Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1; Arjovsky et al. 2017, arXiv:1701.07875 (critics).
    """
    of_generator, of_discriminator = optimisers
    real = gan.real(x)
    with joined():
        fake = gan(gan.noise(len(real), rng))
    loss, accuracy, extra = discriminator_step(gan, of_discriminator, real, fake, game, penalty, rng)
    if of_discriminator.t % critics:
        return Turn(loss, math.nan, accuracy, extra)
    turn = Turn(loss, generator_step(gan, of_generator, fake, game), accuracy, extra)
    if average is not None:
        average.update(gan.generator)
    return turn


@contextmanager
def frozen(layer: Layer) -> Iterator[None]:
    """Inside, gradients pass through `layer` but none is computed for its parameters."""
    parameters = layer.parameters()
    for p in parameters:
        p.requires_grad = False
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad = True


def check_optimiser(player: str, layer: Layer, optimiser: Optimiser) -> None:
    """ValueError if this optimiser would leave the player as it is, in silence."""
    held = {id(p) for p in optimiser.params}
    if any(id(p) not in held for p in layer.parameters()):
        raise ValueError(f"the {player}'s step was given an optimiser of other parameters: expected one made of "
                         f"gan.{player}.parameters(); train_step takes (generator's, discriminator's), in this order")


def check_finite(loss: Tensor, player: str, optimiser: Optimiser) -> None:
    """Diverged, before any weight is touched, if the loss is NaN or infinite."""
    if not math.isfinite(loss.item()):
        raise Diverged(f"step {optimiser.t + 1}: the {player}'s loss is {loss.item()}, and no update can follow from it; "
                       "a smaller lr or a heavier penalty keeps D's slope in hand")
