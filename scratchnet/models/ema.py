"""The exponential moving average of a network's weights: where they circle, the middle of the circle.

    a ← decay·a + (1 − decay)·θ      after each step: about the last 1/(1 − decay) steps count

The players of a GAN do not come to rest: each step of one moves the goal of the other, and the weights circle
around the point where both would be content.  Their average lies nearer to it than any of them.

Start    decay is at most (1 + t)/(10 + t) in step t, so that the first weights are soon forgotten.
Source   Polyak & Juditsky 1992; Yazıcı et al. 2019, arXiv:1806.04498 (for GANs).
"""
from __future__ import annotations

import copy

import numpy as np

from ..layers import Array, Layer
from ..tensor import Tensor


class Average(Layer):
    """A copy of `layer` whose weights, and running statistics, follow it at a distance; itself never trained.

        a ← d·a + (1 − d)·θ,  d = min(decay, (1 + t)/(10 + t)) at update t = 0, 1, …
    Shapes  every a as its θ; x and the result as `layer` has them.    Errors  ValueError: decay outside [0, 1).
    Source  Polyak & Juditsky 1992; Yazıcı et al. 2019, arXiv:1806.04498 (for GANs).
    """
    buffers = ("steps",)

    def __init__(self, layer: Layer, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"Average: decay is {decay}, expected a number in [0, 1)")
        self.layer, self.decay, self.steps = copy.deepcopy(layer).eval(), decay, Tensor(np.zeros(()))
        for _, t in self.layer.named_arrays():
            t.requires_grad = False

    def forward(self, x: Array) -> Tensor:
        return self.layer(x)

    def update(self, layer: Layer) -> None:
        """Move a little towards `layer`, the network that was copied."""
        decay = min(self.decay, (1 + self.steps.item()) / (10 + self.steps.item()))
        self.steps.data = self.steps.data + 1
        for (_, mine), (_, new) in zip(self.layer.named_arrays(), layer.named_arrays()):
            a = mine.overwriting()
            a += (1 - decay) * (new.data - a)
