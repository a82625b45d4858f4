"""The gradients by the checker, from the last layer to the first, where the mistake is; then it must beat PCA."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, require


def build(rng, N, D, H):
    def r(*shape): return rng.standard_normal(shape)
    return r(N, D), r(D, H), r(H), r(H, 1), r(1), r(1, H), r(H), r(H, D), r(D)


PARAMETERS = ("w1", "b1", "w2", "b2", "w3", "b3", "w4", "b4")


def judge(answer, right):
    def backward(g, x, *p):
        return dict(zip(PARAMETERS, answer.loss_backward(g, x, *p)))
    for layer in (4, 3, 2, 1):
        weights, bias = f"w{layer}", f"b{layer}"
        if layer in (1, 3):                     # one example: a missing factor, tanh's slope, is seen entry by entry
            gradients(right.loss, backward, regimes(build, (1, 3, 4), (1, 2, 3), (1, 3, 3)), wrt=[weights])
        gradients(right.loss, backward, regimes(build, (5, 3, 2), (2, 1, 4), (3, 3, 3)), wrt=[weights, bias],
                  letters=("ND", "DH"))
    s = np.linspace(-1, 1, 80)
    x = np.stack([s, s ** 2, np.sin(3 * s)], 1)
    ours, pca = train(answer.loss_backward, right.loss, x), left_by_pca(x)
    require(ours < pca / 2, "loss", "STEP",
            f"after 800 steps the loss is {ours:.4f}; PCA with one component leaves {pca:.4f}")


def train(backward, loss, x):
    rng = np.random.default_rng(0)
    p = [a / 2 for a in build(rng, len(x), x.shape[1], 6)[1:]]
    m, v = [np.zeros_like(a) for a in p], [np.zeros_like(a) for a in p]
    for t in range(1, 801):                                               # Adam
        for i, d in enumerate(backward(1.0, x, *p)):
            m[i], v[i] = 0.9 * m[i] + 0.1 * d, 0.999 * v[i] + 0.001 * d ** 2
            p[i] = p[i] - 0.02 * (m[i] / (1 - 0.9 ** t)) / (np.sqrt(v[i] / (1 - 0.999 ** t)) + 1e-8)
    return loss(x, *p)


def left_by_pca(x):
    """The loss of the best line: all but the largest of the squared singular values."""
    return np.sum(np.linalg.svd(x - x.mean(axis=0))[1][1:] ** 2) / len(x)


HINTS = ("the last wrong gradient in the order w4, w3, w2, w1 is the first to go wrong: everything before depends on it",
         "four dense layers: each gives dw = (what came in).T @ g, db = g.sum(axis=0), and hands g @ w.T on; tanh "
         "multiplies by 1 − t²",
         "dr is 2 (r − x) / N times g; dk = (dr @ w4.T) · (1 − k²); dz = dk @ w3.T (no tanh there); dh = (dz @ w2.T) "
         "· (1 − h²)")

BACKGROUND = """
The bend is what makes the difference: without tanh, two dense layers are one matrix, and the best one is PCA's
(Baldi and Hornik 1989).  Only the loss ties the code to the input, so what lies between two codes means nothing;
that is what the variational autoencoder, the next exercise, changes.
"""

WRONG = (
    wrong("factor 2 forgotten", "dr = g * 2 * (r - x) / len(x)", "dr = g * (r - x) / len(x)", "b4 RATIO:1/2"),
    wrong("1/N forgotten", "dr = g * 2 * (r - x) / len(x)", "dr = g * 2 * (r - x)", "b4 RATIO:N"),
    wrong("target minus output", "(r - x) / len(x)\n    dw4", "(x - r) / len(x)\n    dw4", "b4 RATIO:-1"),
    wrong("tanh of the decoder forgotten", "dk = (dr @ w4.T) * (1 - k ** 2)", "dk = dr @ w4.T",
          "w3 FACTOR:missing 1-k^2"),
    wrong("1 − k instead of 1 − k²", "(1 - k ** 2)", "(1 - k)", "w3 FACTOR:missing 1+k"),
    wrong("averaged once more", "dw2 = h.T @ dz", "dw2 = h.T @ dz / len(x)", "w2 RATIO:1/N"),
    wrong("b2 averaged", "db2 = dz.sum(axis=0)", "db2 = dz.mean(axis=0)", "b2 RATIO:1/N"),
    wrong("b4 not summed", "db4 = dr.sum(axis=0)", "db4 = dr", "b4 UNSUMMED"),
)
