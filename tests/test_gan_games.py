"""GANs: averaged weights, spectral norms, whole games, and what is refused.  Steps and losses: test_gan.py."""
import threading

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import BatchNorm, Conv2d, Dense, ReLU, Sequential, SpectralNorm
from scratchnet.models import gan_losses, gan_networks
from scratchnet.models.ema import Average
from scratchnet.models.gan import GAN, Diverged, generator_step, train_step
from scratchnet.models.gan_losses import GAMES, R1, GradientPenalty
from tests.conftest import size
from tests.test_gan import Points, little, players, some_images


# ---- averages and spectral norms -----------------------------------------------------------------------

def test_average_follows_weights_and_statistics_and_is_not_trained():
    layer = Sequential(Dense(2, 3, rng=0), BatchNorm(3))
    average, expected = Average(layer, 0.9), layer.state()
    for t in range(100):
        layer[0].w.data = layer[0].w.data + 0.1
        layer(np.random.default_rng(t).standard_normal((4, 2)).astype(np.float32))
        average.update(layer)
        decay = min(0.9, (1 + t) / (10 + t))
        expected = {k: decay * e + (1 - decay) * layer.state()[k] for k, e in expected.items()}
    for name, array in layer.state().items():
        np.testing.assert_allclose(average.state()[f"layer.{name}"], expected[name], rtol=2e-5)
    assert average.parameters() == [] and layer[0].w.requires_grad and average.state()["steps"] == 100
    again = Average(layer, 0.9)
    again.load_state(average.state())
    np.testing.assert_array_equal(again.layer[0].w.data, average.layer[0].w.data)
    with pytest.raises(ValueError, match="decay is 1, expected a number in \\[0, 1\\)"):
        Average(layer, 1)


@pytest.mark.parametrize("layer", [lambda: Dense(30, 20, rng=0), lambda: Conv2d(3, 8, 4, rng=0)], ids=["dense", "conv"])
def test_spectral_norm_finds_the_largest_singular_value(layer):
    inner = layer().astype(np.float64)
    inner.w.data = 7 * inner.w.data
    normed = SpectralNorm(inner, rng=1)
    matrix = inner.w.numpy().reshape(len(inner.w), -1)
    shape = (2, 3, 9, 9) if inner.w.ndim == 4 else (2, 30)
    x = np.random.default_rng(2).standard_normal(shape)
    for _ in range(200):
        y = normed(x)
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    np.testing.assert_allclose(y.numpy() * largest, inner(x).numpy(), rtol=1e-6, atol=1e-9)
    u = normed.u.data.copy()
    normed.eval()(x)
    np.testing.assert_array_equal(normed.u.data, u)                        # at test time u stands still
    assert [n for n, _ in normed.named_parameters()] == ["layer.w", "layer.b"]
    assert set(normed.state()) == {"layer.w", "layer.b", "u"}


def test_G1_spectral_norm_passes_gradients_to_the_weights_it_divides():
    normed = SpectralNorm(Dense(4, 3, rng=0).astype(np.float64), rng=1).eval()
    x, w = np.random.default_rng(2).standard_normal((5, 4)), normed.layer.w.data.copy()

    def f(w):
        normed.layer.w = w
        return sn.tanh(normed(x))
    sn.check_grad(f, w, order=2)


def test_spectral_norm_refuses_layers_without_weights():
    with pytest.raises(TypeError, match="SpectralNorm: got a ReLU, expected a layer with weights w: Dense"):
        SpectralNorm(ReLU())


# ---- whole games -----------------------------------------------------------------------------------

def play(steps, seed, dtype=np.float32, networks=little, penalty=None, game=GAMES["non-saturating"]):
    """Some steps against points on a circle: the losses, and the state at the end."""
    rng = np.random.default_rng(seed)
    gan = Points(2, networks, rng=rng).astype(dtype)
    optimisers, average, turns = players(gan, 2e-3), Average(gan.generator), []
    for _ in range(steps):
        t = rng.uniform(0, 2 * np.pi, 16)
        x = np.stack([np.cos(t), np.sin(t), 0 * t], axis=1).astype(dtype)
        turns.append(train_step(gan, optimisers, x, game=game, penalty=penalty, average=average, rng=rng))
    return np.array(turns), {**gan.state(), **average.state()}


@pytest.mark.parametrize("game, penalty", [("non-saturating", None), ("minimax", None), ("hinge", None),
                                           ("non-saturating", R1(0.5, 4)), ("wasserstein", GradientPenalty())])
def test_M_both_losses_stay_finite(game, penalty):
    """1000 steps on 5 seeds in the full tier."""
    for seed in range(size(1, 5)):
        turns, state = play(size(30, 1000), seed, penalty=penalty, game=GAMES[game])
        assert np.isfinite(turns[:, :3]).all() and all(np.isfinite(a).all() for a in state.values())


@pytest.mark.parametrize("penalty", [None, R1(0.5, 4), GradientPenalty()], ids=["plain", "R1", "gradient penalty"])
def test_R1_R3_steps_repeat_and_agree_between_kernel_sets(penalty):
    runs = {}
    for kernels in ("numpy", "numba", "numba"):
        with sn.use_kernels(kernels):
            turns, state = play(size(10, 50), 3, np.float64, penalty=penalty)
        if kernels in runs:
            np.testing.assert_array_equal(turns, runs[kernels][0])
            assert all((state[n] == runs[kernels][1][n]).all() for n in state)
        runs[kernels] = turns, state
    np.testing.assert_allclose(runs["numba"][0], runs["numpy"][0], rtol=1e-6)


def test_X3_four_threads_train_four_gans_as_one_after_the_other():
    serial = [play(15, seed, penalty=R1(0.5, 4)) for seed in range(4)]
    parallel = [None] * 4

    def work(seed):
        parallel[seed] = play(15, seed, penalty=R1(0.5, 4))
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for (turns, state), (turns2, state2) in zip(serial, parallel):
        np.testing.assert_array_equal(turns, turns2)
        for name in state:
            np.testing.assert_array_equal(state[name], state2[name], err_msg=name)


@pytest.mark.parametrize("name", gan_networks.NETWORKS)
def test_networks_make_images_and_judge_them(name):
    gan = GAN(16, gan_networks.NETWORKS[name], rng=0)
    before = gan.state()
    for _ in range(3):
        assert np.isfinite(train_step(gan, players(gan), some_images(), rng=1)[:3]).all()
    assert all((a != before[n]).any() for n, a in gan.state().items()), "a parameter or a statistic never moved"
    assert gan(gan.noise(2, rng=0)).shape == (2, 1, 28, 28)


# ---- refusals --------------------------------------------------------------------------------------

@pytest.mark.parametrize("bad, message", [
    (np.zeros((2, 1, 32, 32), np.float32), r"shape \(2, 1, 32, 32\), expected \(N, 1, 28, 28\)"),
    (np.zeros((2, 28, 28), np.float32), r"shape \(2, 28, 28\), expected \(N, 1, 28, 28\).*x\[:, None\]"),
    (np.full((2, 1, 28, 28), 255, np.float32), r"from 255 to 255, expected numbers in \[0, 1\]; bytes are divided"),
    (np.full((2, 1, 28, 28), -1, np.float32), r"from -1 to -1, expected numbers in \[0, 1\].*\(x \+ 1\) / 2"),
    (np.zeros((2, 1, 28, 28), np.uint8), r"dtype uint8, expected float32 in \[0, 1\]"),
    (np.full((2, 1, 28, 28), np.nan, np.float32), r"image 0 has nan at \(0, 0, 0\)"),
    ([[0.0]], r"got a list, expected an array or Tensor"),
])
def test_bad_images_are_refused_and_nothing_moves(bad, message):
    gan = GAN(4, gan_networks.dense, rng=0)
    optimisers, before = players(gan), gan.state()
    with pytest.raises((ValueError, TypeError), match=message):
        train_step(gan, optimisers, bad)
    assert all((a == before[name]).all() for name, a in gan.state().items())


@pytest.mark.parametrize("shape", [(3, 5), (4,), (2, 4, 1)])
def test_noise_of_another_latent_size_is_refused(shape):
    gan = GAN(4, gan_networks.dense, rng=0)
    for use in (gan, gan.images):
        with pytest.raises(ValueError, match=r"z has shape .*, expected \(N, 4\): this generator was made with latent=4"):
            use(np.zeros(shape, np.float32))


@pytest.mark.parametrize("latent, networks, words", [
    (0, gan_networks.dense, "latent is 0, expected how many numbers z has, 1 or more"), (2.0, gan_networks.dense, "latent is 2.0"),
    (4, "conv", r"networks is 'conv', expected a function \(latent, rng\).*gan_networks.conv")])
def test_players_that_cannot_be_made_get_a_sentence(latent, networks, words):
    with pytest.raises((ValueError, TypeError), match=words):
        GAN(latent, networks)


def test_optimisers_in_the_wrong_order_are_refused():
    """Else each would step over parameters without gradient, and nobody would learn."""
    gan = Points(2, little, rng=0)
    with pytest.raises(ValueError, match="discriminator's step was given an optimiser of other parameters.*in this order"):
        train_step(gan, players(gan)[::-1], np.zeros((6, 3), np.float32))
    with pytest.raises(ValueError, match="generator's step .* gan.generator.parameters"):
        generator_step(gan, players(gan)[1], gan(gan.noise(3, rng=0)))


def test_a_checkpoint_of_another_latent_size_is_refused():
    with pytest.raises(ValueError, match=r"'generator.layers.0.w' is float32 \(5, 256\), but this one needs float32 \(4, 256\)"):
        GAN(4, gan_networks.dense, rng=0).load_state(GAN(5, gan_networks.dense, rng=0).state())


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_M_a_loss_that_is_not_a_number_stops_the_game_before_any_weight_moves(player):
    gan = Points(2, little, rng=0)
    optimisers, x = players(gan), np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    train_step(gan, optimisers, x, rng=2)
    nan = {"discriminator": gan_losses.Game(lambda r, f: np.nan * r.sum(), GAMES["hinge"].generator),
           "generator": gan_losses.Game(GAMES["hinge"].discriminator, lambda f: np.inf * f.sum())}[player]
    before = getattr(gan, player).state()
    with pytest.raises(Diverged, match=f"step 2: the {player}'s loss is (nan|-?inf)"):
        train_step(gan, optimisers, x, game=nan, rng=3)
    for name, array in getattr(gan, player).state().items():
        if not name.endswith((".mean", ".var")):               # the forward moved G's running statistics
            np.testing.assert_array_equal(array, before[name])


def test_M_a_learning_rate_that_is_too_large_is_noticed():
    gan = Points(2, little, rng=0)
    optimisers, x = players(gan, 1e38), np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    with pytest.raises(Diverged, match="step [12]: the (discriminator|generator)'s loss is"), np.errstate(all="ignore"):
        for _ in range(5):
            train_step(gan, optimisers, x, rng=2)
