"""Memory for large results, used again: a fresh page costs more than the loop that fills it.

malloc gives large arrays back to the system as soon as they are freed.  The next one is made of fresh
pages, each of which the system has to find and clear at the first touch: in a training step that allocates
the same sizes over and over, up to half of its time (PyTorch's VAE step: 120 ms, 66 where its pages stay).

So large results of our kernels are lent from a shelf and go back to it when the last array that shows
them is gone.  No setting of the process is touched: memory of NumPy and of other libraries is not ours.
"""
from __future__ import annotations

import math

import numpy as np

LEAST = 1 << 16                                 # bytes; malloc keeps smaller ones by itself
shelf: dict[int, list[tuple[np.ndarray, int]]] = {}    # idle memory with its address, by size: powers of 2


class Loan:
    """Memory in use.  The arrays that show it hold this object, so it ends with the last of them."""
    __slots__ = ("memory", "home", "__array_interface__")

    def __init__(self, size: int, shape: tuple, dtype: np.dtype):
        for enough in (size, 2 * size, 4 * size):              # sooner a larger one than fresh pages
            try:
                self.home = shelf.setdefault(enough, [])
                self.memory = self.home.pop()                  # atomic, so threads need no lock
                break
            except IndexError:
                pass
        else:
            make_room(size)
            fresh = np.empty(size + 64, np.uint8)
            self.home, self.memory = shelf[size], (fresh, fresh.ctypes.data)
        address = self.memory[1]
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str,
                                    "data": (address + -address % 64, False)}        # 64: a cache line, a register

    def __del__(self):
        self.home.append(self.memory)


def make_room(size: int) -> None:
    """Before `size` new bytes: free about as many idle ones, which are of sizes no longer asked for."""
    for idle in sorted(shelf, reverse=True):
        while size > 0 and idle <= size:
            try:
                shelf[idle].pop()
            except IndexError:
                break
            size -= idle


def empty(shape: tuple, dtype) -> np.ndarray:
    """As np.empty; what is lent starts at a multiple of 64 bytes."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LEAST:
        return np.empty(shape, dtype)
    return np.asarray(Loan(1 << (size - 1).bit_length(), tuple(shape), dtype))
