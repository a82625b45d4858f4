"""Deep embedded clustering: its loss in codes and centres, its target, and that it finds clusters."""
import re

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import Dense, Flatten, Sequential
from scratchnet.models.autoencoder import Autoencoder
from scratchnet.models.dec import DEC, log_assignment, target, train_step


def points(N=7, k=3, D=4, seed=0):
    """Codes, centres and a P of the right shape."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, D)), rng.standard_normal((k, D)), rng.dirichlet(np.ones(k), N)


def kl(z, centres, p):
    """The loss, written with plain NumPy from its definition."""
    s = 1 / (1 + ((z[:, None] - centres) ** 2).sum(axis=2))
    q = s / s.sum(axis=1, keepdims=True)
    return (p * np.log(p / q)).sum() / len(z)


# ---- gradients ----------------------------------------------------------------------------------

def test_G1_loss_in_codes_and_centres(kernels):
    """Entry by entry against measured slopes, first and second order, and against the closed form of the docstring."""
    z, centres, p = points()

    def loss(z, centres):
        return sn.sum(-log_assignment(z, centres) * p) / float(len(p))
    sn.check_grad(loss, z, centres, order=2)
    t = [sn.Tensor(a, requires_grad=True) for a in (z, centres)]
    dz, dcentres = (g.numpy() for g in sn.grad(loss(*t), t))
    d = z[:, None] - centres                                               # (N,k,D)
    s = 1 / (1 + (d ** 2).sum(axis=2))
    force = 2 / len(z) * (s * (p - s / s.sum(axis=1, keepdims=True)))[:, :, None] * d
    np.testing.assert_allclose(dz, force.sum(axis=1), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dcentres, -force.sum(axis=0), rtol=1e-12, atol=1e-15)


def test_G1_loss_in_codes_and_centres_by_complex_step():
    z, centres, p = points(seed=1)
    rng, h = np.random.default_rng(2), 1e-30
    t = [sn.Tensor(a, requires_grad=True) for a in (z, centres)]
    grads = sn.grad(sn.sum(log_assignment(*t) * p), t)
    for i, g in enumerate(grads):
        v = rng.standard_normal(g.shape)
        moved = [a + 1j * h * v if i == j else a for j, a in enumerate((z, centres))]
        assert np.sum(log_assignment(*moved) * p).imag / h == pytest.approx(np.sum(g.numpy() * v), rel=1e-12)


def test_G1_whole_model_in_random_directions():
    rng, h = np.random.default_rng(0), 1e-30
    model = DEC(Autoencoder(4, "thin", hidden=8, rng=0).encoder, rng.standard_normal((3, 4))).astype(np.float64)
    x, p = rng.random((5, 1, 28, 28)), rng.dirichlet(np.ones(3), 5)
    with sn.use_kernels("numpy"):
        model.loss(x, p).backward()
        assert {"centres", "encoder.layers.0.w"} <= dict(model.named_parameters()).keys()
        for name, t in model.named_parameters():
            g, array, v = t.grad, t._array, rng.standard_normal(t.shape)
            t._array = array + 1j * h * v                                  # past the door, which lets no complex parameter in
            slope = model.loss(x, p).numpy().imag / h
            t._array = array
            usual = np.sqrt(np.sum(g * g) * np.sum(v * v) / g.size)
            assert abs(slope - np.sum(g * v)) <= 1e-10 * max(abs(slope), usual), name


# ---- the loss and its target --------------------------------------------------------------------

def test_M_loss_is_the_mean_divergence_and_zero_where_q_is_p(kernels):
    rng = np.random.default_rng(0)
    model = DEC(Sequential(Flatten(), Dense(784, 4, rng=0)), rng.standard_normal((3, 4))).astype(np.float64)
    x, p = rng.random((6, 1, 28, 28)), rng.dirichlet(np.ones(3), 6)
    z = model.encoder(x).numpy()
    assert model.loss(x, p).item() == pytest.approx(kl(z, model.centres.data, p), rel=1e-12)
    twice = model.loss(np.concatenate([x, x]), np.concatenate([p, p])).item()
    assert twice == pytest.approx(model.loss(x, p).item(), rel=1e-12)
    assert abs(model.loss(x, model.assignment(x)).item()) < 1e-14
    certain = np.eye(3)[[0, 1, 2, 0, 1, 2]]                                # 0 log 0 = 0
    assert model.loss(x, certain).item() == pytest.approx(-np.log(model.assignment(x)[certain == 1]).mean(), rel=1e-12)


def test_M_log_assignment_is_finite_far_away_and_on_a_centre():
    centres = np.array([[0.0, 0], [3e3, 0]], np.float32)
    z = np.array([[0, 0], [1e8, 1e8], [1.5e3, 0]], np.float32)
    q = np.exp(log_assignment(sn.Tensor(z), centres).numpy())
    assert np.isfinite(q).all()
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(q[1:], 0.5, rtol=1e-4)


def test_M_target_sharpens_and_keeps_large_clusters_from_growing():
    q = np.array([[0.6, 0.4], [0.9, 0.1], [0.5, 0.5]])
    p = target(q)
    f = q.sum(axis=0)
    np.testing.assert_allclose(p, (q ** 2 / f) / (q ** 2 / f).sum(axis=1, keepdims=True), rtol=1e-14)
    assert p[1, 0] > q[1, 0]                                               # sure answers become surer
    assert p[2, 0] < 0.5                                                   # undecided: to the smaller cluster
    np.testing.assert_allclose(target(np.eye(3)), np.eye(3))
    np.testing.assert_array_equal(target(np.eye(3)[:2]), np.eye(3)[:2])        # the third cluster is empty, not NaN
    np.testing.assert_allclose(target(np.full((4, 5), 0.2)), 0.2)


@pytest.mark.parametrize("seed", range(3))
def test_M_training_pulls_three_noisy_kinds_apart(seed):
    """From a seventh of the images in a wrong cluster to at most one in thirty, without a label."""
    rng = np.random.default_rng(seed)
    kinds, labels = rng.random((3, 1, 28, 28)), rng.integers(0, 3, 240)
    x = (kinds[labels] + 0.5 * rng.standard_normal((240, 1, 28, 28))).astype(np.float32)
    encoder = Sequential(Flatten(), Dense(784, 10, rng=seed))
    z = encoder(x).numpy()
    model = DEC(encoder, np.stack([z[labels == c].mean(axis=0) for c in range(3)]))
    optimiser = sn.optim.Adam(model.parameters(), lr=1e-3)

    def right():
        return (model.assignment(x).argmax(axis=1) == labels).mean()
    before = right()
    for _ in range(8):
        p = target(model.assignment(x))
        for rows in sn.data.batches(np.arange(240), 60, rng=rng):
            train_step(model, optimiser, x[rows], p[rows])
    assert before < 0.9 and right() > 0.967, (before, right())


@pytest.mark.parametrize("call, message", [
    (lambda: log_assignment(np.zeros((3, 2)), np.zeros((4, 5))), "codes (3, 2) and centres (4, 5), expected (N, D) and (k, D)"),
    (lambda: DEC(Flatten(), np.zeros((3, 784), np.float32)).loss(np.zeros((2, 1, 28, 28), np.float32), np.ones((3, 3), np.float32)),
     "p (3, 3), expected (2, 3)"),
    (lambda: DEC(Flatten(), np.full((3, 784), np.nan, np.float32)), "centres (3, 784), expected (k, D), all finite"),
    (lambda: target(np.ones(3)), "target: q (3,), expected (N, k)"),
    (lambda: DEC(Flatten(), np.zeros((3, 784), np.float32))(np.zeros((2, 28, 28), np.float32)), "expected (N, 1, 28, 28)"),
])
def test_wrong_calls_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
