"""14 · WGAN-GP: D measures a distance, and a gradient of a gradient keeps it honest.

    python examples/14_wgan_gp.py                      MNIST if it can be had, else drawn digits

D's loss E f − E r is minus an estimate of the distance over which the made images must be carried to become the
real ones, as long as D's slope is at most 1.  The gradient penalty 10·E(‖∂D/∂x̂‖ − 1)² pulls it there, and its
gradient runs back through the backward pass: sn.grad(…, create_graph=True) in scratchnet/models/gan_losses.py.
D moves several times for each step of G, so that its estimate is a good one when G follows its slope: then the
curve of D's loss says how far G has come, which no curve of the other games does.

Options, checkpoints and pictures as in 11_gan.py.
Expected last line:  Fréchet distance … (last weights …; real images …), smallest class … %, coverage …
"""
from gan_study import Recipe, main

from scratchnet.models import gan_networks
from scratchnet.models.gan_losses import GradientPenalty, wasserstein

RECIPES = {"wgan-gp": Recipe("WGAN-GP, 3 steps of D per step of G", gan_networks.conv, wasserstein, GradientPenalty(10.0),
                             betas=(0.0, 0.9), critics=3)}

if __name__ == "__main__":
    main(__doc__, RECIPES, "out/wgan_gp")
