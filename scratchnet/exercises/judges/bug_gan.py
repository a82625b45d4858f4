"""Who receives a gradient in which step; who is moved; then several steps in turn against ours."""
import numpy as np

import scratchnet as sn

from ..exercise import wrong
from ..judging import require, values

PLANTED = ("    fake = G(z).detach()\n", "    fake = G(z)\n")


def game(seed=0):
    rng = np.random.default_rng(seed)
    L = sn.layers
    G = L.Sequential(L.Dense(3, 5, rng=rng), L.Tanh(), L.Dense(5, 2, rng=rng)).astype(np.float64)
    D = L.Sequential(L.Dense(2, 4, rng=rng), L.LeakyReLU(0.2), L.Dense(4, 1, rng=rng)).astype(np.float64)
    opt_d, opt_g = sn.optim.SGD(D.parameters(), 0.1), sn.optim.SGD(G.parameters(), 0.1)
    return D, G, opt_d, opt_g, 1 + rng.standard_normal((6, 2)), rng.standard_normal((7, 3))


def values_of(model):
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


def judge(answer, right):
    D, G, opt_d, opt_g, real, z = game()
    d, g = values_of(D), values_of(G)
    answer.d_step(D, G, opt_d, real, z)
    require(all(p.grad is None or not p.grad.any() for p in G.parameters()), "D's step", "DETACH",
            "parameters of G receive a gradient in "
            "D's step: it says how to make G's images easier to tell apart, and waits in G for whoever does not "
            "forget it")
    require(np.array_equal(values_of(G), g), "D's step", "DETACH", "D's step moves G", "moved")
    require(not np.array_equal(values_of(D), d), "D's step", "ZERO", "D's step does not move D")
    d = values_of(D)
    answer.g_step(D, G, opt_g, z)
    require(any(p.grad is not None and p.grad.any() for p in G.parameters()) and not np.array_equal(values_of(G), g),
            "G's step", "ZERO",
            "G's step does not move G: no gradient reaches it")
    require(np.array_equal(values_of(D), d), "G's step", "STEP", "G's step moves D too")
    values("losses", lambda seed: turns(answer, seed), lambda seed: turns(right, seed), [(1,), (2,)],
           ("ACCUMULATES D", lambda seed: turns(right, seed, keep="D"),
            "D's gradients are not forgotten before its step: those of G's step are still there"),
           ("ACCUMULATES G", lambda seed: turns(right, seed, keep="G"),
            "G's gradients are not forgotten before its step"),
           ("SUBST saturating", lambda seed: turns(right, seed, saturating=True),
            "G minimises −bce(D(G(z)), 0), which saturates; it should minimise bce(D(G(z)), 1)"),
           tol=1e-9)


def turns(which, seed, keep="", saturating=False):
    """The losses of three rounds of the game; keep: whose gradients are not forgotten, in our steps."""
    D, G, opt_d, opt_g, real, z = game(seed)
    if keep:
        {"D": opt_d, "G": opt_g}[keep].zero_grad = lambda: None
    losses = []
    for _ in range(3):
        losses.append(which.d_step(D, G, opt_d, real, z))
        if saturating:
            opt_g.zero_grad()
            loss = -1.0 * which.bce(D(G(z)), 0.0)
            loss.backward()
            opt_g.step()
            losses.append(loss.item())
        else:
            losses.append(which.g_step(D, G, opt_g, z))
    return losses


HINTS = ("look at D's step: its loss is right, but its backward goes further than D",
         "the fakes are the way from D's loss into G; in D's step they are to be constants",
         "t.detach() is the same numbers without the graph behind them: the line that makes `fake`")

BACKGROUND = """
In PyTorch the same line is the most copied one of the DCGAN tutorial (fake.detach()).  Where it is missing and G's
gradients are forgotten at the right moment, only time is lost; where they are not, G is trained to be caught.  A
test that looks at which parameters received a gradient in each step finds both; the losses cannot.
"""

WRONG = (
    wrong("cut in the wrong place", "    loss = bce(D(G(z)), 1.0)\n", "    loss = bce(D(G(z).detach()), 1.0)\n",
          "G's step ZERO"),
    wrong("both networks moved in G's step", "    loss = bce(D(G(z)), 1.0)\n    loss.backward()\n    opt_g.step()\n",
          "    loss = bce(D(G(z)), 1.0)\n    loss.backward()\n    opt_g.step()\n    for p in D.parameters():\n        "
          "p.data = p.data - 0.1 * p.grad\n", "G's step STEP"),
    wrong("D's gradients not forgotten", "    opt_d.zero_grad()\n", "", "losses ACCUMULATES:D"),
    wrong("G's gradients not forgotten", "    opt_g.zero_grad()\n", "", "losses ACCUMULATES:G"),
    wrong("saturating loss", "    loss = bce(D(G(z)), 1.0)\n", "    loss = -1.0 * bce(D(G(z)), 0.0)\n",
          "losses SUBST:saturating"),
    wrong("D never moved", "    opt_d.step()\n", "", "D's step ZERO"),
)
