"""Losses where float32 and float64 are tested hardest: huge logits, tiny variances; and what must not matter.

np.longdouble has about four digits more than float64 (64 bits of mantissa on x86): formulas written
plainly in it are the reference.
"""
from __future__ import annotations

import numpy as np
import pytest

import scratchnet as sn
from tests.conftest import size

BOTH = pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-6), (np.float64, 1e-13)])
longdouble = np.longdouble
pytestmark = [pytest.mark.skipif(np.finfo(longdouble).eps > 1e-18, reason="here longdouble is float64"),
              pytest.mark.filterwarnings("error")]             # no overflow on the way to a finite number

# every size of logit from 1e-8 to 1e4, both signs, and 0
LOGITS = np.concatenate([[0.0], *(s * np.logspace(-8, 4, size(134, 2000)) for s in (1, -1))])


def close(ours, expected, rtol):
    """Relative to each single number: nothing hides behind a large neighbour."""
    ours, expected = np.asarray(ours), np.asarray(expected)
    assert ours.shape == expected.shape and np.isfinite(ours).all()
    tiny = np.finfo(ours.dtype).tiny            # below it numbers lose digits by definition
    wrong = ~(np.abs(ours - expected) <= rtol * np.abs(expected) + tiny)
    assert not wrong.any(), f"{ours[wrong][:3]}, expected {expected[wrong][:3]}"


def leaf(a):
    return sn.Tensor(a, requires_grad=True)


# ---- N1: against longdouble ---------------------------------------------------------------------

@BOTH
def test_N1_bce_with_logits(dtype, rtol):
    for target in (0.0, 1.0, 0.5, 0.125, 0.9):
        z, t = leaf(LOGITS.astype(dtype)), np.full(len(LOGITS), target, dtype)
        loss = sn.bce_with_logits(z, t, reduction="none")
        loss.backward(np.ones(len(LOGITS), dtype))
        exact, t = z.numpy().astype(longdouble), t.astype(longdouble)
        # log(1 + eᶻ) − t·z, written so that nothing cancels: t = 1 becomes log(1 + e⁻ᶻ)
        close(loss.numpy(), np.where(exact > 0, 1 - t, -t) * exact + np.log1p(np.exp(-np.abs(exact))), rtol)
        np.testing.assert_allclose(z.grad, (1 / (1 + np.exp(-exact)) - t).astype(float), rtol=rtol, atol=rtol)


@BOTH
def test_N1_cross_entropy(dtype, rtol):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.standard_normal((size(34, 500), 7)) * s for s in (1e-6, 1e-2, 1, 10, 100, 1e3, 3e3)])
    rows = rows.astype(dtype)
    labels = rng.integers(0, 7, len(rows))
    z = leaf(rows)
    loss = sn.cross_entropy(z, labels, reduction="none")
    loss.backward(np.ones(len(rows), dtype))
    exact = rows.astype(longdouble)
    exact = exact - exact.max(1, keepdims=True)
    p = np.exp(exact) / np.exp(exact).sum(1, keepdims=True)
    rest = np.where(np.arange(7) == exact.argmax(1)[:, None], 0, np.exp(exact)).sum(1)      # all but the largest
    expected = np.log1p(rest) - exact[np.arange(len(rows)), labels]
    # e⁻⁵⁹ from a difference of logits that is 59 and was rounded: its relative error is 59 times theirs
    close(loss.numpy(), expected, rtol * np.maximum(1, -np.log(np.maximum(expected, 1e-300))))
    np.testing.assert_allclose(z.grad, (p - np.eye(7)[labels]).astype(float), rtol=rtol, atol=rtol)


@BOTH
@pytest.mark.parametrize("f", [sn.softmax, sn.log_softmax, sn.logsumexp, sn.sigmoid, sn.softplus, sn.tanh],
                         ids=lambda f: f.name)
def test_N1_functions_of_large_numbers_stay_finite(f, dtype, rtol):
    for sign in (1, -1):
        x = leaf(np.array([[1e4, -1e4, 0, 1e30], [sign * 1e4] * 4], dtype))
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            y = f(x, axis=1) if "axis" in f.parameters else f(x)
            y.sum().backward()
        assert np.isfinite(y.numpy()).all() and np.isfinite(x.grad).all()


@BOTH
def test_sigmoid_and_softplus_keep_small_values(dtype, rtol):
    """Not 0 as soon as 1 + eˣ rounds to 1: e⁻⁴⁰ is a number."""
    x = np.linspace(-80, 30, 1000).astype(dtype)
    exact = x.astype(longdouble)
    close(sn.sigmoid(x), np.exp(exact) / (1 + np.exp(exact)), rtol)
    close(sn.softplus(x), np.log1p(np.exp(exact)), rtol)


# ---- N2: the Gaussian KL ------------------------------------------------------------------------

def exact_kl(mu, logvar):
    """½ Σ (μ² + eᵛ − 1 − v), with the cancellation at small v avoided by its series."""
    m, v = mu.astype(longdouble), logvar.astype(longdouble)
    series = v * v / 2 * (1 + v / 3 * (1 + v / 4 * (1 + v / 5 * (1 + v / 6))))
    return 0.5 * (m * m + np.where(np.abs(v) < 1e-3, series, np.expm1(v) - v)).sum(axis=-1)


@BOTH
def test_N2_gaussian_kl_is_exact_wherever_it_can_be_represented(dtype, rtol):
    rng = np.random.default_rng(0)
    n = size(667, 10_000)
    largest = 88 if dtype == np.float32 else 709
    mu = (rng.standard_normal((n, 3)) * 10.0 ** rng.uniform(-8, 4, (n, 1))).astype(dtype)
    logvar = np.concatenate([10.0 ** rng.uniform(-8, np.log10(largest), (n // 2, 3)) * rng.choice([-1, 1], (n // 2, 3)),
                             rng.uniform(-1e4, largest, (n - n // 2, 3))]).astype(dtype)
    m, v = leaf(mu), leaf(logvar)
    kl = sn.gaussian_kl(m, v, reduction="none")
    close(kl.numpy(), exact_kl(mu, logvar), 2 * rtol)
    assert (kl.numpy() >= 0).all()
    kl.backward(np.ones(n, dtype))
    close(m.grad, mu.astype(longdouble), rtol)
    np.testing.assert_allclose(v.grad, (0.5 * np.expm1(logvar.astype(longdouble))).astype(float), rtol=rtol, atol=rtol)


@BOTH
def test_N2_gaussian_kl_is_zero_only_at_the_prior(dtype, rtol):
    zero = np.zeros((1, 2), dtype)
    assert sn.gaussian_kl(zero, zero) == 0
    for tiny in (1e-4, 1e-8, 1e-15):
        for mu, logvar in (([[tiny, 0]], zero), (zero, [[tiny, 0]]), (zero, [[0, -tiny]])):
            value = sn.gaussian_kl(np.array(mu, dtype), np.array(logvar, dtype))
            assert value > 0 and value == pytest.approx(tiny**2 / 2 if mu is not zero else tiny**2 / 4, rel=1e-3)


def test_gaussian_kl_against_random_draws():
    """E[log q(z) − log p(z)] over z ~ q, estimated: within five standard errors of the formula."""
    rng = np.random.default_rng(0)
    n = size(66_667, 4_000_000)
    mu, logvar = np.array([0.5, -1.0, 0.0]), np.array([0.3, -1.2, 0.0])
    noise = rng.standard_normal((n, 3))
    z = mu + np.exp(logvar / 2) * noise
    log_q = (-0.5 * (noise**2 + logvar)).sum(1)
    log_p = (-0.5 * z**2).sum(1)
    estimate, error = (log_q - log_p).mean(), (log_q - log_p).std() / np.sqrt(n)
    assert abs(sn.gaussian_kl(mu[None], logvar[None]) - estimate) < 5 * error


def test_gaussian_kl_mean_is_over_rows_not_latents():
    mu, logvar = np.ones((4, 3)), np.zeros((4, 3))
    assert sn.gaussian_kl(mu, logvar, reduction="none").tolist() == [1.5] * 4
    assert (sn.gaussian_kl(mu, logvar), sn.gaussian_kl(mu, logvar, reduction="sum")) == (1.5, 6.0)
    assert sn.gaussian_kl(mu[:, None], logvar[:, None], reduction="none").shape == (4, 1)


# ---- N4: what must not matter -------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(size(14, 200)))
def test_N4_shifts_and_orders_that_change_nothing(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 20, 2)
    z, labels, shift = rng.standard_normal((n, m)), rng.integers(0, m, n), rng.uniform(-500, 500, (n, 1))
    shift = np.round(shift * 16) / 16           # so that adding it loses few digits of z
    order = rng.permutation(n)
    # shifting all logits of a row
    np.testing.assert_allclose(sn.softmax(z + shift), sn.softmax(z), rtol=1e-12)
    np.testing.assert_allclose(sn.log_softmax(z + shift), sn.log_softmax(z), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sn.logsumexp(z + shift, axis=1) - shift[:, 0], sn.logsumexp(z, axis=1), atol=1e-12)
    np.testing.assert_allclose(sn.softmax(z).sum(1), 1, rtol=1e-14)
    # another order of the batch
    t = rng.uniform(0, 1, (n, m))
    for loss in (lambda o: sn.cross_entropy(z[o], labels[o]), lambda o: sn.bce_with_logits(z[o], t[o]),
                 lambda o: sn.mse(z[o], t[o]), lambda o: sn.gaussian_kl(z[o], t[o])):
        np.testing.assert_allclose(loss(order), loss(np.arange(n)), rtol=1e-12)
        twice = np.concatenate([order, order])  # a batch repeated has the same mean loss
        np.testing.assert_allclose(loss(twice), loss(order), rtol=1e-12)
    # which class is called what
    names = rng.permutation(m)
    renamed = sn.cross_entropy(z[:, np.argsort(names)], names[labels])
    np.testing.assert_allclose(renamed, sn.cross_entropy(z, labels), rtol=1e-12)


def test_two_classes_are_the_binary_case():
    """cross_entropy of (0, z) is bce_with_logits of z."""
    z, labels = np.linspace(-30, 30, 41), np.arange(41) % 2
    two = sn.cross_entropy(np.stack([np.zeros(41), z], axis=1), labels, reduction="none")
    np.testing.assert_allclose(two, sn.bce_with_logits(z, labels.astype(float), reduction="none"), rtol=1e-12)
