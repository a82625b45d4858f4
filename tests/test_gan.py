"""GANs: who gets gradient in which step, the losses and penalties at both orders.  Whole games: test_gan_games.py."""
import inspect

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import BatchNorm, Dense, LeakyReLU, ReLU, Sequential, Tanh
from scratchnet.models import gan as gan_module
from scratchnet.models import gan_losses, gan_networks
from scratchnet.models.gan import GAN, discriminator_step, train_step
from scratchnet.models.gan_losses import GAMES, R1, GradientPenalty
from tests.conftest import KERNELS, size


def little(latent, rng):
    """Both players, small, each with what the large ones have; D without batch norm."""
    return (Sequential(Dense(latent, 8, rng=rng), BatchNorm(8), ReLU(), Dense(8, 3, rng=rng)),
            Sequential(Dense(3, 8, rng=rng), LeakyReLU(0.2), Dense(8, 1, rng=rng)))


class Points(GAN):
    """A GAN of points (N, 3) instead of images."""
    def real(self, x):
        return sn.Tensor(x)


def players(gan, lr=1e-3):
    return tuple(sn.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.999))
                 for network in (gan.generator, gan.discriminator))


def some_images(n=8, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random((n, 1, 28, 28)).astype(dtype)


# ---- who gets gradient ----------------------------------------------------------------------------

def reached(module, penalty=None) -> dict[str, dict[str, str]]:
    """Which networks got gradient, and which moved, in each step of `module`, wholly or in part; D's also term by term."""
    gan = Points(2, little, rng=0)
    optimisers, x = players(gan), np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    fake, found = gan(gan.noise(6, rng=2)), {}

    def look(step, run):
        gan.zero_grad()
        before = gan.state()
        run()
        graded = [name for name, p in gan.named_parameters() if p.grad is not None]
        moved = [name for name, p in gan.named_parameters() if (p.data != before[name]).any()]
        for what, names in (("gradient", graded), ("moved", moved)):
            per_network = {n: sum(name.startswith(n) for name in names) for n in ("generator", "discriminator")}
            found[f"{step}: {what}"] = {n: "all" if count == len(getattr(gan, n).parameters()) else "a part"
                                        for n, count in per_network.items() if count}

    def D(loss=GAMES["non-saturating"].discriminator, penalty=penalty):
        module["discriminator_step"](gan, optimisers[1], gan.real(x), fake, gan_losses.Game(loss, None), penalty, 3)
    look("D", D)
    look("D, real alone", lambda: D(lambda r, f: sn.mean(sn.softplus(-r)), None))
    look("D, made alone", lambda: D(lambda r, f: sn.mean(sn.softplus(f)), None))
    if penalty is not None:
        look("D, penalty alone", lambda: D(lambda r, f: sn.Tensor(0.0), penalty._replace(every=1)))
    look("G", lambda: module["generator_step"](gan, optimisers[0], fake))
    return found


def right(penalty) -> dict[str, dict[str, str]]:
    """A penalty on the slope of D does not see the last bias, nor any other where D is piecewise linear: a part."""
    steps = {"D": "all", "D, real alone": "all", "D, made alone": "all", **({"D, penalty alone": "a part"} if penalty else {})}
    return {**{f"{step}: {what}": {"discriminator": how} for step, how in steps.items() for what in ("gradient", "moved")},
            "G: gradient": {"generator": "all"}, "G: moved": {"generator": "all"}}


@pytest.mark.parametrize("penalty", [None, R1(), GradientPenalty()], ids=["plain", "R1", "gradient penalty"])
def test_M_E7_each_step_reaches_one_player_only(penalty, kernels):
    assert reached(vars(gan_module), penalty) == right(penalty)


@pytest.mark.parametrize("line, wrong", [
    ("fake = fake.detach() ", "fake = fake "),                                   # D's gradient enters G
    ("game.generator(gan.discriminator(fake))", "game.generator(gan.discriminator(fake.detach()))"),
    ("with frozen(gan.discriminator), joined():", "with joined():"),              # D's parameters get G's gradient
    ("game.discriminator(r, f)", "game.discriminator(r.detach(), f.detach())"),
    ("game.discriminator(r, f)", "game.discriminator(r, f.detach())"),           # D learns from real images only
    ("game.discriminator(r, f)", "game.discriminator(r.detach(), f)"),
    ("total = loss + extra", "total = loss + extra.detach()"),                   # the penalty is shown, and does nothing
], ids=["no detach in D's step", "detach in G's step", "D not frozen", "detach behind D", "made scores detached",
        "real scores detached", "penalty detached"])
def test_M_a_missing_or_wrong_detach_is_noticed(line, wrong):
    """The same look at the same steps, with one line of gan.py changed, must not find the same."""
    source = inspect.getsource(gan_module)
    assert source.count(line) == 1
    module = {"__name__": gan_module.__name__, "__package__": gan_module.__package__}
    exec(compile(source.replace(line, wrong), "gan.py, changed", "exec"), module)
    try:
        found = reached(module, R1())
    except RuntimeError:                        # the engine itself refuses a loss that leads nowhere, or a graph used up
        return
    assert found != right(R1())


def test_E7_pictures_leave_no_graph_and_no_gradient_behind():
    gan = GAN(8, gan_networks.dense, rng=0)
    before = gan.state()
    images = gan.images(gan.noise(5, rng=1))
    assert images.shape == (5, 1, 28, 28) and images.min() >= 0 and images.max() <= 1 and gan.generator.training
    assert all(p.grad is None for p in gan.parameters())
    np.testing.assert_allclose(images, np.concatenate([gan.images(z[None]) for z in gan.noise(5, rng=1)]), rtol=1e-5, atol=1e-6)
    for name, array in gan.state().items():
        np.testing.assert_array_equal(array, before[name])


# ---- the losses -----------------------------------------------------------------------------------

def test_M_losses_are_what_their_formulas_say():
    rng = np.random.default_rng(0)
    r, f = (sn.Tensor(rng.standard_normal((5, 1))) for _ in "rf")
    p, q = (1 / (1 + np.exp(-t.numpy())) for t in (r, f))
    value = -np.log(p).mean() - np.log(1 - q).mean()
    expected = {"minimax": (value, np.log(1 - q).mean()), "non-saturating": (value, -np.log(q).mean()),
                "hinge": (np.maximum(0, 1 - r.numpy()).mean() + np.maximum(0, 1 + f.numpy()).mean(), -f.numpy().mean()),
                "wasserstein": (f.numpy().mean() - r.numpy().mean(), -f.numpy().mean())}
    assert expected.keys() == GAMES.keys()
    for name, game in GAMES.items():
        assert (game.discriminator(r, f).item(), game.generator(f).item()) == pytest.approx(expected[name], rel=1e-13), name


@pytest.mark.parametrize("name", GAMES)
def test_G1_losses_have_the_slopes_they_should(name):
    rng, game = np.random.default_rng(1), GAMES[name]
    r, f = 2 * rng.standard_normal((6, 1)), 2 * rng.standard_normal((6, 1))
    sn.check_grad(game.discriminator, r, f, order=2)
    sn.check_grad(game.generator, f, order=2)


def test_M_where_D_is_sure_only_the_minimax_generator_stands_still():
    f = sn.Tensor(np.full((4, 1), -30.0), requires_grad=True)
    slope = {name: np.abs(sn.grad(game.generator(f), f).numpy()).sum() for name, game in GAMES.items()}
    assert slope.pop("minimax") < 1e-12 and all(s == pytest.approx(1) for s in slope.values())


def test_N1_losses_stay_finite_where_D_is_certain():
    f = sn.Tensor(np.array([[-1e4], [1e4]], np.float32))
    for game in GAMES.values():
        assert np.isfinite(game.discriminator(f, f).item()) and np.isfinite(game.generator(f).item())


# ---- penalties: second order ------------------------------------------------------------------------

def smooth(latent, rng):
    """The conv players with tanh in D: where D is piecewise linear, its slope does not see the image move."""
    generator, discriminator = gan_networks.conv(latent, rng)
    discriminator.layers = tuple(Tanh() if isinstance(layer, LeakyReLU) else layer for layer in discriminator.layers)
    return generator, discriminator


@pytest.mark.parametrize("networks", [gan_networks.conv, gan_networks.dense, gan_networks.spectral, smooth])
@pytest.mark.parametrize("penalty", [R1(0.5, 1), GradientPenalty(10.0)], ids=["R1", "gradient penalty"])
def test_G1_second_order_of_penalties_through_both_networks_by_complex_step(networks, penalty):
    """d(penalty)/dθ along random directions of D's and of G's weights: the gradient of a gradient, by both kernel sets.

    Where sn.grad says None, no path leads from θ to the penalty: biases of D and, as LeakyReLU has no curvature,
    all of G, unless D is smooth.  The measured slope must then be 0.
    """
    gan = GAN(6, networks, rng=0).astype(np.float64)
    gan.eval()                                                 # statistics and u stand still
    for p in gan.parameters():
        if networks is gan_networks.spectral:
            p.data = p.data * 5                                # N(0, 0.02²) leaves slopes near 0: larger ones
    rng, h = np.random.default_rng(1), 1e-30
    x, z = 2 * some_images(3, np.float64) - 1, gan.noise(3, rng=2)

    def value(dtype):
        return penalty(gan.discriminator, sn.Tensor(x.astype(dtype)), gan(sn.Tensor(z.astype(dtype))), 3)
    names, parameters = zip(*gan.named_parameters())
    through_both = networks is smooth and isinstance(penalty, GradientPenalty)
    by_kernels = []
    for kernels in KERNELS:
        with sn.use_kernels(kernels):
            grads = dict(zip(names, sn.grad(value(np.float64), list(parameters))))
        reached = {name.split(".")[0] for name, g in grads.items() if g is not None}
        assert reached == ({"discriminator", "generator"} if through_both else {"discriminator"})
        by_kernels.append({name: np.zeros(p.shape) if grads[name] is None else grads[name].numpy()
                           for name, p in zip(names, parameters)})
    for _, t in gan.named_arrays():
        t._array = t._array.astype(complex)                    # past the door, which lets no complex parameter in
    for name, p in zip(names, parameters):
        array = p._array
        for _ in range(size(1, 5)):
            v = rng.standard_normal(p.shape)
            p._array = array + 1j * h * v
            slope = value(complex).numpy().imag / h
            p._array = array
            for g in (grads[name] for grads in by_kernels):
                length = np.sqrt(np.sum(g * g) * np.sum(v * v) / g.size)   # what ⟨g, v⟩ is on average
                assert abs(slope - np.sum(g * v)) <= 1e-9 * max(abs(slope), length), name


def test_M_penalties_against_a_linear_discriminator():
    """D(x) = x·w has slope w everywhere: R1 = ½γ‖w‖², the gradient penalty λ(‖w‖ − 1)²."""
    D = Dense(3, 1, rng=0).astype(np.float64)
    x, y = (sn.Tensor(np.random.default_rng(i).standard_normal((5, 3))) for i in (1, 2))
    w = D.w.numpy()
    r1, gp = R1(0.5), GradientPenalty(10.0)
    assert r1(D, x, y).item() == pytest.approx(0.25 * np.sum(w * w), rel=1e-12)
    assert gp(D, x, y, 0).item() == pytest.approx(10 * (np.linalg.norm(w) - 1) ** 2, rel=1e-9)
    r1(D, x, y).backward()
    np.testing.assert_allclose(D.w.grad, 0.5 * w, rtol=1e-12)              # ½γ·2w


def test_M_lazy_penalty_is_as_heavy_in_the_long_run():
    """R1(every=4) acts on steps 0, 4, … of D with four times the weight."""
    gan = Points(2, little, rng=0)
    optimisers, x = players(gan), np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    seen = [train_step(gan, optimisers, x, penalty=R1(0.5, 4), rng=2).penalty for _ in range(9)]
    assert [np.isfinite(v) for v in seen] == [True, False, False, False] * 2 + [True]
    def grads(penalty):
        gan = Points(2, little, rng=0)
        fake = gan(gan.noise(6, rng=2))
        discriminator_step(gan, players(gan)[1], gan.real(x), fake, penalty=penalty)
        return np.concatenate([p.grad.ravel() for p in gan.discriminator.parameters()])
    plain, once, lazy = grads(None), grads(R1(0.5, 1)), grads(R1(0.5, 4))
    assert np.abs(once - plain).max() > 1e-3
    np.testing.assert_allclose(lazy - plain, 4 * (once - plain), rtol=1e-3, atol=1e-6)
