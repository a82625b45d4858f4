"""Models: network, loss and one training step, one file each."""
from .classifier import Classifier
from .topology import topology
from .vae import VAE
