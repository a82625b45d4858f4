"""Models: network, loss and one training step, one file each."""
from .autoencoder import Autoencoder
from .classifier import Classifier
from .gan import GAN
from .kmeans import KMeans
from .pca import PCA
from .topology import topology
from .vae import VAE
