"""15 · Watch the backward pass: rule by rule in the terminal, then one gradient taken apart to the loss.

    python examples/15_step_through.py                 walks by itself
    python examples/15_step_through.py --interactive   reads commands from you: next, back, why, replay, help, quit

A two-layer network as in 01.  `sn.step(loss)` stands where `loss.backward()` would: afterwards every .grad is
the same.  `sn.explain(w1, (2, 0), loss)` says why one entry of a gradient is what it is: a sum of g × factor,
and each g is an entry of a gradient in turn.
Expected last line:  sum of the terms minus the gradient: at most 1e-15
"""
import argparse

import numpy as np

import scratchnet as sn

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--interactive", action="store_true", help="read commands from the terminal")
args = parser.parse_args()

rng = np.random.default_rng(0)
x = rng.standard_normal((5, 3))                        # (N, D)
t = np.sin(x.sum(axis=1, keepdims=True))               # (N, 1)
w1, w2 = (sn.Tensor(rng.standard_normal(s), requires_grad=True) for s in ((3, 4), (4, 1)))

h = sn.relu(x @ w1)                                    # (N, H)
p = h @ w2                                             # (N, 1)
loss = ((p - t) ** 2).mean()

entry = sn.explain(w1, (2, 0), loss)                   # before the pass, which lets go of the graph
sn.step(loss, commands=None if args.interactive else ["run h", "run relu", "why", "replay y[0, 0] = 1", "run w1"])

print("\n\nWhy is one entry of w1's gradient what it is?\n")
while True:
    print(entry, "\n")
    if not len(entry):
        break
    entry = entry.open(0)                              # behind the largest term

entry = sn.explain(w1, (2, 0), ((sn.relu(x @ w1) @ w2 - t) ** 2).mean())
print(f"sum of the terms minus the gradient: {abs(entry.total - w1.grad[2, 0]):.1e}")
