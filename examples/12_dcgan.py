"""12 · Convolutional GANs: one that works in minutes, and two well-known recipes that do not, with the reason.

    python examples/12_dcgan.py                        the recipe "r1"
    python examples/12_dcgan.py --recipe textbook      batch norm in both networks, Adam 2e-4
    python examples/12_dcgan.py --recipe spectral      hinge loss, spectral normalisation in D
    python examples/12_dcgan.py --recipe no-trunk      what of "r1" it is: without the dense trunk, …
    python examples/12_dcgan.py --recipe no-penalty    … and without R1

r1         A dense trunk lays out the digit as a whole, thin transposed convolutions draw it; D is left without
           normalisation and the R1 penalty holds its slope on real images: ½·0.5·E‖∂D/∂x‖² on every 8th step, 8
           times as heavy.  A gradient of a gradient, which seldom enough costs little.       Fréchet distance 2.6
textbook   No trunk: each stroke is drawn from its own 7 × 7 cell, and nothing tells distant ones to meet.  Nothing
           bounds D's slope: it judges 83 of 100 images rightly to the end, and G does not catch up.       58.5
spectral   ‖∂D/∂x‖ is bounded everywhere, not only where real images lie: D is right on 55 of 100 images that are
           little better.  Who sees no difference teaches none.                                             48.3
no-trunk   The textbook's shape in the game of "r1": half of the difference.                                 30.7

Options, checkpoints and pictures as in 11_gan.py.
Expected last line:  Fréchet distance … (last weights …; real images …), smallest class … %, coverage …
"""
from gan_study import Recipe, main

from scratchnet.models import gan_networks
from scratchnet.models.gan_losses import R1, hinge

RECIPES = {
    "r1": Recipe("dense trunk and thin convolutions, R1", gan_networks.conv, penalty=R1(0.5, every=8), epochs=11),
    "textbook": Recipe("textbook DCGAN, batch norm in both", gan_networks.dcgan, lr=2e-4, batch=128, epochs=8),
    "spectral": Recipe("DCGAN, hinge loss, spectral norm", gan_networks.spectral, hinge, lr=1e-3, batch=128, epochs=8),
    "no-penalty": Recipe("dense trunk and thin convolutions, no penalty", gan_networks.conv, epochs=8),
    "no-trunk": Recipe("DCGAN without normalisation in D, R1", gan_networks.bare, penalty=R1(0.5, every=8), epochs=8),
}

if __name__ == "__main__":
    main(__doc__, RECIPES, "out/dcgan_{recipe}")
