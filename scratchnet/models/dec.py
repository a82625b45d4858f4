"""Deep embedded clustering: an encoder, trained without labels, pulls its codes into clusters of its own finding.

    sᵢⱼ = 1 / (1 + |zᵢ − μⱼ|²)            how near code i is to centre j: Student's t, one degree of freedom
    qᵢⱼ = sᵢⱼ / Σⱼ' sᵢⱼ'                  soft assignment: of all the nearness of code i, what share is j's
    pᵢⱼ = (qᵢⱼ² / fⱼ) / Σⱼ' (qᵢⱼ'² / fⱼ')    its target, fⱼ = Σᵢ qᵢⱼ: sharper, and no cluster may grow by its size alone
    L   = KL(P ‖ Q) = 1/N Σᵢⱼ pᵢⱼ log(pᵢⱼ / qᵢⱼ)     P is held constant for a while, then computed anew

So the model learns from its own confident answers.  What keeps it honest is augmentation: P is what it says
of the clean image, Q of the same image turned and moved, and no shortcut through single pixels fits both.

Derivation   With uᵢⱼ = log sᵢⱼ = −log(1 + dᵢⱼ), dᵢⱼ = |zᵢ − μⱼ|², Q is softmax(u) and L the cross-entropy of P and Q
             (less P's entropy, a constant), so, as for every softmax,  ∂L/∂uᵢⱼ = (qᵢⱼ − pᵢⱼ) / N.
             ∂uᵢⱼ/∂dᵢⱼ = −sᵢⱼ and ∂dᵢⱼ/∂zᵢ = 2(zᵢ − μⱼ) = −∂dᵢⱼ/∂μⱼ.  Together
                 ∂L/∂zᵢ = 2/N Σⱼ sᵢⱼ (pᵢⱼ − qᵢⱼ)(zᵢ − μⱼ)        ∂L/∂μⱼ = −2/N Σᵢ sᵢⱼ (pᵢⱼ − qᵢⱼ)(zᵢ − μⱼ):
             a code is drawn to the centres that should have more of it, with a force that fades with distance.
Shapes       z (N,D), μ (k,D), q and p (N,k).
Source       Xie, Girshick & Farhadi 2016, arXiv:1511.06335; with augmentation Guo et al. 2018, ACML ("DEC-DA").
"""
from __future__ import annotations

import numpy as np

from .. import ops
from ..layers import Array, Layer, joined, parameter
from ..optim import Optimiser
from ..tensor import Tensor
from .images import check_images, in_batches


def log_assignment(z: Array, centres: Array) -> Tensor:
    """log q (N,k).  Taken as a log-softmax: neither far codes nor codes on a centre lose digits.

        log q = log_softmax(−log(1 + d)),  dᵢⱼ = |zᵢ − μⱼ|²
    Shapes  z (N,D), centres (k,D) → (N,k).    Errors  ValueError: other shapes.
    Source  Xie, Girshick & Farhadi 2016, arXiv:1511.06335, equation 1.
    """
    if z.ndim != 2 or centres.ndim != 2 or z.shape[1] != centres.shape[1]:
        raise ValueError(f"log_assignment: codes {z.shape} and centres {centres.shape}, expected (N, D) and (k, D)")
    N, k, D = len(z), *centres.shape
    d = ops.sum((ops.reshape(z, (N, 1, D)) - ops.reshape(centres, (1, k, D))) ** 2.0, axis=2)     # (N,k)
    return ops.log_softmax(-ops.log(1.0 + d))


def target(q: np.ndarray) -> np.ndarray:
    """p: the square of q, divided by the size of each cluster, rows summing to 1.

        pᵢⱼ = (qᵢⱼ² / fⱼ) / Σⱼ' (qᵢⱼ'² / fⱼ'),  fⱼ = Σᵢ qᵢⱼ
    Shapes  q (N,k) → (N,k).    Errors  ValueError: q without two axes.
    Source  Xie, Girshick & Farhadi 2016, arXiv:1511.06335, equation 3.
    """
    if q.ndim != 2:
        raise ValueError(f"target: q {q.shape}, expected (N, k): a row of shares for each image")
    share = q * (q / np.maximum(q.sum(axis=0), np.finfo(q.dtype).tiny))       # a cluster that nobody is in stays empty
    return share / share.sum(axis=1, keepdims=True)


class DEC(Layer):
    """An encoder, images (N,1,28,28) to codes (N,D), and k centres (k,D), both trained.

        L = KL(P ‖ Q) = 1/N Σᵢⱼ pᵢⱼ log(pᵢⱼ / qᵢⱼ)
    Shapes  forward: x (N,1,28,28) → (N,k);  loss: x (N,1,28,28), p (N,k) → ();  assignment: x (N,1,28,28) → (N,k).
    Errors  ValueError: centres not (k,D) or not finite; x or p of other shapes, x not finite.  TypeError: x not
            floating point, such as bytes.
    Source  Xie, Girshick & Farhadi 2016, arXiv:1511.06335.
    """

    def __init__(self, encoder: Layer, centres: np.ndarray):
        if centres.ndim != 2 or not np.isfinite(centres).all():
            raise ValueError(f"DEC: centres {centres.shape}, expected (k, D), all finite: the cluster_centers_ of k-means")
        self.encoder, self.centres = encoder, parameter(centres)

    def forward(self, x: Array) -> Tensor:
        """log q of images."""
        return log_assignment(self.encoder(check_images(x)), self.centres)

    def loss(self, x: Array, p: np.ndarray) -> Tensor:
        """KL(P ‖ Q), mean over the batch: 0 exactly where Q is P."""
        log_q = self(x)
        if p.shape != log_q.shape:
            raise ValueError(f"DEC.loss: p {p.shape}, expected {log_q.shape}: a row of shares for each image")
        entropy = -np.sum(p * np.log(np.where(p > 0, p, 1.0)))                 # 0 log 0 = 0
        return (ops.sum(-log_q * p) - float(entropy)) / float(len(p))

    def assignment(self, x: np.ndarray) -> np.ndarray:
        """q (N,k) of many images, computed without recording; the cluster of image i is q[i].argmax()."""
        return np.exp(in_batches(self, x))


def train_step(model: DEC, optimiser: Optimiser, x: np.ndarray, p: np.ndarray) -> float:
    """One step on a batch and its rows of P.  Returns the loss before it.

        θ, μ ← optimiser((θ, μ), ∂L/∂(θ, μ)),  P held constant
    Shapes  x (N,1,28,28), p (N,k) → ().    Errors, Source  those of DEC.
    """
    with joined():
        loss = model.loss(x, p)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
