"""The networks that are measured: each written once, as a table, and built from it in either library.

A step is one call: forward, backward, Adam, on a batch of random images that stays the same.  Both libraries
get the same shapes and parameter counts, not the same numbers.  Keras: nets_keras.py.
"""
from __future__ import annotations

from contextlib import nullcontext
from typing import Callable, NamedTuple

import numpy as np

# ---- tables: (layer, its sizes); conv and transposed: from, to, kernel, stride, padding, output padding ----------

ENCODER = [("conv", 1, 32, 3, 2, 1), ("relu",), ("conv", 32, 64, 3, 2, 1), ("relu",),
           ("flatten",), ("dense", 3136, 16), ("relu",)]
DECODER = [("dense", 2, 3136), ("relu",), ("reshape", 64, 7, 7),
           ("transposed", 64, 64, 3, 2, 1, 1), ("relu",), ("transposed", 64, 32, 3, 2, 1, 1), ("relu",),
           ("transposed", 32, 1, 3, 1, 1, 0)]
CONV_AE = [*ENCODER, ("dense", 16, 2), *DECODER]
DENSE_AE = [("flatten",), ("dense", 784, 512), ("relu",), ("dense", 512, 256), ("relu",), ("dense", 256, 32),
            ("dense", 32, 256), ("relu",), ("dense", 256, 512), ("relu",), ("dense", 512, 784), ("reshape", 1, 28, 28)]
GENERATOR = [("dense", 64, 3136), ("reshape", 64, 7, 7), ("batchnorm", 64), ("relu",),
             ("transposed", 64, 32, 4, 2, 1, 0), ("batchnorm", 32), ("relu",), ("transposed", 32, 1, 4, 2, 1, 0), ("tanh",)]
DISCRIMINATOR = [("conv", 1, 32, 4, 2, 1), ("leaky", 0.2), ("conv", 32, 64, 4, 2, 1), ("leaky", 0.2),
                 ("flatten",), ("dense", 3136, 1)]

NAMES = {"vae": "conv VAE", "conv_ae": "conv AE, MSE", "dense_ae": "dense AE, BCE", "dcgan": "DCGAN",
         "dcgan_frozen": "DCGAN, D frozen in G's step"}
NOISE = 64                                      # numbers from which the generator makes an image


class Step(NamedTuple):
    run: Callable[[], object]
    parameters: int


def images(batch: int, size: int = 28) -> np.ndarray:
    return np.random.default_rng(0).random((batch, 1, size, size)).astype(np.float32)


def convolutions() -> dict[str, tuple]:
    """{name: (row of the table, shape of x, whether x needs a gradient)}: each convolution of these nets once."""
    shapes = {"VAE": [(ENCODER[:1], 28, False), (ENCODER[2:3], 14, True), (DECODER[3:4], 7, True),
                      (DECODER[5:6], 14, True), (DECODER[7:], 28, True)],
              "DCGAN": [(GENERATOR[4:5], 7, True), (GENERATOR[7:8], 14, True), (DISCRIMINATOR[:1], 28, True),
                        (DISCRIMINATOR[2:3], 14, True)]}
    found = {}
    for net, rows in shapes.items():
        for [row], size, dx in rows:
            kind, c, f, k, s, *_ = row
            name = f"{net} {kind} {c}→{f}, {k}×{k} stride {s}, from {size}×{size}" + ("" if dx else ", no ∂L/∂x")
            found[name] = (row, (c, size, size), dx)
    return found

# ---- scratchnet ---------------------------------------------------------------------------------------


def ours(table: list[tuple]):
    from scratchnet import layers as L
    made = {"conv": lambda c, f, k, s, p: L.Conv2d(c, f, k, stride=s, padding=p),
            "transposed": lambda f, c, k, s, p, o: L.ConvTranspose2d(f, c, k, stride=s, padding=p, output_padding=o),
            "dense": L.Dense, "batchnorm": L.BatchNorm, "relu": L.ReLU, "leaky": L.LeakyReLU, "tanh": L.Tanh,
            "flatten": L.Flatten, "reshape": L.Reshape}
    return L.Sequential(*(made[kind](*sizes) for kind, *sizes in table))


def our_step(name: str, batch: int = 128) -> Step:
    import scratchnet as sn
    from scratchnet.models.vae import VAE, train_step
    x, rng = images(batch), np.random.default_rng(1)

    if name == "vae":
        model = VAE()
        adam = sn.optim.Adam(model.parameters())
        return Step(lambda: train_step(model, adam, x, rng=rng), count(model))
    if name.startswith("dcgan"):
        return our_dcgan(2 * x - 1, rng, name == "dcgan_frozen")
    model = ours(CONV_AE if name == "conv_ae" else DENSE_AE)
    loss_of = sn.mse if name == "conv_ae" else sn.bce_with_logits
    adam = sn.optim.Adam(model.parameters())

    def run():
        with sn.layers.joined():
            loss = loss_of(model(x), x)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()
    return Step(run, count(model))


def our_dcgan(real: np.ndarray, rng, frozen: bool) -> Step:
    """frozen: G's step does not compute gradients for D, as in models/gan.py; else it does, and drops them."""
    import scratchnet as sn
    from scratchnet.models import gan
    G, D, real = ours(GENERATOR), ours(DISCRIMINATOR), sn.Tensor(real)
    adam_g, adam_d = (sn.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (G, D))
    ones, zeros = np.ones((len(real), 1), np.float32), np.zeros((len(real), 1), np.float32)

    def run():
        with sn.layers.joined():
            fake = G(rng.standard_normal((len(real), NOISE), np.float32))
            loss_d = sn.bce_with_logits(D(real), ones) + sn.bce_with_logits(D(fake.detach()), zeros)
        adam_d.zero_grad()
        loss_d.backward()
        adam_d.step()
        with gan.frozen(D) if frozen else nullcontext(), sn.layers.joined():
            loss_g = sn.bce_with_logits(D(fake), ones)
        adam_g.zero_grad()
        loss_g.backward()
        adam_g.step()
        return loss_d.item(), loss_g.item()
    return Step(run, count(G) + count(D))


def count(model) -> int:
    return sum(p.size for p in model.parameters())

# ---- PyTorch, eager ------------------------------------------------------------------------------------


def theirs(table: list[tuple]):
    from torch import nn
    made = {"conv": nn.Conv2d, "transposed": nn.ConvTranspose2d, "dense": nn.Linear, "batchnorm": nn.BatchNorm2d,
            "relu": nn.ReLU, "leaky": nn.LeakyReLU, "tanh": nn.Tanh, "flatten": nn.Flatten,
            "reshape": lambda *shape: nn.Unflatten(1, shape)}
    return nn.Sequential(*(made[kind](*sizes) for kind, *sizes in table))


def torch_step(name: str, batch: int = 128) -> Step:
    import torch
    from torch.nn import functional as F
    x = torch.from_numpy(images(batch))

    if name == "vae":
        return torch_vae(x)
    if name.startswith("dcgan"):
        return torch_dcgan(2 * x - 1, name == "dcgan_frozen")
    model = theirs(CONV_AE if name == "conv_ae" else DENSE_AE)
    loss_of = F.mse_loss if name == "conv_ae" else F.binary_cross_entropy_with_logits
    adam = torch.optim.Adam(model.parameters())

    def run():
        loss = loss_of(model(x), x)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()
    return Step(run, torch_count(model))


def torch_vae(x) -> Step:
    import torch
    from torch.nn import functional as F
    encoder, mu, logvar, decoder = nets = [theirs(t) for t in
                                           (ENCODER, [("dense", 16, 2)], [("dense", 16, 2)], DECODER)]
    adam = torch.optim.Adam([p for net in nets for p in net.parameters()])

    def run():
        h = encoder(x)
        m, v = mu(h), logvar(h)
        logits = decoder(m + torch.exp(0.5 * v) * torch.randn_like(m))
        rec = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        kl = 0.5 * (m * m + v.exp() - 1 - v).sum() / len(x)
        adam.zero_grad()
        (rec + kl).backward()
        adam.step()
        return rec.item(), kl.item()
    return Step(run, sum(torch_count(net) for net in nets))


def torch_dcgan(real, frozen: bool) -> Step:
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as bce
    G, D = theirs(GENERATOR), theirs(DISCRIMINATOR)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (G, D))
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)

    def run():
        fake = G(torch.randn(len(real), NOISE))
        loss_d = bce(D(real), ones) + bce(D(fake.detach()), zeros)
        adam_d.zero_grad()
        loss_d.backward()
        adam_d.step()
        D.requires_grad_(not frozen)
        loss_g = bce(D(fake), ones)
        adam_g.zero_grad()
        loss_g.backward()
        D.requires_grad_(True)
        adam_g.step()
        return loss_d.item(), loss_g.item()
    return Step(run, torch_count(G) + torch_count(D))


def torch_count(model) -> int:
    return sum(p.numel() for p in model.parameters())
