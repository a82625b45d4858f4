"""The GANs of the examples in PyTorch: the same first weights, noise, batches, losses, penalties and updates.

An optional oracle: what our engine does, step by step, done by another one.  From one seed both draw the same
numbers in the same order, so the first steps agree to rounding; a long game then drifts apart, as any two do.
"""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

import scratchnet as sn
from scratchnet import layers
from scratchnet.metrics import quality, trained_reader
from scratchnet.metrics.reader import Quality
from scratchnet.models import gan_networks
from scratchnet.models.gan import GAN


def to_torch(network: layers.Sequential, dtype) -> nn.Sequential:
    """The same layers with copies of the weights."""
    def copied(t):
        return nn.Parameter(torch.tensor(t.data.copy(), dtype=dtype))

    def one(layer):
        if isinstance(layer, layers.Dense):
            twin = nn.Linear(*layer.w.shape)
            twin.weight, twin.bias = nn.Parameter(copied(layer.w).T.contiguous()), copied(layer.b)
        elif isinstance(layer, (layers.Conv2d, layers.ConvTranspose2d)):
            kind = nn.Conv2d if isinstance(layer, layers.Conv2d) else nn.ConvTranspose2d
            forwards = kind is nn.Conv2d
            twin = kind(layer.w.shape[forwards], layer.w.shape[not forwards], layer.w.shape[2:],
                        stride=layer.settings["stride"], padding=layer.settings["padding"])
            twin.weight, twin.bias = copied(layer.w), copied(layer.b)
        elif isinstance(layer, layers.BatchNorm):
            twin = nn.BatchNorm2d(layer.gamma.size) if layer.spatial else nn.BatchNorm1d(layer.gamma.size)
        elif isinstance(layer, layers.Reshape):
            twin = nn.Unflatten(1, layer.shape)
        else:
            plain = {layers.ReLU: nn.ReLU, layers.Tanh: nn.Tanh, layers.Flatten: nn.Flatten}
            twin = nn.LeakyReLU(layer.slope) if isinstance(layer, layers.LeakyReLU) else plain[type(layer)]()
        return twin
    spatial = False
    for layer in network.layers:
        spatial = isinstance(layer, (layers.Conv2d, layers.ConvTranspose2d, layers.Reshape)) or \
            spatial and not isinstance(layer, layers.Flatten)
        layer.spatial = spatial
    return nn.Sequential(*map(one, network.layers)).to(dtype)


class Game:
    """Both players with the seed of an example's run; step(x) is one step of each, with the non-saturating loss."""

    def __init__(self, networks, *, latent=64, lr, seed=0, betas=(0.5, 0.999), r1=None, decay=0.999, dtype=torch.float32):
        self.rng = np.random.default_rng(seed)
        self.gan = GAN(latent, networks, rng=self.rng).astype(str(dtype)[6:])            # draws the weights; is not trained
        both = self.gan.generator, self.gan.discriminator
        self.G, self.D, self.average = (to_torch(n, dtype) for n in (*both, self.gan.generator))
        self.of_G, self.of_D = (torch.optim.Adam(n.parameters(), lr=lr, betas=betas) for n in (self.G, self.D))
        self.r1, self.decay, self.dtype, self.t = r1, decay, dtype, 0

    def step(self, x: np.ndarray) -> tuple[float, float]:
        real = torch.tensor(2 * x - 1, dtype=self.dtype)
        fake = self.G(self.noise(len(x)))
        loss_D = F.softplus(-self.D(real)).mean() + F.softplus(self.D(fake.detach())).mean()
        total = loss_D
        if self.r1 is not None and self.t % self.r1.every == 0:
            real.requires_grad_(True)
            slope, = torch.autograd.grad(self.D(real).sum(), real, create_graph=True)
            total = loss_D + self.r1.every * 0.5 * self.r1.weight * slope.square().flatten(1).sum(1).mean()
        self.of_D.zero_grad()
        total.backward()
        self.of_D.step()
        loss_G = F.softplus(-self.D(fake)).mean()
        self.of_G.zero_grad()
        loss_G.backward()
        self.of_G.step()
        decay = min(self.decay, (1 + self.t) / (10 + self.t))
        with torch.no_grad():
            for mine, new in zip(self.average.state_dict().values(), self.G.state_dict().values()):
                if mine.is_floating_point():
                    mine += (1 - decay) * (new - mine)
        self.t += 1
        return loss_D.item(), loss_G.item()

    def noise(self, n: int) -> torch.Tensor:
        return torch.tensor(self.gan.noise(n, self.rng), dtype=self.dtype)

    def train(self, images: np.ndarray, epochs: int, batch: int) -> None:
        for epoch in range(epochs):
            for x in tqdm(sn.data.batches(images, batch, rng=self.rng), desc=f"PyTorch, epoch {epoch + 1}/{epochs}",
                          total=-(-len(images) // batch), mininterval=10):
                self.step(x)

    def images(self, z: np.ndarray) -> np.ndarray:
        self.average.eval()
        with torch.no_grad():
            return np.concatenate([0.5 * self.average(torch.tensor(part, dtype=self.dtype)).numpy() + 0.5
                                   for part in np.array_split(z, -(-len(z) // 500))])


def twin_of_the_dense_gan(epochs: int, lr: float, seed: int = 0) -> Quality:
    """What the dense GAN of examples/11_gan.py reaches here: same seed, same reader, same 10,000 z."""
    images, labels = sn.data.load("mnist")
    test_images, _ = sn.data.load("mnist", "test")
    game = Game(gan_networks.dense, lr=lr, seed=seed)
    game.train(images, epochs, batch=64)
    made = game.images(game.gan.noise(len(test_images), seed + 3))
    return quality(trained_reader(images, labels), made, test_images, images)
