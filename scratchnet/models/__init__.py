"""Models: network, loss and one training step, one file each."""
from .vae import VAE
