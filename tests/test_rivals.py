"""The same mistakes through three gradient checkers: ours, PyTorch's gradcheck, autograd's check_grads.

The others run where they are installed; all get the same arrays and their own defaults.  `pytest -s` prints the table.
"""
from __future__ import annotations

import importlib.util
import warnings
from typing import Callable

import numpy as np
import pytest

import scratchnet as sn
from tests.rivals import RIGHT, WRONG


def several(result) -> tuple:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def ours(forward, backward, arrays) -> bool:
    """Whether the checker is content."""
    try:
        sn.check_backward(forward, backward, arrays)
    except sn.GradientError:
        return False
    return True


def pytorch(forward, backward, arrays) -> bool:
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *xs):
            ctx.save_for_backward(*xs)
            return torch.tensor(forward(*(x.detach().numpy() for x in xs)), dtype=torch.float64)

        @staticmethod
        def backward(ctx, g):
            result = backward(g.numpy(), *(x.detach().numpy() for x in ctx.saved_tensors))
            return tuple(torch.from_numpy(np.asarray(d)) for d in several(result))
    xs = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
    try:
        return torch.autograd.gradcheck(Function.apply, xs)
    except (RuntimeError, ValueError):
        return False


def hips_autograd(forward, backward, arrays) -> bool:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads
    f = primitive(lambda *xs: forward(*xs))
    defvjp(f, *(lambda y, *xs, i=i: lambda g: several(backward(np.array(g), *xs))[i] for i in range(len(arrays))))
    np.random.seed(0)                           # it draws its directions from NumPy's global state
    try:
        for i in range(len(arrays)):
            check_grads(f, i, modes=["rev"], order=1)(*(a.copy() for a in arrays))
    except (AssertionError, TypeError, ValueError):
        return False
    return True


CHECKERS: dict[str, Callable] = {"ours": ours}
if importlib.util.find_spec("torch"):
    CHECKERS["PyTorch"] = pytorch
if importlib.util.find_spec("autograd"):
    CHECKERS["autograd"] = hips_autograd


def run() -> dict:
    """{(what it does, is it right, checker): whether the checker is content}"""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {(what, is_right, name): check(*make()) for is_right, table in ((False, WRONG), (True, RIGHT))
                for what, make in table.items() for name, check in CHECKERS.items()}


@pytest.fixture(scope="module")
def said() -> dict:
    return run()


def test_there_are_as_many_as_the_title_says():
    assert (len(WRONG), len(RIGHT)) == (18, 7)


def test_ours_catches_all_and_accuses_none(said):
    names = list(CHECKERS)
    print("\n" + "".join(f"{n:>12}" for n in names))
    for is_right, table in ((False, WRONG), (True, RIGHT)):
        for what in table:
            words = ("passes" if said[what, is_right, n] else "accuses" if is_right else "catches" for n in names)
            print("".join(f"{w:>12}" for w in words) + f"   {'right' if is_right else 'wrong'}  {what}")
    for n in names:
        caught = sum(not said[w, False, n] for w in WRONG)
        print(f"{n}: catches {caught} of {len(WRONG)}, accuses {sum(not said[r, True, n] for r in RIGHT)} of {len(RIGHT)}")
    assert [w for w in WRONG if said[w, False, "ours"]] == [], "ours misses these"
    assert [r for r in RIGHT if not said[r, True, "ours"]] == [], "ours accuses these, which are right"
