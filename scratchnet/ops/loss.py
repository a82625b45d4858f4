"""Losses: how far the output is from what was wanted, as one number, with its slope in every input.

`reduction` says what becomes of the losses of the single items: "none" keeps them, "sum" adds them
up, "mean" divides the sum by their count.  On the way back `per_item` undoes it: each item receives
g, g, or g / count.
Source   given with each loss.
"""
import numpy as np

from ..op import keep, op
from .broadcast import broadcast_to
from .elementwise import exp, magnitude, sigmoid
from .loss_kernels import bce_slope
from .reduce import softmax
from .shape import reshape


@op
def mse(pred, target, *, reduction="mean"):
    """Squared error, one item per entry:  L = (pred − target)².

    ∂L/∂pred = 2 (pred − target) = −∂L/∂target
    Shapes   pred and target equal, any shape.   Errors   ValueError if they differ.
    Source   Goodfellow, Bengio & Courville 2016, §5.1.4.
    """
    same_shape("mse", pred=pred, target=target)
    d = pred - target
    return reduced("mse", d * d, reduction)
@mse.vjp("pred")
def mse_dpred(g, pred, target, reduction):
    return per_item(g, pred.shape, reduction) * (2.0 * (pred - target))
@mse.vjp("target")
def mse_dtarget(g, pred, target, reduction):
    return per_item(g, pred.shape, reduction) * (2.0 * (target - pred))


@op
def bce_with_logits(logits, target, *, reduction="mean"):
    """Binary cross-entropy of p = sigmoid(z), one item per entry, from the logits z themselves:

        L = −t log p − (1 − t) log(1 − p) = max(z, 0) − t·z + log(1 + e⁻|ᶻ|)

    The second form is the first with log p = −softplus(−z), log(1−p) = −softplus(z) put in; it stays
    finite and exact for every z, where log(sigmoid(−100)) would be log 0 in float32.
    ∂L/∂z = p − t        ∂L/∂t = −z
    Shapes   logits and target equal, any shape.   Units   nats.
    Errors   ValueError: shapes differ, or a target outside [0, 1] (NaN included).
    Source   Goodfellow, Bengio & Courville 2016, §6.2.2.2.
    """
    same_shape("bce_with_logits", logits=logits, target=target)
    if target.size and not (target.real.min() >= 0 and target.real.max() <= 1):
        index = tuple(int(i) for i in np.argwhere(~((target.real >= 0) & (target.real <= 1)))[0])
        raise ValueError(f"bce_with_logits: target[{index}] = {target[index]}, expected numbers in [0, 1]; "
                         "images from 0 to 255 are divided by 255 first, NaN must be cleaned from the data")
    z = logits
    e = np.exp(-magnitude(z))
    item = np.maximum(z, 0)                                    # an array for the three terms
    item -= target * z
    item += np.log1p(e)
    return keep(reduced("bce_with_logits", item, reduction), e=e)
@bce_with_logits.vjp("logits")
def bce_with_logits_dlogits(g, logits, target, reduction):
    return per_item(g, logits.shape, reduction) * (sigmoid(logits) - target)
@bce_with_logits.vjp("target")
def bce_with_logits_dtarget(g, logits, reduction):
    return per_item(g, logits.shape, reduction) * -logits
@bce_with_logits.fast_vjp
def bce_with_logits_fast(want, g, logits, target, e, reduction):
    """With e⁻|ᶻ| of the forward and in one pass: a sixth of the time."""
    if reduction == "none" or "target" in want:
        return None
    return {"logits": bce_slope(logits, target, e, float(g / (logits.size if reduction == "mean" else 1)))}


@op
def cross_entropy(logits, *, labels, reduction="mean"):
    """Softmax cross-entropy, one item per row:  L = −log softmax(z)[label] = log Σⱼ eᶻʲ − z[label].

    ∂L/∂zⱼ = softmax(z)ⱼ − [j = label]:  the first term is the slope of logsumexp.
    Shapes   logits (N, M) for M classes; labels (N,) integers from 0 to M − 1.   Units   nats.
    Errors   ValueError: shapes that do not fit, labels out of range.  TypeError: labels not integers.
    Source   Goodfellow, Bengio & Courville 2016, §6.2.2.3.
    """
    check_labels(logits, labels)
    rows = np.arange(len(logits))
    d = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(d)
    e[rows, d.argmax(axis=1)] = 0                              # the largest is e⁰ = 1: log(1 + the rest)
    item = np.log1p(e.sum(axis=1)) - d[rows, labels]           # (N,)  keeps all digits of a small loss
    return reduced("cross_entropy", item, reduction)
@cross_entropy.vjp("logits")
def cross_entropy_dlogits(g, logits, labels, reduction):
    N, M = logits.shape
    g = reshape(per_item(g, (N,), reduction), (N, 1))
    return g * (softmax(logits, axis=1) - np.eye(M, dtype=logits.dtype)[labels])


@op
def gaussian_kl(mu, logvar, *, reduction="mean"):
    """KL(N(μ, σ²) ‖ N(0, 1)) with σ² = e^logvar, summed over the last (latent) axis, one item per row:

        L = ½ Σ (μ² + σ² − 1 − log σ²)
    Derivation   E[log q(z) − log p(z)] with z = μ + σε:  E[−log σ − ½ε² + ½(μ + σε)²]
                 = −log σ − ½ + ½(μ² + σ²).
    ∂L/∂μ = μ        ∂L/∂logvar = ½ (σ² − 1)
    Shapes   mu, logvar (…, D).  "mean" divides by the number of rows, never by D.   Units   nats.
    Errors   ValueError if the shapes differ.
    Source   Kingma & Welling 2013, arXiv:1312.6114, appendix B.
    """
    same_shape("gaussian_kl", mu=mu, logvar=logvar)
    if mu.ndim == 0:
        raise ValueError("gaussian_kl: mu and logvar have shape (), expected (…, D): the last axis holds the latents")
    item = (0.5 * mu * mu + 0.5 * exp_minus_1_minus(logvar)).sum(axis=-1)      # halved first: fewer overflows
    return reduced("gaussian_kl", item, reduction)
@gaussian_kl.vjp("mu")
def gaussian_kl_dmu(g, mu, reduction):
    return per_row(g, mu.shape, reduction) * mu
@gaussian_kl.vjp("logvar")
def gaussian_kl_dlogvar(g, logvar, reduction):
    return per_row(g, logvar.shape, reduction) * (0.5 * (exp(logvar) - 1.0))

# ---- what they share ----------------------------------------------------------------------------


def reduced(name: str, items, reduction: str):
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f'{name}: reduction is {reduction!r}, expected "none", "sum" or "mean"')
    if reduction == "mean" and items.size == 0:
        raise ValueError(f"{name}: the mean of nothing: the batch is empty")
    return items if reduction == "none" else items.sum() if reduction == "sum" else items.mean()


def per_item(g, shape: tuple, reduction: str):
    """∂L/∂(each item), given g = ∂L/∂(the reduced loss)."""
    if reduction == "none":
        return g
    return broadcast_to(g if reduction == "sum" else g / float(np.prod(shape)), shape=shape)


def per_row(g, shape: tuple, reduction: str):
    """The same where an item is a row: (…, 1), to broadcast over the last axis."""
    return reshape(per_item(g, shape[:-1], reduction), shape[:-1] + (1,))


def exp_minus_1_minus(v):
    """eᵛ − 1 − v ≥ 0 to full precision: near 0 the terms cancel, so there its Taylor series."""
    with np.errstate(over="ignore", invalid="ignore"):         # np.where computes both everywhere
        series = np.ones_like(v)
        for n in range(16, 2, -1):                             # v²/2 (1 + v/3 (1 + v/4 (1 + …)))
            series = 1 + v / n * series
        return np.where(magnitude(v) < 0.5, v * v / 2 * series, np.expm1(v) - v)


def same_shape(name: str, **arrays) -> None:
    if len({a.shape for a in arrays.values()}) > 1:
        shapes = ", ".join(f"{k} {a.shape}" for k, a in arrays.items())
        raise ValueError(f"{name}: expected equal shapes, got {shapes}; reshape one of them: broadcasting "
                         "here would silently compare everything with everything")


def check_labels(logits, labels) -> None:
    labels = np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"cross_entropy: logits {logits.shape}, labels {labels.shape}; expected (N, M) and (N,): "
                         "one row of M logits and one class number per item")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels have dtype {labels.dtype}, expected integers (class numbers)")
    if labels.size and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        bad = int(np.flatnonzero((labels < 0) | (labels >= logits.shape[1]))[0])
        raise ValueError(f"cross_entropy: labels[{bad}] = {labels[bad]}, expected 0 to {logits.shape[1] - 1} for "
                         f"{logits.shape[1]} classes (logits {logits.shape}); are they numbered from 1?")
