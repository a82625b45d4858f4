"""All ops, one adjoint family per file, and the one table that puts operators on Tensor.

    broadcast.py     broadcast_to, sum_to          conv.py       conv2d and its two relatives; conv_relu.py, conv_chain.py
    elementwise.py   add … clip, where             pool.py       max and mean of windows
    shape.py         reshape … getitem             normalize.py  with given mean and variance; batch_norm.py: with its own
    reduce.py        sum … log_softmax             loss.py       mse, cross-entropies, KL
    matmul.py        matmul, dense; dense_chain.py
"""
import numpy as np

from ..tensor import Tensor
from .broadcast import broadcast_to, sum_to
from .conv import conv2d, conv2d_transpose, conv2d_weight, conv_transpose2d
from .batch_norm import batch_norm
from .conv_chain import Stage, conv_chain
from .conv_relu import conv2d_relu, conv2d_transpose_relu, conv_transpose2d_relu
from .dense_chain import dense_chain
from .elementwise import (abs, add, clip, div, exp, leaky_relu, log, maximum, minimum, mul, neg, power, relu,
                          sigmoid, softplus, sqrt, sub, tanh, where)
from .loss import bce_with_logits, cross_entropy, gaussian_kl, mse
from .matmul import dense, matmul
from .normalize import normalize
from .pool import avg_pool2d, max_pool2d
from .reduce import log_softmax, logsumexp, max, mean, softmax, sum, var
from .shape import concatenate, crop, getitem, pad, reshape, scatter_add, stack, transpose


def operand(value, t: Tensor):
    """The other side of an operator: arrays of integers and booleans (masks) take t's dtype."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iub":
        return value.astype(t.dtype)
    return value


def binary(function):
    return lambda a, b: function(a, operand(b, a))


def swapped(function):
    return lambda a, b: function(operand(b, a), a)


def compare(function):
    """Comparisons give arrays: no gradient flows through true and false."""
    return lambda a, b: function(a._array, b._array if isinstance(b, Tensor) else b)


def flexible(function):
    """t.reshape(2, 3) as well as t.reshape((2, 3)), as arrays have it."""
    return lambda t, *a: function(t, a[0] if len(a) == 1 and (a[0] is None or isinstance(a[0], (tuple, list))) else a)


METHODS = {
    "__add__": binary(add), "__sub__": binary(sub), "__mul__": binary(mul), "__truediv__": binary(div),
    "__radd__": swapped(add), "__rsub__": swapped(sub), "__rmul__": swapped(mul), "__rtruediv__": swapped(div),
    "__pow__": binary(power), "__rpow__": swapped(power),
    "__matmul__": binary(matmul), "__rmatmul__": swapped(matmul),
    "__neg__": lambda a: neg(a), "__abs__": lambda a: abs(a), "__getitem__": lambda a, index: getitem(a, index),
    "__lt__": compare(np.less), "__le__": compare(np.less_equal), "__gt__": compare(np.greater),
    "__ge__": compare(np.greater_equal), "__eq__": compare(np.equal), "__ne__": compare(np.not_equal),
    "sum": lambda t, axis=None, keepdims=False: sum(t, axis=axis, keepdims=keepdims),
    "mean": lambda t, axis=None, keepdims=False: mean(t, axis=axis, keepdims=keepdims),
    "max": lambda t, axis=None, keepdims=False: max(t, axis=axis, keepdims=keepdims),
    "reshape": flexible(reshape), "transpose": flexible(lambda t, axes: transpose(t, axes or None)),
    "T": property(lambda t: transpose(t)),
}
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
