"""Whole games beside PyTorch's, step by step, in float64 (skipped where PyTorch is not installed)."""
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models import gan_networks
from scratchnet.models.ema import Average
from scratchnet.models.gan import GAN, train_step
from scratchnet.models.gan_losses import R1

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("networks, r1", [(gan_networks.dense, None), (gan_networks.conv, R1(0.5, every=2))],
                         ids=["dense", "conv with R1"])
def test_five_steps_equal_those_of_pytorch(networks, r1):
    from tests.oracles.torch_gan import Game
    game = Game(networks, lr=5e-4, latent=8, seed=3, r1=r1, dtype=torch.float64)
    rng = np.random.default_rng(3)
    gan = GAN(8, networks, rng=rng).astype(np.float64)
    average = Average(gan.generator)
    optimisers = [sn.optim.Adam(n.parameters(), lr=5e-4, betas=(0.5, 0.999)) for n in (gan.generator, gan.discriminator)]
    images = np.random.default_rng(4).random((20, 1, 28, 28))
    for (x, x2) in zip(sn.data.batches(images, 4, rng=rng), sn.data.batches(images, 4, rng=game.rng)):
        turn = train_step(gan, optimisers, x, penalty=r1, average=average, rng=rng)
        assert (turn.discriminator, turn.generator) == pytest.approx(game.step(x2), rel=1e-9)
    z = np.random.default_rng(5).standard_normal((3, 8))
    np.testing.assert_allclose(gan.images(z, average), game.images(z), rtol=1e-8)
