"""Find the bug: a GAN whose losses look right

Both losses are the right numbers at every step, and still the generator is taught the wrong thing: something
reaches it that is not meant for it.

Formula
    D's step:  forget D's gradients;  L_D = mean bce(D(real), 1) + mean bce(D(G(z)), 0);  backward;  move D
    G's step:  forget G's gradients;  L_G = mean bce(D(G(z)), 1);                         backward;  move G
    D's step may leave nothing in G: the fakes are constants there.  G's step goes through D, and whatever it
    leaves in D must be forgotten before D's next step.

Shapes
    real (N, D)    z (N, Z)    D(…) logits (N, 1)
    D, G scratchnet models; opt.zero_grad() forgets, opt.step() moves, only its own network's parameters

Example
    After a step of D alone nothing has arrived in G:
    >>> rng = np.random.default_rng(0)
    >>> D, G = sn.layers.Dense(2, 1, rng=rng), sn.layers.Dense(3, 2, rng=rng)
    >>> _ = d_step(D, G, sn.optim.SGD(D.parameters(), 0.1), np.ones((4, 2), np.float32), np.ones((4, 3), np.float32))
    >>> [p.grad for p in G.parameters()]
    [None, None]

To do
    Run it and read who received a gradient in which step.  Repair one line.
"""
import numpy as np

import scratchnet as sn


def bce(logits, target):
    return sn.bce_with_logits(logits, np.full(logits.shape, target, logits.dtype))


def d_step(D, G, opt_d, real, z):
    """Move D one step; returns the loss before it."""
    opt_d.zero_grad()
    fake = G(z).detach()
    loss = bce(D(real), 1.0) + bce(D(fake), 0.0)
    loss.backward()
    opt_d.step()
    return loss.item()


def g_step(D, G, opt_g, z):
    """Move G one step; returns the loss before it."""
    opt_g.zero_grad()
    loss = bce(D(G(z)), 1.0)
    loss.backward()
    opt_g.step()
    return loss.item()
