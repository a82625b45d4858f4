"""Values, then who received a gradient in which step, then the gradients against ours."""
import numpy as np

import scratchnet as sn

from ..exercise import wrong
from ..judging import require, values


def networks(seed):
    rng = np.random.default_rng(seed)
    L = sn.layers
    G = L.Sequential(L.Dense(3, 5, rng=rng), L.Tanh(), L.Dense(5, 2, rng=rng)).astype(np.float64)
    D = L.Sequential(L.Dense(2, 4, rng=rng), L.LeakyReLU(0.2), L.Dense(4, 1, rng=rng)).astype(np.float64)
    return D, G, 1 + rng.standard_normal((6, 2)), rng.standard_normal((7, 3))


def number(loss):
    require(isinstance(loss, sn.Tensor), "loss", "TYPE",
            f"the loss is a {type(loss).__name__}, expected a Tensor, so that backward() can start from it")
    require(loss.size == 1, "loss", "SHAPE",
            f"the loss has shape {loss.shape}, expected one number: sn.bce_with_logits takes the mean")
    return loss.item()


def soft(x):
    return np.logaddexp(0, x)


def logits(seed):
    D, G, real, z = networks(seed)
    return D(real).numpy(), D(G(z)).numpy()


def judge(answer, right):
    def d(which): return lambda seed: number(which.d_loss(*networks(seed)))
    def g(which): return lambda seed: number(which.g_loss(*(networks(seed)[i] for i in (0, 1, 3))))
    values("L_D", d(answer), d(right), [(0,), (1,), (2,)],
           ("SUBST labels", lambda s: soft(logits(s)[0]).mean() + soft(-logits(s)[1]).mean(),
            "the targets are exchanged: real is 1, fake is 0"),
           ("TERMS fake", lambda s: soft(-logits(s)[0]).mean(), "the part of the fakes is missing"),
           ("TERMS real", lambda s: soft(logits(s)[1]).mean(), "the part of the real images is missing"),
           ("RATIO 1/2", lambda s: 0.5 * (soft(-logits(s)[0]).mean() + soft(logits(s)[1]).mean()),
            "this is the mean of the two parts, expected their sum"))
    values("L_G", g(answer), g(right), [(0,), (1,), (2,)],
           ("SUBST saturating", lambda s: -soft(logits(s)[1]).mean(),
            "this is the saturating loss, −bce(D(G(z)), 0): where D is sure, its slope is 0"),
           ("SUBST labels", lambda s: soft(logits(s)[1]).mean(),
            "G is paid here for being caught: its fakes are to be taken for real, target 1"))
    for target, step, moved, still in (("L_D", "d_loss", 0, 1), ("L_G", "g_loss", 1, None)):
        nets, ours = networks(5), networks(5)
        arguments = (0, 1, 2, 3) if step == "d_loss" else (0, 1, 3)
        loss = getattr(answer, step)(*(nets[i] for i in arguments))
        require(loss.requires_grad, target, "ZERO",
                f"{target} depends on no parameter any more: the graph is cut in the wrong place")
        loss.backward()
        getattr(right, step)(*(ours[i] for i in arguments)).backward()
        name = "DG"[moved]
        require(all(p.grad is not None for p in nets[moved].parameters()), target, "ZERO",
                f"in the step of {name}, parameters of {name} get no "
                "gradient: the graph is cut in the wrong place", "cut")
        if still is not None:
            require(all(p.grad is None or not p.grad.any() for p in nets[still].parameters()), target, "DETACH",
                    "in D's step parameters of G receive a gradient too: it waits in their .grad for G's step; cut "
                    "the graph at the fakes")
        for p, q in zip(nets[moved].parameters(), ours[moved].parameters()):
            require(np.allclose(p.grad, q.grad, rtol=1e-9), target, "VALUE",
                    f"the value of {target} is right, but its gradient for {name} is not")


HINTS = ("two losses of one kind, a mean of bce over logits; the difference is in the targets, and in where the graph "
         "is cut",
         "d_loss: bce of D(real) against ones plus bce of D(fakes, cut off) against zeros; g_loss: bce of D(fakes) "
         "against ones",
         "the cut is G(z).detach() in d_loss, and nowhere in g_loss: there the gradient has to pass through D into G")

BACKGROUND = """
Goodfellow et al. 2014 (arXiv:1406.2661), who give the non-saturating loss in the same paper.  A missing detach is
invisible in the losses: they are the same numbers.  It costs time, and, if G's gradients are not forgotten before
its own step, it trains G to help D.  Only a look at who received a gradient shows it, which is what a test of a GAN
should do.
"""

WRONG = (
    wrong("no detach in D's step", "D(G(z).detach())", "D(G(z))", "L_D DETACH"),
    wrong("detach in G's step", "logits = D(G(z))", "logits = D(G(z).detach())", "L_G ZERO"),
    wrong("saturating loss", "    return sn.bce_with_logits(logits, np.ones(logits.shape, logits.dtype))",
          "    return -sn.bce_with_logits(logits, np.zeros(logits.shape, logits.dtype))",
          "L_G SUBST:saturating"),
    wrong("G paid for being caught", "(logits, np.ones(logits.shape", "(logits, np.zeros(logits.shape",
          "L_G SUBST:labels"),
    wrong("real part missing", "(sn.bce_with_logits(on_real, np.ones(on_real.shape, on_real.dtype))\n            + ",
          "(", "L_D TERMS:real"),
    wrong("targets exchanged", "on_real, on_fake = D(real), D(G(z).detach())",
          "on_fake, on_real = D(real), D(G(z).detach())", "L_D SUBST:labels"),
    wrong("averaged over both parts", "    return (sn.bce_with_logits(on_real",
          "    return 0.5 * (sn.bce_with_logits(on_real", "L_D RATIO:1/2"),
    wrong("D cut off", "on_real, on_fake = D(real), D(G(z).detach())",
          "on_real, on_fake = D(real).detach(), D(G(z)).detach()", "L_D ZERO"),
)
