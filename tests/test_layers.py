"""Layers: what their parameters are called, counted and saved as.  Those that behave otherwise in training, and the
first weights, are in test_layers_training.py."""
from __future__ import annotations

import copy

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import layers
from scratchnet.layers import (AvgPool2d, BatchNorm, Conv2d, ConvTranspose2d, Dense, Dropout, Flatten, Layer, LeakyReLU,
                               MaxPool2d, ReLU, Reshape, Sequential, Sigmoid, SpectralNorm, Tanh)


def tensor(*shape, seed=0, dtype=np.float32):
    return sn.Tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


LAYERS = [                                      # layer, shape of x, shape of y, names and shapes of its parameters
    (Dense(3, 2), (5, 3), (5, 2), {"w": (3, 2), "b": (2,)}),
    (Dense(3, 2), (4, 5, 3), (4, 5, 2), {"w": (3, 2), "b": (2,)}),
    (Dense(3, 2, bias=False), (5, 3), (5, 2), {"w": (3, 2)}),
    (Conv2d(3, 4, 3), (2, 3, 7, 6), (2, 4, 5, 4), {"w": (4, 3, 3, 3), "b": (4,)}),
    (Conv2d(3, 4, (3, 2), stride=2, padding=(1, 0), dilation=(1, 2), bias=False), (2, 3, 7, 6), (2, 4, 4, 2),
     {"w": (4, 3, 3, 2)}),
    (ConvTranspose2d(4, 3, 3), (2, 4, 5, 4), (2, 3, 7, 6), {"w": (4, 3, 3, 3), "b": (3,)}),
    (ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1), (2, 4, 7, 7), (2, 3, 14, 14),
     {"w": (4, 3, 3, 3), "b": (3,)}),
    (BatchNorm(3), (5, 3), (5, 3), {"gamma": (3,), "beta": (3,)}),
    (BatchNorm(3), (5, 3, 2, 4), (5, 3, 2, 4), {"gamma": (3,), "beta": (3,)}),
    (Dropout(0.5), (5, 3), (5, 3), {}), (ReLU(), (5, 3), (5, 3), {}), (LeakyReLU(0.2), (5, 3), (5, 3), {}),
    (Sigmoid(), (5, 3), (5, 3), {}), (Tanh(), (5, 3), (5, 3), {}), (Flatten(), (5, 3, 2, 4), (5, 24), {}),
    (Reshape(3, 8), (5, 24), (5, 3, 8), {}), (Reshape(3, -1), (5, 24), (5, 3, 8), {}),
    (MaxPool2d(2), (1, 2, 7, 6), (1, 2, 3, 3), {}), (MaxPool2d(3, stride=2, padding=1), (1, 2, 7, 6), (1, 2, 4, 3), {}),
    (AvgPool2d((2, 3)), (1, 2, 7, 6), (1, 2, 3, 2), {}),
    (SpectralNorm(Dense(3, 2)), (5, 3), (5, 2), {"layer.w": (3, 2), "layer.b": (2,)}),
    (Sequential(Dense(3, 2), ReLU(), Dense(2, 1)), (5, 3), (5, 1),
     {"layers.0.w": (3, 2), "layers.0.b": (2,), "layers.2.w": (2, 1), "layers.2.b": (1,)}),
]


@pytest.mark.parametrize("layer, x, y, parameters", LAYERS,
                         ids=[f"{type(row[0]).__name__}-{i}" for i, row in enumerate(LAYERS)])
def test_shapes_and_parameters(layer, x, y, parameters, kernels):
    layer.zero_grad()
    out = layer(tensor(*x))
    assert (out.shape, out.dtype) == (y, np.float32)
    assert {name: p.shape for name, p in layer.named_parameters()} == parameters
    assert all(p.requires_grad and p.dtype == np.float32 for p in layer.parameters())
    if parameters:
        (out * tensor(*y, seed=1)).sum().backward()
        assert all(p.grad.shape == p.shape and p.grad.any() for p in layer.parameters())


def test_every_layer_has_a_row():
    ours = {c for c in vars(layers).values() if isinstance(c, type) and issubclass(c, Layer)} - {Layer}
    assert ours == {type(row[0]) for row in LAYERS}


def test_layers_compute_their_formula():
    x = tensor(4, 3)
    dense = Dense(3, 2, rng=0)
    dense.b.data = [10.0, 20.0]
    np.testing.assert_allclose(dense(x).numpy(), x.numpy() @ dense.w.numpy() + [10, 20], rtol=1e-6)
    np.testing.assert_allclose(LeakyReLU(0.5)(x).numpy(), np.where(x.numpy() > 0, x.numpy(), x.numpy() / 2))
    both = Sequential(dense, Tanh())
    np.testing.assert_allclose(both(x).numpy(), np.tanh(dense(x).numpy()), rtol=1e-6)
    assert both[0] is dense
    conv = Conv2d(1, 1, 2, stride=2, rng=0)
    conv.w.data = np.ones((1, 1, 2, 2))
    assert conv(sn.Tensor(np.ones((1, 1, 4, 4), np.float32))).numpy().tolist() == [[[[4, 4], [4, 4]]]]


# ---- parameters of models -----------------------------------------------------------------------

class Model(Layer):
    """Layers as attributes, in a list, in a Sequential, twice, and a parameter of its own."""

    def __init__(self, rng=0):
        self.scale = layers.parameter(np.ones(1, np.float32))
        self.body = Sequential(Dense(3, 4, rng=rng), BatchNorm(4), Dropout(0.5, rng=rng))
        self.heads = [Dense(4, 2, rng=rng), Dense(4, 2, bias=False, rng=rng)]
        self.again = self.heads[0]              # shared: counted once

    def forward(self, x):
        h = self.body(x * self.scale)
        return self.heads[0](h) + self.heads[1](h) + self.again(h)


def test_names_come_from_attributes_in_order():
    names = [name for name, _ in Model().named_parameters()]
    assert names == ["scale", "body.layers.0.w", "body.layers.0.b", "body.layers.1.gamma", "body.layers.1.beta",
                     "heads.0.w", "heads.0.b", "heads.1.w"]
    assert len(Model().parameters()) == 8
    assert sum(p.size for p in Model().parameters()) == 1 + 12 + 4 + 4 + 4 + 8 + 2 + 8


def test_gradients_reach_every_parameter_and_are_zeroed():
    model = Model()
    model(tensor(8, 3)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_train_and_eval_reach_every_layer():
    model = Model()
    assert model.eval() is model
    assert not any(layer.training for layer, _ in model.walk())
    x = tensor(8, 3)
    assert np.array_equal(model(x).numpy(), model(x).numpy())                   # nothing is dropped
    assert model.train() is model and all(layer.training for layer, _ in model.walk())
    assert not np.array_equal(model(x).numpy(), model(x).numpy())
    model.train(False)
    assert not model.body[2].training and Model().training                      # and it is no property of the class


def test_printing_shows_names_shapes_and_counts():
    model = Sequential(Conv2d(1, 8, 3), ReLU(), Flatten(), Dense(32, 1000), BatchNorm(1000))
    assert repr(model).split("\n") == [
        "Sequential",
        f"{'  layers.0: Conv2d':<34}w (8, 1, 3, 3), b (8,)   80",
        "  layers.1: ReLU",
        "  layers.2: Flatten",
        f"{'  layers.3: Dense':<34}w (32, 1000), b (1000,)   33,000",
        f"{'  layers.4: BatchNorm':<34}gamma (1000,), beta (1000,), mean (1000,), var (1000,)   2,000",
        "35,080 parameters"]


def test_astype_converts_everything():
    model = Model().astype(np.float64)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float64)} == {a.dtype for a in model.state().values()}
    assert all(p.requires_grad for p in model.parameters())
    model(tensor(8, 3, dtype=np.float64)).sum().backward()
    assert all(p.grad.dtype == np.float64 for p in model.parameters())
    assert model.again is model.heads[0]


def test_shared_parameters_stay_shared():
    pair = Sequential(Dense(3, 3), Dense(3, 3))
    pair[1].w = pair[0].w
    assert len(pair.parameters()) == 3
    pair.astype(np.float64)
    assert pair[0].w is pair[1].w and len(pair.parameters()) == 3
    twin = copy.deepcopy(pair)
    assert twin[0].w is twin[1].w and twin[0].w is not pair[0].w


# ---- state --------------------------------------------------------------------------------------

def test_state_holds_parameters_and_buffers_and_loads_exactly():
    one, other = Model(rng=0), Model(rng=1)
    one(tensor(8, 3))                           # moves the running statistics
    state = one.state()
    assert {"body.layers.1.mean", "body.layers.1.var", "scale", "heads.1.w"} <= state.keys()
    other.load_state(state)
    x = tensor(5, 3, seed=3)
    assert np.array_equal(one.eval()(x).numpy(), other.eval()(x).numpy())
    kept = {k: a.copy() for k, a in state.items()}
    other.train()
    other(tensor(8, 3, seed=2))
    for a in state.values():
        a += 1                                  # a copy on the way in
    assert np.array_equal(other.state()["scale"], kept["scale"])
    assert np.array_equal(one.state()["scale"], kept["scale"])                  # and on the way out


def changed(**entries):
    """Model's state with some entries replaced, or removed (None)."""
    state = Model().state() | entries
    return {k: v for k, v in state.items() if v is not None}


W = "body.layers.0.w"


@pytest.mark.parametrize("state, pattern", [
    (changed(**{W: None}), rf"Model.load_state: .*another model or optimiser: missing \['{W}'\], not expected nothing"),
    (changed(extra=np.ones(1)), r"missing nothing, not expected \['extra'\]"),
    (changed(**{W: np.ones((4, 3), "f4")}), rf"'{W}' is float32 \(4, 3\), but this one needs float32 \(3, 4\)"),
    (changed(**{W: np.ones((3, 4))}), rf"'{W}' is float64 \(3, 4\), but this one needs float32 \(3, 4\)"),
    (changed(**{W: np.full((3, 4), np.nan, "f4")}), rf"'{W}' contains NaN or infinity"),
    (changed(**{"body.layers.1.var": np.full(4, np.inf, "f4")}), r"'body.layers.1.var' contains NaN or infinity"),
    ({}, "missing .*'scale'.*not expected nothing"),
    (Sequential(Dense(3, 4)).state(), r"missing .*not expected \['layers.0.b', 'layers.0.w'\]"),
])
def test_a_wrong_state_is_refused_in_one_sentence(state, pattern):
    model = Model(rng=5)
    before = model.state()
    with pytest.raises(ValueError, match=pattern) as caught:
        model.load_state(state)
    assert "\n" not in str(caught.value)
    assert all(np.array_equal(a, before[k]) for k, a in model.state().items())  # nothing was half loaded


def test_loading_is_seen_by_graphs_that_need_the_old_numbers():
    model = Dense(3, 2)
    x = sn.Tensor(np.ones((1, 3), np.float32), requires_grad=True)
    y = model(x).sum()
    model.load_state(model.state())
    with pytest.raises(RuntimeError, match="'w' was changed in place"):
        y.backward()
