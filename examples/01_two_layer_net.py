"""01 · Backpropagation by hand: a two-layer network with its backward written out, beside the same by autograd.

    python examples/01_two_layer_net.py

    forward    h = x @ w1 + b1      a = max(h, 0)      p = a @ w2 + b2      L = Σ (p − t)² / N
    backward   from the end to the start, each line the derivative of the forward line of the same name:
               every gradient has the shape of what it is the gradient of, and so matrix products can be
               put together in one way only.

Both train on the same data from the same weights, and every gradient of every step is compared.
Expected last line:  largest difference between the two over 200 steps: 0 to 1e-12
"""
import numpy as np

import scratchnet as sn

rng = np.random.default_rng(0)
N, D, H, M = 64, 3, 16, 2                              # examples, inputs, hidden units, outputs
x = rng.standard_normal((N, D))                        # (N, D)
t = np.stack([np.sin(x.sum(1)), x[:, 0] * x[:, 1]], 1) # (N, M) what the network should learn
w1, b1 = rng.standard_normal((D, H)) / np.sqrt(D), np.zeros(H)
w2, b2 = rng.standard_normal((H, M)) / np.sqrt(H), np.zeros(M)
parameters = [sn.Tensor(p, requires_grad=True) for p in (w1, b1, w2, b2)]     # the same numbers, for autograd
lr, worst = 0.05, 0.0

for step in range(200):
    # ---- by hand: forward
    h = x @ w1 + b1                                    # (N, H)
    a = np.maximum(h, 0)                               # (N, H)
    p = a @ w2 + b2                                    # (N, M)
    loss = ((p - t) ** 2).sum() / N

    # ---- by hand: backward.  dX is ∂L/∂X
    dp = 2 * (p - t) / N                               # (N, M)   L = Σ (p − t)² / N
    dw2 = a.T @ dp                                     # (H, M)   p = a @ w2: row n adds aₙᵀ dpₙ
    db2 = dp.sum(0)                                    # (M,)     b2 was added to every row
    da = dp @ w2.T                                     # (N, H)
    dh = da * (h > 0)                                  # (N, H)   where h ≤ 0, a does not move with h
    dw1 = x.T @ dh                                     # (D, H)
    db1 = dh.sum(0)                                    # (H,)

    # ---- by autograd: the forward is all one writes
    v1, c1, v2, c2 = parameters
    q = sn.dense(sn.relu(sn.dense(x, v1, c1)), v2, c2)
    (((q - t) ** 2).sum() / N).backward()

    for by_hand, tensor in zip((dw1, db1, dw2, db2), parameters):
        worst = max(worst, np.abs(by_hand - tensor.grad).max() / np.abs(by_hand).max())
        tensor.data = tensor.data - lr * tensor.grad   # a step; `data -= …` would write into a read-only view
        tensor.grad = None
    w1, b1, w2, b2 = w1 - lr * dw1, b1 - lr * db1, w2 - lr * dw2, b2 - lr * db2      # … and ours
    if step % 40 == 0:
        print(f"step {step:3d}   loss {loss:.4f}")

print(f"loss after 200 steps: {loss:.4f}")
print(f"largest difference between the two over 200 steps: {worst:.1e}")
