"""ReLU, sigmoid and tanh, backwards

Activations work entry by entry, so their backward multiplies g by one local slope per entry.  For two of
them that slope is simplest in terms of the result y, which the forward has at hand.

Formula
    relu       y = max(x, 0)            y' = 1 where x > 0, else 0          at x = 0 we agree on 0
    sigmoid    y = 1 / (1 + e⁻ˣ)        y' = y·(1 − y)
    tanh       y = tanh x               y' = 1 − y²
    In each:   ∂L/∂x = g · y'

Shapes
    g, x, y and the result have one and the same shape, any.

Example
    >>> relu_backward(np.array([5., 5., 5.]), np.array([-2., 0., 3.]))
    array([0., 0., 5.])
    >>> sigmoid_backward(np.array([8.]), np.array([0.5]))               # 8 · 0.5 · 0.5
    array([2.])
    >>> tanh_backward(np.array([1.]), np.array([0.6]))                  # 1 − 0.36
    array([0.64])

To do
    One line each.  Mind what each function is given: relu gets x, the other two get y.
"""
import numpy as np


def relu(x):    return np.maximum(x, 0)
def sigmoid(x): return 1 / (1 + np.exp(-x))
def tanh(x):    return np.tanh(x)


def relu_backward(g, x):
    # >>> one line
    return g * (x > 0)
    # <<<


def sigmoid_backward(g, y):
    # >>> one line
    return g * y * (1 - y)
    # <<<


def tanh_backward(g, y):
    # >>> one line
    return g * (1 - y ** 2)
    # <<<
