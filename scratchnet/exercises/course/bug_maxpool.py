"""Find the bug: max pooling after a ReLU

A pooling layer that passes every gradient check at random points, and is wrong in every real network: after
a ReLU many windows hold several equal numbers, zeros.

Formula
    y[n,c,i,j] = max over the 2 × 2 window x[n,c,2i:2i+2,2j:2j+2]
    ∂L/∂x: each g[n,c,i,j] goes to one entry of its window, the first largest in reading order; the rest gets 0

Shapes
    x (N, C, H, W) with H and W even    y and g (N, C, H/2, W/2)

Example
    A window of zeros: one of the four gets the gradient, not all.
    >>> max_pool_backward(np.array([[[[8.]]]]), np.zeros((1, 1, 2, 2)))[0, 0]
    array([[8., 0.],
           [0., 0.]])

To do
    Run it.  How much gradient arrives in a window, compared with what was sent?  Repair two lines; windows(x) has
    shape (N, C, H/2, W/2, 4), its last axis in reading order, and np.put_along_axis writes to one place of it.
"""
import numpy as np


def windows(x):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(N, C, H // 2, W // 2, 4)


def unwindows(v):
    """The image that these windows are of."""
    N, C, I, J, _ = v.shape
    return v.reshape(N, C, I, J, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(N, C, 2 * I, 2 * J)


def max_pool(x):
    return windows(x).max(axis=-1)


def max_pool_backward(g, x):
    v = windows(x)
    dv = np.zeros(v.shape)
    np.put_along_axis(dv, v.argmax(axis=-1)[..., None], g[..., None], axis=-1)
    return unwindows(dv)
