"""Whether layers may be joined: a convolution and its ReLU (ops/conv_relu.py), convolutions or dense layers in a row
(ops/conv_chain.py, dense_chain.py), all of batch normalisation (ops/batch_norm.py)."""
from contextvars import ContextVar

from . import guard
from .op import Op


class joined:
    """with joined(): faster, and the same numbers up to rounding; but one node of the graph where a reader expects several,
    and second derivatives that work out a whole chain anew for each of its weights: so for training only.

    Errors   RuntimeError if one `joined()` is left twice.
    """
    on: ContextVar[bool] = ContextVar("joined", default=False)                 # of each thread its own

    def __enter__(self):
        self.token = joined.on.set(True)

    def __exit__(self, *exception):
        joined.on.reset(self.token)

    @staticmethod
    def here() -> bool:
        """Inside, and nobody looks for the op that makes the first NaN, or tries another rule."""
        return joined.on.get() and not guard.active and not Op.replaced
