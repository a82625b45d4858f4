"""Find the bug: backpropagation through time

A recurrent layer uses the same weights at every step, and each state is used twice: for the output of its
step, and for the next state.  One line of the backward forgets that.

Formula
    h[t] = tanh(x[t] @ wx + h[t−1] @ wh),  h[−1] = 0              y[t] = h[t]
    backward, from the last step to the first, with dh the gradient that comes from step t + 1 (0 at first):
    total = g[t] + dh                       both uses of h[t]
    da = total · (1 − h[t]²)
    ∂L/∂wx += x[t]ᵀ @ da       ∂L/∂wh += h[t−1]ᵀ @ da       ∂L/∂x[t] = da @ wxᵀ       dh = da @ whᵀ

Shapes
    x (T, N, D) steps, rows, inputs    wx (D, H)    wh (H, H)    y and g (T, N, H)

Example
    T = 2, everything of size 1, x = 0: all h are 0 and tanh' is 1, so g = (1, 1) gives da = 1 and 1 + wh.
    >>> dx, dwx, dwh = backward(np.ones((2, 1, 1)), np.zeros((2, 1, 1)), np.ones((1, 1)), np.full((1, 1), 0.5))
    >>> dx[:, 0, 0]
    array([1.5, 1. ])

To do
    Run it.  For which step is the gradient right, for which is it wrong?  Repair one line.
"""
import numpy as np


def forward(x, wx, wh):
    h, states = np.zeros((x.shape[1], wh.shape[0])), []
    for t in range(len(x)):
        h = np.tanh(x[t] @ wx + h @ wh)
        states.append(h)
    return np.stack(states)


def backward(g, x, wx, wh):
    h = forward(x, wx, wh)
    before = np.concatenate([np.zeros_like(h[:1]), h[:-1]])               # before[t] is h[t−1]
    dx, dwx, dwh, dh = np.zeros(x.shape), np.zeros(wx.shape), np.zeros(wh.shape), np.zeros(h[0].shape)
    for t in range(len(x))[::-1]:
        total = g[t] + dh
        da = total * (1 - h[t] ** 2)
        dwx += x[t].T @ da
        dwh += before[t].T @ da
        dx[t] = da @ wx.T
        dh = da @ wh.T
    return dx, dwx, dwh
