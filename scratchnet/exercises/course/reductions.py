"""Sum, mean and max, backwards

A reduction throws shape away; its backward has to bring it back.  Where the forward added n entries up,
each of them has the slope 1, so the gradient is handed to all n.  Where it took the largest, only that
one has a say.

Formula
    y = Σ x          ∂L/∂x = g                      repeated along the axis that was summed
    y = Σ x / n      ∂L/∂x = g / n                  n: how many entries were averaged
    y = max x        ∂L/∂x = g where x is the first largest, 0 elsewhere

Shapes
    x (N, M).  axis 0 or 1; keepdims=False:  y and g are (M,) for axis 0, (N,) for axis 1.
    result (N, M), as x.

Example
    >>> x = np.array([[1., 5., 2.], [7., 7., 0.]])
    >>> sum_backward(np.array([1., 10.]), x, 1)                         # one g per row
    array([[ 1.,  1.,  1.],
           [10., 10., 10.]])
    >>> max_backward(np.array([1., 10.]), x, 1)                         # of two sevens, the first
    array([[ 0.,  1.,  0.],
           [10.,  0.,  0.]])

To do
    Three functions.  np.expand_dims(g, axis) puts the lost axis back, as length 1; np.argmax gives the
    first largest.
"""
import numpy as np


def sum_forward(x, axis):  return x.sum(axis=axis)
def mean_forward(x, axis): return x.mean(axis=axis)
def max_forward(x, axis):  return x.max(axis=axis)


def sum_backward(g, x, axis):
    # >>> one line; the result must be an array of its own, not a view of g
    return np.expand_dims(g, axis) * np.ones_like(x)
    # <<<


def mean_backward(g, x, axis):
    # >>> one line
    return np.expand_dims(g, axis) * np.ones_like(x) / x.shape[axis]
    # <<<


def max_backward(g, x, axis):
    # >>> about three lines
    dx = np.zeros_like(x)
    first = np.expand_dims(x.argmax(axis=axis), axis)
    np.put_along_axis(dx, first, np.expand_dims(g, axis), axis)
    return dx
    # <<<
