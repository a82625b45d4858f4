"""What the tests of refusals share: arrays and Tensors of ones, and refused(): the right exception in the right words."""
from __future__ import annotations

import re

import numpy as np
import pytest

import scratchnet as sn


def A(*shape, dtype=float):
    return np.ones(shape, dtype)


def T(*shape, dtype=float):
    return sn.Tensor(np.ones(shape, dtype), requires_grad=True)


def refused(call, exception, pattern):
    """A bare AssertionError, IndexError or NumPy's own message is a failure here."""
    with pytest.raises(exception) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) in (ValueError, TypeError, IndexError, RuntimeError, FloatingPointError), type(caught.value)
    assert re.search(pattern, message), f"got: {message}\nexpected: {pattern}"
    for bare in ("operands could not be broadcast", "cannot be interpreted", "list indices", "NoneType' object"):
        assert bare not in message, message
