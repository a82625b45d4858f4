"""The gradient checker on the whole layer; the widths differ, so that √D has a name."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes

PLANTED = ("    ds = ds / np.sqrt(q.shape[1])\n", "    ds = ds / q.shape[1]\n")


def judge(answer, right):
    def build(rng, T, S, D, M):
        return rng.standard_normal((T, D)), rng.standard_normal((S, D)), rng.standard_normal((S, M))
    def backward(g, *inputs):
        return dict(zip("qkv", answer.backward(g, *inputs)))

    def through(rng, T, S):                     # keys √D·1 and values 1: y is softmax(q), and q sees the softmax alone
        return rng.standard_normal((T, S)), np.sqrt(S) * np.eye(S), np.eye(S)
    letters = ("TD", "SD", "SM")
    gradients(right.forward, backward, regimes(build, (4, 3, 5, 2), (2, 4, 3, 1), (3, 3, 3, 3)), wrt=["v"],
              letters=letters)
    gradients(right.forward, backward, regimes(through, (4, 3), (2, 5), (3, 3)), wrt=["q"], letters=letters)
    gradients(right.forward, backward, regimes(build, (4, 3, 5, 2), (2, 4, 3, 1), (3, 3, 3, 3)), wrt=["q", "k"],
              letters=letters)


HINTS = ("v is right; q and k are wrong, both by one and the same factor, which depends on the width D",
         "a factor that both share stands before the two part: in what is done to ds",
         "the forward divides by √D; the backward divides by D")

BACKGROUND = """
Vaswani et al. 2017 (arXiv:1706.03762) divide by √D so that the logits of random queries and keys have variance 1,
whatever the width.  A wrong constant factor is the mildest of mistakes: an optimiser such as Adam even hides it,
since it divides by the size of the gradients.  Until two branches with different factors meet.
"""

WRONG = (
    wrong("scale forgotten", "    ds = ds / np.sqrt(q.shape[1])\n", "", "q RATIO:sqrt"),
    wrong("scale on one side only", "    ds = ds / np.sqrt(q.shape[1])\n    dq = ds @ k\n",
          "    dq = ds @ k / np.sqrt(q.shape[1])\n", "k RATIO:sqrt"),
    wrong("softmax's cross terms missing", "ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))",
          "ds = p * dp * (1 - p)", "q DIAGONAL"),
    wrong("the sum of softmax missing", "ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))", "ds = p * dp",
          "q COMPUTES", "q ADDITIVE"),
    wrong("sign in softmax", "(dp - np.sum(dp * p, axis=1, keepdims=True))",
          "(np.sum(dp * p, axis=1, keepdims=True) - dp)", "q RATIO:-1"),
    wrong("p not transposed in dv", "dv = p.T @ g", "dv = p @ g", "v CONST", "v SUBST", "* CRASH_SHAPES"),
)
