"""`layers.joined`: a convolution and the ReLU behind it, leaky or not, as one op, with the same bits; dense layers in a row;
and batch normalisation."""
import threading
from contextlib import nullcontext

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import layers as L, models
from scratchnet.models import autoencoder, gan, vae
from scratchnet.op import Op

JOINED = {"conv2d_relu", "conv2d_transpose_relu", "conv_chain", "batch_norm", "dense_chain"}


def ops_of(y: sn.Tensor) -> set[str]:
    return {step.node.op.name for step in sn.backward_steps(y.sum())}


def both_ways(net, x, x_too=True) -> list[list]:
    """[y, ∂L/∂x, ∂L/∂ each parameter] of L = Σ y², op by op and then joined; None for what needs no gradient."""
    found = []
    for context in (nullcontext(), L.joined()):
        net.zero_grad()
        leaf = sn.Tensor(x, requires_grad=x_too)
        with context:
            y = net(leaf)
        (y * y).sum().backward()
        found.append([y.numpy(), leaf.grad, *(t.grad for _, t in net.named_arrays())])
    return found


def assert_alike(found: list[list], off: float = 0.0) -> None:
    """The same bits; or, where `off` is not 0, off by no more than so many times the largest number."""
    for one, other in zip(*found, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(other, one, rtol=0, atol=off * abs(one).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("relu", [L.ReLU, L.LeakyReLU, lambda: L.LeakyReLU(0.2), lambda: L.LeakyReLU(1.5), lambda: L.LeakyReLU(0.0)])
def test_joined_gives_the_same_bits(relu, kernels, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((19, 1, 12, 9)).astype(dtype)
    net = L.Sequential(L.Conv2d(1, 5, 3, stride=2, padding=1, rng=0), relu(), L.Conv2d(5, 3, (2, 3), bias=False, rng=1),
                       relu(), L.ConvTranspose2d(3, 2, 4, stride=2, padding=1, rng=2), relu(),
                       L.ConvTranspose2d(2, 1, 3, rng=3)).astype(dtype)
    net.load_state({name: a + 0.01 * rng.standard_normal(a.shape).astype(dtype) for name, a in net.state().items()})     # biases, too
    found = both_ways(net, x)
    assert (found[1][0] > 0).any() and (found[1][1] != 0).any()
    assert_alike(found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [32, 35])         # in lanes between two stages, or not
@pytest.mark.parametrize("frozen, x_too", [(False, True), (False, False), (True, True)])
def test_a_chain_gives_the_same_bits_whatever_is_wanted(frozen, x_too, N, dtype, kernels):
    """Gradients of everything, of the weights only, of x only; with a convolution that has no ReLU in between."""
    net = L.Sequential(L.Conv2d(2, 3, 3, rng=0), L.LeakyReLU(0.2), L.Conv2d(3, 18, 4, stride=2, padding=1, rng=1),
                       L.ConvTranspose2d(18, 2, 3, stride=2, output_padding=1, rng=2), L.ReLU(), L.Conv2d(2, 1, 2, rng=3)).astype(dtype)
    for p in net.parameters():
        p.requires_grad = not frozen
    x = np.random.default_rng(0).standard_normal((N, 2, 15, 12)).astype(dtype)
    found = both_ways(net, x, x_too)
    with L.joined():
        assert ops_of(net(sn.Tensor(x, requires_grad=True))) == {"conv_chain", "sum"}
    assert_alike(found, (kernels == "numpy") * 20 * np.finfo(dtype).eps)       # NumPy's sums depend on the layout
    assert (found[0][1] is not None) == x_too and (found[0][2] is None) == frozen


def test_chains_end_where_frozen_weights_do():
    """So that no step goes back through a frozen base, and a frozen head costs no gradients of its own."""
    net = L.Sequential(*(L.Conv2d(1, 1, 1, rng=i) for i in range(6))).astype(np.float64)
    x = np.random.default_rng(0).standard_normal((16, 1, 2, 2))
    for p in (net[0].w, net[0].b, net[1].w, net[1].b, net[5].b):
        p.requires_grad = False
    with L.joined():
        y = net(x)
    assert [step.node.op.name for step in sn.backward_steps(y.sum()) if step.name in ("x", "weights")] == [
        "sum", "conv2d", "conv_chain", "conv_chain", "conv_chain", "conv_chain", "conv_chain", "conv_chain"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("widths", [(5, 4, 3, 2), (20, 32, 48, 1), (300, 256, 32, 256)])         # for BLAS, for ours, for both
@pytest.mark.parametrize("frozen, x_too", [(False, True), (False, False), (True, True)])
def test_dense_layers_in_a_row_give_the_same_bits(frozen, x_too, widths, dtype, kernels):
    a, b, c, d = widths
    net = L.Sequential(L.Dense(a, b, rng=0), L.ReLU(), L.Dense(b, c, rng=1), L.Dense(c, d, rng=2), L.LeakyReLU(0.2)).astype(dtype)
    rng = np.random.default_rng(0)
    net.load_state({name: w + 0.1 * rng.standard_normal(w.shape).astype(dtype) for name, w in net.state().items()})     # biases, too
    for p in net.parameters():
        p.requires_grad = not frozen
    x = rng.standard_normal((70, 2, a)).astype(dtype)
    found = both_ways(net, x, x_too)
    with L.joined():
        assert ops_of(net(sn.Tensor(x, requires_grad=True))) == {"dense_chain", "sum"}
    assert_alike(found)
    assert (found[0][1] is not None) == x_too and (found[0][2] is None) == frozen


def test_infinite_numbers_before_a_dense_layers_relu():
    """With its ReLU as without joining: −∞ becomes 0, not NaN, in the products of ours, too."""
    for d in (2, 64):
        net = L.Sequential(L.Dense(d, d, rng=0), L.ReLU())
        net[0].b.data = np.where(np.arange(d) % 2 == 0, -np.inf, 1).astype(np.float32)
        x = np.random.default_rng(0).random((1100, d), np.float32)
        y = net(x).numpy()
        with L.joined():
            np.testing.assert_array_equal(net(x).numpy(), y)
        assert (y[:, 0] == 0).all() and np.isfinite(y).all()


@pytest.mark.parametrize("first_wanted", [True, False])
def test_infinite_weights_in_a_chain_spoil_no_more_than_without(first_wanted):
    """Also where the last block of sixteen images is not full: nothing of it reaches a gradient."""
    net = L.Sequential(L.Conv2d(1, 1, 1), L.ReLU(), L.Conv2d(1, 1, 1), L.ReLU(), L.Conv2d(1, 1, 1)).astype(np.float64)
    for layer, w, b in zip((net[0], net[2], net[4]), (-1e210, 1e100, 1), (1e210, 0, 0)):
        layer.w.data, layer.b.data = np.full((1, 1, 1, 1), w), np.array([b], np.float64)
    x, found = np.ones((17, 1, 1, 1)), []
    for context in (nullcontext(), L.joined()):
        net.zero_grad()
        with context, np.errstate(all="ignore"):
            net(sn.Tensor(x, requires_grad=first_wanted)).sum().backward()
        found.append([p.grad for p in net.parameters()])
    for one, other in zip(*found):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("after", [[L.ReLU()], [L.LeakyReLU(0.2)], [L.LeakyReLU(1.5)], [L.Tanh()], []])
@pytest.mark.parametrize("shape", [(9, 5, 4, 3), (2, 5, 1, 1), (9, 5)])
def test_joined_batch_norm_is_what_the_three_ops_are(shape, after, kernels):
    """Its running means, too, and what it says at test time."""
    rng, found = np.random.default_rng(0), []
    x, weights, gamma, beta = (rng.standard_normal(s) for s in (shape, shape, 5, 5))
    for context in (nullcontext(), L.joined()):
        net = L.Sequential(L.BatchNorm(5), *after).astype(np.float64)
        net[0].gamma.data, net[0].beta.data = gamma, beta
        leaf = sn.Tensor(x, requires_grad=True)
        with context:
            y = net(leaf)
            (y * weights).sum().backward()
            tested = net.eval()(leaf).numpy()
        found.append([y.numpy(), tested, leaf.grad, *(p.grad for p in net.parameters()), *(net.state().values())])
    for one, other in zip(*found):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)


def test_joined_batch_norm_of_what_is_infinite_or_nothing():
    """With its ReLU as without joining: −∞ becomes 0, not NaN; at test time, too."""
    net = L.Sequential(L.BatchNorm(2), L.ReLU()).astype(np.float64)
    net[0].beta.data = np.array([-np.inf, 1.0])
    x = np.random.default_rng(0).standard_normal((3, 2, 2, 2))
    with L.joined():
        for y in (net(x).numpy(), net.eval()(x).numpy()):
            assert (y[:, 0] == 0).all() and (y[:, 1] > 0).any()
        assert ops_of(L.Sequential(L.BatchNorm(2), L.ReLU()).astype(np.float64)(x)) == {"batch_norm", "sum"}
        with pytest.raises(ValueError, match="of no numbers there is no mean"):
            net.train()(x[:0])


def test_joined_only_what_belongs_together():
    x = np.random.default_rng(0).standard_normal((2, 1, 6, 6))

    class Own(L.Conv2d):
        def forward(self, x): return super().forward(2 * x)
    cases = [((L.Conv2d(1, 2, 3), L.ReLU()), True), ((L.ConvTranspose2d(1, 2, 3), L.ReLU()), True),
             ((L.Conv2d(1, 2, 3), L.LeakyReLU()), True), ((L.Conv2d(1, 2, 3), L.LeakyReLU(-0.1)), False),
             ((L.Conv2d(1, 2, 3), L.Tanh()), False), ((L.Flatten(), L.BatchNorm(36), L.ReLU()), False),
             ((L.BatchNorm(1), L.ReLU()), True), ((L.BatchNorm(1), L.LeakyReLU(0.2)), True), ((L.BatchNorm(1), L.Tanh()), True),
             ((L.BatchNorm(1).eval(), L.ReLU()), False), ((L.BatchNorm(1), L.LeakyReLU(-0.1), L.BatchNorm(1).eval()), True),
             ((Own(1, 2, 3), L.ReLU()), False), ((L.Flatten(), L.Dense(36, 2), L.ReLU()), True),
             ((L.Flatten(), L.Dense(36, 2), L.Dense(2, 3)), True), ((L.Flatten(), L.Dense(36, 2), L.Tanh(), L.Dense(2, 3)), False),
             ((L.Flatten(), L.Dense(36, 2, bias=False), L.ReLU()), False)]
    for layers, expected in cases:
        net = L.Sequential(*layers).astype(np.float64)
        with L.joined():
            assert bool(JOINED & ops_of(net(x))) == expected, layers
        assert not JOINED & ops_of(net(x))                     # outside, never
    for op, layer in ((sn.relu, L.ReLU()), (sn.leaky_relu, L.LeakyReLU())):      # a learner's rule is what runs
        with L.joined(), sn.replaced(op, "x", lambda g: 0 * g):
            assert not JOINED & ops_of(L.Sequential(L.Conv2d(1, 2, 3), layer).astype(np.float64)(x))
    with L.joined(), sn.replaced(sn.dense, "b", lambda g: 0 * g[0]):
        assert not JOINED & ops_of(L.Sequential(L.Flatten(), L.Dense(36, 2), L.ReLU()).astype(np.float64)(x))
    for op in (sn.mean, sn.var, sn.normalize):
        with L.joined(), sn.replaced(op, "x", lambda g: 0 * g):
            assert not JOINED & ops_of(L.Sequential(L.BatchNorm(1), L.ReLU()).astype(np.float64)(x))
    for second, expected in ((L.Conv2d(2, 1, 1), True), (L.ConvTranspose2d(2, 1, 1), True), (L.Conv2d(2, 1, 1, bias=False), False),
                             (L.Tanh(), False), (Own(2, 1, 1), False)):
        net = L.Sequential(L.Conv2d(1, 2, 3), L.ReLU(), second).astype(np.float64)
        with L.joined():
            assert ("conv_chain" in ops_of(net(x))) == expected, second
            with sn.replaced(sn.relu, "x", lambda g: 0 * g):
                assert not JOINED & ops_of(net(x))
    net[0].w.data = 100 * np.ones(net[0].w.shape)
    with L.joined(), sn.guard_finite():
        assert not JOINED & ops_of(L.Sequential(L.BatchNorm(1), L.ReLU()).astype(np.float64)(x))
    with L.joined(), sn.guard_finite(), pytest.raises(FloatingPointError, match="the output of conv2d is inf"):
        net(1e308 * np.ones((1, 1, 3, 3)))                     # who looks for the first infinity wants to see each op
    with pytest.raises(RuntimeError), L.joined():
        raise RuntimeError
    assert not L.joined.on.get()


def test_joined_is_of_one_thread():
    """Two that begin and end in turns: neither leaves anything behind, nor reaches the other."""
    one, other, seen = L.joined(), L.joined(), []
    one.__enter__()
    thread = threading.Thread(target=lambda: (seen.append(L.joined.on.get()), other.__enter__()))
    thread.start()
    thread.join()
    one.__exit__()
    assert seen == [False] and not L.joined.on.get()


@pytest.mark.parametrize("model, step", [(models.VAE(rng=0), lambda m, o, x: vae.train_step(m, o, x, rng=0)),
                                         (models.Autoencoder(2, "conv", rng=0), autoencoder.train_step)])
def test_training_steps_are_joined(model, step, monkeypatch):
    seen = ops_recorded(monkeypatch)
    step(model, sn.optim.Adam(model.parameters()), np.zeros((2, 1, 28, 28), np.float32))
    assert seen.count("conv_chain") == 2 and "conv2d" not in seen


def test_steps_of_a_gan_are_joined(monkeypatch):
    model, seen = models.GAN(64, rng=0), ops_recorded(monkeypatch)
    optimisers = [sn.optim.Adam(net.parameters()) for net in (model.generator, model.discriminator)]
    gan.train_step(model, optimisers, np.zeros((2, 1, 28, 28), np.float32), rng=0)
    assert seen.count("conv_chain") == 3 and seen.count("batch_norm") == 1 and "conv2d" not in seen


def ops_recorded(monkeypatch) -> list[str]:
    seen, record = [], Op.record
    monkeypatch.setattr(Op, "record", lambda self, *a: seen.append(self.name) or record(self, *a))
    return seen
