"""13 · Eight small heaps on a circle: a GAN that forgets most of them, one that does not, and the field of D.

    python examples/13_ring.py                         about a minute, two games of each kind
    python examples/13_ring.py --seeds 10              how many heaps are covered, for ten seeds

Real points come from eight Gaussians on a circle.  Small dense networks play the non-saturating game twice, with the
same step sizes; D's are smaller than G's, so that it follows G with a delay:

plain      G runs to the heap that D takes for real just now; D learns that whatever lies there is made, and its slope
           there grows; G runs on to the next one: mode collapse, round and round the circle.
repaired   R1 on every step, and averaged weights.  With 5/2·‖∂D/∂x‖² on real points D's field is gentle where they
           are: made points come to rest there, and the empty heaps go on pulling.

Of ten games each, the repaired ones cover all eight heaps from step 900 on; the plain ones two on average over the
second half, and seven of the ten end with four or fewer.  No penalty cures every step size: with G's at 5e-3 two of
ten repaired games were short of eight.

Drawn in the plane: D's score (blue: made, orange: real), real points (+) and made ones (dots).  A heap is covered
if a fortieth of the samples, a fifth of its fair share, lie within three of its standard deviations.
Writes ring.png, ring.gif, modes.png and metrics.json to --out.
Expected last line:  heaps covered of 8: plain …, repaired 8
"""
import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import scratchnet as sn
from scratchnet import plot, plot_game, study
from scratchnet.layers import Dense, LeakyReLU, Sequential
from scratchnet.models.ema import Average
from scratchnet.models.gan import GAN, train_step
from scratchnet.models.gan_losses import R1

RADIUS, SPREAD = 2.0, 0.1
CENTRES = RADIUS * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)      # (8, 2)
PENALTY = {"plain": None, "repaired": R1(5.0, every=1)}
STEP_SIZES = 2e-3, 2e-4                         # of G and of D


def real_points(n: int, rng) -> np.ndarray:
    return (CENTRES[rng.integers(8, size=n)] + SPREAD * rng.standard_normal((n, 2))).astype(np.float32)


def networks(latent: int, rng):
    def mlp(inputs: int, outputs: int):
        return Sequential(Dense(inputs, 128, rng=rng), LeakyReLU(0.2), Dense(128, 128, rng=rng), LeakyReLU(0.2),
                          Dense(128, outputs, rng=rng))
    return mlp(latent, 2), mlp(2, 1)


class Ring(GAN):
    """A GAN of points: what D sees of a real one is the point itself."""
    def real(self, x):
        return sn.Tensor(x)

    def points(self, z, average=None) -> np.ndarray:
        with sn.no_grad():
            return (average or self.generator)(z).numpy()


def covered(points: np.ndarray) -> int:
    """How many heaps hold a fortieth of the points or more within three standard deviations."""
    distance = np.linalg.norm(points[:, None] - CENTRES, axis=2)           # (N, 8)
    held = ((distance <= 3 * SPREAD) & (distance == distance.min(axis=1, keepdims=True))).mean(axis=0)
    return int((held >= 1 / 40).sum())


class Shot(NamedTuple):
    """One moment of a game."""
    step: int
    covered: int
    made: np.ndarray                            # (2000, 2)
    field: np.ndarray                           # D's score on the grid, (65, 65)


STEPS, SHOTS = 1500, 26
EDGE = np.linspace(-3.2, 3.2, 65, dtype=np.float32)
GRID = np.stack(np.meshgrid(EDGE, EDGE), axis=-1).reshape(-1, 2)


def play(name: str, seed: int, steps: int, bar) -> list[Shot]:
    """A whole game, seen at SHOTS moments."""
    rng = np.random.default_rng(seed)
    gan = Ring(2, networks, rng=rng)
    players = [sn.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.999))
               for network, lr in zip((gan.generator, gan.discriminator), STEP_SIZES)]
    average = Average(gan.generator, 0.99) if name == "repaired" else None
    z, story = gan.noise(2000, seed + 1000), []
    moments = np.linspace(0, steps, SHOTS).round()
    for step in range(steps + 1):
        if step in moments:
            made = gan.points(z, average)
            with sn.no_grad():
                field = gan.discriminator(GRID).numpy().reshape(len(EDGE), -1)
            story.append(Shot(step, covered(made), made, field))
        if step < steps:
            train_step(gan, players, real_points(128, rng), average=average, rng=rng, penalty=PENALTY[name])
            bar.update(1)
    return story


def draw(stories: dict, args, caption: str, modes: dict) -> None:
    """Both games side by side at six moments; how many heaps were covered over time; the same as a film."""
    real = real_points(400, np.random.default_rng(0))
    reach = {name: np.percentile(np.abs([shot.field for shot in each[0]]), 90) for name, each in stories.items()}

    def panel(axes, name, shot):
        plot_game.field(axes, shot.field, EDGE, real, shot.made[:400], reach[name])
        axes.set_title(f"{name}, step {shot.step:,}: {shot.covered} of 8", fontsize=9)

    shown = (np.linspace(0, 1, 6) ** 1.6 * (SHOTS - 1)).round().astype(int)                # the beginning more closely
    fig = plot.figure(13.0, 5.4, "D's field and G's points: a game that collapses, and one that does not",
                      f"{caption}; blue: D says made, orange: real; + real, dots made")
    for row, (name, each) in zip(fig.subplots(len(stories), len(shown)), stories.items()):
        for axes, i in zip(row, shown):
            panel(axes, name, each[0][i])
    plot.write(fig, args.out / "ring.png")

    fig = plot.figure(7.2, 3.8, f"Heaps covered, {args.seeds} game{'s' * (args.seeds > 1)} of each kind", caption)
    axes = fig.subplots()
    for (name, rows), colour, mark in zip(modes.items(), (plot_game.ORANGE, plot_game.BLUE), "so"):
        steps = [shot.step for shot in stories[name][0]]
        axes.plot(steps, np.mean(rows, axis=0), color=colour, marker=mark, ms=4, label=f"{name}, mean")
        axes.fill_between(steps, np.min(rows, axis=0), np.max(rows, axis=0), color=colour, alpha=0.2, label=f"{name}, least to most")
    axes.set(xlabel="step", ylabel="heaps covered", ylim=(-0.2, 8.3))
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(alpha=0.25)
    plot.write(fig, args.out / "modes.png")

    fig = plot.figure(7.6, 4.3, "", "blue: D says made, orange: real; + real, dots made")
    pair = fig.subplots(1, 2)

    def show(i):
        for axes, (name, each) in zip(pair, stories.items()):
            axes.clear()
            panel(axes, name, each[0][i])
    plot_game.animate(fig, show, SHOTS, args.out / "ring.gif", 0.4)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--steps", type=int, default=STEPS)
    p.add_argument("--seeds", type=int, default=2, help="how many games of each kind are played; the first is drawn")
    p.add_argument("--seed", type=int, default=0, help="the first seed")
    p.add_argument("--out", type=Path, default=Path("out/ring"))
    p.add_argument("--kernels", default=None, choices=["numba", "numpy"], help="default: SCRATCHNET_KERNELS or numba")
    args = study.parse(p)
    args.out.mkdir(parents=True, exist_ok=True)

    stories = {}
    for name in PENALTY:
        with study.progress(args.seeds * args.steps, name, " steps") as bar:
            stories[name] = [play(name, args.seed + i, args.steps, bar) for i in range(args.seeds)]
    modes = {name: [[shot.covered for shot in story] for story in each] for name, each in stories.items()}      # (seeds, shots)
    draw(stories, args, f"eight Gaussians on a circle, {args.steps:,} steps of 128 points, seed {args.seed}", modes)
    ends = {name: [row[-1] for row in rows] for name, rows in modes.items()}
    study.write_metrics(args, study.Data("eight Gaussians on a circle", *5 * [[]]), covered=ends, over_time=modes)
    print(f"wrote ring.png, modes.png, ring.gif and metrics.json to {args.out}")
    print("heaps covered of 8: " + "; ".join(f"{name} {', '.join(map(str, counts))}" for name, counts in ends.items()))


if __name__ == "__main__":
    main()
