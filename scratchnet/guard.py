"""guard_finite: stop at the first NaN or infinity, and say where it came from."""
from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import numpy as np

active = 0                                      # blocks of guard_finite that are open


@contextmanager
def guard_finite() -> Iterator[None]:
    """Inside, the first non-finite value in a forward or a backward raises FloatingPointError.

    The message names the op, the input or output (forward) or the input whose gradient it is
    (backward), the index, and the source line of the forward call.  Costs one pass over each array.
    """
    global active
    active += 1
    try:
        yield
    finally:
        active -= 1


def first_non_finite(array) -> tuple | None:
    bad = ~np.isfinite(array)
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else None


def report(array, what: str, where: str) -> None:
    index = first_non_finite(array)
    if index is not None:
        raise FloatingPointError(f"{what} is {np.asarray(array)[index]} at index {index}, in {where}")


def check_forward(op, values: dict, y, line: tuple) -> None:
    where = f"{op.name} at {line[0].co_filename}:{line[1]}"
    for name in op.inputs:
        several = values[name] if isinstance(values[name], list) else [values[name]]
        for array in several:
            if array is not None:
                report(array, f"input {name!r} of {op.name}", where)
    report(y, f"the output of {op.name}", where)


def check_backward(node, name: str, out) -> None:
    array = out if isinstance(out, np.ndarray) else out._array
    report(array, f"the gradient of {node.op.name} for its input {name!r}", node.where)
