"""A convolutional classifier of 28 × 28 images: which of ten classes?

    convolutions find strokes and their joints, wherever they are in the image (weights are shared);
    pooling keeps the strongest answer of each 2 × 2 window; two dense layers turn what was found into ten scores.

    scores z → p = softmax(z),  L = −log p[label]

Shapes   x (N,1,28,28) in [0,1]; scores (N,10); labels (N,) integers 0 to 9.
Source   LeCun et al. 1998, "Gradient-based learning applied to document recognition" (LeNet-5, here with ReLU,
         max pooling and dropout).  Pooling first and ReLU after gives the same and is a quarter of the work.
"""
from __future__ import annotations

import numpy as np

from .. import ops
from ..layers import Array, Conv2d, Dense, Dropout, Flatten, Layer, MaxPool2d, ReLU, Sequential, joined
from ..optim import Optimiser
from ..rng import generator
from ..tensor import Tensor
from .images import check_images, in_batches


class Classifier(Layer):
    """Two 5×5 convolutions with pooling, then a dense classifier: 215,370 parameters.

        L = −log softmax(scores)[label]
    Shapes  forward: x (N,1,28,28) → (N,classes);  loss: x (N,1,28,28), labels (N,) → ();
            probabilities: x (N,1,28,28) → (N,classes).
    Errors  ValueError: dropout outside [0, 1); x of another shape or not finite.  TypeError: x not floating point, such
            as bytes.  For labels those of sn.cross_entropy.
    Source  LeCun et al. 1998, Proceedings of the IEEE 86.
    """

    def __init__(self, classes: int = 10, *, dropout: float = 0.3, rng=None):
        rng = generator(rng)
        self.features = Sequential(
            Conv2d(1, 16, 5, padding=2, rng=rng), MaxPool2d(2), ReLU(),                     # (N,16,14,14)
            Conv2d(16, 32, 5, padding=2, rng=rng), MaxPool2d(2), ReLU(), Flatten(),         # (N,1568)
            Dense(32 * 7 * 7, 128, rng=rng), ReLU())                                        # (N,128)
        self.dropout = Dropout(dropout, rng=rng)
        self.scores = Dense(128, classes, rng=rng)                                          # (N,10)

    def forward(self, x: Array) -> Tensor:
        return self.scores(self.dropout(self.features(check_images(x))))

    def loss(self, x: Array, labels: np.ndarray) -> Tensor:
        """Softmax cross-entropy in nats, mean over the batch."""
        return ops.cross_entropy(self(x), labels)

    def probabilities(self, x: np.ndarray, batch: int = 500) -> np.ndarray:
        """softmax of the scores, (N,10), computed without recording and with dropout off."""
        check_images(x)
        was_training = self.training
        self.eval()
        try:
            return in_batches(lambda part: ops.softmax(self(part)), x, batch)
        finally:
            self.train(was_training)


def train_step(model: Classifier, optimiser: Optimiser, x: Array, labels: np.ndarray) -> float:
    """One step on a batch; returns the loss before it.

        θ ← optimiser(θ, ∂L/∂θ)
    Shapes  x (N,1,28,28), labels (N,) → ().    Errors, Source  those of Classifier.
    """
    with joined():
        loss = model.loss(x, labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
