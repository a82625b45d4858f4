"""The layer of batch normalisation.  Its gradients: ops/normalize.py with ops/reduce.py; in one piece, ops/batch_norm.py."""
from __future__ import annotations

import numpy as np

from . import ops
from .joined import joined
from .layers import Array, Layer, parameter
from .ops.channel_kernels import but_channels
from .tensor import Tensor


class BatchNorm(Layer):
    """Each channel shifted and scaled to mean 0 and variance 1 over the batch, then to a learned γ, β.

    Shapes  x (N,C,H,W) → (N,C,H,W), or (N,C) → (N,C).  Training uses the batch's own statistics, and keeps running ones,
    r ← (1 − momentum)·r + momentum·batch (the variance unbiased, n/(n−1)), which test time uses.
    Errors  ValueError in training for a single value per channel: its variance is 0 whatever it is.
    Source  Ioffe & Szegedy 2015, arXiv:1502.03167.
    """
    buffers = ("mean", "var")

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5):
        self.gamma = parameter(np.ones(channels, np.float32))
        self.beta = parameter(np.zeros(channels, np.float32))
        self.mean, self.var = Tensor(np.zeros(channels, np.float32)), Tensor(np.ones(channels, np.float32))
        self.momentum, self.eps = momentum, eps

    def forward(self, x: Array) -> Tensor:
        if x.ndim not in (2, 4) or x.shape[1] != self.gamma.size:
            raise ValueError(f"BatchNorm: x {x.shape}, expected (N, {self.gamma.size}) or (N, {self.gamma.size}, H, W)")
        if self.in_one(x):
            return self.forward_relu(x, None)
        row = (1, -1) + (1,) * (x.ndim - 2)                    # (1, C) or (1, C, 1, 1)
        if self.training:
            axes = but_channels(x)
            mean, var = ops.mean(x, axis=axes, keepdims=True), ops.var(x, axis=axes, keepdims=True)
            self.remember(mean, var, x.size // x.shape[1])
        else:
            mean, var = self.mean.reshape(row), self.var.reshape(row)
        return ops.normalize(x, mean, var, self.gamma.reshape(row), self.beta.reshape(row), eps=self.eps)

    def in_one(self, x: Array) -> bool:
        """Is all of it one op here?"""
        return joined.here() and self.training and x.ndim == 4

    def forward_relu(self, x: Array, slope: float | None) -> Tensor:
        """In one op; with a leaky ReLU behind it, unless slope is None."""
        return ops.batch_norm(x, self.gamma, self.beta, eps=self.eps, slope=slope,
                              tell=lambda mean, var: self.remember(mean, var, x.size // x.shape[1]))

    def remember(self, mean, var, n: int) -> None:
        if n < 2:
            raise ValueError("BatchNorm: one value per channel has no variance; use a larger batch, or .eval()")
        r, k = self.momentum, self.mean.size
        mean, var = (ops.reshape(Tensor(s).detach(), (k,)).data for s in (mean, var))
        self.mean.data = (1 - r) * self.mean.data + r * mean
        self.var.data = (1 - r) * self.var.data + r * var * (n / (n - 1))
