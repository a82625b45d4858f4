"""Whether layers may be joined: a convolution and its ReLU (ops/conv_relu.py), several of them in a row (ops/conv_chain.py),
all of batch normalisation (ops/batch_norm.py)."""
from contextvars import ContextVar


class joined:
    """with joined(): faster, and the same numbers (of batch normalisation, and with NumPy's kernels, up to rounding); but one
    node of the graph where a reader expects several, so training only, and not inside guard_finite.

    Errors   RuntimeError if one `joined()` is left twice.
    """
    on: ContextVar[bool] = ContextVar("joined", default=False)                 # of each thread its own

    def __enter__(self):
        self.token = joined.on.set(True)

    def __exit__(self, *exception):
        joined.on.reset(self.token)
