"""Find the bug: scaled attention

Each query looks at all keys and takes a mixture of their values.  One line of the backward is wrong; the
network learns all the same, with queries and keys that move too fast.

Formula
    s = q @ kᵀ / √D        p = softmax of s over the keys        y = p @ v
    ∂L/∂v = pᵀ @ g         ∂L/∂p = g @ vᵀ
    softmax:  ∂L/∂s[i,j] = p[i,j] · (∂L/∂p[i,j] − Σ_m ∂L/∂p[i,m]·p[i,m])
    ∂L/∂q = ∂L/∂s @ k / √D         ∂L/∂k = (∂L/∂s)ᵀ @ q / √D

Shapes
    q (T, D) queries    k (S, D) keys    v (S, M) values    s, p (T, S)    y and g (T, M)

Example
    Two equal keys: p = ½ ½, and ∂L/∂s = ½·(0 − ½·10 …) = (−2.5, 2.5) for values 0 and 10, g = 1; D = 4, so √D = 2.
    >>> q, k, v = np.ones((1, 4)), np.ones((2, 4)), np.array([[0.], [10.]])
    >>> dq, dk, dv = backward(np.ones((1, 1)), q, k, v)
    >>> dk[:, 0], dv[:, 0]                                              # ∓2.5 · 1 / 2;  ½ each
    (array([-1.25,  1.25]), array([0.5, 0.5]))

To do
    Run it.  What factor is between the wrong gradients and the right ones?  Repair one line.
"""
import numpy as np


def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(q, k, v):
    s = q @ k.T / np.sqrt(q.shape[1])
    p = softmax(s)
    return p @ v


def backward(g, q, k, v):
    p = softmax(q @ k.T / np.sqrt(q.shape[1]))
    dv = p.T @ g
    dp = g @ v.T
    ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))
    ds = ds / np.sqrt(q.shape[1])
    dq = ds @ k
    dk = ds.T @ q
    return dq, dk, dv
