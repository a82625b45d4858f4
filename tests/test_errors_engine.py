"""What the engine, the layers and the registry refuse, in which words, and before anything has changed."""
from __future__ import annotations

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import (AvgPool2d, BatchNorm, Conv2d, ConvTranspose2d, Dense, Dropout, Layer, MaxPool2d,
                               Sequential)
from scratchnet.op import Op
from scratchnet.rng import generator
from tests.error_tools import A, T, refused


def twice_backward(f=lambda x: x * x):
    y = f(T(1))
    y.backward()
    y.backward()


def backward_through_part_that_went():
    h = T(1) * 2.0
    (h * h).backward()
    (h + 1.0).backward()


def set_in_place():
    T(2)[0] = 1


def penalty_without_create_graph():
    x, w = T(2), T(2)
    slope = sn.grad((w * x * x).sum(), x)
    ((w * x).sum() + (slope * slope).sum()).backward()


def assign(name, value, t=None):
    setattr(t if t is not None else T(2), name, value)


def iterate(t):
    for _ in t:
        pass


ENGINE = [
    ("backward of many", lambda: (T(2) * 2.0).backward(), ValueError,
     r"backward: y has shape \(2,\).*reduce y.*or pass g of shape \(2,\)"),
    ("backward of a constant", lambda: sn.Tensor([1.0]).backward(), RuntimeError,
     "depends on nothing with requires_grad=True"),
    ("backward under no_grad", lambda: sn.Tensor([1.0]).sum().backward(), RuntimeError, "computed under no_grad"),
    ("g of another shape", lambda: (T(2) * 2.0).backward(A(3)), ValueError,
     r"backward: g is float64 \(3,\), expected float64 \(2,\)"),
    ("g that broadcasts", lambda: (T(2) * 2.0).backward(1.0), ValueError,
     r"backward: g is float64 \(\), expected float64 \(2,\)"),
    ("g of another dtype", lambda: (T(2) * 2.0).backward(sn.Tensor(A(2, dtype="f4"))), ValueError,
     "g is float32.*expected float64"),
    ("second pass", twice_backward, RuntimeError,
     "already went through mul at .*test_errors_engine.py:[0-9]+ and released.*retain_graph=True"),
    ("second pass, conv", lambda: twice_backward(lambda x: sn.conv2d(x.reshape(1, 1, 1, 1), A(1, 1, 1, 1))), RuntimeError,
     "already went through conv2d"),
    ("second pass over a part", backward_through_part_that_went, RuntimeError, "already went through mul"),
    ("in place", set_in_place, TypeError, "tensors are not written in place"),
    ("np.exp", lambda: np.exp(T(2)), TypeError, ""),
    ("np.add", lambda: np.add(T(2), A(2)), TypeError, ""),
    ("np.asarray", lambda: np.asarray(T(2)), TypeError, r"NumPy function was given a Tensor.*t.numpy\(\)"),
    ("np.array", lambda: np.array([T(2), T(2)]), TypeError, "NumPy function was given a Tensor"),
    ("np.dot", lambda: np.dot(T(2), T(2)), TypeError, "np.dot was given a Tensor.*in silence: use"),
    ("np.where", lambda: np.where([True, False], T(2), 0.0), TypeError, "np.where was given a Tensor.*use sn.where"),
    ("np.sum", lambda: np.sum(T(2)), TypeError, "np.sum was given a Tensor"),
    ("np.concatenate", lambda: np.concatenate([T(2), T(2)]), TypeError, "np.concatenate was given a Tensor"),
    ("np.linalg.norm", lambda: np.linalg.norm(T(2)), TypeError, "np.norm was given a Tensor"),
    ("array +=", lambda: A(2).__iadd__(T(2)), TypeError, ""),
    ("data shape", lambda: assign("data", A(3)), ValueError, r"data: got shape \(3,\), expected \(2,\)"),
    ("data that broadcasts", lambda: assign("data", 1.0), ValueError, r"data: got shape \(\), expected \(2,\)"),
    ("data of a result", lambda: assign("data", A(2), T(2) * 2.0), ValueError, "data: only leaves"),
    ("grad shape", lambda: assign("grad", A(3)), ValueError, r"grad: got shape \(3,\), expected \(2,\)"),
    ("grad of a constant", lambda: assign("grad", A(2), sn.Tensor(A(2))), ValueError,
     "only a leaf with requires_grad=True"),
    ("requires_grad of a result", lambda: assign("requires_grad", False, T(2) * 2.0), ValueError,
     "leaves only.*detach"),
    ("a new attribute", lambda: assign("garden", A(2)), AttributeError, ""),
    ("item of many", lambda: T(2).item(), ValueError, r"item: expected a single number, got shape \(2,\)"),
    ("float of many", lambda: float(T(2)), ValueError, r"item: expected a single number, got shape \(2,\)"),
    ("truth of many", lambda: bool(T(2)), ValueError, r"shape \(2,\) is neither true nor false"),
    ("length of a number", lambda: len(sn.Tensor(1.0)), TypeError, "0-d tensor has no length"),
    ("iterating a number", lambda: iterate(sn.Tensor(1.0)), (TypeError, IndexError), "0-d|does not fit"),
    ("Tensor of text", lambda: sn.Tensor("one"), TypeError, "Tensor: cannot hold <U3; expected numbers"),
    ("Tensor of None", lambda: sn.Tensor(None), TypeError, "Tensor: cannot hold object"),
    ("Tensor of ragged", lambda: sn.Tensor([[1.0], [1.0, 2.0]]), ValueError, "inhomogeneous|ragged"),
    ("Tensor of half", lambda: sn.Tensor(A(2).astype(np.float16)), TypeError, "Tensor: cannot hold float16"),
    ("T * text", lambda: T(2) * "a", TypeError, "mul: b is 'a', expected"),
    ("T + None", lambda: T(2) + None, TypeError, "add: b is None, expected"),
    ("T of two dtypes", lambda: T(2) * T(2, dtype="f4"), TypeError, "mul: b is float32 but a is float64"),
    ("T @ 1-D", lambda: T(2) @ T(3), ValueError, "matmul: .* do not fit"),

    ("grad of a list", lambda: sn.grad(T(2).sum(), [A(2)]), TypeError,
     r"grad: xs\[0\] is a ndarray, expected a Tensor"),
    ("grad of an array", lambda: sn.grad(T(2).sum(), A(2)), TypeError, r"grad: xs is a \w+, expected a Tensor"),
    ("grad of many", lambda: sn.grad(T(2) * 2.0, T(2)), ValueError, r"y has shape \(2,\)"),
    ("penalty", penalty_without_create_graph, RuntimeError, "create_graph=False.*pass create_graph=True.*detach"),
    ("kernels", lambda: sn.use_kernels("cuda"), ValueError, "use_kernels: got 'cuda', expected \"numpy\" or \"numba\""),
    ("threads", lambda: sn.set_threads(0), ValueError, "set_threads: got 0, expected 1 or more"),
    ("rng", lambda: generator(1.5), TypeError, "rng: expected a np.random.Generator, an integer seed or None, got 1.5"),
    ("rng bool", lambda: generator(True), TypeError, "rng: expected.*got True"),

    ("Dense x", lambda: Dense(3, 2)(A(4, 2, dtype="f4")), ValueError, r"dense: x \(4, 2\) and w \(3, 2\) do not fit"),
    ("Dense float64", lambda: Dense(3, 2)(A(4, 3)), TypeError, "dense: w is float32 but x is float64"),
    ("Conv2d x", lambda: Conv2d(3, 2, 3)(A(1, 1, 5, 5, dtype="f4")), ValueError, "x has 1 channels but w expects 3"),
    ("Conv2d kernel", lambda: Conv2d(3, 2, 3)(A(1, 3, 2, 2, dtype="f4")), ValueError, "spans 3 rows.*only 2"),
    ("ConvTranspose2d", lambda: ConvTranspose2d(3, 2, 3, stride=2, output_padding=2)(A(1, 3, 2, 2, dtype="f4")),
     ValueError, "output_padding is 2"),
    ("MaxPool2d", lambda: MaxPool2d(3)(A(1, 1, 2, 2)), ValueError, "max_pool2d: the filter spans 3 rows"),
    ("AvgPool2d", lambda: AvgPool2d(2)(A(4, 4)), ValueError, r"avg_pool2d: x has shape \(4, 4\), expected 4 axes"),
    ("BatchNorm x", lambda: BatchNorm(3)(T(2, 4)), ValueError,
     r"BatchNorm: x \(2, 4\), expected \(N, 3\) or \(N, 3, H, W\)"),
    ("BatchNorm ndim", lambda: BatchNorm(3)(T(2, 3, 4)), ValueError, r"BatchNorm: x \(2, 3, 4\), expected"),
    ("BatchNorm of one", lambda: BatchNorm(3)(T(1, 3, dtype="f4")), ValueError,
     "one value per channel has no variance; use a larger batch, or .eval"),
    ("Dropout p", lambda: Dropout(1.0), ValueError, r"Dropout: p is 1.0, expected a probability in \[0, 1\)"),
    ("Dropout p < 0", lambda: Dropout(-0.1), ValueError, "Dropout: p is -0.1"),
    ("Layer", lambda: Layer()(1), TypeError, r"Layer must define forward\(self, x\)"),
    ("Sequential", lambda: Sequential(Dense(3, 2), Dense(3, 2))(A(1, 3, dtype="f4")), ValueError,
     r"dense: x \(1, 2\) and w \(3, 2\) do not fit"),
]


@pytest.mark.parametrize("what, call, exception, pattern", ENGINE, ids=[row[0] for row in ENGINE])
def test_engine_errors(what, call, exception, pattern):
    if exception is AttributeError:
        pytest.raises(exception, call)
    else:
        refused(call, exception, pattern)


# ---- refusals that must come before anything has changed ----------------------------------------

def test_a_refused_penalty_leaves_every_grad_alone():
    """The gradient penalty of WGAN-GP: without create_graph=True it is an error, not a silent zero."""
    x, w = T(2), T(2)
    w.grad = np.array([5.0, 5])
    loss = (w * x).sum() + (sn.grad((w * x * x).sum(), x) ** 2.0).sum()
    with pytest.raises(RuntimeError, match="create_graph=True"):
        loss.backward()
    assert np.array_equal(w.grad, [5, 5]) and x.grad is None
    d = sn.grad((w * x * x).sum(), x, create_graph=True)
    assert np.array_equal(w.grad, [5, 5]) and x.grad is None   # sn.grad never touches .grad
    (d ** 2.0).sum().backward()
    assert np.array_equal(w.grad, [5 + 8, 5 + 8])


def test_a_refused_second_pass_leaves_every_grad_alone():
    a, b = T(1), T(1)
    h = a * 2.0
    (h * h).backward()
    with pytest.raises(RuntimeError, match="already went through"):
        (b * 3.0 + h).backward()
    assert a.grad == 8 and b.grad is None


# ---- mistakes in an op of one's own -------------------------------------------------------------

@pytest.fixture
def own_ops(monkeypatch):
    monkeypatch.setattr(Op, "registry", dict(Op.registry))


def double(rule, forward=lambda x: 2 * x, fast=None):
    """An op y = 2x with the given rule, and its call on two numbers."""
    def double(x): return forward(x)
    f = sn.op(double)
    if rule:
        f.vjp("x")(rule)
    if fast:
        f.fast_vjp(fast)
    return f(T(2)).sum().backward()


OWN = [                                         # what, rule, forward, exception, pattern
    ("no rule", None, None, TypeError, r"double has no rule for its input 'x': write one with @double.vjp\('x'\)"),
    ("unknown name", lambda g, z: g, None, TypeError, "double: a rule reads 'z', which is neither an input"),
    ("None", lambda g: None, None, ValueError,
     r"double at .*: the rule for 'x' returned None, expected float64 \(2,\)"),
    ("shape", lambda g: g.sum(), None, ValueError,
     r"the rule for 'x' returned float64 \(\), expected float64 \(2,\) like x.*fit\("),
    ("longer", lambda g: np.ones(3), None, ValueError, r"returned float64 \(3,\), expected float64 \(2,\)"),
    ("dtype", lambda g: g.astype(np.float32), None, ValueError, r"returned float32 \(2,\), expected float64 \(2,\)"),
    ("kept float", lambda g, k: g * k, lambda x: sn.keep(2 * x, k=0 * x + 2), TypeError,
     "a plain rule reads 'k', a float kept by the forward.*fast_vjp"),
    ("forward dtype", lambda g: 2 * g, lambda x: (2 * x).astype(np.float32), TypeError,
     "double: its forward returned float32 for inputs of float64"),
]


@pytest.mark.parametrize("what, rule, forward, exception, pattern", OWN, ids=[row[0] for row in OWN])
def test_mistakes_in_an_op_of_ones_own(what, rule, forward, exception, pattern, own_ops):
    refused(lambda: double(rule, forward or (lambda x: 2 * x)), exception, pattern)


def test_a_fast_rule_may_read_kept_floats(own_ops):
    double(lambda g: 2.0 * g, lambda x: sn.keep(2 * x, k=0 * x + 2), fast=lambda want, g, k: {"x": g * k})


def test_an_op_name_is_taken_once_per_module(own_ops):
    double(lambda g: 2.0 * g)
    refused(lambda: double(lambda g: 2.0 * g), ValueError, "already has an op named 'double'; choose another name")

    def relu(x): return x                       # ours stays what it is: another module, another op
    assert sn.op(relu) is not sn.relu and ("scratchnet.ops.elementwise", "relu") in Op.registry


def test_a_rule_for_an_input_that_is_none(own_ops):
    refused(lambda: sn.relu.vjp("z"), ValueError, r"relu.vjp: no input 'z'; the inputs are \('x',\)")
    refused(lambda: sn.replaced(sn.relu, "z", lambda g: g).__enter__(), ValueError, "relu.vjp: no input 'z'")


def test_a_replaced_rule_that_reads_more_needs_the_forward_inside(own_ops):
    y = sn.relu(T(2)).sum()
    with sn.replaced(sn.relu, "x", lambda g, x: g * (x > 0)):
        refused(y.backward, RuntimeError,
                r"reads 'x', which this forward did not save; with sn.replaced, run forward and backward both inside")
