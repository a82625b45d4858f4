"""The graph and the walk back: whole expressions, reuse, depth, memory, protection.  Passes and rules: test_engine_*.py.

Single ops are test_registry.py's business; what the engine refuses is in test_errors_engine.py."""
from __future__ import annotations

import gc
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet.layers import BatchNorm, Dense, Sequential, Tanh
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

    for_all(graphs(), check, size(15, 300))


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
    work(model, x)                              # the first call loads kernels, which leaves garbage of its own
    model.zero_grad()
    gc.collect()
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
