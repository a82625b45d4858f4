"""What the two players of a GAN want: losses of their scores, and penalties on the slope of D.

D gives one score per image, r = D(x) for a real one, f = D(G(z)) for a made one; s(·) is the sigmoid.

Minimax         p(real) = s(score).  D maximises, G minimises  V = E[log s(r)] + E[log(1 − s(f))].
                With −log s(r) = softplus(−r) and −log(1 − s(f)) = softplus(f):
                    L_D = E softplus(−r) + E softplus(f)            L_G = −E softplus(f)
                For a fixed G the best D is s(D(x)) = p/(p + q), where p and q are the densities of real and made
                images (p log d + q log(1 − d) has slope p/d − q/(1 − d), which is 0 there); then
                V = 2·JS(p, q) − log 4, least where q = p: that is what G is led to.
Non-saturating  ∂L_G/∂f = −s(f) above: 0 where D is sure that an image is made (f ≪ 0), which is how every
                game begins, so G would learn nothing just when it is worst.  Instead G maximises E log s(f):
                    L_G = E softplus(−f)            ∂L_G/∂f = −s(−f) → −1
                The same fixed point, as both fall with f, and a gradient all the way.
Hinge           D pushes r above 1 and f below −1 and then leaves them; G pushes f up:
                    L_D = E max(0, 1 − r) + E max(0, 1 + f)         L_G = −E f
Wasserstein     sup E r − E f over all D with slope ‖∂D/∂x‖ ≤ 1 everywhere is the distance over which q must be
                carried to become p (Kantorovich & Rubinstein): it has a slope in G even where p and q do not overlap.
                    L_D = E f − E r                                 L_G = −E f

Penalties keep D's slope in hand.  Each is a function of ∂D/∂x, which `create_graph=True` records, so that the
step can differentiate it once more, with respect to D's weights:

Gradient penalty   λ·E(‖∂D/∂x̂‖ − 1)²,  x̂ = u·x + (1 − u)·G(z), u ~ U(0,1): slope 1 on the way from one to the other
R1                 ½γ·E‖∂D/∂x‖² on real images: where q = p, D shall be flat, so that G can come to rest

Shapes   r, f (N, 1); x, G(z) as D takes them; every loss and penalty one number.
Source   Goodfellow et al. 2014, arXiv:1406.2661, §3, §4.1; Lim & Ye 2017, arXiv:1705.02894 (hinge); Arjovsky et al.
         2017, arXiv:1701.07875; Gulrajani et al. 2017, arXiv:1704.00028; Mescheder et al. 2018, arXiv:1801.04406 (R1);
         Karras et al. 2020, arXiv:1912.04958, §3.1 (R1 only every few steps).
"""
from __future__ import annotations

from typing import Callable, NamedTuple

from .. import ops
from ..autograd import grad
from ..rng import generator
from ..tensor import Tensor


class Game(NamedTuple):
    """The losses of both players."""
    discriminator: Callable                     # (r, f) → L_D
    generator: Callable                         # f → L_G


minimax = Game(lambda r, f: ops.mean(ops.softplus(-r)) + ops.mean(ops.softplus(f)),
               lambda f: -ops.mean(ops.softplus(f)))
non_saturating = Game(minimax.discriminator, lambda f: ops.mean(ops.softplus(-f)))
hinge = Game(lambda r, f: ops.mean(ops.relu(1.0 - r)) + ops.mean(ops.relu(1.0 + f)), lambda f: -ops.mean(f))
wasserstein = Game(lambda r, f: ops.mean(f) - ops.mean(r), lambda f: -ops.mean(f))

GAMES = {"minimax": minimax, "non-saturating": non_saturating, "hinge": hinge, "wasserstein": wasserstein}


def slopes(discriminator, x: Tensor) -> Tensor:
    """∂D/∂x of every row, recorded, (N, D): D must treat rows alone (no batch norm), so the sum has one term each."""
    slope = grad(discriminator(x).sum(), x, create_graph=True)
    return ops.reshape(slope, (len(slope), -1))


class R1(NamedTuple):
    """½·weight·E‖∂D/∂x‖² on real images, on every `every`-th step of D and then `every` times as heavy.

        R1 = ½·weight·1/N Σ ‖∂D/∂xₙ‖²
    Shapes  real (N,1,28,28), fake (N,1,28,28) → (), or images of any shape; fake is not used.
    Errors  those of `discriminator`.    Source  Mescheder et al. 2018, arXiv:1801.04406; Karras et al. 2020,
            arXiv:1912.04958, §3.1 (every).
    """
    weight: float = 0.5
    every: int = 8

    def __call__(self, discriminator, real: Tensor, fake: Tensor, rng=None) -> Tensor:
        slope = slopes(discriminator, Tensor(real, requires_grad=True))
        return 0.5 * self.weight * ops.mean(ops.sum(slope * slope, axis=1))


class GradientPenalty(NamedTuple):
    """weight·E(‖∂D/∂x̂‖ − 1)², x̂ drawn on the straight lines between real and made images.

        x̂ = u·x + (1 − u)·G(z),  u ~ U(0, 1), one per image
    Shapes  real (N,1,28,28), fake (N,1,28,28) → (), or images of any shape.
    Errors  those of `discriminator`.    Source  Gulrajani et al. 2017, arXiv:1704.00028.
    """
    weight: float = 10.0
    every: int = 1

    def __call__(self, discriminator, real: Tensor, fake: Tensor, rng=None) -> Tensor:
        u = generator(rng).random((len(real),) + (1,) * (real.ndim - 1)).astype(real.dtype)
        between = u * real + (1 - u) * fake
        if not between.requires_grad:                          # fake is a constant in D's step: a new leaf
            between.requires_grad = True
        slope = slopes(discriminator, between)
        norm = ops.sqrt(ops.sum(slope * slope, axis=1) + 1e-12)              # +: √ has no slope at 0
        return self.weight * ops.mean((norm - 1.0) ** 2)
