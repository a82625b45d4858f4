"""What the GAN examples on images share: options, checkpoints, the loop, the measuring, the pictures.

Not an example itself: 11_gan.py, 12_dcgan.py and 14_wgan_gp.py each hand it their recipes.  The two players' steps
are in scratchnet/models/gan.py.
"""
import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np
from tqdm import tqdm

import scratchnet as sn
from scratchnet import plot, plot_game
from scratchnet.metrics.generative import nearest
from scratchnet.metrics.reader import quality, trained_reader
from scratchnet.models.ema import Average
from scratchnet.models.gan import GAN, Diverged, train_step
from scratchnet.models.gan_losses import Game, non_saturating
from scratchnet.models.topology import topology

SETTINGS = ("data", "recipe", "latent", "batch", "lr", "seed", "train_images")


class Recipe(NamedTuple):
    """All in which one GAN differs from another."""
    about: str                                  # a few words for captions
    networks: Callable
    game: Game = non_saturating
    penalty: Callable | None = None
    lr: float = 5e-4
    betas: tuple[float, float] = (0.5, 0.999)   # 0.9 would remember gradients of a game that has moved on
    batch: int = 64
    critics: int = 1                            # steps of D per step of G
    decay: float = 0.999                        # of the averaged weights
    epochs: int = 10


def options(doc: str, recipes: dict[str, Recipe], out: str):
    p = argparse.ArgumentParser(description=doc.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--recipe", default=next(iter(recipes)), choices=recipes)
    p.add_argument("--data", default="auto", choices=["auto", "mnist", "fashion-mnist", "digits"])
    p.add_argument("--epochs", type=int, default=None, help="in all, those before --resume included; default: the recipe's")
    p.add_argument("--latent", type=int, default=64, help="numbers in z")
    p.add_argument("--batch", type=int, default=None, help="default: the recipe's")
    p.add_argument("--lr", type=float, default=None, help="Adam's step size; default: the recipe's")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=Path, default=None, help=f"folder, default: {out}; without --resume its checkpoint is replaced")
    p.add_argument("--kernels", default=None, choices=["numba", "numpy"], help="default: SCRATCHNET_KERNELS or numba")
    p.add_argument("--resume", action="store_true", help="continue from --out/checkpoint.npz")
    p.add_argument("--train-images", type=int, default=None, help="use only the first so many")
    p.add_argument("--samples", type=int, default=10_000, help="how many made images are measured")
    p.add_argument("--reader-epochs", type=int, default=6, help="training of the classifier that measures them")
    args = p.parse_args()
    recipe = recipes[args.recipe]
    for name in ("epochs", "batch", "lr"):
        if getattr(args, name) is None:
            setattr(args, name, getattr(recipe, name))
    args.out = args.out or Path(out.format(recipe=args.recipe))
    for name, least in (("epochs", 1), ("latent", 1), ("batch", 2), ("train_images", 2), ("samples", 10), ("reader_epochs", 1)):
        if getattr(args, name) is not None and getattr(args, name) < least:
            p.error(f"--{name.replace('_', '-')} is {getattr(args, name)}, expected {least} or more")
    if not 0 < args.lr < math.inf:
        p.error(f"--lr is {args.lr}, expected a positive step size")
    return args, recipe


# ---- training -------------------------------------------------------------------------------------

class Run:
    """All that a continued run needs: it is what the checkpoint holds."""

    def __init__(self, args, recipe: Recipe):
        self.rng = np.random.default_rng(args.seed)
        self.gan = GAN(args.latent, recipe.networks, rng=self.rng)
        self.average = Average(self.gan.generator, recipe.decay)
        self.of_generator, self.of_discriminator = (
            sn.optim.Adam(network.parameters(), lr=args.lr, betas=recipe.betas)
            for network in (self.gan.generator, self.gan.discriminator))
        self.fixed = self.gan.noise(60, rng=args.seed + 1)     # the same z after each epoch: one sees each image become
        self.frames = self.look()[None]                        # (epochs + 1, 60, 1, 28, 28)
        self.history = []                                      # one dict per epoch
        self.settings = {name: getattr(args, name) for name in SETTINGS}
        self.path = args.out / "checkpoint.npz"

    def look(self) -> np.ndarray:
        """What the fixed z look like now, in bytes."""
        return np.round(255 * self.gan.images(self.fixed, self.average)).astype(np.uint8)

    def save(self):
        sn.save(self.path, gan=self.gan, average=self.average, of_generator=self.of_generator,
                of_discriminator=self.of_discriminator, rng=self.rng, frames=self.frames,
                history=json.dumps(self.history), settings=json.dumps(self.settings))

    def resume(self):
        parts = sn.load(self.path)
        own = {"gan", "average", "of_generator", "of_discriminator", "rng", "frames", "history", "settings"}
        if not own <= parts.keys():
            sys.exit(f"--resume: {self.path} is not a checkpoint of this example, it has {sorted(parts)}")
        for name, was in json.loads(parts["settings"]).items():
            if was != self.settings[name]:
                sys.exit(f"{self.path} was made with --{name.replace('_', '-')} {was}, not {self.settings[name]}: "
                         "give the same options to --resume, or another --out")
        for part in ("gan", "average", "of_generator", "of_discriminator"):
            getattr(self, part).load_state(parts[part])
        self.rng, self.frames, self.history = parts["rng"], parts["frames"], json.loads(parts["history"])


def train(run: Run, args, recipe: Recipe, images) -> None:
    while len(run.history) < args.epochs:
        epoch, start, turns = len(run.history) + 1, time.time(), []
        with tqdm(total=len(images), desc=f"epoch {epoch}/{args.epochs}", unit=" images", dynamic_ncols=True,
                  disable=None if sys.stderr.isatty() else False, mininterval=0.1 if sys.stderr.isatty() else 10) as bar:
            for x in sn.data.batches(images, args.batch, rng=run.rng):
                if len(x) < 2:
                    continue                                   # batch norm needs two
                turns.append(train_step(run.gan, (run.of_generator, run.of_discriminator), x, game=recipe.game,
                                        penalty=recipe.penalty, critics=recipe.critics, average=run.average, rng=run.rng))
                bar.update(len(x))
                if len(turns) % 10 == 0:
                    d, g, accuracy = np.nanmean([turn[:3] for turn in turns[-100:]], axis=0)
                    bar.set_postfix_str(f"D {d:6.3f}  G {g:6.3f}  D is right in {100 * accuracy:3.0f} %", refresh=False)
        if not all(np.isfinite(t.data).all() for _, t in run.gan.named_arrays()):
            raise Diverged(f"step {run.of_discriminator.t}: a weight is not finite any more")
        parts = np.array_split(np.array(turns), min(10, len(turns)))       # ten points of the curves per epoch
        run.history.append({"epoch": epoch, "seconds": round(time.time() - start, 2),
                            **{key: [float(np.nanmean(part[:, i])) for part in parts]
                               for i, key in enumerate(("discriminator", "generator", "accuracy"))}})
        run.frames = np.concatenate([run.frames, run.look()[None]])
        h = {key: np.mean(values) for key, values in run.history[-1].items()}
        print(f"epoch {epoch}: loss of D {h['discriminator']:.3f}, of G {h['generator']:.3f}; D judges "
              f"{100 * h['accuracy']:.1f} % rightly; {h['seconds']:.0f} s", flush=True)
        run.save()


# ---- pictures -------------------------------------------------------------------------------------

def draw(run: Run, args, recipe: Recipe, images, names, note: str, result) -> list[str]:
    """Every picture of the game; returns their names."""
    gan, average, drawn = run.gan, run.average, []
    rng = np.random.default_rng(args.seed + 2)
    epochs = len(run.history)
    caption = f"{note}, {epochs} epoch{'s' * (epochs > 1)}, {recipe.about}"

    def to(name: str, kind: Callable, *arrays, title: str, **options):
        kind(*arrays, args.out / f"{name}.png", title=f"{title} · {note}", caption=caption, **options)
        drawn.append(name)
    z = gan.noise(100, rng)
    samples = gan.images(z, average)
    to("samples", plot.images, samples, title="Samples: z drawn from N(0, 1)")

    frames = run.frames.astype(np.float32) / 255
    shown = np.unique(np.linspace(0, epochs, min(epochs + 1, 12)).round().astype(int))
    to("learning", plot.images, np.concatenate([frames[e][:12] for e in shown]), columns=12, rows=[f"epoch {e}" for e in shown],
       title="The same twelve z after each epoch")
    plot_game.film(frames, [f"{note}, epoch {e}" for e in range(epochs + 1)], args.out / "learning.gif")

    curves = {key: np.concatenate([e[key] for e in run.history]) for key in ("discriminator", "generator", "accuracy")}
    when = np.concatenate([e["epoch"] - 1 + (np.arange(len(e["accuracy"])) + 0.5) / len(e["accuracy"]) for e in run.history])
    to("game", plot_game.game, when, *curves.values(), title="The game")

    a, b = gan.noise(6, rng)[:, None], gan.noise(6, rng)[:, None]          # (6, 1, latent)
    t = np.linspace(0, np.pi / 2, 11, dtype=np.float32)[:, None]
    between = (np.cos(t) * a + np.sin(t) * b).reshape(-1, args.latent)     # a quarter circle: each point is again N(0, 1)
    to("interpolations", plot.images, gan.images(between, average), columns=11, title="From one z to another, on a quarter circle",
       headings=[f"{v:.1f}" for v in np.linspace(0, 1, 11)])

    where, _ = nearest(samples[:20], images)
    pairs = np.concatenate([part for i in (0, 10) for part in (samples[i:i + 10], images[where[i:i + 10]])])
    to("nearest", plot.images, pairs, rows=["sample", "nearest training image"] * 2,
       title="Samples, and the training image nearest to each")
    to("classes", plot_game.shares, result.classes, names, title=f"What {args.samples:,} samples show")

    made, image = topology(gan.generator, z[:2])
    judged, _ = topology(gan.discriminator, image)
    count = [sum(row.parameters for row in rows) for rows in (made, judged)]
    to("topology", plot.table, [*made, ("generator in all", "", count[0]), *judged, ("discriminator in all", "", count[1])],
       ("layer", "output", "parameters"), title=f"Topology: {count[0]:,} + {count[1]:,} parameters")
    return drawn


# ---- main -----------------------------------------------------------------------------------------

def main(doc: str, recipes: dict[str, Recipe], out: str) -> None:
    args, recipe = options(doc, recipes, out)
    if args.kernels:
        sn.use_kernels(args.kernels)
    args.data, why = sn.data.choose(args.data)
    if why:
        print(why, flush=True)
    note = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "digits": "drawn digits (not MNIST)"}[args.data]
    names = list("0123456789") if args.data != "fashion-mnist" else \
        ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
    print(f"training on {note}, {recipe.about}; results go to {args.out}", flush=True)
    try:
        images, labels = (a[:args.train_images] for a in sn.data.load(args.data, "train"))
        test_images, _ = sn.data.load(args.data, "test")
    except sn.data.DataFileError as e:
        sys.exit(str(e))
    args.out.mkdir(parents=True, exist_ok=True)

    run = Run(args, recipe)
    if args.resume:
        try:
            run.resume()
        except (OSError, sn.CheckpointError) as e:
            sys.exit(f"--resume: {e}")
    else:
        run.save()                                             # so that even the first epoch can be interrupted
    try:
        train(run, args, recipe, images)
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; {run.path} holds the state after epoch {len(run.history)}: --resume continues from there")
    except Diverged as e:
        sys.exit(f"\n{e}. The last finite checkpoint is {run.path}, the state after epoch {len(run.history)}")

    reader, test_images = trained_reader(images, labels, args.reader_epochs), test_images[:args.samples]
    z = run.gan.noise(args.samples, np.random.default_rng(args.seed + 3))
    averaged, last = (quality(reader, run.gan.images(z, average), test_images, images) for average in (run.average, None))
    print("drawing", flush=True)
    pictures = draw(run, args, recipe, images, names, note, averaged)
    metrics = {"data": note, "recipe": args.recipe, "about": recipe.about, "settings": run.settings, "kernels": sn.kernel.mode,
               "version": sn.__version__, "parameters": sum(p.size for p in run.gan.parameters()),
               "quality": averaged._asdict(), "quality_of_last_weights": last._asdict(),
               "seconds": sum(e["seconds"] for e in run.history), "history": run.history}
    temporary = args.out / f".metrics.{os.getpid()}.tmp"
    temporary.write_text(json.dumps(metrics, indent=1) + "\n")
    os.replace(temporary, args.out / "metrics.json")
    print(f"wrote {len(pictures)} pictures, learning.gif, metrics.json and checkpoint.npz to {args.out}")
    print(f"Fréchet distance {averaged.frechet:.2f} (last weights {last.frechet:.2f}; real images {averaged.floor:.2f}), "
          f"smallest class {100 * min(averaged.classes):.1f} %, coverage {averaged.coverage:.2f}")
