"""The gradient checker; ReLU's slope at 0, where every number from 0 to 1 would pass it, by value."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, values


def judge(answer, right):
    def sampler():
        return regimes(lambda rng, *shape: (rng.standard_normal(shape),), (5, 4), (1, 7), (4, 4))
    gradients(right.relu, answer.relu_backward, sampler(), of="relu")
    values("relu.x", answer.relu_backward, right.relu_backward,
           [(np.array([5.0, 7.0, 9.0]), np.array([-1.0, 0.0, 2.0]))],
           ("KINK right", lambda g, x: g * (x >= 0),
            "at x = 0 this takes the slope 1 of the right side; agreed on is 0: > instead of >="),
           ("KINK between", lambda g, x: g * (0.5 * (x >= 0) + 0.5 * (x > 0)), "at x = 0 this takes ½; agreed on is 0"))
    for name in ("sigmoid", "tanh"):
        forward, backward = getattr(right, name), getattr(answer, f"{name}_backward")
        gradients(forward, lambda g, x: backward(g, forward(x)), sampler(), of=name)


HINTS = ("the diagnosis names the function; each is g times one slope per entry",
         "relu: g times a mask made from x; sigmoid: g times y times another factor; tanh: g times something with y²",
         "relu compares with >, not >=, and looks at x, not at g; sigmoid's other factor is 1 − y; tanh's slope is 1 "
         "− y²")

BACKGROUND = """
sigmoid' is at most ¼: a gradient that passes ten sigmoids shrinks a million times, which is why deep networks use
ReLU. A ReLU whose x is negative for every example gets no gradient any more and never comes back ("dead"); leaky
ReLU keeps a small slope there.  scratchnet's rules read y wherever they can, so that x is freed at once
(scratchnet/ops/elementwise.py).
"""

WRONG = (
    wrong("mask from g", "return g * (x > 0)", "return g * (g > 0)", "relu.x IDENTITY:relu(g)", "relu.x DY:relu(g)"),
    wrong("no mask", "return g * (x > 0)", "return g * 1.0", "relu.x IDENTITY", "relu.x LEAK"),
    wrong(">= at the kink", "(x > 0)", "(x >= 0)", "relu.x KINK:right"),
    wrong("mask inverted", "(x > 0)", "(x < 0)", "relu.x SUBST"),
    wrong("x itself instead of the mask", "g * (x > 0)", "g * np.maximum(x, 0)", "relu.x FACTOR:extra"),
    wrong("(1 − y) forgotten", "return g * y * (1 - y)", "return g * y", "sigmoid.x FACTOR:missing 1-y"),
    wrong("sigmoid applied once more", "return g * y * (1 - y)", "s = sigmoid(y); return g * s * (1 - s)",
          "sigmoid.x SUBST:x:=y"),
    wrong("1 − y instead of 1 − y²", "(1 - y ** 2)", "(1 - y)", "tanh.x FACTOR:missing 1+y"),
    wrong("upstream forgotten", "return g * (1 - y ** 2)", "return 1 - y ** 2", "tanh.x DY:ones"),
)
