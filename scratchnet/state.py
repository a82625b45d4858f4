"""Whether a saved state belongs to a model or an optimiser: asked before anything is overwritten."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def check_state(owner: str, own: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]) -> None:
    """ValueError, in one sentence, if names, shapes or dtypes differ from `own`, or numbers are not finite."""
    if not isinstance(state, Mapping):
        raise TypeError(f"{owner}.load_state: got a {type(state).__name__}, expected a dict of arrays such as "
                        'sn.load(path)["model"]')
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        raise ValueError(f"{owner}.load_state: this is the state of another model or optimiser: "
                         f"missing {missing or 'nothing'}, not expected {extra or 'nothing'}")
    for name, array in own.items():
        new = np.asarray(state[name])
        if new.shape != array.shape or new.dtype != array.dtype:
            raise ValueError(f"{owner}.load_state: {name!r} is {new.dtype} {new.shape}, but this one needs "
                             f"{array.dtype} {array.shape}")
        if not np.isfinite(new).all():
            raise ValueError(f"{owner}.load_state: {name!r} contains NaN or infinity")
