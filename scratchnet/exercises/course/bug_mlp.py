"""Find the bug: a two-layer network

This network trains, but badly.  One line of its backward is wrong, in a way that was found in published
course code: the loss falls all the same, only slower, and nobody looks.

Formula
    h = x @ w1 + b1      r = max(h, 0)      y = r @ w2 + b2
    ∂L/∂r = g @ w2ᵀ      ∂L/∂h = ∂L/∂r where h > 0, else 0      then as for every dense layer:
    ∂L/∂w = (what came in)ᵀ @ (gradient of what went out)        ∂L/∂b = its sum over the rows

Shapes
    x (N, D)    w1 (D, H)    b1 (H,)    w2 (H, M)    b2 (M,)    y and g (N, M)

Example
    N = D = H = M = 1, x = 2, w1 = 3, w2 = 5, no bias, g = −1: h = 6 > 0, so ∂L/∂h = −5.
    >>> one = np.ones((1, 1))
    >>> dx, dw1, db1, dw2, db2 = backward(-one, 2 * one, 3 * one, 0 * one[0], 5 * one, 0 * one[0])
    >>> float(dx[0, 0]), float(dw1[0, 0]), float(dw2[0, 0])             # −5·3, −5·2, −1·6
    (-15.0, -10.0, -6.0)

To do
    Run it.  Which gradients are wrong, which are right?  In the order of the backward pass, what lies between
    the last right one and the first wrong one?  Repair one line.
"""
import numpy as np


def forward(x, w1, b1, w2, b2):
    h = x @ w1 + b1
    r = np.maximum(h, 0)
    return r @ w2 + b2


def backward(g, x, w1, b1, w2, b2):
    h = x @ w1 + b1
    r = np.maximum(h, 0)
    dw2 = r.T @ g
    db2 = g.sum(axis=0)
    dr = g @ w2.T
    dh = dr * (h > 0)
    dw1 = x.T @ dh
    db1 = dh.sum(axis=0)
    dx = dh @ w1.T
    return dx, dw1, db1, dw2, db2
