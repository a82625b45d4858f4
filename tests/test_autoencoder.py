"""Autoencoders and PCA: gradients of every loss, denoising, folding; and whether training beats the linear one."""
import re

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models import PCA
from scratchnet.models.autoencoder import NETWORKS, Autoencoder, corrupt, train_step
from scratchnet.models.vae import VAE
from tests.conftest import size

each_network = pytest.mark.parametrize("network", NETWORKS)
each_loss = pytest.mark.parametrize("loss", ["bce", "mse"])


def batch(n=3, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).random((n, 1, 28, 28)).astype(dtype)


# ---- gradients ----------------------------------------------------------------------------------

@each_loss
@each_network
def test_G1_whole_loss_by_complex_step_in_random_directions(network, loss):
    """dL/dt along v is Im L(p + ihv)/h: through encoder and decoder, in every parameter, and with a corrupted input."""
    model, x, h = Autoencoder(3, network, hidden=8, loss=loss, rng=0).astype(np.float64), batch(), 1e-30
    rng, corrupted = np.random.default_rng(1), corrupt(batch(), "gauss", 0.3, 2)
    with sn.use_kernels("numpy"):
        model.loss(x, corrupted).backward()
        for name, p in model.named_parameters():
            g, array = p.grad, p._array
            for _ in range(3):
                v = rng.standard_normal(p.shape)
                p._array = array + 1j * h * v                  # past the door, which lets no complex parameter in
                slope = model.loss(x, corrupted).numpy().imag / h
                p._array = array
                usual = np.sqrt(np.sum(g * g) * np.sum(v * v) / g.size)     # what ⟨g, v⟩ is on average
                assert abs(slope - np.sum(g * v)) <= 1e-10 * max(abs(slope), usual), name


@each_loss
@each_network
def test_R3_numba_gradients_equal_numpy_gradients(network, loss):
    model, x, found = Autoencoder(2, network, loss=loss, rng=0).astype(np.float64), batch(), {}
    for kernels in ("numpy", "numba"):
        with sn.use_kernels(kernels):
            model.zero_grad()
            model.loss(x).backward()
            found[kernels] = {name: p.grad for name, p in model.named_parameters()}
    for name, g in found["numpy"].items():
        np.testing.assert_allclose(found["numba"][name], g, rtol=1e-10, atol=1e-10 * np.abs(g).max(), err_msg=name)


@each_loss
def test_G1_each_loss_in_the_logits_and_in_the_images(loss, kernels):
    """The losses as the autoencoder composes them, entry by entry, in both of their arguments."""
    rng = np.random.default_rng(3)

    def f(logits, x):
        total = sn.bce_with_logits(logits, x, reduction="sum") if loss == "bce" else \
            sn.mse(sn.sigmoid(logits), x, reduction="sum")
        return total / x.shape[0]
    sn.check_grad(f, rng.standard_normal((2, 1, 5, 5)), rng.uniform(0.1, 0.9, (2, 1, 5, 5)), order=2)


# ---- what it is ---------------------------------------------------------------------------------

def test_M_losses_are_sums_over_pixels_and_means_over_images():
    x = batch(4)
    for loss in ("bce", "mse"):
        model = Autoencoder(2, "dense", loss=loss, rng=0).astype(np.float64)
        drawn = model(x).numpy()
        per_image = -(x * np.log(drawn) + (1 - x) * np.log(1 - drawn)) if loss == "bce" else (drawn - x) ** 2
        assert model.loss(x).item() == pytest.approx(per_image.sum(axis=(1, 2, 3)).mean(), rel=1e-12)
        assert model.loss(np.concatenate([x, x])).item() == pytest.approx(model.loss(x).item(), rel=1e-12)


def test_M_the_conv_network_is_the_vae_with_mu_as_its_code():
    """The same layers and, from the same seed, the same first weights: what differs between the two is the loss."""
    ae, vae, x = Autoencoder(2, rng=5), VAE(2, rng=5), batch(dtype=np.float32)
    np.testing.assert_array_equal(ae.codes(x), vae.codes(x))
    np.testing.assert_array_equal(ae.images(ae.codes(x)), vae.images(vae.codes(x)))
    assert sum(p.size for p in ae.parameters()) == 134_165 - 34          # without the head for log σ²: 16·2 + 2


@pytest.mark.parametrize("network, count", [("conv", 134_131), ("thin", 815_491), ("dense", 1_068_306)])
def test_topologies(network, count):
    model = Autoencoder(2, network, rng=0)
    assert sum(p.size for p in model.parameters()) == count
    assert model.encode(batch(dtype=np.float32)).shape == (3, 2)
    assert model(batch(dtype=np.float32)).shape == (3, 1, 28, 28)


def test_M_corruption_masks_the_stated_share_and_adds_the_stated_noise():
    x = np.full((200, 1, 28, 28), 0.5, np.float32)
    masked, noisy = corrupt(x, "mask", 0.3, 0), corrupt(x, "gauss", 0.2, 0)
    n = x.size
    assert set(np.unique(masked)) == {np.float32(0), np.float32(0.5)}
    assert (masked == 0).mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / n))              # 5 standard errors
    assert (noisy - x).std() == pytest.approx(0.2, abs=5 * 0.2 / np.sqrt(2 * n))
    assert masked.dtype == noisy.dtype == np.float32 and (x == 0.5).all()


def test_M_denoising_compares_with_the_clean_image():
    """What the encoder reads changes the loss through the codes alone; the target stays the clean image."""
    model, x = Autoencoder(2, "thin", rng=0).astype(np.float64), batch()
    corrupted = corrupt(x, "gauss", 0.5, 0)
    logits = model.decode(model.encode(corrupted))
    assert model.loss(x, corrupted).item() == sn.bce_with_logits(logits, x, reduction="sum").item() / 3


@each_network
def test_M_folding_whitens_the_codes_and_leaves_the_reconstructions(network):
    model, x = Autoencoder(4, network, rng=0).astype(np.float64), batch(200)
    before, z = model(x).numpy(), model.codes(x)
    model.fold(PCA(4).fit(z), scale=3.0)
    np.testing.assert_allclose(np.cov(model.codes(x).T, bias=True), 9 * np.eye(4), atol=1e-8)
    np.testing.assert_allclose(model.codes(x).mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(model(x).numpy(), before, atol=1e-10)


@pytest.fixture(scope="module")
def digits():
    return sn.data.draw_digits(1500, 0)[0]


def test_M_a_trained_autoencoder_beats_pca_of_the_same_size_on_its_training_data(digits):
    rng, images = np.random.default_rng(0), digits[:size(334, 1500)]
    model = Autoencoder(2, "dense", loss="mse", hidden=64, rng=rng)
    optimiser = sn.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(12):
        for x in sn.data.batches(images, 25, rng=rng):
            train_step(model, optimiser, x)
    linear = PCA(2).fit(images)
    rows = images.reshape(len(images), -1)
    of_pca = ((linear.decode(linear.encode(images)) - rows) ** 2).sum(axis=1).mean()
    ours = ((model.images(model.codes(images)) - images) ** 2).sum(axis=(1, 2, 3)).mean()
    assert ours < of_pca, f"autoencoder {ours:.2f}, PCA {of_pca:.2f}"


@pytest.mark.parametrize("noise", ["mask", "gauss"])
def test_M_a_step_of_denoising_learns(noise, digits):
    rng = np.random.default_rng(0)
    model = Autoencoder(10, "thin", rng=rng)
    optimiser = sn.optim.Adam(model.parameters(), lr=1e-3)
    losses = [train_step(model, optimiser, digits[:64], noise=noise, amount=0.4, rng=rng) for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]


# ---- PCA ----------------------------------------------------------------------------------------

def test_M_pca_is_the_plane_of_least_error():
    """Variances as by an SVD of the centred rows; no rotation of the plane into another does better."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 6)) + 5
    p = PCA(2).fit(x)
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(p.variance, singular[:2] ** 2 / 300, rtol=1e-10)
    np.testing.assert_allclose(p.axes.T @ p.axes, np.eye(2), atol=1e-12)
    error = ((p.decode(p.encode(x)) - x) ** 2).sum()
    assert error == pytest.approx((singular[2:] ** 2).sum(), rel=1e-10)
    for _ in range(20):
        other = np.linalg.qr(p.axes + 0.1 * rng.standard_normal((6, 2)))[0]
        d = x - p.mean
        assert ((d @ other @ other.T - d) ** 2).sum() > error
    np.testing.assert_allclose(np.cov(p.whiten(x).T, bias=True), np.eye(2), atol=1e-10)


def test_M_pca_keeps_the_dtype_and_takes_images():
    p = PCA(3).fit(batch(50, np.float32))
    z = p.encode(batch(5, np.float32))
    assert z.dtype == np.float32 and z.shape == (5, 3) and p.decode(z).shape == (5, 784) and p.decode(z).dtype == np.float32


@pytest.mark.parametrize("call, message", [
    (lambda: PCA(0), "PCA: k is 0, expected a number of directions, 1 or more"),
    (lambda: PCA(2.0), "k is 2.0, expected a number"),
    (lambda: PCA(5).fit(np.ones((3, 9))), "k is 5, expected at most 3 for 3 rows of 9 numbers"),
    (lambda: PCA(1).fit(np.array([[1.0, np.nan], [0, 0]])), "1 numbers that are NaN or infinite"),
    (lambda: PCA(1).fit(np.ones(4)), "got float64 (4,), expected a float array (N, D) or images"),
    (lambda: PCA(1).fit([[1.0]]), "got a list, expected a float array"),
    (lambda: PCA(1).fit(np.eye(4)).encode(np.eye(3)), "rows of 3 numbers, expected 4 as in fit"),
    (lambda: PCA(2).fit(np.outer(np.arange(9.0), [1, 1, 0])).whiten(np.eye(3)), "vary along 1 directions only, not along k = 2"),
    (lambda: PCA(2).encode(np.eye(3)), "PCA: encode before fit; call fit(x) first"),
    (lambda: PCA(1).fit(np.eye(4)).decode(np.eye(3)), "codes (3, 3), expected (N, 1): one number per axis"),
    (lambda: Autoencoder(2, "dense", rng=0).fold(PCA(1).fit(np.eye(4))), "fold: a PCA of 4 numbers along 1 axes, expected 2 and 2"),
    (lambda: Autoencoder(2, "dense", rng=0).images(np.full((1, 2), np.nan)), "codes: code 0 is [nan nan], expected finite numbers"),
    (lambda: Autoencoder(2, "deep"), "network is 'deep', expected one of conv, thin, dense"),
    (lambda: Autoencoder(2, loss="l1"), "loss is 'l1', expected \"bce\" or \"mse\""),
    (lambda: Autoencoder(0), "latent is 0, expected an integer, 1 or more"),
    (lambda: corrupt(batch(), "salt", 0.1), "noise 'salt' with amount 0.1, expected \"mask\" with a probability in [0, 1)"),
    (lambda: corrupt(batch(), "mask", 1.0), "noise 'mask' with amount 1.0"),
    (lambda: corrupt(batch(), "gauss", -1), "standard deviation ≥ 0"),
    (lambda: Autoencoder(2, rng=0).loss(batch(dtype=np.float32)[:, 0]), "shape (3, 28, 28), expected (N, 1, 28, 28)"),
    (lambda: Autoencoder(2, rng=0).codes(batch(0, np.float32)), "with N ≥ 1"),
])
def test_wrong_calls_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
