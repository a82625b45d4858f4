"""Mistakes that once gave wrong numbers in silence, each kept from coming back."""
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import Dense, Layer
from scratchnet.op import Op
from scratchnet.ops import pool
from scratchnet.optim import SGD, Adam


@pytest.fixture(autouse=True)
def own_ops(monkeypatch):
    monkeypatch.setattr(Op, "registry", dict(Op.registry))


def test_a_detached_tensor_that_is_trained_gets_memory_and_gradient_of_its_own():
    x = sn.Tensor([1.0, 2.0], requires_grad=True)
    h = sn.exp(x)
    z = h.detach()
    z.requires_grad = True
    z.grad = np.ones(2)
    SGD([z], 1.0).step()
    h.sum().backward()
    np.testing.assert_allclose(x.grad, np.exp([1.0, 2.0]), rtol=1e-6)
    w = sn.Tensor([1.0], requires_grad=True)
    d = w.detach()
    d.requires_grad = True
    (d * 3.0).sum().backward()
    assert w.grad is None and d.grad[0] == 3


def test_a_rule_or_forward_that_writes_into_what_it_was_given_is_stopped():
    x = sn.Tensor(np.array([-1.0, 2.0]), requires_grad=True)

    @sn.op
    def mine(x): return np.maximum(x, 0)
    @mine.vjp("x")
    def mine_dx(g, x):
        g[x <= 0] = 0
        return g
    with pytest.raises(ValueError, match="read-only"):
        (mine(x) + x).backward(np.ones(2))

    @sn.op
    def other(x):
        x[x < 0] = 0
        return x
    with pytest.raises(ValueError, match="read-only"):
        other(x)


@pytest.mark.parametrize("word", ["y", "position"])
def test_names_that_mean_something_in_a_rule_are_not_parameters(word):
    scope = {}
    exec(f"def taken({word}): return {word}", scope)
    with pytest.raises(ValueError, match=f"cannot be called {word!r}"):
        sn.op(scope["taken"])


def test_a_rule_that_leaves_the_graph_is_refused_at_second_order():
    @sn.op
    def cube(x): return x ** 3
    @cube.vjp("x")
    def cube_dx(g, x):
        x = x.numpy() if isinstance(x, sn.Tensor) else x
        return (g.numpy() if isinstance(g, sn.Tensor) else g) * 3 * x * x
    t = sn.Tensor([2.0], requires_grad=True)
    assert sn.grad(cube(t), t).item() == 12
    with pytest.raises(TypeError, match="left the graph"):
        sn.grad(cube(t), t, create_graph=True)


def test_a_loaded_learning_rate_is_not_rounded_to_a_whole_number():
    w = sn.Tensor([1.0], requires_grad=True)
    fine, coarse = SGD([w], 0.5), SGD([w], 1)
    coarse.load_state(fine.state())
    assert coarse.lr == 0.5


@pytest.mark.parametrize("params, words", [
    (lambda w: w, "params is a Tensor, expected a list"), (lambda w: [w * 2.0], "got the result of an operation"),
    (lambda w: Dense(2, 2), "params is a Dense, expected a list of Tensors: model.parameters"),
    (lambda w: [w.detach()], "got a constant or frozen Tensor")])
def test_an_optimiser_refuses_what_it_could_never_update(params, words):
    with pytest.raises(TypeError, match=words):
        SGD(params(sn.Tensor([1.0, 2.0], requires_grad=True)), 0.1)


def test_adam_corrects_each_parameter_for_its_own_number_of_updates():
    a, b = (sn.Tensor(np.array([0.0]), requires_grad=True) for _ in "ab")
    adam = Adam([a, b], lr=0.1)
    for t in range(100):
        a.grad, b.grad = np.ones(1), np.ones(1) if t == 99 else None
        adam.step()
    assert b.data[0] == pytest.approx(-0.1, rel=1e-6)              # a first update moves by lr


def test_an_optimiser_goes_on_when_its_model_changes_dtype():
    layer = Dense(2, 1, rng=0)
    adam = Adam(layer.parameters())
    layer.astype(np.float64)
    layer(np.ones((1, 2))).sum().backward()
    adam.step()
    assert adam.memory["m"][0].dtype == np.float64


def test_asking_for_a_released_tensor_as_well_does_not_hide_the_way_behind_it():
    x = sn.Tensor([3.0], requires_grad=True)
    z = x * x
    (z * 2.0).sum().backward()
    with pytest.raises(RuntimeError, match="already went through"):
        sn.grad((z * 3.0).sum(), [z, x])
    assert sn.grad((z * 3.0).sum(), z).item() == 3                 # no released rule is needed for this
    y = (z * 1.0 + x * 2.0).sum()
    w = sn.Tensor([1.0], requires_grad=True)
    assert sn.grad(y * w, w).item() == pytest.approx(15)           # nor for this


def test_parameters_are_found_in_lists_and_dicts_and_frozen_ones_left_out():
    class Model(Layer):
        def __init__(self):
            self.parts = {"a": Dense(1, 2), "b": [Dense(2, 1)]}
            self.scales = [sn.Tensor([1.0], requires_grad=True)]
    model = Model()
    assert sorted(n for n, _ in model.named_parameters()) == \
        ["parts.a.b", "parts.a.w", "parts.b.0.b", "parts.b.0.w", "scales.0"]
    model.parts["a"].w.requires_grad = False
    model.zero_grad()
    assert len(model.parameters()) == 4 and len(model.state()) == 5
    Adam(model.parameters())


def test_a_check_that_would_check_nothing_is_refused():
    with pytest.raises(TypeError, match="pass the arrays"):
        sn.check_grad(sn.exp)
    with pytest.raises(TypeError, match="the sample is empty"):
        sn.check_backward(lambda: 1.0, lambda g: (), ())
    with pytest.raises(ValueError, match="order is 3"):
        sn.check_grad(sn.exp, np.ones(2), order=3)


def test_numpy_floats_as_settings_take_the_tensors_dtype():
    t = sn.Tensor([-1.0, 2.0])
    assert sn.leaky_relu(t, slope=np.float64(0.1)).dtype == np.float32
    assert sn.clip(t, *np.quantile([0.0, 1.0], [0.1, 0.9])).dtype == np.float32


def test_matmul_of_nothing_is_nothing():
    assert sn.matmul(np.zeros((0, 3)), np.zeros((3, 4))).shape == (0, 4)


def test_max_pooling_never_picks_padding(kernels):
    where = pool.argmax_windows(np.full((1, 1, 4, 4), -np.inf), (3, 3), (2, 2), (1, 1))
    np.testing.assert_array_equal(where[0, 0], [[0, 1], [4, 5]])


def test_noise_may_be_a_tensor():
    mu = sn.Tensor(np.zeros((2, 2)))
    assert sn.models.vae.sample(mu, mu, sn.Tensor(np.ones((2, 2)))).numpy().tolist() == [[1.0, 1.0]] * 2


@pytest.mark.parametrize("call, error, words", [
    (lambda: sn.grad(np.ones(1), sn.Tensor([1.0])), TypeError, "y is a ndarray, expected a Tensor"),
    (lambda: Dense(1, 1).load_state("model.npz"), TypeError, 'sn.load\\(path\\)\\["model"\\]'),
    (lambda: sn.layers.Sequential([Dense(1, 1)]), TypeError, "one by one"),
    (lambda: sn.Tensor([[1, 2], [3]]), ValueError, "rows of different lengths"),
    (lambda: sn.Tensor([sn.Tensor(1.0)]), TypeError, "sn.stack"),
    (lambda: sn.layers.Conv2d(1, 2, 0), ValueError, "Conv2d: kernel is 0, expected at least 1"),
    (lambda: sn.models.VAE(latent=0), ValueError, "latent is 0, expected an integer, 1 or more"),
    (lambda: sn.seed("a"), TypeError, "expected a np.random.Generator, an integer"),
    (lambda: sn.sum(sn.Tensor(1.0), axis=0), ValueError, "has none: it is a single number"),
    (lambda: sn.Tensor([[1.0]]) @ "x", TypeError, "expected an array, a Tensor or a number"),
    (lambda: sn.optim.SGD([sn.Tensor([1.0], requires_grad=True)], "0.1"), ValueError, "lr is '0.1'"),
    (lambda: sn.replaced(sn.matmul, "a", None).__enter__(), TypeError, "matmul is not an op but a function made of ops"),
])
def test_mistakes_get_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
