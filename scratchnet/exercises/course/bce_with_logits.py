"""Binary cross-entropy from logits: one formula that never overflows

The loss of every yes-or-no question, and of every pixel of a VAE.  Written with sigmoid and log it gives
log 0 = −∞ as soon as a logit is large; written as below it is finite and exact for every logit.

Formula
    p = 1 / (1 + e⁻ᶻ)           L = mean of  −t·log p − (1 − t)·log(1 − p)
                                  = mean of  max(z, 0) − t·z + log(1 + e⁻|ᶻ|)
    ∂L/∂z = (p − t) / (number of entries)

Shapes
    z logits and t targets in [0, 1], both (N, M);  L and g one number;  the gradient (N, M)

Example
    z = 0 means p = ½, and costs log 2, whatever t is:
    >>> round(float(bce(np.zeros((1, 2)), np.array([[0., 1.]]))), 6)
    0.693147
    >>> bce_backward(1.0, np.zeros((1, 2)), np.array([[0., 1.]]))       # (½ − 0)/2, (½ − 1)/2
    array([[ 0.25, -0.25]])
    >>> float(bce(np.array([[-1e4]]), np.array([[1.]])))                # very wrong, but finite
    10000.0

To do
    The loss by the second formula (np.log1p(u) is log(1 + u)); its gradient.  `sigmoid` is given.
"""
import numpy as np


def sigmoid(z):
    """1 / (1 + e⁻ᶻ); e only ever gets numbers ≤ 0, so it cannot overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def bce(z, t):
    # >>> one or two lines
    return np.mean(np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z))))
    # <<<


def bce_backward(g, z, t):
    # >>> one line
    return g * (sigmoid(z) - t) / z.size
    # <<<
