"""Whether a Sequential may take a convolution and the ReLU behind it as one op (ops/conv_relu.py)."""
from contextvars import ContextVar


class joined:
    """with joined(): faster, and the same numbers; but one node of the graph where a reader expects two, so training only.

    Errors   RuntimeError if one `joined()` is left twice.
    """
    on: ContextVar[bool] = ContextVar("joined", default=False)                 # of each thread its own

    def __enter__(self):
        self.token = joined.on.set(True)

    def __exit__(self, *exception):
        joined.on.reset(self.token)
