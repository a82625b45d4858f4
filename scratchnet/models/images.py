"""The door of every model: are these images, are these codes?  And a way to send many through, batch by batch."""
from __future__ import annotations

from typing import Callable

import numpy as np

from ..autograd import no_grad
from ..tensor import Tensor


def check_images(x, channels: int = 1, size: int = 28):
    """x itself if it is (N, channels, size, size), floating point and finite; else what is wrong with it."""
    array = x.numpy() if isinstance(x, Tensor) else x
    if not isinstance(array, np.ndarray):
        raise TypeError(f"images: got a {type(x).__name__}, expected an array or Tensor")
    if array.dtype.kind not in "fc":
        raise TypeError(f"images: dtype {array.dtype}, expected float32 in [0, 1]; for bytes: x.astype(np.float32) / 255")
    if array.shape[1:] != (channels, size, size) or not len(array):
        raise ValueError(f"images: shape {array.shape}, expected (N, {channels}, {size}, {size}) with N ≥ 1; "
                         "a single image x is x[None], images without a channel axis are x[:, None]")
    bad = ~np.isfinite(array).all(axis=(1, 2, 3))
    if bad.any():
        n = int(np.argmax(bad))
        pixel = tuple(int(i) for i in np.argwhere(~np.isfinite(array[n]))[0])
        raise ValueError(f"images: image {n} has {array[n][pixel]} at {pixel}, expected finite numbers; clean the data "
                         f"({int(bad.sum())} of {len(array)} images are affected)")
    return x


def check_codes(z, latent: int) -> np.ndarray:
    """z as an array if it is (N, latent) and finite; else what is wrong with it."""
    array = z.numpy() if isinstance(z, Tensor) else np.asarray(z)
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != latent:
        raise ValueError(f"codes: {array.dtype} {array.shape}, expected numbers (N, {latent}); a single code z is z[None]")
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ValueError(f"codes: code {int(bad.argmax())} is {array[bad.argmax()]}, expected finite numbers "
                         f"({int(bad.sum())} of {len(array)} codes are affected)")
    return array


def check_latent(model: str, latent) -> None:
    """A code has a whole number of axes, at least one."""
    if isinstance(latent, bool) or not isinstance(latent, (int, np.integer)) or latent < 1:
        raise ValueError(f"{model}: latent is {latent!r}, expected an integer, 1 or more: the numbers in a code")


def in_batches(function: Callable, x: np.ndarray, size: int = 500):
    """function(x) of many rows as an array, `size` rows at a time and without recording.

    A function that returns several Tensors, as VAE.encode does, gives a tuple of arrays.
    """
    with no_grad():
        parts = [function(x[i:i + size]) for i in range(0, max(1, len(x)), size)]
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate([t.numpy() for t in column]) for column in zip(*parts))
    return np.concatenate([t.numpy() for t in parts])
