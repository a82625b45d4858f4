"""log_softmax and the loss by value, large logits among them; then the gradient."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, values


def judge(answer, right):
    rng = np.random.default_rng(0)
    logits = [rng.standard_normal(shape) for shape in ((5, 3), (1, 4), (4, 4))]
    values("log_softmax", answer.log_softmax, right.log_softmax, [(z,) for z in logits],
           ("OVERSUMMED all", lambda z: z - np.log(np.exp(z).sum()),
            "the sum runs over the whole batch; each row has its own"),
           ("OVERSUMMED all", lambda z: (d := z - z.max(axis=1, keepdims=True)) - np.log(np.exp(d).sum()),
            "the sum runs over the whole batch; each row has its own"),
           ("WRONG_AXES", lambda z: z - np.log(np.exp(z).sum(axis=0)),
            "the sum runs over the examples; it must run over the classes, axis 1"),
           ("VALUE softmax", lambda z: np.exp(right.log_softmax(z)),
            "these are the probabilities, not their logarithms"))
    values("log_softmax", answer.log_softmax, right.log_softmax,
           [(z + 1000,) for z in logits] + [(z * 500,) for z in logits])
    labelled = [(z, rng.integers(0, z.shape[1], len(z))) for z in logits]
    rows = np.arange
    values("L", answer.cross_entropy, right.cross_entropy, labelled,
           ("RATIO N", lambda z, y: -right.log_softmax(z)[rows(len(z)), y].sum(),
            "this is N times too large: the sum over the batch, not the mean"),
           ("RATIO 1/M", lambda z, y: -right.log_softmax(z)[rows(len(z)), y].sum() / z.size,
            "this divides by all entries; the mean is over the N examples"),
           ("OVERSUMMED classes", lambda z, y: -right.log_softmax(z).mean(),
            "this is the mean over all classes; only the right one of each row counts"),
           ("OVERSUMMED classes", lambda z, y: -right.log_softmax(z).sum() / len(z),
            "this adds up all classes; only the right one of each row counts"))
    gradients(right.cross_entropy, answer.cross_entropy_backward, regimes(
        lambda rng, N, M: (rng.standard_normal((N, M)), rng.integers(0, M, N)), (5, 3), (2, 7), (4, 4)),
        letters=("NM",))


HINTS = ("log_softmax comes first: the other two call it; the diagnosis names the one that is wrong",
         "log_softmax: z − max, then minus a logarithm of a sum, both along axis=1 with keepdims; the gradient: "
         "probabilities, minus 1 at the label, over N",
         "probabilities are np.exp(log_softmax(z)); subtract 1 at [np.arange(N), labels]; multiply by g and divide by "
         "len(z)")

BACKGROUND = """
∂L/∂z = p − one-hot has no cross terms left to forget: the softmax's Jacobian and the logarithm's 1/p cancel.  That
is why every library fuses the two (scratchnet/ops/loss.py), and why a network should end with logits, not with a
softmax layer.
"""

WRONG = (
    wrong("1/N forgotten", "return g * dz / len(z)", "return g * dz", "z RATIO:N"),
    wrong("one-hot not subtracted", "    dz[np.arange(len(z)), labels] -= 1\n", "", "z ADDITIVE"),
    wrong("sign", "return g * dz / len(z)", "return -g * dz / len(z)", "z RATIO:-1"),
    wrong("divided by all entries", "return g * dz / len(z)", "return g * dz / z.size", "z RATIO:1/M"),
    wrong("logits for probabilities", "dz = np.exp(log_softmax(z))", "dz = z.copy()", "z ADDITIVE"),
    wrong("upstream ignored", "return g * dz / len(z)", "return dz / len(z)", "z DY:ones"),
    wrong("overflow", "    d = z - z.max(axis=1, keepdims=True)\n", "    d = z\n", "log_softmax NOT_FINITE"),
    wrong("sum over the batch", "np.exp(d).sum(axis=1, keepdims=True)", "np.exp(d).sum()",
          "log_softmax OVERSUMMED:all"),
    wrong("mean over everything", "[np.arange(len(z)), labels].mean()", ".mean()", "L OVERSUMMED:classes"),
)
