"""Spectral normalisation: a layer whose weights, as a matrix, lengthen no input by more than a factor of 1.

    W̄ = W / σ(W)      σ(W) = max ‖Wᵀu‖ over ‖u‖ = 1, the largest singular value

A network of such layers and of ReLUs has slope ‖∂y/∂x‖ ≤ 1 in dense layers, and a bounded one in convolutions.
σ is followed rather than computed: one step of power iteration on each training forward turns u towards the left
singular vector, and W moves so little between two steps that this is enough.

Derivation   v = Wᵀu/‖Wᵀu‖,  u ← Wv/‖Wv‖: each round multiplies u by WWᵀ, which grows its part along the largest
             singular value the fastest.  u is a constant to the graph; σ = ‖Wᵀu‖ is made of ops, so ∂σ/∂W = u vᵀ
             and every higher derivative at this u come from their rules.
Shapes       W: w (D, M) of a dense layer as it is, filters (F, C, K, L) as (F, C·K·L); u (rows of W,).
Source       Miyato et al. 2018, arXiv:1802.05957, algorithm 1.
"""
from __future__ import annotations

import copy

import numpy as np

from . import ops
from .layers import Array, Layer
from .rng import generator
from .tensor import Tensor


class SpectralNorm(Layer):
    """A Dense or convolution layer with w / σ(w) in place of w.    Shapes  as the layer's"""
    buffers = ("u",)

    def __init__(self, layer: Layer, *, rng=None):
        if not isinstance(getattr(layer, "w", None), Tensor):
            raise TypeError(f"SpectralNorm: got a {type(layer).__name__}, expected a layer with weights w: Dense, Conv2d, "
                            "ConvTranspose2d")
        self.layer = layer
        u = generator(rng).standard_normal(len(layer.w)).astype(layer.w.dtype)
        self.u = Tensor(u / np.linalg.norm(u))
        for _ in range(5):                                     # near enough to begin with
            self.turn()

    def matrix(self) -> Tensor:
        return ops.reshape(self.layer.w, (len(self.layer.w), -1))

    def turn(self) -> None:
        """One step of power iteration."""
        W = self.matrix().numpy()
        u = W @ (W.T @ self.u.data)
        length = np.linalg.norm(u)
        if length > 0:                                         # of W = 0 every u is a singular vector
            self.u.data = u / length

    def forward(self, x: Array) -> Tensor:
        if self.training:
            self.turn()
        along = ops.matmul(self.u, self.matrix())              # Wᵀu
        normed = copy.copy(self.layer)                         # the layer itself keeps w, which is what is trained
        normed.w = self.layer.w / ops.sqrt(ops.sum(along * along) + 1e-12)
        return normed(x)
