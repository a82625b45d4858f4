"""Sample and KL by value and by what they must be; the gradients term by term; doubling the batch changes nothing."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, require, values

SIZES = ((5, 2, 3), (2, 4, 1), (3, 3, 3))


def build(rng, N, Z, D):
    return tuple(rng.standard_normal(shape) for shape in ((N, Z), (N, Z), (Z, D), (N, Z), (N, D)))


def judge(answer, right):
    rng = np.random.default_rng(0)
    cases = [tuple(rng.standard_normal((3, N, Z))) for N, Z, _ in SIZES]
    values("z", answer.sample, right.sample, cases,
           ("SPREAD variance", lambda m, s, e: m + np.exp(s) * e,
            "e^logvar is the variance σ²; the noise is multiplied by σ = e^(½ logvar)"),
           ("SPREAD logvar", lambda m, s, e: m + s * e,
            "logvar itself multiplies the noise; that is a logarithm, and may be negative"),
           ("NOISE mean", lambda m, s, e: (m + np.exp(0.5 * s)) * e, "μ is multiplied by the noise as well: only σ is"),
           ("NOISE missing", lambda m, s, e: m + np.exp(0.5 * s), "ε is missing: this is the same code every time"))
    values("kl", answer.kl, right.kl, [case[:2] for case in cases],
           ("RATIO Z", lambda m, s: right.kl(m, s) / m.shape[1],
            "this is averaged over the latent axis too; divide by the batch N only"),
           ("RATIO N", lambda m, s: right.kl(m, s) * len(m), "this is the sum over the batch: divide by N"),
           ("TERMS sign", lambda m, s: 0.5 * np.sum(m ** 2 + np.exp(s) - 1 + s) / len(m),
            "−logvar has the wrong sign: KL is 0 where μ = 0, σ = 1, and its slope too"))
    require(answer.kl(np.zeros((2, 3)), np.zeros((2, 3))) == 0, "kl", "TERMS", "KL of N(0, 1) from itself must be 0")
    gradients(right.loss, answer.loss_backward, regimes(build, *SIZES), wrt=["mu", "logvar", "v"],
              letters=("NZ", "NZ", "ZD"))
    mu, logvar, v, eps, x = build(rng, 3, 2, 4)
    once, twice = (answer.loss(*(np.concatenate([a] * n) for a in (mu, logvar)), v,
                               *(np.concatenate([a] * n) for a in (eps, x))) for n in (1, 2))
    require(abs(once - twice) < 1e-9, "loss", "RATIO",
            "a batch with every example twice has another loss: something is summed and not averaged")


HINTS = ("first z and KL, which the loss calls; then the gradients, each with a share from recon (through z) and one "
         "from KL",
         "dmu = dz + …;  dlogvar = dz · ∂z/∂logvar + …;  the second shares are the slopes of KL that the text gives, "
         "times g",
         "∂z/∂logvar is ½·e^(½ logvar)·eps; KL's slopes are mu / N and ½ (e^logvar − 1) / N; dv is z.T @ dr")

BACKGROUND = """
Kingma and Welling 2013 (arXiv:1312.6114).  Two well-known teaching VAEs compute z = μ + e^logvar·ε: no gradient
check can see it, because forward and backward agree; only the spread of the samples shows it (exercise bug_vae).
The KL term pulls μ to 0 and σ to 1 until recon pulls back: the balance is what fills the space between the codes.
scratchnet/models/vae.py.
"""

WRONG = (
    wrong("variance for standard deviation", "return mu + np.exp(0.5 * logvar) * eps",
          "return mu + np.exp(logvar) * eps", "z SPREAD:variance"),
    wrong("noise on the mean too", "return mu + np.exp(0.5 * logvar) * eps", "return (mu + np.exp(0.5 * logvar)) * eps",
          "z NOISE:mean"),
    wrong("KL averaged over the latent axis", "- 1 - logvar) / len(mu)", "- 1 - logvar) / mu.size", "kl RATIO:Z"),
    wrong("sign of logvar in KL", "- 1 - logvar)", "- 1 + logvar)", "kl TERMS:sign"),
    wrong("KL missing in dmu", "dmu = dz + g * mu / N", "dmu = dz", "mu TERMS", "mu ADDITIVE"),
    wrong("KL sign in dmu", "dmu = dz + g * mu / N", "dmu = dz - g * mu / N", "mu TERMS", "mu ADDITIVE"),
    wrong("½ forgotten in the sample's share", "dlogvar = dz * 0.5 * np.exp(0.5 * logvar)",
          "dlogvar = dz * np.exp(0.5 * logvar)", "logvar TERMS"),
    wrong("noise forgotten in the gradient", "np.exp(0.5 * logvar) * eps + g", "np.exp(0.5 * logvar) + g",
          "logvar TERM_FACTOR"),
    wrong("no way through the sample", "dlogvar = dz * 0.5 * np.exp(0.5 * logvar) * eps + g", "dlogvar = g",
          "logvar TERMS"),
    wrong("KL not averaged", "dmu = dz + g * mu / N", "dmu = dz + g * mu", "mu TERMS", "mu ADDITIVE"),
    wrong("averaged once more", "dv = z.T @ dr", "dv = z.T @ dr / N", "v RATIO:1/N"),
)
