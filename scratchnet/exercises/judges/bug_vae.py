"""The spread of many samples; KL against sn.gaussian_kl; then the whole loss."""
import numpy as np

import scratchnet as sn

from ..exercise import wrong
from ..judging import require, values

PLANTED = ("    return mu + sn.exp(0.5 * logvar) * eps\n", "    return mu + sn.exp(logvar) * eps\n")


def plain(f):
    """f of Tensors as a function of arrays."""
    def call(*arrays):
        y = f(*(sn.Tensor(a) for a in arrays[:2]), *arrays[2:])
        require(isinstance(y, sn.Tensor), "z", "TYPE",
                f"the result is a {type(y).__name__}, expected a Tensor: NumPy's functions leave the graph")
        return y.numpy()
    return call


def judge(answer, right):
    rng = np.random.default_rng(0)
    mu, logvar = np.array([[0.5, -1.0, 2.0]]), np.log(np.array([[0.25, 1.0, 9.0]]))
    z = plain(answer.sample)(mu.repeat(4000, 0), logvar.repeat(4000, 0), rng.standard_normal((4000, 3)))
    spread = z.std(axis=0)
    cases = [tuple(rng.standard_normal((3, n, m))) for n, m in ((5, 2), (1, 4), (3, 3))]
    measured = f"of 4000 samples with σ = 0.5, 1, 3 the spread is {spread[0]:.2f}, {spread[1]:.2f}, {spread[2]:.2f}"
    values("z", plain(answer.sample), plain(right.sample), cases,
           ("SPREAD variance", lambda m, s, e: m + np.exp(s) * e, f"{measured}: those are the variances"),
           ("SPREAD logvar", lambda m, s, e: m + s * e, f"{measured}: the noise is multiplied by logvar itself"),
           ("SPREAD twice", lambda m, s, e: m + np.exp(2 * s) * e, f"{measured}: the exponent is doubled, not halved"),
           ("SPREAD sign", lambda m, s, e: m + np.exp(-0.5 * s) * e, f"{measured}: those are 1/σ"),
           ("NOISE missing", lambda m, s, e: m + np.exp(0.5 * s), f"{measured}: there is no noise in it"),
           ("NOISE mean", lambda m, s, e: (m + np.exp(0.5 * s)) * e,
            f"the mean of the samples is {z.mean(0).round(1)}, expected {mu[0]}: μ is multiplied by the noise too"))
    values("kl", plain(answer.kl), plain(right.kl), [case[:2] for case in cases],
           ("TERMS sign", lambda m, s: 0.5 * np.sum(m ** 2 + np.exp(s) - 1 + s) / len(m), "the sign of logvar in KL"),
           ("RATIO Z", lambda m, s: right.kl(sn.Tensor(m), sn.Tensor(s)).item() / m.shape[1],
            "KL is averaged over the latent axis too; divide by N only"))
    def loss(which): return lambda seed: which.VAE(6, 2, 5, np.random.default_rng(seed)).astype(np.float64).loss(
        np.random.default_rng(seed).random((4, 6)), np.random.default_rng(seed + 1).standard_normal((4, 2))).item()
    values("loss", loss(answer), loss(right), [(0,), (1,)])


HINTS = ("not in a gradient and not in the KL: in how z is drawn; compare the measured spread with σ",
         "z = μ + σ·ε; σ is the square root of the variance, and logvar is the logarithm of the variance",
         "the square root of e^logvar is e^(½·logvar): the ½ is missing in `sample`")

BACKGROUND = """
With e^logvar as the spread, a model that wants σ = 0.1 must set logvar = −2.3, and pays the KL of σ = 0.32 for it:
the two terms of the loss speak of two different clouds.  No check of gradients can see that.  sn.check has checks
of distributions for such cases: moments of samples, and the closed KL against an average over samples.
"""

WRONG = (
    wrong("exponent doubled", "sn.exp(0.5 * logvar)", "sn.exp(2.0 * logvar)", "z SPREAD:twice"),
    wrong("1/σ", "sn.exp(0.5 * logvar)", "sn.exp(-0.5 * logvar)", "z SPREAD:sign"),
    wrong("logvar itself", "sn.exp(0.5 * logvar) * eps", "logvar * eps", "z SPREAD:logvar"),
    wrong("no noise", "sn.exp(0.5 * logvar) * eps", "sn.exp(0.5 * logvar)", "z NOISE:missing"),
    wrong("sign in KL", "- 1.0 - logvar)", "- 1.0 + logvar)", "kl TERMS:sign"),
    wrong("KL averaged over the latent axis", ".sum() / mu.shape[0]", ".sum() / mu.size", "kl RATIO:Z"),
)
