"""Layers in training: batch normalisation, dropout, and the weights that training starts from."""
from __future__ import annotations

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import init
from scratchnet.layers import BatchNorm, Conv2d, ConvTranspose2d, Dense, Dropout
from tests.conftest import size
from tests.test_layers import tensor


# ---- batch normalisation ------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(64, 3), (16, 3, 4, 5)])
def test_batchnorm_in_training(shape):
    x = np.random.default_rng(0).standard_normal(shape) * 5 + 7
    axes = (0, *range(2, len(shape)))
    bn = BatchNorm(3, momentum=0.25).astype(np.float64)
    y = bn(sn.Tensor(x)).numpy()
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axes), 1, rtol=1e-5)
    mean, var = 0.25 * x.mean(axes), 0.75 + 0.25 * x.var(axes, ddof=1)          # they start at 0 and 1
    np.testing.assert_allclose(bn.mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(bn.var.numpy(), var, rtol=1e-12)
    bn(sn.Tensor(x))
    np.testing.assert_allclose(bn.mean.numpy(), 0.75 * mean + 0.25 * x.mean(axes), rtol=1e-12)
    assert bn.gamma.requires_grad and not bn.mean.requires_grad


def test_batchnorm_at_test_time():
    bn = BatchNorm(2).astype(np.float64)
    bn.mean.data, bn.var.data = [1.0, 2.0], [4.0, 9.0]
    bn.gamma.data, bn.beta.data = [10.0, 100.0], [0.5, -0.5]
    x, before = np.array([[3.0, 5.0], [1.0, -1.0]]), [4.0, 9.0]
    y = bn.eval()(sn.Tensor(x)).numpy()
    np.testing.assert_allclose(y, [[10.5, 99.5], [0.5, -100.5]], rtol=1e-5)
    assert np.array_equal(bn.var.numpy(), before)               # nothing is remembered
    np.testing.assert_allclose(bn(sn.Tensor(x[:1])).numpy(), y[:1])             # one item is enough


def test_batchnorm_gradient_goes_through_the_statistics():
    """Shifting all of x changes nothing, and scaling next to nothing: the gradient is orthogonal to both."""
    x = sn.Tensor(np.random.default_rng(0).standard_normal((8, 3)), requires_grad=True)
    g = np.random.default_rng(1).standard_normal((8, 3))
    BatchNorm(3, eps=0.0).astype(np.float64)(x).backward(g)
    np.testing.assert_allclose(x.grad.sum(0), 0, atol=1e-14)
    np.testing.assert_allclose((x.grad * x.numpy()).sum(0), 0, atol=1e-14)


def test_batchnorm_learns_from_no_statistics_under_no_grad():
    bn = BatchNorm(2)
    with sn.no_grad():
        bn(tensor(8, 2))
    assert bn.mean.numpy().any() and not bn.mean.requires_grad


# ---- dropout ------------------------------------------------------------------------------------

@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_moments(p):
    n = size(66_667, 4_000_000)
    y = Dropout(p, rng=0)(sn.Tensor(np.ones(n))).numpy()
    assert set(np.unique(y)) == {0, 1 / (1 - p)}
    assert abs((y == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / n)              # five standard errors
    assert abs(y.mean() - 1) < 5 * np.sqrt(p / (1 - p) / n)


def test_dropout_draws_anew_and_sends_gradients_the_same_way():
    layer, x = Dropout(0.5, rng=np.random.default_rng(0)), sn.Tensor(np.ones((10, 10)), requires_grad=True)
    y, z = layer(x), layer(x)
    assert not np.array_equal(y.numpy(), z.numpy())
    y.sum().backward()
    assert np.array_equal(x.grad, y.numpy())
    assert layer.eval()(x) is x and Dropout(0.0)(x) is x


# ---- first weights ------------------------------------------------------------------------------

@pytest.mark.parametrize("shape, fans", [((30, 50), (30, 50)), ((16, 8, 3, 5), (8 * 15, 16 * 15)), ((200, 3), (200, 3))])
def test_variance_of_first_weights(shape, fans):
    assert init.fans(shape) == fans
    draws = size(134, 4000)
    rng = np.random.default_rng(0)

    def moments(draw):
        w = np.array([draw(shape, rng=rng) for _ in range(draws)])
        assert w.dtype == np.float32 and w.shape[1:] == shape
        assert abs(w.mean()) < 5 * w.std() / np.sqrt(w.size)
        return w.var(), 5 * np.sqrt(2 / w.size), np.abs(w).max()                # var, its relative error (5σ), largest

    var, error, largest = moments(init.glorot_uniform)
    assert var == pytest.approx(2 / sum(fans), rel=error) and largest <= np.sqrt(6 / sum(fans))
    var, error, _ = moments(init.he_normal)
    assert var == pytest.approx(2 / fans[0], rel=error)
    var, error, _ = moments(lambda shape, rng: init.normal(shape, 0.02, rng=rng))
    assert var == pytest.approx(0.02**2, rel=error)


def test_fans_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"fans: shape \(3,\), expected dense weights \(D, M\) or filters"):
        init.fans((3,))


@pytest.mark.parametrize("make", [lambda rng: Dense(30, 20, rng=rng), lambda rng: Conv2d(3, 4, 3, rng=rng),
                                  lambda rng: ConvTranspose2d(3, 4, 3, rng=rng)])
def test_layers_start_glorot_uniform_with_zero_bias(make):
    layer = make(7)
    assert np.array_equal(layer.w.numpy(), init.glorot_uniform(layer.w.shape, rng=7)) and not layer.b.numpy().any()
    assert not np.array_equal(layer.w.numpy(), make(8).w.numpy())


def test_signals_keep_their_size_through_twenty_layers():
    """He for ReLU, Glorot for layers as wide as they are deep: neither explodes nor dies out."""
    rng = np.random.default_rng(0)
    h = k = rng.standard_normal((100, 256)).astype(np.float32)
    for _ in range(20):
        h = sn.relu(h @ init.he_normal((256, 256), rng=rng))
        k = k @ init.glorot_uniform((256, 256), rng=rng)
    assert 0.2 < (h**2).mean() < 5 and 0.2 < (k**2).mean() < 5
