"""Rules seen and replaced from outside; the guard that names the first value that is no number (N3)."""
from __future__ import annotations

import inspect
from typing import NamedTuple

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import Dense
from scratchnet.op import Op, copied
from tests.test_engine import leaf


# ---- seeing and replacing rules -----------------------------------------------------------------

def test_backward_steps_yields_each_rule_in_order():
    x, w = leaf(1.0, 2), leaf(3.0, 4)
    steps = sn.backward_steps(sn.exp(x * w).sum())
    assert inspect.isgenerator(steps)
    seen = []
    for step in steps:
        seen.append((step.node.op.name, step.name, step.rule.__name__))
    assert seen == [("sum", "x", "sum_dx"), ("exp", "x", "exp_dx"), ("mul", "a", "mul_da"), ("mul", "b", "mul_db")]
    assert x.grad is not None and step.g.shape == step.out.shape == (2,)


def test_backward_steps_counts_positions_of_a_sequence():
    a, b = leaf(1.0), leaf(2.0)
    seen = [(s.name, s.position) for s in sn.backward_steps(sn.concatenate([a, b]), np.ones(2))]
    assert seen == [("xs", 0), ("xs", 1)]


def test_replaced_swaps_one_rule_for_a_while():
    x = leaf(0.0, 1)

    def through(g):
        return 10.0 * g
    for _ in range(2):                          # also when nested and when the block fails
        with pytest.raises(KeyError), sn.replaced(sn.relu, "x", through):
            with sn.replaced(sn.relu, "x", lambda g: g):
                pass
            x.grad = None
            sn.relu(x).sum().backward()
            assert np.array_equal(x.grad, [10, 10])
            raise KeyError
    x.grad = None
    sn.relu(x).sum().backward()
    assert np.array_equal(x.grad, [0, 1])


def test_replaced_turns_a_fast_rule_off(monkeypatch):
    monkeypatch.setattr(Op, "registry", dict(Op.registry))

    @sn.op
    def twice(x): return 2 * x
    @twice.vjp("x")
    def twice_dx(g): return 2.0 * g
    @twice.fast_vjp
    def twice_fast(want, g, x_shape): return {name: 2 * g for name in want}

    names = []
    for _ in range(2):
        names += [s.rule.__name__ for s in sn.backward_steps(twice(leaf(1.0)))]
        with sn.replaced(twice, "x", twice_dx):
            names += [s.rule.__name__ for s in sn.backward_steps(twice(leaf(1.0)))]
    assert names == ["twice_fast", "twice_dx"] * 2


def test_a_new_op_in_six_lines(monkeypatch):
    monkeypatch.setattr(Op, "registry", dict(Op.registry))

    @sn.op
    def cube(x, *, scale=1.0):
        return sn.keep(scale * x**3, positive=x > 0)
    @cube.vjp("x")
    def cube_dx(g, x, scale, positive):
        assert positive.dtype == bool
        return 3.0 * scale * g * x * x

    x = leaf(2.0)
    cube(x, scale=10).backward()
    assert x.grad == 120
    assert sn.grad(sn.grad(cube(x), x, create_graph=True), x).item() == 12


def test_settings_are_kept_as_copies_of_their_own_kind():
    """A named tuple stays one, alone and in a list; what the caller changes after the forward does not count."""
    Where = NamedTuple("Where", [("rows", list), ("column", int)])
    index, x = Where([0, 2], 1), leaf([1.0, 2], [3, 4], [5, 6])
    y = x[index]
    kept = [copied(index), *copied([index])]
    index.rows[0] = 1
    assert kept == [Where([0, 2], 1)] * 2 and all(type(k) is Where for k in kept)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 1], [0, 0], [0, 1]])


def test_saved_is_what_the_rules_read():
    x, w = leaf(1.0, 2), sn.Tensor(np.array([3.0, 4]))
    assert set((x * w)._node.saved) == {"b", "a_shape"}         # not a: its rule does not run
    assert set(sn.relu(x)._node.saved) == {"y"}
    assert set((x + w)._node.saved) == {"a_shape"}


# ---- guard_finite (N3) --------------------------------------------------------------------------

def line_of(text: str) -> int:
    """Number of the line of this file that ends in the comment # text."""
    lines = inspect.getsource(inspect.getmodule(line_of)).split("\n")
    return next(i for i, line in enumerate(lines, 1) if line.endswith("# " + text))


def nan_data(x): return x * np.array([1.0, np.nan])             # nan data
def inf_data(x): return sn.dense(np.full((1, 2), np.inf), x.reshape(2, 1))      # inf data
def log_of_zero(x): return sn.log(x - x)                        # log of zero
def log_of_negative(x): return sn.log(-x)                       # log of negative
def zero_by_zero(x): return (x - x) / (x - x)                   # zero by zero
def one_by_zero(x): return 1.0 / (x - x)                        # one by zero
def exp_of_large(x): return sn.exp(1e4 * x)                     # exp of large
def root_of_negative(x): return sn.sqrt(-x)                     # root of negative
def power_of_zero(x): return (x - x) ** -1.0                    # power of zero
def root_of_negative_power(x): return (-x) ** 0.5               # root of negative power
def overflow_in_sum(x): return (x * 1e308 + 1e308).sum()        # overflow in sum
def overflow_in_product(x): return (x * 1e200) * (x * 1e200)    # overflow in product
def overflow_in_matmul(x): return (x * 1e200) @ (x * 1e200)     # overflow in matmul
def var_zero(x): return sn.normalize(x.reshape(1, 2), 0.0, 0.0, 1.0, 0.0, eps=0.0)      # var zero
def kl_overflow(x): return sn.gaussian_kl(x, 1e4 * x)           # kl overflow
def logits_nan(x): return sn.cross_entropy(sn.stack([x * np.nan, x]), [0, 1])           # logits nan
def slope_of_root(x): return sn.sqrt(x - x)                     # slope of root
def slope_of_power(x): return (x - x) ** 0.5                    # slope of power
def slope_of_division(x): return 1e300 * ((x - x) / 1e-10)      # slope of division
def slope_through_product(x): return 1e300 * (1e300 * (x - x))      # slope through product


FORWARD = [                                     # function, op, what the message calls the value, index
    (nan_data, "mul", "input 'b' of mul", (1,)), (inf_data, "dense", "input 'x' of dense", (0, 0)),
    (log_of_zero, "log", "the output of log", (0,)), (log_of_negative, "log", "the output of log", (0,)),
    (zero_by_zero, "div", "the output of div", (0,)), (one_by_zero, "div", "the output of div", (0,)),
    (exp_of_large, "exp", "the output of exp", (0,)), (root_of_negative, "sqrt", "the output of sqrt", (0,)),
    (power_of_zero, "power", "the output of power", (0,)),
    (root_of_negative_power, "power", "the output of power", (0,)),
    (overflow_in_sum, "add", "the output of add", (0,)), (overflow_in_product, "mul", "the output of mul", (0,)),
    (overflow_in_matmul, "product", "the output of product", (0, 0)),
    (var_zero, "normalize", "the output of normalize", (0, 0)),
    (kl_overflow, "gaussian_kl", "the output of gaussian_kl", ()),
    (logits_nan, "mul", "input 'b' of mul", ()),
]
BACKWARD = [                                    # function, op, input whose gradient it is, index
    (slope_of_root, "sqrt", "x", (0,)), (slope_of_power, "power", "a", (0,)),
    (slope_of_division, "div", "a", (0,)), (slope_through_product, "mul", "b", (0,)),
]


def guarded(function, backward: bool) -> str:
    x = leaf(1.0, 1.5)
    with np.errstate(all="ignore"), sn.guard_finite(), pytest.raises(FloatingPointError) as caught:
        y = function(x)
        assert backward, f"{function.__name__} gave {y}"
        y.backward(np.ones(y.shape))
    return str(caught.value)


@pytest.mark.parametrize("function, op, what, index", FORWARD, ids=lambda v: getattr(v, "__name__", ""))
def test_N3_guard_names_the_first_bad_value(function, op, what, index):
    message = guarded(function, backward=False)
    assert message.startswith(what) and f"at index {index}" in message
    assert message.endswith(f"in {op} at {__file__}:{line_of(function.__name__.replace('_', ' '))}")


@pytest.mark.parametrize("function, op, name, index", BACKWARD, ids=lambda v: getattr(v, "__name__", ""))
def test_N3_guard_names_the_first_bad_gradient(function, op, name, index):
    message = guarded(function, backward=True)
    assert message.startswith(f"the gradient of {op} for its input {name!r}") and f"at index {index}" in message
    assert message.endswith(f"{op} at {__file__}:{line_of(function.__name__.replace('_', ' '))}")


def test_N3_guard_sees_an_infinite_step():
    model = Dense(2, 1, rng=0)
    optimiser = sn.optim.SGD(model.parameters(), lr=np.inf)
    x = np.ones((3, 2), np.float32)
    with np.errstate(all="ignore"), sn.guard_finite(), pytest.raises(FloatingPointError, match="input 'w' of dense"):
        for _ in range(2):
            (model(sn.Tensor(x)) ** 2.0).sum().backward()
            optimiser.step()


def test_N3_guard_is_off_outside_and_after_an_error():
    bad = leaf(np.inf)
    with pytest.raises(FloatingPointError), sn.guard_finite():
        bad * 2.0
    (bad * 2.0).backward()
    with sn.guard_finite(), sn.guard_finite():
        leaf(1.0) * 2.0
    assert sn.guard.active == 0
