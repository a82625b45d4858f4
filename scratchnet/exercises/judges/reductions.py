"""Each backward along both axes; ties of the maximum by value, since there any share would be a gradient."""
from functools import partial

import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, values


def judge(answer, right):
    for name in ("sum", "mean", "max"):
        backward = getattr(answer, f"{name}_backward")
        for axis in (1, 0):
            gradients(partial(getattr(right, f"{name}_forward"), axis=axis), lambda g, x: backward(g, x, axis), regimes(
                lambda rng, *shape: (rng.standard_normal(shape),), (5, 3), (2, 7), (4, 4)), of=name, letters=("NM",))
    ties = np.array([[2.0, 1.0, 2.0], [0.0, 3.0, 3.0], [2.0, 3.0, 1.0]])
    values("max.x", answer.max_backward, right.max_backward,
           [(np.array([1.0, 10.0, 100.0]), ties, axis) for axis in (0, 1)],
           ("KINK all", lambda g, x, axis: np.expand_dims(g, axis) * (x == x.max(axis=axis, keepdims=True)),
            "where several entries are the largest, each of them got the whole gradient; the first one takes it all"),
           ("KINK shared", lambda g, x, axis: np.expand_dims(g, axis) * shared(x, axis),
            "where several entries are the largest, they share the gradient; here the first one takes it all"))


def shared(x, axis):
    most = x == x.max(axis=axis, keepdims=True)
    return most / most.sum(axis=axis, keepdims=True)


HINTS = ("all three need g in the shape of x: first give it back the axis that it lost",
         "sum: np.expand_dims(g, axis) times ones; mean: the same over the number of entries that were averaged; max: "
         "zeros, and g at argmax",
         "for max, np.put_along_axis(dx, where, what, axis) writes g to the places that argmax found; both need the "
         "axis back")

BACKGROUND = """
A sum and a broadcast are each other's backward: compare the exercise before.  For ties of a maximum every way of
sharing is a subgradient, and libraries differ (docs/notation.md says what scratchnet does); what is never right is
to give each of them everything, because then max(x, x) would have the slope 2.
"""

WRONG = (
    wrong("mean without 1/n", " / x.shape[axis]", "", "mean.x RATIO:M"),
    wrong("mean over all entries", "/ x.shape[axis]", "/ x.size", "mean.x RATIO:1/N"),
    wrong("mean over the other axis", "/ x.shape[axis]", "/ x.shape[1 - axis]", "mean.x RATIO:M/N"),
    wrong("every largest gets all", """    dx = np.zeros_like(x)
    first = np.expand_dims(x.argmax(axis=axis), axis)
    np.put_along_axis(dx, first, np.expand_dims(g, axis), axis)
    return dx
""", "    return np.expand_dims(g, axis) * (x == x.max(axis=axis, keepdims=True))\n", "max.x KINK:all"),
    wrong("max spread over the axis", """    dx = np.zeros_like(x)
    first = np.expand_dims(x.argmax(axis=axis), axis)
    np.put_along_axis(dx, first, np.expand_dims(g, axis), axis)
    return dx
""", "    return np.expand_dims(g, axis) * np.ones_like(x)\n", "max.x LEAK", "max.x OVERSUMMED"),
    wrong("the first entry instead of the largest", "x.argmax(axis=axis)", "np.zeros_like(x.argmax(axis=axis))",
          "max.x MISROUTED"),
    wrong("a view of g", "return np.expand_dims(g, axis) * np.ones_like(x)\n", "return g\n", "sum.x SHAPE",
          "sum.x OVERSUMMED"),
)
