"""Train a network on XOR

Backpropagation says which way each weight should move; this is the step that moves it.  XOR is the smallest
task that no single layer can do.

Formula
    w ← w − lr · ∂L/∂w              for every parameter, down the slope
    L = Σ (p − t)² / N              p the network's output

Shapes
    x (4, 2) the four inputs, t (4, 1) their targets, p (4, 1);  lr one number
    The network is a scratchnet model:  model(x) gives p as a Tensor; model.parameters() its Tensors, each with
    .data (the array) and, after loss.backward(), .grad.  backward() ADDS to .grad; p.grad = None forgets it.

Example
    With one parameter w = 3, x = 1, t = 1:  L = (3 − 1)² = 4, ∂L/∂w = 2·(3 − 1) = 4, and w becomes 3 − 0.1·4.
    >>> w = sn.Tensor([[3.0]], requires_grad=True)
    >>> class One:
    ...     def __call__(self, x): return x @ w
    ...     def parameters(self): return [w]
    >>> train_step(One(), np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), 0.1)
    4.0
    >>> round(w.data.item(), 6)
    2.6

To do
    The training step: forget the old gradients, compute the loss, go backward, move every parameter.  Return
    the loss before the step as a float.  A new array goes in by assignment: p.data = ….
"""
import numpy as np

import scratchnet as sn

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
T = np.array([[0], [1], [1], [0]], np.float32)


def network(rng):
    return sn.layers.Sequential(sn.layers.Dense(2, 8, rng=rng), sn.layers.Tanh(), sn.layers.Dense(8, 1, rng=rng))


def train_step(model, x, t, lr):
    # >>> about seven lines
    for p in model.parameters():
        p.grad = None
    loss = ((model(x) - t) ** 2).sum() / len(x)
    loss.backward()
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    # <<<
    return loss.item()
