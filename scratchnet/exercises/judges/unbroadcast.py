"""The gradient of x ↦ x + zeros(shape of the result), for every way of broadcasting into three axes."""
import itertools

import numpy as np

from ..exercise import wrong
from ..judging import gradients, values

FULL = (4, 5, 3)
SHAPES = [tuple(n if keep else 1 for n, keep in zip(FULL[cut:], kept)) for cut in range(4)
          for kept in itertools.product((True, False), repeat=3 - cut)]


def judge(answer, right):
    def sample(result, shape):
        return lambda rng: (rng.standard_normal(shape), np.zeros(result, int))
    for result, shape in [((5, 3), (3,)), ((5, 3), (5, 1)), ((4, 5, 3), (4, 1, 3)), ((4, 4), (4,)), ((2, 3), ())]:
        def forward(b, zeros): return b + zeros
        gradients(forward, lambda g, b, zeros: answer.unbroadcast(g, b.shape), sample(result, shape),
                  letters=((), "NM"))
    rng = np.random.default_rng(0)
    g = rng.standard_normal(FULL)
    values("b", answer.unbroadcast, right.unbroadcast, [(g, shape) for shape in SHAPES] + [(np.ones((1, 1)), (1,))])


HINTS = ("which axes were repeated?  Write `shape` below g.shape, right-aligned: those where g is longer, and those "
         "that are missing",
         "two sums over tuples of axes, g.sum(axis=(…)); the second one with keepdims=True",
         "the missing axes are the first g.ndim − len(shape); after that, those n of `shape` that are 1")

BACKGROUND = """
Every binary op of every engine needs this: scratchnet calls it `fit` (scratchnet/ops/broadcast.py), PyTorch
sum_to_size.  A bias is nothing but broadcasting, which is why its gradient is a sum over the batch (and, in a
convolution, over all pixels): exercises dense_backward and conv2d_loops use it without saying so.
"""

WRONG = (
    wrong("nothing is summed", "    return g.sum(axis=ones, keepdims=True)", "    return g",
          "b SHAPE", "b UNSUMMED"),
    wrong("keepdims forgotten", "g.sum(axis=ones, keepdims=True)", "g.sum(axis=ones)", "b SHAPE_RESHAPE"),
    wrong("left axes not summed", "    g = g.sum(axis=tuple(range(g.ndim - len(shape))))\n",
          "    while g.ndim > len(shape):\n        g = g[0]\n",
          "b CONTRIB", "b DY"),
    wrong("averaged", "    g = g.sum(axis=tuple(range(g.ndim - len(shape))))",
          "    g = g.mean(axis=tuple(range(g.ndim - len(shape))))",
          "b RATIO:1/"),
    wrong("reshaped instead of summed", "    g = g.sum(axis=tuple(range(g.ndim - len(shape))))\n",
          "    g = g.reshape(-1)[:int(np.prod(shape))].reshape(shape)\n", "b CONTRIB", "b DY"),
    wrong("axes counted from the left", "    g = g.sum(axis=tuple(range(g.ndim - len(shape))))\n",
          "    g = g.sum(axis=tuple(range(len(shape), g.ndim)))\n", "b WRONG_AXES", "b SHAPE"),
)
