"""Value and gradient, then both far out."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, values


def judge(answer, right):
    rng = np.random.default_rng(0)
    cases = [(2 * rng.standard_normal(shape), rng.random(shape)) for shape in ((5, 3), (1, 7), (4, 4))]
    values("L", answer.bce, right.bce, cases,
           ("RATIO size", lambda z, t: right.bce(z, t) * z.size, "this is the sum; the mean is over all N·M entries"),
           ("RATIO M", lambda z, t: right.bce(z, t) * z.shape[1],
            "this divides by N only; the mean is over all N·M entries"),
           ("TERMS t·z", lambda z, t: np.mean(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))),
            "the term t·z is missing"),
           ("TERMS sign", lambda z, t: np.mean(np.maximum(z, 0) + t * z + np.log1p(np.exp(-np.abs(z)))),
            "the term t·z has the wrong sign"),
           ("TERMS log", lambda z, t: np.mean(np.maximum(z, 0) - t * z), "the term with the logarithm is missing"),
           ("SUBST |z|", lambda z, t: np.mean(np.maximum(z, 0) - t * z + np.log1p(np.exp(-z))),
            "in the logarithm |z| is needed, not z"))
    far = [(np.array([[1e4, -1e4], [800.0, -800.0]]), np.array([[1.0, 1.0], [0.0, 0.25]]))]
    values("L", answer.bce, right.bce, far)
    gradients(right.bce, answer.bce_backward, regimes(
        lambda rng, N, M: (rng.standard_normal((N, M)), rng.random((N, M))), (5, 3), (2, 7), (4, 4)), letters=("NM",),
        wrt=["z"])
    values("z", answer.bce_backward, right.bce_backward, [(1.0, *case) for case in far])


HINTS = ("both are short: the loss is the mean of three terms, the gradient a difference of two arrays",
         "loss: np.mean(max(z, 0) − t·z + log(1 + e^−|z|)); gradient: (probability − target), over the number of "
         "entries, times g",
         "np.maximum(z, 0), t * z, np.log1p(np.exp(-np.abs(z))); and the probability is sigmoid(z), the number of "
         "entries z.size")

BACKGROUND = """
Derive it once: −t·log p = t·log(1 + e⁻ᶻ) and −(1−t)·log(1−p) = (1−t)·(z + log(1 + e⁻ᶻ)), together z − t·z + log(1 +
e⁻ᶻ); for z < 0 take e⁻ᶻ out of the logarithm.  The sigmoid's slope p(1−p) cancels against 1/(p(1−p)) from the two
logarithms: so a very wrong answer keeps a gradient of 1, where squared error would have lost it.
"""

WRONG = (
    wrong("log of the sigmoid", "return np.mean(np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z))))",
          "p = sigmoid(z)\n    return np.mean(-t * np.log(p) - (1 - t) * np.log(1 - p))", "L NOT_FINITE"),
    wrong("|z| forgotten", "np.exp(-np.abs(z))))", "np.exp(-z)))", "L SUBST:|z|"),
    wrong("sum for mean", "return np.mean(np.maximum", "return np.sum(np.maximum", "L RATIO:size"),
    wrong("logit for probability", "g * (sigmoid(z) - t)", "g * (z - t)", "z ADDITIVE"),
    wrong("1/size forgotten", "(sigmoid(z) - t) / z.size", "(sigmoid(z) - t)", "z RATIO:N*M"),
    wrong("divided by the batch only", "/ z.size", "/ len(z)", "z RATIO:M"),
    wrong("sigmoid' once too often", "g * (sigmoid(z) - t)", "g * (sigmoid(z) - t) * sigmoid(z) * (1 - sigmoid(z))",
          "z FACTOR:extra"),
    wrong("target minus prediction", "(sigmoid(z) - t)", "(t - sigmoid(z))", "z RATIO:-1"),
)
