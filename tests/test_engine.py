"""The graph and the walk back: whole expressions, reuse, depth, memory, protection, orders, threads.

Single ops are test_registry.py's business; what the engine refuses is in test_errors.py.
"""
from __future__ import annotations

import copy
import gc
import inspect
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet.layers import BatchNorm, Dense, LeakyReLU, ReLU, Sequential, Tanh
from scratchnet.op import Op
from tests.conftest import for_all, size


def leaf(*numbers, dtype=float):
    return sn.Tensor(np.array(numbers, dtype), requires_grad=True)


# ---- E1: random expressions ---------------------------------------------------------------------

UNARY = {"neg": lambda x: -x, "exp": np.exp, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
         "softplus": lambda x: np.log(1 + np.exp(x)), "sum": np.sum, "mean": np.mean, "transpose": np.transpose}
BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply}
SHAPES = [(), (3,), (2, 1), (2, 3)]             # any two of them broadcast


@st.composite
def graphs(draw):
    """(leaves, recipe): each line of the recipe makes one node from earlier ones; half of them reuse the first leaf."""
    leaves = [draw(st.sampled_from(SHAPES)) for _ in range(draw(st.integers(1, 3)))]
    recipe = []
    for _ in range(draw(st.integers(1, 30))):
        name = draw(st.sampled_from([*BINARY, *BINARY, *UNARY]))
        known = len(leaves) + len(recipe)
        first = draw(st.one_of(st.integers(0, known - 1), st.integers(0, len(leaves) - 1)))
        recipe.append((name, first, draw(st.integers(max(0, known - 3), known - 1))))
    return leaves, recipe


def evaluate(recipe, leaves, unary, binary):
    """The sum of all nodes, each squashed so that products of products stay small."""
    nodes = list(leaves)
    for name, a, b in recipe:
        a, b = nodes[a], nodes[b]
        if name == "transpose":                 # only there and back: other shapes would not broadcast
            new = unary["transpose"](unary["transpose"](a))
        else:
            new = unary[name](a) if name in UNARY else binary[name](a, b)
        nodes.append(unary["tanh"](new))
    total = nodes[0].sum()
    for node in nodes[1:]:
        total = total + node.sum()
    return total


def test_E1_gradients_of_random_graphs():
    def check(graph):
        shapes, recipe = graph
        rng = np.random.default_rng(len(recipe))
        arrays = [np.array(rng.uniform(-1, 1, s)) for s in shapes]
        xs = [sn.Tensor(a, requires_grad=True) for a in arrays]
        evaluate(recipe, xs, {k: getattr(sn, k) for k in UNARY}, {k: getattr(sn, k) for k in BINARY}).backward()
        for x, a in zip(xs, arrays):
            expected = np.zeros(a.shape)
            for i in np.ndindex(a.shape):
                z = a.astype(complex)
                z[i] += 1e-30j
                moved = [z if b is a else b for b in arrays]
                expected[i] = evaluate(recipe, moved, UNARY, BINARY).imag / 1e-30
            np.testing.assert_allclose(x.grad, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())

    for_all(graphs(), check, size(30, 300))


# ---- E2: reuse ----------------------------------------------------------------------------------

@pytest.mark.parametrize("f, slope", [
    (lambda x: x * x, 6), (lambda x: x + x, 2), (lambda x: x - x, 0), (lambda x: x / x, 0), (lambda x: x ** 3, 27),
    (lambda x: (x + 1) * (x - 1), 6),                                           # a diamond
    (lambda x: (y := x * x) + y * y, 6 + 108),                                  # a diamond on a diamond
    (lambda x: (y := 2 * x) * y * y, 8 * 27),
    (lambda x: sn.concatenate([x, x, 3 * x]), 5), (lambda x: sn.stack([x, x]), 2), (lambda x: sn.maximum(x, x), 1),
    (lambda x: sn.matmul(x, x), 6), (lambda x: 1 - 2 / x - x / 2, 2 / 9 - 0.5), (lambda x: 2.0 ** x, 8 * np.log(2)),
])
def test_E2_a_value_used_several_times(f, slope):
    x = leaf(3)
    f(x).sum().backward()
    np.testing.assert_allclose(x.grad, [slope], rtol=1e-15)


def test_E2_a_value_used_inside_and_outside_a_loop():
    x, y = leaf(0.5), 1.0
    for _ in range(4):
        y = y * x + x                           # x⁴ + x⁴ + x³ + x² + x
    (y + x).sum().backward()
    assert x.grad == 8 * 0.5**3 + 3 * 0.5**2 + 2 * 0.5 + 1 + 1


def test_E2_loops_and_branches_are_recorded_as_they_ran():
    for start, power in ((2.0, 3), (0.5, 1)):
        x = leaf(start)
        y = x
        while (y > 1).all() and y.item() < 8:
            y = y * x
        y.backward()
        assert x.grad == power * start ** (power - 1)


# ---- E3, E4: depth and memory -------------------------------------------------------------------

def test_E3_a_chain_of_100_000_ops():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    start = time.process_time()
    y.backward()
    assert time.process_time() - start < 2
    assert x.grad == 1
    del y                                       # frees the chain: not by recursion either


def test_E3_a_deep_chain_with_memory_of_its_own_is_freed():
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = -y
    del y                                       # without a backward: every node is still whole


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def first_order(model, x):
    (model(x) ** 2.0).mean().backward()


def second_order(model, x):
    x = sn.Tensor(x.numpy(), requires_grad=True)
    slope = sn.grad(model(x).sum(), x, create_graph=True)
    (slope * slope).sum().backward()


@pytest.mark.parametrize("work", [first_order, second_order, lambda model, x: model(x)])
def test_E4_no_reference_cycles(work, no_collector):
    """Memory goes as soon as the last name for it does: with the collector off it does not grow."""
    rng = np.random.default_rng(0)
    model = Sequential(Dense(64, 256, rng=rng), Tanh(), BatchNorm(256), Dense(256, 1, rng=rng))
    x = sn.Tensor(rng.standard_normal((128, 64)))
    model.astype(np.float64)
    tracemalloc.start()
    try:
        for step in range(50):
            work(model, x)
            model.zero_grad()
            if step == 4:
                early = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] - early < 1e6             # one step's arrays: about 3e6
    finally:
        tracemalloc.stop()
    assert gc.collect() < 50                    # and the collector finds no graphs


def test_E4_backward_releases_as_it_goes():
    x = leaf(*range(3))
    y = sn.exp(x)
    node = y._node
    y.sum().backward()
    assert node.saved is None and node.released


# ---- E5: nothing changes behind a graph's back --------------------------------------------------

def test_E5_a_tensor_copies_and_shows_itself_read_only():
    a = np.ones(3)
    t = sn.Tensor(a)
    a[0] = 7
    assert t.numpy()[0] == 1
    for view in (t.data, t.numpy(), sn.exp(t).numpy(), t.reshape(3, 1).data):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5


@pytest.mark.parametrize("f", [
    lambda x, a: x * a, lambda x, a: a / x, lambda x, a: sn.mse(x, a), lambda x, a: sn.where(a > 0, x, 2 * x),
    lambda x, a: sn.dense(x, a.reshape(3, 1)), lambda x, a: sn.maximum(x, a)])
def test_E5_a_raw_array_may_change_after_the_forward(f):
    def gradient(change):
        x, a = leaf(1.0, 2, 3), np.array([2.0, -1, 4])
        y = f(x, a).sum()
        a[:] = 100 if change else a
        y.backward()
        return x.grad
    assert np.array_equal(gradient(change=True), gradient(change=False))


@pytest.mark.parametrize("wrap", [lambda i: i, lambda i: (i,), lambda i: (i, slice(None)), lambda i: (None, i)])
def test_E5_an_index_may_change_after_the_forward(wrap):
    x, i = sn.Tensor(np.ones((3, 2)), requires_grad=True), np.array([0, 0])
    y = x[wrap(i)].sum()
    i[:] = 2
    y.backward()
    assert np.array_equal(x.grad, [[2, 2], [0, 0], [0, 0]])


def test_E5_labels_may_change_after_the_forward():
    for labels in (np.array([0, 1]), [0, 1]):
        z = leaf([0.0, 0], [0, 0])
        loss = sn.cross_entropy(z, labels)
        labels[0] = 1
        loss.backward()
        assert np.array_equal(z.grad, [[-0.25, 0.25], [0.25, -0.25]])


def test_E5_an_upstream_gradient_may_change_between_steps():
    x, g = leaf(1.0, 2), np.array([1.0, 1])
    steps = sn.backward_steps(-x * 2.0, g)
    next(steps)
    g[:] = 100
    list(steps)
    assert np.array_equal(x.grad, [-2, -2])


def test_E5_new_data_is_a_copy():
    w, a = leaf(1.0, 2.0), np.array([3.0, 4])
    w.data = a
    a[0] = 100
    assert np.array_equal(w.numpy(), [3, 4])


def test_E5_new_data_is_safe_for_earlier_graphs():
    w = leaf(3.0)
    y = w * w
    w.data = [10.0]
    y.backward()
    assert w.grad == 6 and w.numpy() == 10


@pytest.mark.parametrize("use", [lambda w: w * w, lambda w: w.reshape(2, 1) ** 2.0, lambda w: w.T * w.T,
                                 lambda w: sn.exp(w[:1]) * w[:1], lambda w: sn.broadcast_to(w, (3, 2)) * w])
def test_E5_an_array_overwritten_in_place_is_noticed(use):
    """The optimiser writes into w, which the graph (or a view of w in it) still needs."""
    w = leaf(1.0, 2.0)
    optimiser = sn.optim.SGD([w], lr=0.1)
    w.grad = np.ones(2)
    y = use(w).sum()
    optimiser.step()
    with pytest.raises(RuntimeError, match="changed in place.*backward.. before step"):
        y.backward()


def test_E5_overwriting_what_no_rule_reads_is_fine():
    w = leaf(1.0, 2.0)
    optimiser = sn.optim.SGD([w], lr=0.1)
    w.grad = np.ones(2)
    y = (w + 1.0).sum()                         # the rule of add reads the shape only
    optimiser.step()
    y.backward()
    assert np.array_equal(w.grad, [2, 2])


# ---- E6: passes and sums ------------------------------------------------------------------------

def test_E6_gradients_add_up_until_zeroed():
    x = leaf(2.0)
    for times in (1, 2, 3):
        (x * x).backward()
        assert x.grad == 4 * times
    x.grad = None
    (x * x).backward()
    assert x.grad == 4


def test_E6_retain_graph_allows_a_second_pass():
    x = leaf(2.0)
    y = x ** 3.0
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad == 24


@pytest.mark.parametrize("f", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: sn.concatenate([a, b]),
                               lambda a, b: sn.stack([a.reshape(2, 1), b.reshape(2, 1)]), lambda a, b: a + (a + b)])
def test_E6_no_grad_array_aliases_another(f):
    a, b, g = leaf(1.0, 2), leaf(3.0, 4), np.ones(2)
    y = f(a, b)
    y.backward(np.ones(y.shape))
    before = b.grad.copy()
    a.grad += 100
    assert np.array_equal(b.grad, before) and np.array_equal(g, [1, 1])


def test_E6_two_losses_through_one_graph():
    x = leaf(2.0)
    h = x * 3.0
    (h * h).backward(retain_graph=True)         # 36
    (h + 1.0).backward()                        # 3
    assert x.grad == 39


def test_E6_backward_takes_g():
    x = leaf(1.0, 2.0)
    (x * x).backward(np.array([10.0, 100]))
    assert np.array_equal(x.grad, [20, 400])


# ---- E7: where gradients stop -------------------------------------------------------------------

def test_E7_no_grad_records_nothing():
    x = leaf(2.0)
    with sn.no_grad():
        y = x * x
        with sn.no_grad():
            pass
        assert not (x * x).requires_grad        # leaving the inner block does not end the outer one
    assert not y.requires_grad and y._node is None and (x * x).requires_grad


def test_E7_no_grad_ends_with_an_error():
    with pytest.raises(KeyError), sn.no_grad():
        raise KeyError
    assert (leaf(1.0) * 2.0).requires_grad


def test_E7_detach_is_a_constant():
    x = leaf(3.0)
    (x * x.detach()).backward()
    assert x.grad == 3
    assert not x.detach().requires_grad


def test_E7_constants_cost_nothing():
    x, c = leaf(3.0), sn.Tensor([2.0])
    y = c.detach() * sn.Tensor([5.0])
    assert y._node is None
    ran = [step.name for step in sn.backward_steps(x * sn.Tensor([2.0], requires_grad=False).numpy().astype(float))]
    assert ran == ["a"]                         # no rule runs for an input that needs no gradient


def test_E7_discriminator_step_leaves_the_generator_alone():
    rng = np.random.default_rng(0)
    G, D = Dense(2, 3, rng=rng), Sequential(Dense(3, 4, rng=rng), LeakyReLU(), Dense(4, 1, rng=rng))
    z, real = rng.standard_normal((5, 2)).astype(np.float32), rng.standard_normal((5, 3)).astype(np.float32)
    fake = G(sn.Tensor(z)).detach()
    ones, zeros = np.ones((5, 1), np.float32), np.zeros((5, 1), np.float32)
    (sn.bce_with_logits(D(sn.Tensor(real)), ones) + sn.bce_with_logits(D(fake), zeros)).backward()
    assert all(p.grad is None for p in G.parameters()) and all(p.grad is not None for p in D.parameters())
    D.zero_grad()
    sn.bce_with_logits(D(G(sn.Tensor(z))), ones).backward()
    assert all(p.grad.any() for p in G.parameters())


# ---- sn.grad ------------------------------------------------------------------------------------

def test_grad_shapes_of_the_answer():
    x, w, unused = leaf(1.0, 2), leaf(3.0, 4), leaf(5.0)
    h = x * w
    y = (h * h).sum()
    one = sn.grad(y, x, retain_graph=True)
    assert isinstance(one, sn.Tensor) and np.array_equal(one.numpy(), [18, 64])
    several = sn.grad(y, [h, unused, w, x, h], retain_graph=True)
    assert isinstance(several, list) and several[1] is None
    assert [d.numpy().tolist() for d in several if d is not None] == [[6, 16], [6, 32], [18, 64], [6, 16]]
    assert sn.grad(y, (x,))[0].shape == (2,)
    assert x.grad is w.grad is None


def test_grad_of_a_constant_and_of_itself():
    x = leaf(2.0)
    assert sn.grad(sn.Tensor([1.0]), x) is None
    assert sn.grad(x, x).item() == 1
    y = x * 3.0
    assert sn.grad(y, y).item() == 1


def test_grad_runs_only_rules_on_the_way():
    ran, x, w = [], leaf(2.0), leaf(5.0)
    with sn.replaced(sn.mul, "b", lambda g, a, b_shape: ran.append("b") or g * a):
        y = x * w
        sn.grad(y, x)
        assert ran == []
        sn.grad(x * w, w)
        assert ran == ["b"]


@pytest.mark.parametrize("order", range(1, 6))
def test_every_order_of_derivative(order):
    x = leaf(0.5)
    d = sn.exp(2.0 * x)
    for _ in range(order):
        d = sn.grad(d, x, create_graph=True)
    np.testing.assert_allclose(d.numpy(), [2**order * np.e], rtol=1e-14)


def test_gradient_penalty_against_a_hand_computed_one():
    """p = (|∂D/∂x| − 1)² for D = w·x² : |∂D/∂x| = 2wx, ∂p/∂w = 2 (2wx − 1) 2x."""
    w, x = leaf(3.0), leaf(0.5)
    slope = sn.grad(w * x * x, x, create_graph=True)
    penalty = (sn.sqrt(slope * slope) - 1.0) ** 2.0
    penalty.backward()
    np.testing.assert_allclose(w.grad, [2 * (2 * 3 * 0.5 - 1) * 2 * 0.5], rtol=1e-14)


def test_a_detached_gradient_is_a_constant():
    x = leaf(3.0)
    d = sn.grad(x * x, x).detach()
    (d * x).backward()
    assert x.grad == 6


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


# ---- threads, copies, seeds ---------------------------------------------------------------------

def train(seed: int) -> list[bytes]:
    rng = np.random.default_rng(seed)
    model = Sequential(Dense(4, 16, rng=rng), ReLU(), sn.layers.Dropout(0.25, rng=rng), Dense(16, 3, rng=rng))
    optimiser = sn.optim.Adam(model.parameters(), lr=0.01)
    for step in range(size(20, 200)):
        x, labels = rng.standard_normal((8, 4)).astype(np.float32), rng.integers(0, 3, 8)
        with sn.no_grad():
            model(sn.Tensor(x))                 # no_grad in one thread must not reach another
        optimiser.zero_grad()
        sn.cross_entropy(model(sn.Tensor(x)), labels).backward()
        optimiser.step()
    return [p.numpy().tobytes() for p in model.parameters()]


def test_X3_threads_train_as_if_alone():
    """X3: four models in four threads, each with its own generator: the same bits as one after the other."""
    expected = [train(seed) for seed in range(4)]
    found = [None] * 4

    def work(seed):
        found[seed] = train(seed)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == expected


def test_deepcopy_of_a_model_shares_nothing():
    model = Sequential(Dense(2, 3, rng=0), BatchNorm(3), Dense(3, 1, rng=1))
    twin = copy.deepcopy(model)
    x = sn.Tensor(np.ones((4, 2), np.float32))
    twin(x).sum().backward()
    assert all(p.grad is None for p in model.parameters()) and all(p.grad is not None for p in twin.parameters())
    with twin.parameters()[0].overwriting() as array:
        array[...] = 0
    assert model.parameters()[0].numpy().any()
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in model.named_parameters()]


def test_seed_repeats_every_default_draw():
    def draw():
        return [Dense(3, 2).w.numpy().tobytes(), sn.layers.Dropout(0.5)(sn.Tensor(np.ones(50))).numpy().tobytes()]
    sn.seed(7)
    first, state = draw(), np.random.get_state()[1].tobytes()
    assert draw() != first
    sn.seed(7)
    assert draw() == first
    assert np.random.get_state()[1].tobytes() == state         # NumPy's own generator is left alone


def test_rng_takes_a_generator_or_a_seed():
    by_seed = Dense(3, 2, rng=5).w.numpy()
    assert np.array_equal(by_seed, Dense(3, 2, rng=np.random.default_rng(5)).w.numpy())
    with pytest.raises(TypeError, match="rng.*Generator.*integer seed.*got 'x'"):
        Dense(3, 2, rng="x")


# ---- Tensor -------------------------------------------------------------------------------------

@pytest.mark.parametrize("value, dtype", [
    ([1, 2], np.float32), (3, np.float32), (2.5, np.float32), ([True], np.float32), (np.arange(3), np.float32),
    (np.ones(2, np.float32), np.float32), (np.ones(2), np.float64), (np.float64(1), np.float64),
    (np.ones(2, complex), np.complex128), (np.ones(2, np.uint8), np.float32)])
def test_dtypes(value, dtype):
    t = sn.Tensor(value)
    assert t.dtype == dtype and t.shape == np.shape(value)
    assert (t * 2).dtype == (1 - t).dtype == (t + True).dtype == dtype          # Python numbers adapt
    assert sn.Tensor(t).dtype == dtype


def test_operators_are_the_ops():
    a, b = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8]])
    x, y = sn.Tensor(a), sn.Tensor(b)
    pairs = [(x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b), (x ** y, a ** b), (x @ y, a @ b), (-x, -a),
             (abs(-x), a), (3 + x, 3 + a), (3 - x, 3 - a), (3 * x, 3 * a), (3 / x, 3 / a), (2 ** x, 2 ** a),
             (a + y, a + b), (a - y, a - b), (a * y, a * b), (a / y, a / b), (a @ y, a @ b), (a ** y, a ** b), (x.T, a.T),
             (x.sum(), a.sum()), (x.sum(axis=0), a.sum(0)), (x.mean(1, True), a.mean(1, keepdims=True)),
             (x.max(0), a.max(0)), (x.reshape(4), a.reshape(4)), (x.reshape(1, -1), a.reshape(1, -1)),
             (x.reshape((4, 1)), a.reshape(4, 1)), (x.transpose(), a.T), (x.transpose(1, 0), a.T),
             (x.transpose((0, 1)), a), (x @ [1.0, 2], a @ [1, 2]), ([1, 2] @ x, [1, 2] @ a), (x + [1, 2], a + [1, 2]),
             (x[0], a[0]), (x[:, 1], a[:, 1]), (x[a > 2], a[a > 2])]
    for ours, expected in pairs:
        assert isinstance(ours, sn.Tensor) and np.array_equal(ours.numpy(), expected)
    for ours, expected in [(x < y, a < b), (x <= y, a <= b), (x > 2, a > 2), (x >= y, a >= b), (x == y, a == b),
                           (x != y, a != b)]:
        assert isinstance(ours, np.ndarray) and np.array_equal(ours, expected)


def test_small_things_of_a_tensor():
    t = sn.Tensor([[1, 2, 3]], requires_grad=True)
    assert (t.shape, t.ndim, t.size, len(t), t.requires_grad) == ((1, 3), 2, 3, 1, True)
    assert repr(t) == "Tensor([[1., 2., 3.]], dtype=float32, requires_grad=True)"
    assert t.sum().item() == 6.0 == float(t.sum()) and bool(t.sum()) and {t: 1}[t] == 1
    assert sn.Tensor(5.0).shape == () and not t.detach().requires_grad
    t.requires_grad = False
    assert not (t * 2).requires_grad
    t.requires_grad = True
    (t * 2).sum().backward()
    assert np.array_equal(t.grad, [[2, 2, 2]])
    t.grad = np.zeros((1, 3))
    assert t.grad.dtype == np.float32
