"""Arguments for each kernel that has a fast version: the largest call of it in the measured networks.

A case is (what is said of its shape, function that makes the arguments).  A new kernel needs one here; until
then its row in the table says that it is missing.
"""
from __future__ import annotations

from functools import lru_cache

import numpy as np

ONE, TWO = (1, 1), (2, 2)


@lru_cache
def array(*shape: int, dtype=np.float32) -> np.ndarray:
    """The same random numbers every time."""
    a = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    a.flags.writeable = False
    return a


@lru_cache
def picked() -> np.ndarray:
    """For each 2×2 window of a 14×14 image, its first pixel."""
    where = (np.arange(0, 14, 2)[:, None] * 14 + np.arange(0, 14, 2)).astype(np.int64)
    return np.broadcast_to(where, (128, 64, 7, 7)).copy()


@lru_cache
def moments() -> list[np.ndarray]:
    """A parameter, and what Adam remembers of it: these are written to."""
    return [array(784, 512).copy(), array(784, 512).copy(), array(784, 512) ** 2]


@lru_cache
def maps() -> np.ndarray:
    """A matrix near 1 and a constant near 0, for each image."""
    return np.eye(2, 3) + 0.1 * array(128, 2, 3, dtype=np.float64)


def regroup():
    """Labels of which every tenth is another."""
    n = np.arange(20000)
    return np.where(n % 100 // 10 == n % 10, (n + 1) % 10, n % 10)


@lru_cache
def sketched():
    from scratchnet.models.kmeans_tiles import Rows
    return Rows(array(20000, 784))


LARGEST = "128×32×28×28"
PIXELS = "x 20,000×784, c 10×784"
CASES = {
    "conv_y": ("x 128×32×14×14, w 64×32×3×3, stride 2",
               lambda: (array(128, 32, 14, 14), array(64, 32, 3, 3), None, TWO, ONE, ONE)),
    "conv_dx": ("g 128×64×14×14, w 64×32×3×3, to 28×28, stride 2",
                lambda: (array(128, 64, 14, 14), array(64, 32, 3, 3), None, (28, 28), TWO, ONE, ONE)),
    "conv_dw": ("x 128×32×28×28, g 128×64×14×14, 3×3, stride 2",
                lambda: (array(128, 32, 28, 28), array(128, 64, 14, 14), (3, 3), TWO, ONE, ONE)),
    "conv_dw_db": ("x 128×32×28×28, g 128×64×14×14, 3×3, stride 2",
                   lambda: (array(128, 32, 28, 28), array(128, 64, 14, 14), (3, 3), TWO, ONE, ONE)),
    "conv_dx_dw_db": ("x 128×32×28×28, g 128×64×14×14, 3×3, stride 2",
                      lambda: (array(128, 32, 28, 28), array(64, 32, 3, 3), array(128, 64, 14, 14), TWO, ONE, ONE)),
    "conv_y_dw_db": ("x 128×32×28×28, g 128×64×14×14, 3×3, stride 2",
                     lambda: (array(128, 32, 28, 28), array(64, 32, 3, 3), array(128, 64, 14, 14), TWO, ONE, ONE)),
    "channel_sum": (LARGEST, lambda: (array(128, 32, 28, 28),)),
    "positive_part": (LARGEST, lambda: (array(128, 32, 28, 28),)),
    "where_positive": (LARGEST, lambda: (array(128, 32, 28, 28), array(128, 32, 28, 28))),
    "matmul_y": ("x 128×784, w 784×512", lambda: (array(128, 784), array(784, 512))),
    "matmul_dw": ("x 128×784, g 128×512", lambda: (array(128, 784), array(128, 512))),
    "matmul_dx": ("g 128×512, w 784×512", lambda: (array(128, 512), array(784, 512))),
    "bce_slope": ("128×1×28×28", lambda: (array(128, 1, 28, 28), array(128, 1, 28, 28), array(128, 1, 28, 28) ** 2, 0.01)),
    "leaky_part": ("128×32×14×14", lambda: (array(128, 32, 14, 14), 0.2)),
    "leaky_slope": ("128×32×14×14", lambda: (array(128, 32, 14, 14), array(128, 32, 14, 14), 0.2)),
    "channel_dots": ("128×32×14×14", lambda: (array(128, 32, 14, 14), array(128, 32, 14, 14), array(32))),
    "channel_moments": ("128×32×14×14", lambda: (array(128, 32, 14, 14),)),
    "channel_rest": ("128×32×14×14", lambda: (array(128, 32, 14, 14), array(128, 32, 14, 14), *array(4, 32))),
    "channel_scale": ("128×32×14×14", lambda: (array(128, 32, 14, 14), array(32), array(32), array(32))),
    "adam_step": ("784×512", lambda: (*moments(), array(784, 512), 0.9, 0.999, 1e-3, 1.0, 1e-8)),
    "argmax_windows": ("128×64×14×14, 2×2", lambda: (array(128, 64, 14, 14), (2, 2), TWO, (0, 0))),
    "take_pixels": ("128×64×14×14 to 7×7", lambda: (array(128, 64, 14, 14), picked())),
    "put_pixels": ("128×64×7×7 to 14×14", lambda: (array(128, 64, 7, 7), picked(), (14, 14))),
    "affine_images": ("x 128×1×28×28, maps turned by up to a tenth", lambda: (array(128, 1, 28, 28), maps())),
    "squares": (PIXELS, lambda: (array(20000, 784), array(10, 784))),
    "nearest": (PIXELS, lambda: (array(20000, 784), array(10, 784))),
    "reassigned": (PIXELS + ", sketch made, every tenth row moves or more",
                   lambda: (array(20000, 784), array(10, 784), sketched(), array(20000), regroup())),
    "column_moments": ("x 20,000×784", lambda: (array(20000, 784),)),
    "own_squares": (PIXELS, lambda: (array(20000, 784), array(10, 784), np.arange(20000) % 10)),
    "regrouped": ("x 20,000×784, every tenth row moves",
                  lambda: (array(20000, 784), array(20000), np.arange(20000) % 10, regroup(), 10)),
}
