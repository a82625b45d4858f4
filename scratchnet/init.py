"""First weights: large enough that signals survive many layers, small enough that they do not explode.

With y = Σ_{d=1..fan_in} x_d·w_d and independent zero-mean terms, var y = fan_in · var x · var w; on the
way back var ∂L/∂x = fan_out · var g · var w.  Each rule below sets var w so that one or both stay put.

Shapes   dense weights (D, M): fan_in D, fan_out M.
         filters (F, C, K, L): fan_in C·K·L, fan_out F·K·L, as conv2d uses them; a transposed conv reads
         them the other way round, which leaves the sum of both, and so Glorot's rule, the same.
Source   Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852.
"""
from __future__ import annotations

import numpy as np

from .rng import generator


def fans(shape: tuple) -> tuple[int, int]:
    """(fan_in, fan_out): how many numbers each output sums over, and each input reaches.

        dense: fan_in = D, fan_out = M;    filters: fan_in = C·K·L, fan_out = F·K·L
    Shapes  (D,M) → (D,M);  (F,C,K,L) → (C*K*L,F*K*L).
    Errors  ValueError: neither two nor four axes; a length that is not a whole number ≥ 1.
    Source  Glorot & Bengio 2010, AISTATS.
    """
    if not all(isinstance(n, (int, np.integer)) and n >= 1 for n in shape):
        raise ValueError(f"weights of shape {shape}: expected whole numbers of inputs and outputs, each at least 1")
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) == 4:
        taps = shape[2] * shape[3]
        return shape[1] * taps, shape[0] * taps
    raise ValueError(f"fans: shape {shape}, expected dense weights (D, M) or filters (F, C, K, L)")


def glorot_uniform(shape: tuple, rng=None) -> np.ndarray:
    """U(−a, a) with a = √(6 / (fan_in + fan_out)): var w = 2 / (fan_in + fan_out), a compromise of both ways.

    Shapes  (D,M) → (D,M);  (F,C,K,L) → (F,C,K,L), float32.
    Errors  ValueError: those of fans.
    Source  Glorot & Bengio 2010, AISTATS, equation 16.
    """
    a = np.sqrt(6 / sum(fans(shape)))
    return generator(rng).uniform(-a, a, shape).astype(np.float32)


def he_normal(shape: tuple, rng=None) -> np.ndarray:
    """N(0, 2 / fan_in): ReLU halves the mean square of what enters, the 2 makes up for it.

        w = √(2 / fan_in)·ε,  ε ~ N(0, 1)
    Shapes  (D,M) → (D,M);  (F,C,K,L) → (F,C,K,L), float32.
    Errors  ValueError: those of fans.
    Source  He et al. 2015, arXiv:1502.01852, §2.2.
    """
    return normal(shape, np.sqrt(2 / fans(shape)[0]), rng)


def normal(shape: tuple, std: float, rng=None) -> np.ndarray:
    """N(0, std²):  w = std·ε,  ε ~ N(0, 1).

    Shapes  (D,M) → (D,M);  (F,C,K,L) → (F,C,K,L), or any; float32.
    Errors  ValueError: a negative length.
    """
    return (generator(rng).standard_normal(shape) * std).astype(np.float32)
