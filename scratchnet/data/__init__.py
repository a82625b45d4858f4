"""Data sets and mini-batches.

    images, labels = sn.data.load("mnist")          # or "fashion-mnist", or "digits": drawn offline
    for x, t in sn.data.batches((images, labels), 128): ...

The files of MNIST and Fashion-MNIST are looked for in the folder that the environment variable
SCRATCHNET_DATA names (in it, `mnist/` and `fashion-mnist/`), then in the cache folder, and
then fetched from a mirror.  Each is checked against its SHA-256 every time it is read.
"""
from .augment import random_affine
from .batching import batches
from .datasets import available, choose, load
from .drawn_digits import draw_digits
from .idx import DataFileError, read_idx

__all__ = ["DataFileError", "available", "batches", "choose", "draw_digits", "load", "random_affine",
           "read_idx"]
