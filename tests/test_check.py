"""The checker itself: silent on right gradients, also at kinks, and loud on wrong ones.  Names: tests/test_planted.py."""
import sys

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.check import slope

rng = np.random.default_rng(0)
x, w = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))


def dense(x, w): return x @ w
def right(g, x, w): return g @ w.T, x.T @ g
def sample(rng): n, d, m = rng.integers(1, 6, 3); return rng.standard_normal((n, d)), rng.standard_normal((d, m))


def findings(forward, backward, arrays, **options):
    with pytest.raises(sn.GradientError) as e:
        sn.check_backward(forward, backward, arrays, **options)
    return e.value.findings


def keys(*args, **options):
    return [(f.target, f.key) for f in findings(*args, **options)]


# ---- right gradients pass -------------------------------------------------------------------------

def test_right_gradients_pass_at_both_orders():
    assert sn.check_grad(lambda a, b: sn.tanh(sn.matmul(a, b)), x, w, order=2) < 1e-8
    assert sn.check_backward(dense, right, (x, w)) < 1e-9
    assert sn.check_backward(dense, right, sample) < 1e-9
    assert sn.check_grad(sn.dense, sample=lambda rng: (*sample(rng), ), order=2) < 1e-8


@pytest.mark.parametrize("f", [sn.relu, sn.abs, lambda t: sn.max(t, axis=1), lambda t: sn.maximum(t, 0.0)])
def test_any_slope_between_the_two_sides_of_a_kink_is_right_and_reported(f):
    assert "at a kink, where any slope" in sn.check_grad(f, np.zeros((2, 3))).notes[0]
    sn.check_grad(f, np.array([[1e-8, -1e-9, 0.0], [1.0, -1.0, 1.0 + 1e-9]]))


def loops(x):                                   # a buffer of real numbers: no complex step through this one
    y = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = max(x[i], 0.0)
    return y


@pytest.mark.parametrize("at", [0.0, 1e-9, -1e-9, 1e-7, -1e-7, 1e-4, -3e-4, 0.5])
@pytest.mark.parametrize("forward", [loops, lambda x: np.maximum(x, 0)])
def test_kinks_near_by_accuse_nobody(forward, at):
    sn.check_backward(forward, lambda g, x: g * (x > 0), (np.array([at, 1.0, -1.0]),))


def test_outside_the_kink_is_wrong():
    f, = findings(lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x > 0, 1, np.where(x < 0, 0, -0.5)), (np.array([0.0, 1.0, -1.0]),))
    assert f.key == "KINK:outside" and "would be right" in f.text


def test_a_convention_at_kinks_can_be_asked_for():
    def forward(x): return np.maximum(x, 0)
    at = (np.array([0.0, 1.0, -1.0]),)
    sn.check_backward(forward, lambda g, x: g * (x > 0), at, at_kinks="left")
    assert keys(forward, lambda g, x: g * (x >= 0), at, at_kinks="left") == [("x", "KINK:right")]


@pytest.mark.parametrize("forward, backward, arrays", [
    (lambda x: np.exp(x), lambda g, x: g * np.exp(x), (np.array([700.0, -700.0, 1.0]),)),
    (lambda x: np.full(3, 2.0), lambda g, x: np.zeros(x.shape), (np.ones(3),)),
    (lambda x: 0.0 * x.sum(), lambda g, x: np.zeros(x.shape), (np.ones(3),)),
    (lambda x: x * 3, lambda g, x: g * 3, (2.0,)),
    (lambda x: x * 3, lambda g, x: g * 3, (np.array(2.0),)),
    (lambda x: x ** 2, lambda g, x: 2 * g * x, (np.arange(1, 4),)),
    (lambda x: x * 2, lambda g, x: g * 2, (np.zeros((0, 3)),)),
    (lambda x, k: x[k], lambda g, x, k: (scattered(g, x, k), None), (x, np.array([0, 2, 2]))),
    (lambda x, mask: x * mask, lambda g, x, mask: (g * mask, None), (x, x > 0)),
    (lambda x, w: (x @ w, x + 1), lambda g, x, w: (g[0] @ w.T + g[1], x.T @ g[0]), (x, w)),
    (dense, lambda g, x, w: {"w": x.T @ g, "x": g @ w.T}, (x, w)),
    (dense, lambda g, x, w: [g @ w.T, x.T @ g], (x.T.copy().T, w[::1])),
    (dense, right, (rng.standard_normal((4, 6))[::2, ::2], rng.standard_normal((3, 2)))),
    (np.sqrt, lambda g, x: g / (2 * np.sqrt(x)), (np.array([1e-8, 1e-4, 4.0]),)),
    (lambda p: np.log(p) if (p >= 0).all() and (p <= 1).all() else 1 / 0, lambda g, p: g / p, (np.array([0.2, 1.0]),)),
    (lambda x: x + 0, lambda g, x: g, (x,)),
    (lambda x: x.reshape(-1), lambda g, x: g.reshape(x.shape), (x,)),
])
def test_correct_code_is_not_accused(forward, backward, arrays):
    sn.check_backward(forward, backward, arrays)


def scattered(g, x, k):
    d = np.zeros_like(x)
    np.add.at(d, k, g)
    return d


def test_softmax_of_a_thousand_is_fine():
    sn.check_grad(sn.softmax, 1e3 * rng.standard_normal((3, 4)))
    sn.check_grad(sn.log_softmax, 1e3 * rng.standard_normal((3, 4)))


def test_single_precision_forwards_are_checked_as_well_as_they_can_be():
    passed = sn.check_backward(lambda x: np.tanh(x.astype("f4")), lambda g, x: g * (1 - np.tanh(x) ** 2), (x,))
    assert "single precision" in passed.notes[0]
    assert findings(lambda x: np.tanh(x.astype("f4")), lambda g, x: 2 * g * (1 - np.tanh(x) ** 2), (x,))


def test_layers_are_checked_with_their_parameters_and_left_as_they_were():
    model = sn.layers.Sequential(sn.layers.Dense(4, 3, rng=0), sn.layers.ReLU(), sn.layers.Dense(3, 2, rng=1))
    before = {k: v.tobytes() for k, v in model.state().items()}
    sn.check_grad(model, x, order=2)
    assert {k: v.tobytes() for k, v in model.state().items()} == before and model.layers[0].w.dtype == np.float32
    with sn.replaced(sn.relu, "x", lambda g, y: g * (y >= 0)), pytest.raises(sn.GradientError) as e:
        sn.check_grad(model, x)
    assert [(f.target, f.key) for f in e.value.findings] == [("relu.x", "IDENTITY")]

# ---- wrong ones do not ----------------------------------------------------------------------------


@pytest.mark.parametrize("name, wrong, key, words", [
    ("w", lambda g, x, w: (g @ w.T, 2 * x.T @ g), "RATIO:2", "exactly 2 .*times the right one"),
    ("x", lambda g, x, w: (-g @ w.T, x.T @ g), "RATIO:-1", "exactly -1 times"),
    ("w", lambda g, x, w: (g @ w.T, (x.T @ g).T), "TRANSPOSED:[1, 0]", r"shape \(2, 4\) instead of \(4, 2\)"),
    ("w", lambda g, x, w: (g @ w.T, np.ones((7, 2))), "SHAPE", r"the gradient has shape \(7, 2\), w has \(4, 2\)"),
    ("x", lambda g, x, w: (None, x.T @ g), "NO_GRAD", "returns no gradient for x"),
    ("x", lambda g, x, w: (g @ w.T * np.nan, x.T @ g), "NOT_FINITE", "NaN"),
    ("*", lambda g, x, w: (g @ w.T,), "SHAPE", "1 gradients for 2 inputs"),
    ("*", lambda g, x, w: g @ w.T, "SHAPE", "1 gradients for 2 inputs"),
    ("*", lambda g, x, w: 1 / 0, "CRASH:ZeroDivisionError", r"test_check.py:\d+: .*1 / 0"),
    ("*", lambda g, x, w: ("a", "b"), "CRASH", "not an array of numbers"),
])
def test_wrong_gradients_are_named(name, wrong, key, words):
    with pytest.raises(sn.GradientError, match=words) as e:
        sn.check_backward(dense, wrong, (x, w))
    finding, = e.value.findings
    assert finding.target == name and finding.key.startswith(key)


def test_fixed_arrays_list_every_reading_and_ask_for_a_sampler():
    four = rng.standard_normal((4, 3))
    f, = findings(lambda x: x * x, lambda g, x: 2 * x * g / 4, (four,))
    assert "1/4" in f.detail and "1/B" in f.detail and "sample=" in f.text
    f, = findings(lambda x: x * x, lambda g, x: 2 * x * g / len(x), lambda rng: (rng.standard_normal((rng.integers(2, 9), 3)),))
    assert f.detail == "1/B"


def test_one_wrong_entry_of_a_large_input_is_seen():
    def backward(g, x):
        d = 2 * x * g
        d[17, 3] = 0
        return d
    f, = findings(lambda x: x * x, backward, (rng.standard_normal((40, 20)),))
    assert f.code in ("DROPPED", "LOCAL") and np.argwhere(f.wrong).tolist() == [[17, 3]]


def test_inputs_too_large_to_measure_entry_by_entry_are_checked_along_directions():
    big = (rng.standard_normal((300, 200)),)
    assert sn.check_backward(lambda x: x * x, lambda g, x: 2 * x * g, big) < 1e-9
    assert keys(lambda x: x * x, lambda g, x: x * g, big) == [("x", "RATIO:1/2")]
    assert keys(lambda x: x * x, lambda g, x: g, big) == [("x", "UNKNOWN")]


def test_a_rule_wrong_at_second_order_only_is_seen_at_second_order():
    def constant_slope(g, x):
        return g * np.array(1 - np.tanh(x.numpy() if isinstance(x, sn.Tensor) else x) ** 2)   # right, but not an op of x
    with sn.replaced(sn.tanh, "x", constant_slope):
        sn.check_grad(sn.tanh, x)
        with pytest.raises(sn.GradientError, match="x: at second order: "):
            sn.check_grad(sn.tanh, x, order=2)


def test_a_function_that_leaves_the_graph_is_refused():
    with pytest.raises(TypeError, match="f returned a ndarray, expected a Tensor"):
        sn.check_grad(lambda t: t.numpy() * 2, x)


def test_complex_inputs_are_refused():
    with pytest.raises(TypeError, match="input 0 is complex"):
        sn.check_backward(lambda x: x, lambda g, x: g, (x + 1j,))

# ---- behaviour ------------------------------------------------------------------------------------


def test_noise_in_forward_is_told_from_noise_in_backward():
    noise = np.random.default_rng(1)
    assert keys(lambda x: x * noise.random(x.shape), lambda g, x: g, (x,)) == [("*", "RANDOM_FORWARD")]
    assert keys(lambda x: x * 2, lambda g, x: g * noise.random(x.shape), (x,)) == [("*", "NONDETERMINISTIC")]


def test_arrays_that_belong_to_others():
    def in_place(g, x):
        g *= 2
        return g
    assert ("*", "MUTATES:dy") in keys(lambda x: x * 2, in_place, (x,))

    def writes(x):
        x += 1
        return x * 2
    assert ("*", "MUTATES:inputs") in keys(writes, lambda g, x: 2 * g, (x,))
    assert keys(np.add, lambda g, a, b: (g, g), (x, x + 1)) == [("x1", "ALIAS:x1,x2")]


def test_digits_thrown_away():
    assert keys(np.tanh, lambda g, x: (g * (1 - np.tanh(x) ** 2)).astype("f4"), (x,)) == [("x", "PRECISION:float32")]
    assert keys(np.tanh, lambda g, x: (g.astype("f4") * (1 - np.tanh(x.astype("f4")) ** 2)).astype(float), (x,))[0][1].startswith("PRECISION")


def test_plot_writes_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    for name, a in (("matrix", x), ("images", rng.standard_normal((2, 3, 4, 5)))):
        with pytest.raises(sn.GradientError):
            sn.check_backward(lambda x: x * x, lambda g, x: g * x, (a,), plot=tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_slopes():
    assert slope(lambda t: np.sin(t)).low == pytest.approx(1, abs=1e-11)
    kink = slope(lambda t: max(t, 0.0))
    assert kink.kink and kink.low == pytest.approx(0, abs=1e-6) and kink.high == pytest.approx(1, abs=1e-6)


# ---- where in the learner's code ------------------------------------------------------------------

def untold(text: str):
    """A function whose text nobody has, as one typed at a prompt."""
    scope = {"np": np}
    exec(text, scope)
    return scope["backward"]


def normal(x):
    d = x - x.mean(axis=0)
    return d / np.sqrt((d * d).mean(axis=0) + 0.1)


NORMAL_BACK = """
def backward(g, x):
    d = x - x.mean(axis=0)
    r = ((d * d).mean(axis=0) + 0.1) ** -0.5
    y = d * r
    dy = g - y * (g * y).mean(axis=0)
    dx = (dy - dy.mean(axis=0)) * r
    return dx
"""


@pytest.mark.parametrize("slip, key", [
    (("** -0.5", "** -1"), "VARIABLE:r should be 1/(np.sqrt((d * d).mean(axis=0) + 0.1))"), (("+ 0.1", "+ 0.2"), "VARIABLE:r should be"),
    (("x - x.mean", "x - x.max"), "VARIABLE:d should be d"), (("dy.mean(axis=0)", "x.mean(axis=0)"), "FACTOR:(x.mean(axis=0)) instead of dy.mean(-2) at x"),
    (("- y * (g", "- d * (g"), "FACTOR:1 instead of r at d * d"),
    (("dy.mean", "dy.max"), "STEP:x.mean(axis=0)"), (("return dx", "return dy"), "RETURNS:not dx")])
def test_the_variable_or_the_way_that_is_wrong_is_named_without_the_text(slip, key):
    assert NORMAL_BACK.count(slip[0]) == 1
    def draw(rng): return rng.standard_normal(rng.choice(np.arange(3, 8), 2, replace=False)),
    found = keys(normal, untold(NORMAL_BACK.replace(*slip)), draw)
    assert len(found) == 1 and found[0][1].startswith(key), found


def test_right_code_without_a_text_passes_and_a_tracer_is_put_back():
    before = sys.gettrace()
    sn.check_backward(normal, untold(NORMAL_BACK), (rng.standard_normal((5, 3)),))
    keys(normal, untold(NORMAL_BACK.replace("-0.5", "-1")), (rng.standard_normal((5, 3)),))
    assert sys.gettrace() is before


def arrays_of(rng):
    n, d, m = rng.choice(np.arange(2, 7), 3, replace=False)
    return rng.standard_normal((n, d)), rng.standard_normal((d, m)), rng.standard_normal(m)


def test_one_cause_is_named_once_for_all_inputs_it_spoils():
    def forward(x, w, b): return np.tanh(x @ w + b)

    def backward(g, x, w, b):
        y = np.tanh(x @ w + b) + 0.1
        da = g * (1 - y ** 2)
        return da @ w.T, x.T @ da, da.sum(axis=0)
    found = findings(forward, backward, arrays_of)
    assert {f.target for f in found} == {"x", "w", "b"} and len({f.key for f in found}) == 1


def test_rounding_and_bends_beside_a_point_accuse_nobody():
    huber = lambda d: np.where(np.abs(d) <= 1, 0.5 * d * d, np.abs(d) - 0.5)
    sn.check_backward(huber, lambda g, d: g * np.clip(d, -1, 1), (np.array([-2.0, -1.0, 0.0, 1.0, 3.0]),))
    sn.check_backward(lambda v: np.expm1(v) - v, lambda g, v: g * np.expm1(v), (np.array([1e-8, -3e-8]),))
    sn.check_grad(lambda x: sn.clip(x, high=0.25), np.full(3, 0.25))
    sn.check_grad(sn.tanh, np.array([10.0, -14.0]), order=2)
