"""The two steps of a GAN

A generator G turns noise into fakes; a discriminator D gives a logit, high for what it takes for real.  They
learn in turn, each with the other held still.  Who gets a gradient is everything here.

Formula
    bce(logit, 1) = log(1 + e^−logit)               bce(logit, 0) = log(1 + e^logit)
    D's step:   L_D = mean bce(D(real), 1) + mean bce(D(G(z)), 0)      gradient for D only: cut at G(z)
    G's step:   L_G = mean bce(D(G(z)), 1)                             through D into G; D is not moved

    "Non-saturating": G does not minimise −bce(D(G(z)), 0), whose slope vanishes when D is sure.

Shapes
    real (N, D)    z (N, Z)    D(…) and its logits (N, 1)    each loss one number, a Tensor

    sn.bce_with_logits(logits, target) is the mean; target an array of the logits' shape.
    t.detach() is the same numbers, cut off from the graph.

Example
    A discriminator that answers 0 to everything is at chance: log 2 + log 2, and log 2.
    >>> D = lambda x: sn.Tensor(np.zeros((len(x.numpy() if isinstance(x, sn.Tensor) else x), 1)))
    >>> G = lambda z: sn.Tensor(z)
    >>> round(d_loss(D, G, np.ones((4, 2)), np.ones((4, 2))).item(), 6)
    1.386294
    >>> round(g_loss(D, G, np.ones((4, 2))).item(), 6)
    0.693147

To do
    Both losses.
"""
import numpy as np

import scratchnet as sn


def d_loss(D, G, real, z):
    # >>> about four lines
    on_real, on_fake = D(real), D(G(z).detach())
    return (sn.bce_with_logits(on_real, np.ones(on_real.shape, on_real.dtype))
            + sn.bce_with_logits(on_fake, np.zeros(on_fake.shape, on_fake.dtype)))
    # <<<


def g_loss(D, G, z):
    # >>> two lines
    logits = D(G(z))
    return sn.bce_with_logits(logits, np.ones(logits.shape, logits.dtype))
    # <<<
