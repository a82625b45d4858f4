"""The table of the slow loops that say what every op should give, and the indices that they run over."""
from __future__ import annotations

from itertools import product as all_indices

REFERENCE = {}                                  # op or function -> the slow loop


def reference_of(*functions):
    def register(reference):
        REFERENCE.update((f, reference) for f in functions)
        return reference
    return register


def every(shape):
    """All indices of an array of this shape, last axis fastest."""
    return all_indices(*map(range, shape))
