"""Softmax cross-entropy: a loss for classes

Logits become probabilities (softmax), and the loss is −log of the probability of the right class, averaged
over the batch.  Together the two have a gradient of one line; apart, log 0 waits for you.

Formula
    p[n,m] = e^z[n,m] / Σ_k e^z[n,k]                L = −1/N Σ_n log p[n, label n]
    log p[n,m] = z[n,m] − max − log Σ_k e^(z[n,k] − max)          max over row n: nothing overflows, and a
                                                                  constant added to a row changes nothing
    ∂L/∂z[n,m] = (p[n,m] − [m = label n]) / N       [ ] is 1 if true, else 0

Shapes
    z (N, M) logits, a row for each example    labels (N,) integers from 0 to M − 1
    L and g one number;  the gradient (N, M)

Example
    Two classes, equal logits: p = ½ ½, and L = log 2.
    >>> z, labels = np.array([[0., 0.], [1000., 1000.]]), np.array([0, 1])
    >>> round(float(cross_entropy(z, labels)), 6)
    0.693147
    >>> cross_entropy_backward(1.0, z, labels)                          # (½ − 1, ½) / 2 and (½, ½ − 1) / 2
    array([[-0.25,  0.25],
           [ 0.25, -0.25]])

To do
    `log_softmax` so that it stays finite for logits of any size; the loss; its gradient.
    z[np.arange(N), labels] picks one entry of each row.
"""
import numpy as np


def log_softmax(z):
    # >>> two lines
    d = z - z.max(axis=1, keepdims=True)
    return d - np.log(np.exp(d).sum(axis=1, keepdims=True))
    # <<<


def cross_entropy(z, labels):
    # >>> one or two lines
    return -log_softmax(z)[np.arange(len(z)), labels].mean()
    # <<<


def cross_entropy_backward(g, z, labels):
    # >>> about three lines
    dz = np.exp(log_softmax(z))
    dz[np.arange(len(z)), labels] -= 1
    return g * dz / len(z)
    # <<<
