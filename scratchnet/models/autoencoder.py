"""The autoencoder: an image squeezed through a few numbers, its code, and drawn again from them.

    encoder   x → z               the code, a point with `latent` coordinates
    decoder   z → logits          one per pixel; the image is x̂ = sigmoid(logits)

    BCE   L = −Σ x·log x̂ + (1 − x)·log(1 − x̂)        per image, in nats; 0 only for black-and-white images
    MSE   L = Σ (x̂ − x)²                              per image, squared shades of grey

That is all it is asked for.  Codes lie wherever this loss is small: those of one kind of digit together,
because similar images need similar drawings, and with gaps between the kinds, of which the decoder was
never told anything.  What fills the gaps is the second term of vae.py.

Denoising    the encoder reads a corrupted x̃, the loss compares with x: copying is no longer enough.
Derivation   ∂BCE/∂logit = x̂ − x.   ∂MSE/∂logit = 2(x̂ − x)·x̂(1 − x̂), which is small also where x̂ is
             utterly wrong (black for white): MSE learns slowly there, BCE does not.
Shapes       x, logits (N,1,28,28), x in [0,1]; z (N,latent).
Source       Hinton & Salakhutdinov 2006, Science 313; Vincent et al. 2008, ICML (denoising).
"""
from __future__ import annotations

import numpy as np

from .. import ops
from ..layers import Array, Conv2d, ConvTranspose2d, Dense, Flatten, Layer, ReLU, Reshape, Sequential, joined
from ..optim import Optimiser
from ..rng import generator
from ..tensor import Tensor
from .images import check_images, check_latent, in_batches
from .pca import PCA
from .vae import VAE


def conv(latent: int, hidden: int = 16, rng=None) -> tuple[Sequential, Sequential]:
    """The study's network: the VAE's own layers, with μ as the code."""
    vae = VAE(latent, hidden, rng=rng)
    return Sequential(*vae.encoder.layers, vae.mu), vae.decoder


def thin(latent: int, hidden: int = 256, rng=None) -> tuple[Sequential, Sequential]:
    """A quarter of the filters and a wide dense layer: fewer multiplications, and better codes."""
    return Sequential(
        Conv2d(1, 16, 3, stride=2, padding=1, rng=rng), ReLU(),                             # (N,16,14,14)
        Conv2d(16, 32, 3, stride=2, padding=1, rng=rng), ReLU(),                            # (N,32,7,7)
        Flatten(), Dense(32 * 7 * 7, hidden, rng=rng), ReLU(),                              # (N,hidden)
        Dense(hidden, latent, rng=rng)), Sequential(
        Dense(latent, hidden, rng=rng), ReLU(),                                             # (N,hidden)
        Dense(hidden, 32 * 7 * 7, rng=rng), ReLU(), Reshape(32, 7, 7),                      # (N,32,7,7)
        ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1, rng=rng), ReLU(),       # (N,16,14,14)
        ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1, rng=rng))          # (N,1,28,28)


def dense(latent: int, hidden: int = 256, rng=None) -> tuple[Sequential, Sequential]:
    """784 – 512 – hidden – latent, and back: no pixel knows its neighbours."""
    return Sequential(
        Flatten(), Dense(784, 512, rng=rng), ReLU(), Dense(512, hidden, rng=rng), ReLU(),
        Dense(hidden, latent, rng=rng)), Sequential(
        Dense(latent, hidden, rng=rng), ReLU(), Dense(hidden, 512, rng=rng), ReLU(),
        Dense(512, 784, rng=rng), Reshape(1, 28, 28))


NETWORKS = {"conv": conv, "thin": thin, "dense": dense}


class Autoencoder(Layer):
    """Encoder and decoder, "conv" (the study's), "thin" or "dense", compared by "bce" or "mse".

    latent: axes of the code; hidden: width of the dense layer before it (16 for "conv", else 256).
        x̂ = sigmoid(decode(encode(x)));    bce: L = −Σ x·log x̂ + (1 − x)·log(1 − x̂)    mse: L = Σ (x̂ − x)²
    Shapes  encode: x (N,1,28,28) → (N,latent);  decode: z (N,latent) → (N,1,28,28);
            forward: x (N,1,28,28) → (N,1,28,28);  loss: x (N,1,28,28) → ();
            codes: x (N,1,28,28) → (N,latent);  images: z (N,latent) → (N,1,28,28).
    Errors  ValueError: network or loss of another name; latent not an integer ≥ 1; x or z of other shapes;
            x, or z given to images, not finite.  TypeError: x not floating point, such as bytes.
    Source  Hinton & Salakhutdinov 2006, Science 313.
    """

    def __init__(self, latent: int = 2, network: str = "conv", *, hidden: int | None = None, loss: str = "bce", rng=None):
        if network not in NETWORKS:
            raise ValueError(f"Autoencoder: network is {network!r}, expected one of {', '.join(NETWORKS)}")
        if loss not in ("bce", "mse"):
            raise ValueError(f'Autoencoder: loss is {loss!r}, expected "bce" or "mse"')
        check_latent("Autoencoder", latent)
        width = {} if hidden is None else {"hidden": hidden}
        self.encoder, self.decoder = NETWORKS[network](latent, **width, rng=generator(rng))
        self.latent, self.compared_by = latent, loss

    def encode(self, x: Array) -> Tensor:
        """The codes z."""
        return self.encoder(check_images(x))

    def decode(self, z: Array) -> Tensor:
        """Logits of the pixels; sn.sigmoid of them is the image."""
        return self.decoder(z)

    def forward(self, x: Array) -> Tensor:
        """The reconstructions x̂."""
        return ops.sigmoid(self.decode(self.encode(x)))

    def loss(self, x: Array, corrupted: Array | None = None) -> Tensor:
        """The loss per image, mean over the batch.  corrupted: what the encoder reads in place of x."""
        logits = self.decode(self.encode(x if corrupted is None else corrupted))
        total = ops.bce_with_logits(logits, x, reduction="sum") if self.compared_by == "bce" else \
            ops.mse(ops.sigmoid(logits), x, reduction="sum")
        return total / x.shape[0]

    def codes(self, x: np.ndarray) -> np.ndarray:
        """The codes of many images, (N,latent), computed without recording."""
        return in_batches(self.encode, x)

    images = VAE.images                         # the images of many codes: decode and sigmoid, as there

    def fold(self, pca: PCA, scale: float = 1.0) -> None:
        """Measure codes along the principal axes of `pca`, in units of one standard deviation / scale.

        z' = (z − m)·A with A = axes·scale/deviations is affine, as the encoder's last layer and the decoder's
        first are, so both take it in:  w' = w·A, b' = (b − m)·A;  from  z = z'·A⁻¹ + m:  w' = A⁻¹·w, b' = b + m·w.
        Reconstructions stay what they were.
        """
        if pca.k != self.latent or len(pca.mean) != self.latent:
            raise ValueError(f"fold: a PCA of {len(pca.mean)} numbers along {pca.k} axes, expected {self.latent} and {self.latent} "
                             "like the codes: PCA(latent).fit(model.codes(x))")
        last, first = self.encoder[-1], self.decoder[0]
        m, A = pca.mean, pca.axes * (scale / pca.deviations)
        first.b.data = first.b.data + m @ first.w.data
        first.w.data = np.linalg.inv(A) @ first.w.data
        last.b.data = (last.b.data - m) @ A
        last.w.data = last.w.data @ A


def corrupt(x: np.ndarray, noise: str, amount: float, rng=None) -> np.ndarray:
    """x̃: "mask" turns each pixel to 0 with probability `amount`; "gauss" adds amount·ε, ε ~ N(0,1).

        mask: x̃ = x·[u ≥ amount],  u ~ U(0, 1)    gauss: x̃ = x + amount·ε
    Shapes  x (N,1,28,28) → (N,1,28,28), or any.    Errors  ValueError: other noise; amount < 0, or ≥ 1 for "mask".
    Source  Vincent et al. 2008, ICML (mask); Vincent et al. 2010, JMLR 11 (both).
    """
    rng = generator(rng)
    if noise == "mask" and 0 <= amount < 1:
        return x * (rng.random(x.shape, x.dtype) >= amount)
    if noise == "gauss" and amount >= 0:
        return x + x.dtype.type(amount) * rng.standard_normal(x.shape, x.dtype)
    raise ValueError(f'corrupt: noise {noise!r} with amount {amount!r}, expected "mask" with a probability in [0, 1) '
                     'or "gauss" with a standard deviation ≥ 0')


def train_step(model: Autoencoder, optimiser: Optimiser, x: np.ndarray, *, noise: str | None = None, amount: float = 0.3,
               rng=None) -> float:
    """One step on a batch; with noise, "mask" or "gauss", a step of denoising.  Returns the loss before it.

        L = loss(x, x̃);    θ ← optimiser(θ, ∂L/∂θ)
    Shapes  x (N,1,28,28) → ().    Errors  those of Autoencoder and corrupt.    Source  Vincent et al. 2008, ICML.
    """
    with joined():
        loss = model.loss(x, corrupt(x, noise, amount, rng) if noise else None)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
