"""An autoencoder: a network that has to squeeze

It gets x, must write it as few numbers, the code z, and rebuild x from them.  Linear, that is PCA.  With
bends in between it follows curves, on which PCA of the same size fails.

Formula
    h = tanh(x @ w1 + b1)       z = h @ w2 + b2            encoder
    k = tanh(z @ w3 + b3)       r = k @ w4 + b4            decoder
    L = Σ (r − x)² / N

    backward, from the end:  ∂L/∂r = 2 (r − x) / N
    through a dense layer y = a @ w + b:   ∂L/∂w = aᵀ @ g     ∂L/∂b = Σ_n g     ∂L/∂a = g @ wᵀ
    through tanh with the output t:        g · (1 − t²)

Shapes
    x, r (N, D)    h, k (N, 6)    z (N, 1)    L one number
    w1 (D, 6)  b1 (6,)    w2 (6, 1)  b2 (1,)    w3 (1, 6)  b3 (6,)    w4 (6, D)  b4 (D,)
    Every gradient has the shape of its parameter.

Example
    All weights 0, N = 2, D = 1: r = b4 = 1, x = 0 and 3.  L = (1 + 4) / 2, ∂L/∂b4 = 2·(1 − 0)/2 + 2·(1 − 3)/2.
    >>> p = [np.zeros(s) for s in ((1, 6), 6, (6, 1), 1, (1, 6), 6, (6, 1))] + [np.ones(1)]
    >>> x = np.array([[0.], [3.]])
    >>> float(loss(x, *p)), loss_backward(1.0, x, *p)[-1]
    (2.5, array([-1.]))

To do
    The backward pass of the whole network: eight gradients.  g below is ∂L/∂L, usually 1.
"""
import numpy as np


def forward(x, w1, b1, w2, b2, w3, b3, w4, b4):
    h = np.tanh(x @ w1 + b1)
    z = h @ w2 + b2
    k = np.tanh(z @ w3 + b3)
    r = k @ w4 + b4
    return h, z, k, r


def loss(x, w1, b1, w2, b2, w3, b3, w4, b4):
    h, z, k, r = forward(x, w1, b1, w2, b2, w3, b3, w4, b4)
    return np.sum((r - x) ** 2) / len(x)


def loss_backward(g, x, w1, b1, w2, b2, w3, b3, w4, b4):
    h, z, k, r = forward(x, w1, b1, w2, b2, w3, b3, w4, b4)
    # >>> twelve lines: from r back to w1
    dr = g * 2 * (r - x) / len(x)
    dw4 = k.T @ dr
    db4 = dr.sum(axis=0)
    dk = (dr @ w4.T) * (1 - k ** 2)
    dw3 = z.T @ dk
    db3 = dk.sum(axis=0)
    dz = dk @ w3.T
    dw2 = h.T @ dz
    db2 = dz.sum(axis=0)
    dh = (dz @ w2.T) * (1 - h ** 2)
    dw1 = x.T @ dh
    db1 = dh.sum(axis=0)
    # <<<
    return dw1, db1, dw2, db2, dw3, db3, dw4, db4
