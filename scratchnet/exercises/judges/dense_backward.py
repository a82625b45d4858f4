"""The gradient checker on three shapes."""
from ..exercise import wrong
from ..judging import gradients, regimes


def judge(answer, right):
    gradients(right.dense, lambda g, x, w, b: answer.dense_backward(g, x, w), regimes(
        lambda rng, N, D, M: (rng.standard_normal((N, D)), rng.standard_normal((D, M)), rng.standard_normal(M)),
        (5, 3, 4), (3, 1, 2), (4, 4, 4)), letters=("ND", "DM", "M"))


HINTS = ("the diagnosis names the gradient: x is for the layer before, w and b are for the optimiser; each of them is "
         "one line",
         "shapes: dx (N,M)·(M,D), dw (D,N)·(N,M), db a sum of g (N,M) over its rows",
         "the index that is summed stands inside: for dx it is m, so w with m first, w.T; for dw it is n, so x with n "
         "last, x.T")

BACKGROUND = """
S = Σ g·x·w summed over n, d, m is linear in each of the three: leave one out of the sum and you have ∂S/∂(that
one).  So backward is nothing new but two more products of the same family, and the same holds for a convolution
(scratchnet/ops/matmul.py, scratchnet/ops/conv.py).  A backward pass therefore costs two forward passes.
"""

WRONG = (
    wrong("w not transposed", "dx = g @ w.T", "dx = g @ w", "x SUBST", "* CRASH_SHAPES"),
    wrong("dw transposed", "dw = x.T @ g", "dw = g.T @ x", "w TRANSPOSED"),
    wrong("db not summed", "db = g.sum(axis=0)", "db = g", "b UNSUMMED"),
    wrong("db averaged", "db = g.sum(axis=0)", "db = g.mean(axis=0)", "b RATIO:1/N"),
    wrong("dw averaged over the batch, as the loss did already", "dw = x.T @ g", "dw = x.T @ g / len(g)",
          "w RATIO:1/N"),
    wrong("only the last row", "dw = x.T @ g", "for n in range(len(g)):\n        dw = np.outer(x[n], g[n])",
          "w CONTRIB:batch: last only"),
    wrong("reshape for transpose", "dx = g @ w.T", "dx = g @ w.reshape(w.shape[::-1])", "x SUBST", "x REORDERED"),
    wrong("upstream ignored", "dw = x.T @ g", "dw = x.T @ np.ones_like(g)", "w DY:ones"),
)
