"""The gradients by value, with the known ways to break the recursion; then by the checker."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, values

PLANTED = ("        total = g[t] + dh\n", "        total = g[t]\n")
SIZES = ((4, 3, 2, 5), (3, 1, 4, 2), (3, 3, 3, 3))


def build(rng, T, N, D, H):
    return rng.standard_normal((T, N, D)), rng.standard_normal((D, H)) / 2, rng.standard_normal((H, H)) / 2


def variant(slip, which):
    """The gradient of input `which` as this slip computes it."""
    def run(g, x, wx, wh):
        T, N, H = g.shape
        h = np.zeros((T + 1, N, H))
        for t in range(T):
            h[t + 1] = np.tanh(x[t] @ wx + h[t] @ wh)
        dx, dwx, dwh, dh = np.zeros(x.shape), np.zeros(wx.shape), np.zeros(wh.shape), np.zeros((N, H))
        for t in range(T)[::-1]:
            total = {"truncated": g[t], "replaced": dh if t < T - 1 else g[t]}.get(slip, g[t] + dh)
            da = total * (1 if slip == "no tanh" else 1 - h[t + 1] ** 2)
            share = (x[t].T @ da, h[t + 1 if slip == "after" else t].T @ da)
            dwx, dwh = share if slip == "last" else (dwx + share[0], dwh + share[1])
            dx[t] = da @ wx.T
            dh = (total if slip == "no tanh in time" else da) @ (wh if slip == "wh" else wh.T)
        return (dx, dwx, dwh)[which]
    return run


SLIPS = (("PATHS lost: later steps", "truncated",
          "only the use in its own step counts: what step t + 1 sends back through h[t] is lost"),
         ("PATHS lost: own step", "replaced",
          "what step t + 1 sends back replaces the gradient of the step's own output: '=' where '+' is needed"),
         ("FACTOR missing 1-h^2", "no tanh", "the slope of tanh, 1 − h², is missing"),
         ("SUBST h[t]", "after", "∂L/∂wh is made with h[t]; the product of the forward was with h[t−1]"),
         ("OVERWRITTEN step", "last",
          "the weights are used at every step, and only the last one visited counts: '=' where '+=' is needed"),
         ("SUBST wh transposed", "wh", "going back, h[t−1] is reached through whᵀ; wh itself was used"),
         ("FACTOR missing 1-h^2 in time", "no tanh in time",
          "what goes back to step t − 1 has not passed tanh: it is da, not total, that is sent"))


def judge(answer, right):
    rng = np.random.default_rng(0)
    cases = []
    for size in SIZES:
        x, wx, wh = build(rng, *size)
        cases.append((rng.standard_normal(right.forward(x, wx, wh).shape), x, wx, wh))
    for which, name in enumerate(("x", "wx", "wh")):
        values(name, lambda *case: answer.backward(*case)[which], lambda *case: right.backward(*case)[which], cases,
               *((code, variant(slip, which), text) for code, slip, text in SLIPS))
    gradients(right.forward, answer.backward, regimes(build, *SIZES), letters=("TND", "DH"))


HINTS = ("the last step is right, all others are wrong: so it is about what goes from one step to the one before",
         "h[t] has two uses, the output of step t and the state for step t + 1: its gradient is a sum of two",
         "dh is computed at the end of each step and nobody reads it; it belongs to the gradient of h[t] in the next "
         "round of the loop")

BACKGROUND = """
Cutting the recursion is even done on purpose, every k steps ("truncated backpropagation through time"), to save
memory; here it is cut at every step, and the network cannot learn anything that takes longer than one.  Losses
still fall, since the last step learns.  In a graph engine the sum over uses is made by the engine: exercise
reuse_and_accumulate.
"""

WRONG = (
    wrong("= for +", "        total = g[t] + dh\n", "        total = dh if t < len(x) - 1 else g[t]\n",
          "x PATHS:lost: own step"),
    wrong("tanh forgotten", "da = total * (1 - h[t] ** 2)", "da = total", "x FACTOR:missing 1-h^2"),
    wrong("h[t] for h[t−1]", "dwh += before[t].T @ da", "dwh += h[t].T @ da", "wh SUBST:h[t]"),
    wrong("= for += in the weights", "        dwx += x[t].T @ da\n        dwh += before[t].T @ da\n",
          "        dwx = x[t].T @ da\n        dwh = before[t].T @ da\n", "wx OVERWRITTEN"),
    wrong("total sent back instead of da", "dh = da @ wh.T", "dh = total @ wh.T", "x FACTOR:missing 1-h^2 in time"),
    wrong("wh not transposed", "dh = da @ wh.T", "dh = da @ wh", "x SUBST:wh transposed"),
)
