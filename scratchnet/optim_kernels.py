"""The loop of Adam: every number of a network is read and written once a step.  Letters and formula: optim.py."""
import numpy as np

from .kernel import jit, kernel
from .threads import share_rows

BLOCK = 1 << 15                                 # numbers that a thread takes at a time


@kernel(writes=3)
def adam_step(p, m, v, g, beta1, beta2, lr, grow, eps):
    """m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,  p ← p − lr·m / (grow·√v + eps)"""
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * (g * g)
    p -= lr * m / (grow * np.sqrt(v) + eps)


@adam_step.fast
def adam_step_fast(p, m, v, g, beta1, beta2, lr, grow, eps):
    flat = [a.reshape(-1) for a in (p, m, v, g)]
    settings = [p.dtype.type(s) for s in (beta1, 1 - beta1, beta2, 1 - beta2, lr, grow, eps)]
    share_rows(adam_loop, p.size, BLOCK, *flat, *settings)


@jit
def adam_loop(first, last, p, m, v, g, beta1, rest1, beta2, rest2, lr, grow, eps):
    """The reference does nine passes and makes six arrays; this one is as fast as memory.  The same bits."""
    p, m, v, g = p[first:last], m[first:last], v[first:last], g[first:last]
    for i in range(len(p)):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * (g[i] * g[i])
        p[i] -= lr * m[i] / (grow * np.sqrt(v[i]) + eps)
