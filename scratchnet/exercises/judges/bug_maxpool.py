"""The checker at random points; then images as a ReLU leaves them, where the checker meets kinks, by value."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, values

PLANTED = ("    np.put_along_axis(dv, v.argmax(axis=-1)[..., None], g[..., None], axis=-1)\n",
           "    dv += g[..., None] * (v == v.max(axis=-1, keepdims=True))\n")


def split(g, x, right):
    most = right.windows(x) == right.windows(x).max(axis=-1, keepdims=True)
    return most, g[..., None] / most.sum(axis=-1, keepdims=True)


def judge(answer, right):
    gradients(right.max_pool, answer.max_pool_backward, regimes(
        lambda rng, *shape: (rng.standard_normal(shape),), (2, 3, 4, 6), (1, 1, 2, 4), (2, 2, 4, 4)))
    rng = np.random.default_rng(0)
    cases = [(rng.standard_normal((N, C, H // 2, W // 2)), np.maximum(rng.integers(-4, 3, (N, C, H, W)), 0.0))
             for N, C, H, W in ((2, 3, 4, 6), (1, 1, 6, 4))]
    values("x", answer.max_pool_backward, right.max_pool_backward, cases,
           ("KINK all", lambda g, x: right.unwindows(np.where(split(g, x, right)[0], g[..., None], 0.0)),
            "where several entries of a window are the largest, each of them got the whole gradient: up to four times "
            "what was sent"),
           ("KINK shared", lambda g, x: right.unwindows(np.where(*split(g, x, right), 0.0)),
            "where several entries are the largest, they share the gradient; here the first one takes it all"),
           ("KINK last", lambda g, x: right.max_pool_backward(g[:, :, ::-1, ::-1], x[:, :, ::-1, ::-1])[:, :, ::-1, ::-1],
            "where several entries are the largest, the last one got the gradient; agreed on is the first"))


HINTS = ("random images pass: look at windows in which the largest number comes more than once",
         "the mask v == max is true at every largest entry; one place per window is wanted, as an index",
         "v.argmax(axis=-1) is that index; np.put_along_axis(dv, index[..., None], g[..., None], axis=-1) writes to it")

BACKGROUND = """
mask = (x == max) is how many course solutions pool backwards.  At random points no two numbers are equal and it is
right; after a ReLU, a window of four zeros multiplies its gradient by four.  A check must also be made where a
function has its kinks: sn.check_backward measures the slopes on both sides there, and accepts what lies between.
"""

WRONG = (
    wrong("shared among the largest", "    np.put_along_axis(dv, v.argmax(axis=-1)[..., None], g[..., None], axis=-1)\n",
          "    most = v == v.max(axis=-1, keepdims=True)\n    dv += g[..., None] * most / most.sum(axis=-1, "
          "keepdims=True)\n", "x KINK:shared"),
    wrong("the last largest", "v.argmax(axis=-1)[..., None]", "3 - v[..., ::-1].argmax(axis=-1)[..., None]",
          "x KINK:last"),
    wrong("to the whole window", "    np.put_along_axis(dv, v.argmax(axis=-1)[..., None], g[..., None], axis=-1)\n",
          "    dv += g[..., None]\n", "x LEAK", "x LOCAL"),
    wrong("averaged over the window", "    np.put_along_axis(dv, v.argmax(axis=-1)[..., None], g[..., None], axis=-1)\n",
          "    dv += g[..., None] / 4\n", "x MISROUTED"),
    wrong("always the first", "v.argmax(axis=-1)[..., None]", "0 * v.argmax(axis=-1)[..., None]", "x MISROUTED"),
    wrong("the smallest", "v.argmax(axis=-1)", "v.argmin(axis=-1)", "x SUBST:x:=-x", "x MISROUTED"),
)
