"""What a thread that takes part in a compiled loop is given.  A file of its own: what writes LLVM's instructions (addresses.py)
needs it, and all that such a file imports is in the key under which compiled loops are kept (kernel_cache.files_of)."""
from typing import NamedTuple

import numpy as np


class Turn(NamedTuple):
    """Whose turn it is: see turns.py."""
    blocks: int
    taken: np.ndarray                           # how many of them are taken, by all threads
    thread: int                                 # its number: 0 for the caller, who may find scratch memory by it
