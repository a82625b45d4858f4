"""16 · The inspector: a whole backward pass as one HTML page to click through.

    python examples/16_inspect.py                      MNIST if it can be had, else drawn digits
    python examples/16_inspect.py --data digits --steps 20

Trains the VAE for a moment, so that its gradients look like something, and writes the backward pass of one batch
to out/inspect/vae.html.  A second page has a rule with a mistake in it: it opens at that rule.  Open them in a
browser, from disk; the arrow keys walk from rule to rule, and pointing at an entry of `out` shows what made it.
Expected last line:  wrote 2 pages to out/inspect
"""
import argparse
from pathlib import Path

import numpy as np

import scratchnet as sn
from scratchnet.models.vae import VAE, train_step

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
parser.add_argument("--data", default="auto", choices=["auto", "mnist", "fashion-mnist", "digits"])
parser.add_argument("--steps", type=int, default=200, help="training steps before the batch is looked at")
parser.add_argument("--out", type=Path, default=Path("out/inspect"))
args = parser.parse_args()

data, why = sn.data.choose(args.data)
if why:
    print(why)
images, _ = sn.data.load(data, first=4096)
args.out.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)

model = VAE(rng=rng)
optimiser = sn.optim.Adam(model.parameters(), lr=1e-3)
for k in range(args.steps):
    train_step(model, optimiser, images[rng.integers(len(images), size=64)], rng=rng)

loss = model.loss(images[:16], rng=rng).total
print(f"loss {loss.item():.2f} after {args.steps} steps; {sn.inspect(loss, args.out / 'vae.html')}")


def tanh_dx(g, y):
    return g * (1.0 - y)                               # wrong: y² belongs here


x = rng.standard_normal((4, 3))
with sn.replaced(sn.tanh, "x", tanh_dx):
    w = sn.Tensor(rng.standard_normal((3, 2)), requires_grad=True)
    h = sn.tanh(x @ w)
    sn.inspect((h * h).mean(), args.out / "wrong.html")
print(f"wrote 2 pages to {args.out}")
