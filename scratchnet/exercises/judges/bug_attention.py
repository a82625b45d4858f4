"""The gradient checker on the whole layer; the widths differ, so that √D has a name."""
from ..exercise import wrong
from ..judging import gradients, regimes

PLANTED = ("    ds = ds / np.sqrt(q.shape[1])\n", "    ds = ds / q.shape[1]\n")


def judge(answer, right):
    def build(rng, T, S, D, M):
        return rng.standard_normal((T, D)), rng.standard_normal((S, D)), rng.standard_normal((S, M))
    gradients(right.forward, answer.backward, regimes(build, (4, 3, 5, 2), (2, 4, 3, 1), (3, 3, 3, 3)))


HINTS = ("v is right; q and k are wrong, both by one and the same factor, which depends on the width D",
         "a factor that both share stands before the two part: in what is done to ds",
         "the forward divides by √D; the backward divides by D")

BACKGROUND = """
Vaswani et al. 2017 (arXiv:1706.03762) divide by √D so that the logits of random queries and keys have variance 1, whatever
the width.  A wrong constant factor is the mildest of mistakes: an optimiser such as Adam even hides it, since it divides by
the size of the gradients.  Until two branches with different factors meet.
"""

WRONG = (
    wrong("scale forgotten", "    ds = ds / np.sqrt(q.shape[1])\n", "", "q RATIO:sqrt"),
    wrong("scale on one side only", "    ds = ds / np.sqrt(q.shape[1])\n    dq = ds @ k\n", "    dq = ds @ k / np.sqrt(q.shape[1])\n", "k RATIO:sqrt"),
    wrong("softmax's cross terms missing", "ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))", "ds = p * dp * (1 - p)", "q DIAGONAL", "q STEP"),
    wrong("sum over the queries", "np.sum(dp * p, axis=1, keepdims=True)", "np.sum(dp * p, axis=0, keepdims=True)", "q STEP"),
    wrong("q and k exchanged", "    dq = ds @ k\n    dk = ds.T @ q\n", "    dq = (ds.T @ q)[:len(q)]\n    dk = ds.T @ q\n", "q SHAPE", "q CRASH_SHAPES", "* CRASH_SHAPES"),
    wrong("p not transposed in dv", "dv = p.T @ g", "dv = p.reshape(p.shape[::-1]) @ g", "v REORDERED", "v SUBST"),
)
