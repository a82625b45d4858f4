"""A dense layer, backwards

The layer that every network has: each output is a weighted sum of all inputs, plus a bias.  Its backward
gives three gradients; the first goes on to the layer before, the others are for the optimiser.

Formula
    y[n,m] = Σ_d x[n,d]·w[d,m] + b[m]               y = x @ w + b

    ∂L/∂x[n,d] = Σ_m g[n,m]·w[d,m]                  every output m of row n used x[n,d], with weight w[d,m]
    ∂L/∂w[d,m] = Σ_n x[n,d]·g[n,m]                  every row used w[d,m]
    ∂L/∂b[m]   = Σ_n g[n,m]                         and b[m]

Shapes
    x (N, D) rows of a batch    w (D, M)    b (M,)    y and g = ∂L/∂y (N, M)
    Every gradient has the shape of what it is the gradient of.

Example
    >>> x, w = np.array([[1., 2., 3.]]), np.array([[1., 0.], [0., 1.], [1., 1.]])       # N=1, D=3, M=2
    >>> dx, dw, db = dense_backward(np.array([[10., 100.]]), x, w)
    >>> dx                                                              # 10·1 + 100·0, 10·0 + 100·1, 10 + 100
    array([[ 10., 100., 110.]])
    >>> dw
    array([[ 10., 100.],
           [ 20., 200.],
           [ 30., 300.]])
    >>> db
    array([ 10., 100.])

To do
    Three lines.  A sum over one index of two arrays is a matrix product; look at the shapes to see which
    factor must be transposed.
"""
import numpy as np


def dense(x, w, b):
    return x @ w + b


def dense_backward(g, x, w):
    # >>> three lines: dx, dw, db
    dx = g @ w.T
    dw = x.T @ g
    db = g.sum(axis=0)
    # <<<
    return dx, dw, db
