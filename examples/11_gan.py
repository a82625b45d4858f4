"""11 · A generative adversarial network of dense layers: a forger and an expert, and how they learn from each other.

    python examples/11_gan.py                          MNIST if it can be had, else drawn digits
    python examples/11_gan.py --resume --epochs 20     go on from the checkpoint in --out
    python examples/11_gan.py --recipe r1              with the R1 penalty: a fifth of the distance, all ten digits

dense      The game as it is: D's slope is nobody's business, and some digits are seldom made.
r1         ½·0.5·E‖∂D/∂x‖² on real images, on every 8th step, 8 times as heavy; a step size of 5e-4 instead of 2e-4.

Read scratchnet/models/gan.py beside this one: the two players' steps, and where the graph is cut.  The losses are
derived in scratchnet/models/gan_losses.py, the loop and the pictures are in gan_study.py.  Ctrl-C leaves the
checkpoint of the last whole epoch; --resume repeats nothing and ends at the same numbers as an unbroken run.
Expected last line:  Fréchet distance … (last weights …; real images …), smallest class … %, coverage …
"""
from gan_study import Recipe, main

from scratchnet.models import gan_networks
from scratchnet.models.gan_losses import R1

RECIPES = {
    "dense": Recipe("dense layers, non-saturating loss", gan_networks.dense, lr=2e-4),
    "r1": Recipe("dense layers, R1", gan_networks.dense, penalty=R1(0.5, every=8)),
}

if __name__ == "__main__":
    main(__doc__, RECIPES, "out/gan")
