"""Random numbers: one default generator for whoever does not bring their own.

Everything random here takes `rng=`: a np.random.Generator, an integer seed, or None for the
default below.  NumPy's global state (np.random.seed) is neither read nor written.
"""
from __future__ import annotations

import numpy as np

_default = np.random.default_rng()


def seed(n: int) -> None:
    """Restart the default generator from seed n, so that every `rng=None` draw repeats.

    Errors   TypeError for what is no integer, ValueError below 0.
    """
    global _default
    if n is None:
        raise TypeError("seed: expected an integer, got None")
    _default = generator(n)


def generator(rng: np.random.Generator | int | None = None) -> np.random.Generator:
    """The generator that `rng=` means: itself, a new one from a seed, or the default one."""
    if rng is None:
        return _default
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        if rng < 0:
            raise ValueError(f"rng: seed {rng}, expected an integer, 0 or more")
        return np.random.default_rng(rng)
    raise TypeError(f"rng: expected a np.random.Generator, an integer seed or None, got {rng!r}")
