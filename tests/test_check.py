"""The checker itself: silent on right gradients, also at kinks, and loud on wrong ones."""
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.check import slope

rng = np.random.default_rng(0)
x, w = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))


def dense(x, w): return x @ w
def right(g, x, w): return g @ w.T, x.T @ g
def sample(rng): n, d, m = rng.integers(1, 6, 3); return rng.standard_normal((n, d)), rng.standard_normal((d, m))


def test_right_gradients_pass_at_both_orders():
    assert sn.check_grad(lambda a, b: sn.tanh(sn.matmul(a, b)), x, w, order=2) < 1e-8
    assert sn.check_backward(dense, right, (x, w)) < 1e-9
    assert sn.check_backward(dense, right, sample) < 1e-9
    assert sn.check_grad(sn.dense, sample=lambda rng: (*sample(rng), ), order=2) < 1e-8


@pytest.mark.parametrize("f", [sn.relu, sn.abs, lambda t: sn.max(t, axis=1), lambda t: sn.maximum(t, 0.0)])
def test_any_slope_between_the_two_sides_of_a_kink_is_right(f):
    sn.check_grad(f, np.zeros((2, 3)))
    sn.check_grad(f, np.array([[1e-8, -1e-9, 0.0], [1.0, -1.0, 1.0 + 1e-9]]))


def test_outside_the_kink_is_wrong():
    with pytest.raises(sn.GradientError, match="x: backward"):
        sn.check_backward(lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x > 0, 1, -0.5), (np.zeros(3),))


@pytest.mark.parametrize("name, wrong, code, words", [
    ("w", lambda g, x, w: (g @ w.T, 2 * x.T @ g), "WRONG", r"w: backward .* measured .* at \(.*\); 8 of 8 places"),
    ("x", lambda g, x, w: (-g @ w.T, x.T @ g), "WRONG", "x: backward"),
    ("w", lambda g, x, w: (g @ w.T, (x.T @ g).T), "SHAPE", r"w: the gradient has shape \(2, 4\), expected \(4, 2\)"),
    ("x", lambda g, x, w: (None, x.T @ g), "MISSING", "x: no gradient reaches it"),
    ("x", lambda g, x, w: (g @ w.T * np.nan, x.T @ g), "NOT_FINITE", "NaN"),
    ("*", lambda g, x, w: (g @ w.T,), "SHAPE", "1 gradients were returned for 2 inputs"),
])
def test_wrong_gradients_are_named(name, wrong, code, words):
    with pytest.raises(sn.GradientError, match=words) as e:
        sn.check_backward(dense, wrong, (x, w))
    finding, = e.value.findings
    assert (finding.target, finding.code) == (name, code) and finding.text and isinstance(finding.detail, dict)


def test_one_wrong_entry_of_a_large_input_is_seen_along_random_directions():
    def backward(g, x):
        d = 2 * x * g
        d[17, 3] = 0
        return d
    with pytest.raises(sn.GradientError, match="x: backward .* at direction"):
        sn.check_backward(lambda x: x * x, backward, (rng.standard_normal((40, 20)),))


def test_a_rule_wrong_at_second_order_only_is_seen_at_second_order():
    def constant_slope(g, x):
        return g * np.array(1 - np.tanh(x.numpy() if isinstance(x, sn.Tensor) else x) ** 2)   # right, but not an op of x
    with sn.replaced(sn.tanh, "x", constant_slope):
        sn.check_grad(sn.tanh, x)
        with pytest.raises(sn.GradientError, match="x: "):
            sn.check_grad(sn.tanh, x, order=2)


def test_a_function_that_leaves_the_graph_is_refused():
    with pytest.raises(TypeError, match="f returned a ndarray, expected a Tensor"):
        sn.check_grad(lambda t: t.numpy() * 2, x)


def test_slopes():
    assert slope(lambda t: np.sin(t)).low == pytest.approx(1, abs=1e-11)
    kink = slope(lambda t: max(t, 0.0))
    assert kink.kink and kink.low == pytest.approx(0, abs=1e-6) and kink.high == pytest.approx(1, abs=1e-6)
