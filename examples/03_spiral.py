"""03 · A multilayer perceptron learns to tell three spirals apart, which no straight line can.

    python examples/03_spiral.py                       seconds; writes out/spiral.png

Layers, an optimiser and the loop that all training here has: forward, backward, step, forget.
Expected last line:  300 of 300 points are on the right side; wrote out/spiral.png   (or very nearly)
"""
import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

import scratchnet as sn
from scratchnet.layers import Dense, ReLU, Sequential

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--out", type=Path, default=Path("out/spiral.png"))
args = parser.parse_args()

rng = np.random.default_rng(0)
arm = np.repeat(np.arange(3), 100)                             # which spiral each of 300 points is on
radius = np.tile(np.linspace(0.1, 1, 100), 3)
angle = 4 * radius + arm * 2 * np.pi / 3 + rng.normal(0, 0.12, 300)
x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)      # (300, 2)

model = Sequential(Dense(2, 64, rng=rng), ReLU(), Dense(64, 64, rng=rng), ReLU(), Dense(64, 3, rng=rng))
optimiser = sn.optim.Adam(model.parameters(), lr=3e-3)
print(model)

for step in (bar := tqdm(range(args.steps), unit=" steps")):
    loss = sn.cross_entropy(model(x), arm)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 50 == 0:
        bar.set_postfix_str(f"loss {loss.item():.3f}")

args.out.parent.mkdir(parents=True, exist_ok=True)
edge = np.linspace(-1.2, 1.2, 200, dtype=np.float32)
plane = np.stack(np.meshgrid(edge, edge), axis=-1).reshape(-1, 2)
with sn.no_grad():
    right = (model(x).numpy().argmax(axis=1) == arm).sum()
    answer = model(plane).numpy().argmax(axis=1).reshape(200, 200)
sn.plot.regions(answer, edge, x, arm, args.out, title="What the network answers, everywhere in the plane",
                caption=f"three spirals, {args.steps} steps of Adam")
print(f"{right} of {len(x)} points are on the right side; wrote {args.out}")
