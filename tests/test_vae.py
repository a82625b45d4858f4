"""The VAE as a whole: its gradient, its sampler, its losses, and that runs repeat bit for bit."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models.autoencoder import Autoencoder
from scratchnet.models.topology import topology
from scratchnet.models.vae import LOGVAR, VAE, sample, train_step
from tests.runs import ENVIRONMENT, RUNS, needs


def small_batch(n=4, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, 1, 28, 28)).astype(dtype), rng.standard_normal((n, 2)).astype(dtype)


def gradients(model, x, eps):
    model.zero_grad()
    model.loss(x, eps).total.backward()
    return {name: p.grad for name, p in model.named_parameters()}


# ---- gradients ----------------------------------------------------------------------------------

def test_G1_whole_loss_by_complex_step_in_random_directions():
    """dL/dt along v is Im L(p + ihv)/h to machine precision: no kinks crossed, nothing subtracted."""
    model, (x, eps), h = VAE(rng=0).astype(np.float64), small_batch(), 1e-30
    rng = np.random.default_rng(1)
    with sn.use_kernels("numpy"):
        grads = gradients(model, x, eps)
        for name, p in model.named_parameters():
            g, array = grads[name], p._array
            for _ in range(5):
                v = rng.standard_normal(p.shape)
                p._array = array + 1j * h * v                  # past the door, which lets no complex parameter in
                slope = model.loss(x, eps).total.numpy().imag / h
                p._array = array
                size = np.sqrt(np.sum(g * g) * np.sum(v * v) / g.size)      # what ⟨g, v⟩ is on average
                assert abs(slope - np.sum(g * v)) <= 1e-10 * max(abs(slope), size), name


def test_R3_numba_gradients_equal_numpy_gradients():
    model, (x, eps) = VAE(rng=0).astype(np.float64), small_batch()
    with sn.use_kernels("numpy"):
        reference = gradients(model, x, eps)
    with sn.use_kernels("numba"):
        fast = gradients(model, x, eps)
    for name, g in reference.items():
        np.testing.assert_allclose(fast[name], g, rtol=1e-10, atol=1e-10 * np.abs(g).max(), err_msg=name)


def test_gradient_in_the_images_includes_both_of_their_uses():
    x, eps = small_batch(2)
    t, v, h = sn.Tensor(x, requires_grad=True), np.random.default_rng(2).standard_normal(x.shape), 1e-30
    model = VAE(rng=0).astype(np.float64)
    with sn.use_kernels("numpy"):
        g = sn.grad(model.loss(t, eps).total, t).numpy()
        slope = model.loss(x + 1j * h * v, eps).total.numpy().imag / h
    assert slope == pytest.approx(np.sum(g * v), rel=1e-10)


# ---- sampling and losses ------------------------------------------------------------------------

def test_M_samples_for_logvar_log_4_have_variance_4():
    n = 1_000_000
    z = sample(sn.Tensor(np.full((n, 1), 3.0)), sn.Tensor(np.full((n, 1), np.log(4.0))), rng=0).numpy()
    assert z.mean() == pytest.approx(3, abs=5 * 2 / np.sqrt(n))
    assert z.var() == pytest.approx(4, abs=5 * 4 * np.sqrt(2 / n))          # 5 standard errors


def test_M_closed_form_kl_equals_monte_carlo():
    """KL = E_q[log q(z) − log p(z)], estimated with a million z from the sampler itself."""
    n, mu, logvar = 1_000_000, np.array([[0.7, -1.2]]), np.array([[-0.5, 0.8]])
    z = sample(sn.Tensor(np.repeat(mu, n, 0)), sn.Tensor(np.repeat(logvar, n, 0)), rng=0).numpy()
    log_q = -0.5 * ((z - mu) ** 2 / np.exp(logvar) + logvar).sum(1)         # both without −½ log 2π
    log_p = -0.5 * (z ** 2).sum(1)
    estimate = (log_q - log_p).mean()
    error = (log_q - log_p).std() / np.sqrt(n)
    assert abs(sn.gaussian_kl(mu, logvar) - estimate) < 5 * error


def test_M_repeating_the_batch_leaves_the_loss_unchanged():
    """Both terms are means over images and sums over pixels and codes: nothing is averaged twice."""
    model, (x, eps) = VAE(rng=0).astype(np.float64), small_batch()
    once, twice = model.loss(x, eps), model.loss(np.concatenate([x, x]), np.concatenate([eps, eps]))
    for a, b in zip(once, twice):
        assert a.item() == pytest.approx(b.item(), rel=1e-12)
    assert once.reconstruction.item() == pytest.approx(784 * np.log(2), rel=0.1)   # untrained: log 2 per pixel


def test_M_weights_choose_the_terms():
    model, (x, eps) = VAE(rng=0).astype(np.float64), small_batch()
    only_kl = model.loss(x, eps, reconstruction=0.0)
    assert only_kl.total.item() == only_kl.kl.item()
    both = model.loss(x, eps, kl=0.5)
    assert both.total.item() == pytest.approx(both.reconstruction.item() + 0.5 * both.kl.item(), rel=1e-15)


def test_N2_logvar_is_clipped_in_value_and_gradient():
    model, (x, eps) = VAE(rng=0).astype(np.float64), small_batch()
    model.logvar.b.data = np.array([50.0, -50.0])
    terms = model.loss(x, eps)
    assert tuple(model.encode(x)[1].numpy()[0]) == LOGVAR[::-1]
    terms.total.backward()
    assert np.isfinite(terms.total.item()) and not model.logvar.b.grad.any()


def test_M_kl_only_pulls_codes_to_the_prior_and_both_terms_lower_the_loss():
    rng, x = np.random.default_rng(0), small_batch(64, np.float32)[0] ** 4
    model = VAE(rng=rng)
    optimiser = sn.optim.Adam(model.parameters(), lr=2e-3)
    first = train_step(model, optimiser, x, rng=rng)
    for _ in range(15):
        last = train_step(model, optimiser, x, rng=rng)
    assert sum(last) < 0.8 * sum(first)


def test_topology_of_the_study():
    model, x = VAE(rng=0), small_batch(2, np.float32)[0]
    rows, h = topology(model.encoder, x)
    heads = sum(p.size for head in (model.mu, model.logvar) for p in head.parameters())
    assert sum(r.parameters for r in rows) + heads == 69_076
    rows, _ = topology(model.decoder, model.mu(h))
    assert sum(r.parameters for r in rows) == 65_089
    assert rows[-1].output == "(N, 1, 28, 28)"


@pytest.mark.parametrize("bad, message", [
    (np.zeros((2, 28, 28), np.float32), r"shape \(2, 28, 28\), expected \(N, 1, 28, 28\).*x\[:, None\]"),
    (np.zeros((0, 1, 28, 28), np.float32), r"N ≥ 1"),
    (np.zeros((2, 1, 28, 28), np.uint8), r"dtype uint8, expected float32 in \[0, 1\].*/ 255"),
    (np.full((2, 1, 28, 28), np.nan, np.float32), r"image 0 has nan at \(0, 0, 0\), expected finite.*2 of 2"),
    (np.full((2, 1, 28, 28), 255, np.float32), r"target\[.*\] = 255.0, expected numbers in \[0, 1\]"),
    ([[0.0]], r"got a list, expected an array or Tensor"),
])
def test_bad_images_are_refused(bad, message):
    with pytest.raises((ValueError, TypeError), match=message):
        VAE(rng=0).loss(bad)


@pytest.mark.parametrize("call, message", [
    (lambda: VAE(0), r"VAE: latent is 0, expected an integer, 1 or more: the numbers in a code"),
    (lambda: VAE(2.0), r"latent is 2.0, expected an integer"),
    (lambda: VAE(True), r"latent is True, expected an integer"),
    (lambda: VAE(rng=0).images(np.zeros((3, 5))), r"codes: float64 \(3, 5\), expected numbers \(N, 2\)"),
    (lambda: VAE(rng=0).images(np.zeros(2)),
     r"codes: float64 \(2,\), expected numbers \(N, 2\); a single code z is z\[None\]"),
    (lambda: VAE(rng=0).images([[0, 0], [np.inf, 1]]),
     r"code 1 is \[inf  1.\], expected finite numbers \(1 of 2 codes are affected\)"),
])
def test_wrong_codes_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_M_a_vae_from_an_autoencoder_has_its_layers_and_one_more():
    ae = Autoencoder(3, "thin", hidden=20, rng=0)
    vae, x = VAE.from_autoencoder(ae, rng=1), small_batch()[0].astype(np.float32)
    np.testing.assert_array_equal(vae.codes(x), ae.codes(x))
    assert (vae.latent, vae.hidden) == (3, 20) and vae.images([[0, 0, 1]]).shape == (1, 1, 28, 28)
    assert [name.split(".")[0] for name in vae.state()] == sorted(
        (name.split(".")[0] for name in vae.state()), key=["encoder", "mu", "logvar", "decoder"].index)
    more = {id(p) for p in vae.parameters()} - {id(p) for p in ae.parameters()}
    assert more == {id(vae.logvar.w), id(vae.logvar.b)}


def test_noise_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"eps \(4,\), expected \(4, 2\)"):
        VAE(rng=0).astype(np.float64).loss(small_batch()[0], np.zeros(4))


# ---- reproducibility ----------------------------------------------------------------------------

def run(steps, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    model, x = VAE(rng=rng).astype(dtype), small_batch(16, dtype)[0]
    optimiser = sn.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    losses = [sum(train_step(model, optimiser, x, rng=rng)) for _ in range(steps)]
    return np.array(losses), model.state()


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_R1_fifty_steps_give_the_same_bits_twice(kernels):
    with sn.use_kernels(kernels):
        (a, one), (b, two) = run(50), run(50)
    np.testing.assert_array_equal(a, b)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_R2_the_global_numpy_state_is_neither_read_nor_written():
    np.random.seed(1)
    a, before = run(2)[0], np.random.get_state()[1].copy()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    np.testing.assert_array_equal(run(2)[0], a)


SCRIPT = "from tests.test_vae import run; import numpy as np; print(run(50, np.float64)[0].tobytes().hex())"


def elsewhere(folder):
    """{(hash seed, number of threads): the losses of fifty steps in a process of its own}"""
    found = {}
    for seed, n in [("0", "1"), ("1", "1"), ("0", "2")]:
        env = {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n, "NUMBA_NUM_THREADS": n}
        done = subprocess.run([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, check=True,
                              env={**ENVIRONMENT, **env}, cwd=Path(__file__).parent.parent)
        found[seed, n] = np.frombuffer(bytes.fromhex(done.stdout.strip()))
    return found


RUNS["fifty steps elsewhere"] = elsewhere


@needs("fifty steps elsewhere")
def test_R2_hash_seed_does_not_matter(ran):
    losses = ran[1]
    assert len(losses["0", "1"]) == 50
    np.testing.assert_array_equal(losses["0", "1"], losses["1", "1"])


def test_R3_fifty_steps_agree_between_kernel_sets():
    with sn.use_kernels("numpy"):
        reference = run(50, np.float64)[0]
    with sn.use_kernels("numba"):
        np.testing.assert_allclose(run(50, np.float64)[0], reference, rtol=1e-6)


@needs("fifty steps elsewhere")
def test_R4_fifty_steps_agree_between_thread_counts(ran):
    losses = ran[1]
    np.testing.assert_allclose(losses["0", "2"], losses["0", "1"], rtol=1e-9)
