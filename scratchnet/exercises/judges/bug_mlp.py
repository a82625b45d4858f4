"""The gradient checker on the whole network."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes

PLANTED = ("    dh = dr * (h > 0)\n", "    dh = dr * (dr > 0)\n")


def build(rng, N, D, H, M):
    def r(*shape): return rng.standard_normal(shape)
    return r(N, D), r(D, H), r(H), r(H, M), r(M)


def judge(answer, right):
    def backward(g, *inputs):
        return {name: d for name, d in zip(("x", "w1", "b1", "w2", "b2"), answer.backward(g, *inputs))}

    def through(rng, N, H):                     # weights 1, biases 0: y is max(x, 0), and x sees the mask alone
        return rng.standard_normal((N, H)), np.eye(H), np.zeros(H), np.eye(H), np.zeros(H)
    whole = (5, 3, 4, 2), (2, 1, 3, 4), (3, 3, 3, 3)
    for names, sample in ((["w2", "b2"], regimes(build, *whole)), (["x"], regimes(through, (5, 3), (2, 4), (3, 3))),
                          (["w1", "b1"], regimes(build, *whole)), (["x"], regimes(build, *whole))):
        gradients(right.forward, backward, sample, wrt=names, letters=("ND", "DH", "", "HM"))


HINTS = ("w2 and b2 are right, b1 is wrong: so look between them, at what is done to ∂L/∂r",
         "the gradient of max(h, 0) lets g through where h > 0; a mask is made of one array and multiplied with another",
         "the line of dh asks whether the gradient is positive; it must ask whether h was")

BACKGROUND = """
The mask from the gradient is the rule of "guided" pictures (deconvnets), copied into training code: found in
published courses.  Half of the negative gradients are lost, so the loss still falls.  A check by eye ("does it
learn?") cannot see it; a gradient check at random points does at once.
"""

WRONG = (
    wrong("both masks", "dr * (h > 0)", "dr * (h > 0) * (dr > 0)", "x DY:relu(g)"),
    wrong("mask inverted", "dr * (h > 0)", "dr * (h < 0)", "x SUBST:x:=-x"),
    wrong("no mask at all", "dr * (h > 0)", "dr", "x IDENTITY"),
    wrong("h for r in dw2", "dw2 = r.T @ g", "dw2 = h.T @ g", "w2 SUBST", "w2 PRODUCT", "w2 RETURNS"),
    wrong("w2 not transposed", "dr = g @ w2.T", "dr = g @ w2.reshape(w2.shape[::-1])", "b1 CONST:w2 reshaped"),
    wrong("bias averaged", "db1 = dh.sum(axis=0)", "db1 = dh.mean(axis=0)", "b1 RATIO:1/N"),
)
