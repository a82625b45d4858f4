"""Broadcasting, backwards

NumPy repeats an array where an axis is missing or has length 1: in a (5,3) plus b (3,), every entry of b
is used five times.  Each use sends a gradient back, and they add up.  What broadcasting repeats, its
backward sums.

Formula
    y = a + b, b broadcast:   ∂L/∂b[m] = Σ_n g[n,m]       sum over every axis that was repeated, no other
    Axes are compared from the right; what is missing on the left counts as length 1.

Shapes
    g      the shape of the result of the broadcast, (4, 5, 3) say
    shape  what the array had before it: (3,), (5, 1), (4, 1, 3), (1, 1), () …
    result an array of exactly that shape

Example
    b of shape (3,) was used in each of 2 rows:
    >>> unbroadcast(np.array([[1., 2., 3.], [10., 20., 30.]]), (3,))
    array([11., 22., 33.])
    >>> unbroadcast(np.array([[1., 2., 3.], [10., 20., 30.]]), (2, 1))
    array([[ 6.],
           [60.]])

To do
    Two steps: sum away the axes on the left that the array did not have; then sum those where it had
    length 1 and g has more, and keep them as length 1.
"""
import numpy as np


def unbroadcast(g, shape):
    """Sum g over every axis along which an array of this shape was repeated."""
    # >>> about four lines
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    ones = tuple(axis for axis, n in enumerate(shape) if n == 1)
    return g.sum(axis=ones, keepdims=True)
    # <<<
