"""What the tests of all ops share: the ops, and the gradients of drawn cases, ours and measured.

Derivatives are measured with the complex step: f(x + ih) = f(x) + ih·f'(x) − …, so imag f(x + ih)/h is
f'(x) to the last digit, because nothing is subtracted (Squire & Trapp 1998, SIAM Review 40).
"""
from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import models, ops
from scratchnet.op import Op
from tests.op_cases import REGIMES, TABLE, name_of

FUNCTIONS = sorted(TABLE, key=name_of)
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
each_regime = pytest.mark.parametrize("regime", REGIMES)


for _package in (ops, models):                  # so that every op is in the registry
    for _module in pkgutil.iter_modules(_package.__path__, _package.__name__ + "."):
        importlib.import_module(_module.name)


def our_ops() -> list[Op]:
    return [op for (module, _), op in Op.registry.items() if module.startswith("scratchnet.")]


# ---- gradients, ours and measured ---------------------------------------------------------------

def upstream(case, rng=None) -> np.ndarray:
    """A random g in the shape of the output."""
    y = case.call(case.arrays())
    return (rng or np.random.default_rng(0)).uniform(-1, 1, np.shape(y)).astype(y.dtype)


def as_tensors(arrays) -> list[sn.Tensor]:
    return [sn.Tensor(a, requires_grad=True) for a in arrays]


def gradients(case, g, dtype=np.float64) -> list[np.ndarray]:
    """∂⟨g, y⟩/∂x for every input, by the engine."""
    xs = as_tensors([a.astype(dtype) for a in case.arrays()])
    return [d.numpy() for d in sn.grad(case.call(xs), xs, g=g.astype(dtype))]


def complex_step(f, arrays, direction=None, h=1e-30):
    """∂f/∂arrays for a number f(arrays): entry by entry, or along one direction only."""
    def slope(steps):
        return f([a + 1j * h * v for a, v in zip(arrays, steps)]).imag / h
    if direction is not None:
        return slope(direction)
    found = [np.zeros(a.shape) for a in arrays]
    steps = [np.zeros(a.shape) for a in arrays]
    for step, d in zip(steps, found):
        for i in np.ndindex(step.shape):
            step[i] = 1.0
            d[i] = slope(steps)
            step[i] = 0.0
    return found


def richardson(f, arrays, h=1e-3):
    """The same from real differences: D(h) = (f(x+h) − f(x−h)) / 2h, and (4 D(h/2) − D(h)) / 3."""
    found = [np.zeros(a.shape) for a in arrays]
    for number, d in enumerate(found):
        for i in np.ndindex(d.shape):
            def value(step):
                moved = [a.copy() for a in arrays]
                moved[number][i] += step
                return f(moved)
            D = [(value(k) - value(-k)) / (2 * k) for k in (h, h / 2)]
            d[i] = (4 * D[1] - D[0]) / 3
    return found


def assert_close(ours, expected, rtol, what=""):
    """All entries within rtol of the largest."""
    ours, expected = np.asarray(ours), np.asarray(expected)
    assert ours.shape == expected.shape, f"{what}: shape {ours.shape}, expected {expected.shape}"
    scale = max(1.0, np.abs(expected).max(initial=0))
    far = np.argwhere(~(np.abs(ours - expected) <= rtol * scale))               # NaN is far from everything
    if len(far):
        i = tuple(far[0])
        raise AssertionError(f"{what}: {len(far)} of {ours.size} entries differ, at {i} {ours[i]}, expected {expected[i]}")
