"""Mini-batches: every row once per pass, in a new order each time."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..rng import generator


def batches(arrays: np.ndarray | tuple[np.ndarray, ...] | list[np.ndarray], size: int, *,
            rng: np.random.Generator | int | None = None, shuffle: bool = True) -> Iterator:
    """Go once through the rows of one array, or of several side by side, `size` rows at a time.

    The order is drawn when batches() is called, not when the first batch is taken, so one
    generator that serves several things gives the same order however they are interleaved.

        batch b = rows order[b·size : (b + 1)·size],  order a random permutation of 0 … N − 1
    Shapes: (N, ...) each -> N // size batches of (size, ...) and, if rows are left, a smaller one.
    One array gives arrays, a tuple or list of arrays gives tuples.  Shuffled batches are copies;
    with shuffle=False they are views of the arrays, and rng is not used.
    Errors: TypeError for what is not an array; ValueError for arrays without rows or of different
    lengths, and for size < 1.
    """
    many = isinstance(arrays, (tuple, list))
    columns = arrays if many else (arrays,)
    for column in columns:
        if not isinstance(column, np.ndarray):
            raise TypeError("batches: expected a NumPy array or a tuple of them, "
                            f"got {f'a {type(arrays).__name__} with ' if many else ''}{type(column).__name__}")
    lengths = [len(column) if column.ndim else 0 for column in columns]
    if not lengths or min(lengths) == 0:
        raise ValueError(f"batches: expected arrays with rows, got shapes {[c.shape for c in columns]}")
    if len(set(lengths)) > 1:
        raise ValueError(f"batches: expected arrays of equal length, got lengths {lengths}")
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool):
        raise TypeError(f"batches: expected an integer size, got {size!r}")
    if size < 1:
        raise ValueError(f"batches: expected size >= 1, got {size}")
    n = lengths[0]
    order = generator(rng).permutation(n) if shuffle else None
    return _walk(columns, n, int(size), order, many)


def _walk(columns: tuple[np.ndarray, ...] | list[np.ndarray], n: int, size: int,
          order: np.ndarray | None, many: bool) -> Iterator:
    for start in range(0, n, size):
        rows = slice(start, start + size)
        batch = tuple(column[rows if order is None else order[rows]] for column in columns)
        yield batch if many else batch[0]
