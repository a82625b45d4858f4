"""What the GAN examples on images share: options, checkpoints, the loop, the measuring, the pictures.

Not an example itself: 11_gan.py, 12_dcgan.py and 14_wgan_gp.py each hand it their recipes.  The two players' steps
are in scratchnet/models/gan.py.
"""
import json
import sys
import time
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

import scratchnet as sn
from scratchnet import plot, plot_game, study
from scratchnet.metrics import nearest, quality, trained_reader
from scratchnet.models.ema import Average
from scratchnet.models.gan import GAN, Diverged, train_step
from scratchnet.models.gan_losses import Game, non_saturating
from scratchnet.models.topology import topology

SETTINGS = ("data", "recipe", "latent", "batch", "lr", "seed", "train_images")
CURVES = ("discriminator", "generator", "accuracy")            # what is drawn of the game


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
    p = study.parser(doc, out=out, epochs=None, batch=None)
    p.add_argument("--recipe", default=next(iter(recipes)), choices=recipes)
    p.add_argument("--latent", type=int, default=64, help="numbers in z")
    p.add_argument("--samples", type=int, default=10_000, help="how many made images are measured")
    p.add_argument("--reader-epochs", type=int, default=6, help="training of the classifier that measures them")
    p.add_argument("--resume", action="store_true", help="continue from --out/checkpoint.npz, which else is replaced; "
                                                         "--epochs counts those before it, too")
    p.set_defaults(lr=None)                                    # as epochs and batch: what the recipe says
    args = study.parse(p)
    recipe = recipes[args.recipe]
    for name in ("epochs", "batch", "lr"):
        if getattr(args, name) is None:
            setattr(args, name, getattr(recipe, name))
    args.out = Path(str(args.out).format(recipe=args.recipe))
    for name in ("batch", "train_images", "samples"):          # batch norm, and covariances
        if getattr(args, name) == 1:
            p.error(f"--{name.replace('_', '-')} is 1, expected 2 or more")
    if not args.lr > 0:
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
        epoch, start, work, turns = len(run.history) + 1, time.time(), time.process_time(), []
        with study.progress(len(images), f"epoch {epoch}/{args.epochs}") as bar:
            for x in sn.data.batches(images, args.batch, rng=run.rng):
                if len(x) < 2:
                    continue                                   # batch norm needs two
                turns.append(train_step(run.gan, (run.of_generator, run.of_discriminator), x, game=recipe.game,
                                        penalty=recipe.penalty, critics=recipe.critics, average=run.average, rng=run.rng))
                bar.update(len(x))
                if len(turns) % 10 == 0:
                    d, g, accuracy = (mean(column) for column in np.array(turns[-100:]).T[:3])
                    bar.set_postfix_str(f"D {d:6.3f}  G {g:6.3f}  D is right in {100 * accuracy:3.0f} %", refresh=False)
        if not all(np.isfinite(t.data).all() for _, t in run.gan.named_arrays()):
            raise Diverged(f"step {run.of_discriminator.t}: a weight is not finite any more, after losses of "
                           f"{turns[-1].discriminator:.4g} for D and {turns[-1].generator:.4g} for G")
        rows = np.array(turns)
        parts = np.array_split(rows, min(10, max(1, len(rows) // recipe.critics)))       # ten points of the curves
        run.history.append({"epoch": epoch, "seconds": round(time.time() - start, 2),
                            "processor_seconds": round(time.process_time() - work, 2),        # whatever else the machine does
                            **{key: [mean(part[:, i]) for part in parts] for i, key in enumerate(CURVES)}})
        run.frames = np.concatenate([run.frames, run.look()[None]])
        h = {key: np.mean(values) for key, values in run.history[-1].items()}
        print(f"epoch {epoch}: loss of D {h['discriminator']:.3f}, of G {h['generator']:.3f}; D judges "
              f"{100 * h['accuracy']:.1f} % rightly; {h['seconds']:.0f} s", flush=True)
        run.save()


def mean(values: np.ndarray) -> float:
    """Of those that are numbers: on some steps G rests."""
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else 0.0


# ---- pictures -------------------------------------------------------------------------------------

def draw(run: Run, args, recipe: Recipe, data: study.Data, shares) -> int:
    """Every picture of the game; returns how many."""
    gan, average, rng, epochs = run.gan, run.average, np.random.default_rng(args.seed + 2), len(run.history)
    to = study.Pictures(args.out, data.note, f"{study.epochs(epochs)}, {recipe.about}")
    z = gan.noise(100, rng)
    samples = gan.images(z, average)
    to.write(plot.images, samples, to="samples", title="Samples: z drawn from N(0, 1)")

    frames = run.frames.astype(np.float32) / 255
    shown = np.unique(np.linspace(0, epochs, min(epochs + 1, 12)).round().astype(int))
    to.write(plot.images, np.concatenate([frames[e][:12] for e in shown]), columns=12, rows=[f"epoch {e}" for e in shown],
             to="learning", title="The same twelve z after each epoch")
    plot_game.film(frames, [f"{data.note}, epoch {e}" for e in range(epochs + 1)], args.out / "learning.gif")

    curves = [np.concatenate([e[key] for e in run.history]) for key in CURVES]
    when = np.concatenate([e["epoch"] - 1 + (np.arange(len(e["accuracy"])) + 0.5) / len(e["accuracy"]) for e in run.history])
    to.write(plot_game.game, when, *curves, to="game", title="The game")

    a, b = gan.noise(6, rng)[:, None], gan.noise(6, rng)[:, None]          # (6, 1, latent)
    t = np.linspace(0, np.pi / 2, 11, dtype=np.float32)[:, None]
    between = (np.cos(t) * a + np.sin(t) * b).reshape(-1, args.latent)     # a quarter circle: each point is again N(0, 1)
    to.write(plot.images, gan.images(between, average), columns=11, headings=[f"{v:.1f}" for v in np.linspace(0, 1, 11)],
             to="interpolations", title="From one z to another, on a quarter circle")

    which, _ = nearest(*(x.reshape(len(x), -1) for x in (samples[:20], data.images)), k=1)
    copied = data.images[which[:, 0]]
    pairs = np.concatenate([part[i:i + 10] for i in (0, 10) for part in (samples, copied)])
    to.write(plot.images, pairs, rows=["sample", "nearest training image"] * 2, to="nearest",
             title="Samples, and the training image nearest to each")
    to.write(plot_game.shares, shares, data.names, to="classes", title=f"What {args.samples:,} samples show")

    made, image = topology(gan.generator, z[:2])
    judged, _ = topology(gan.discriminator, image)
    count = [sum(row.parameters for row in rows) for rows in (made, judged)]
    to.write(plot.table, [*made, ("generator in all", "", count[0]), *judged, ("discriminator in all", "", count[1])],
             ("layer", "output", "parameters"), to="topology", title=f"Topology: {count[0]:,} + {count[1]:,} parameters")
    return to.count


# ---- main -----------------------------------------------------------------------------------------

def main(doc: str, recipes: dict[str, Recipe], out: str) -> None:
    args, recipe = options(doc, recipes, out)
    data = study.load(args)
    run = Run(args, recipe)
    if args.resume:
        try:
            run.resume()
        except (OSError, sn.CheckpointError) as e:
            sys.exit(f"--resume: {e}")
    else:
        run.save()                                             # so that even the first epoch can be interrupted
    try:
        train(run, args, recipe, data.images)
        measure_and_draw(run, args, recipe, data)
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; {run.path} holds the state after epoch {len(run.history)}: --resume continues from there")
    except Diverged as e:
        sys.exit(f"\n{e}. The last finite checkpoint is {run.path}, the state after epoch {len(run.history)}")


def measure_and_draw(run: Run, args, recipe: Recipe, data: study.Data) -> None:
    print("measuring", flush=True)
    reader, test_images = trained_reader(data.images, data.labels, args.reader_epochs), data.test_images[:args.samples]
    z = run.gan.noise(args.samples, args.seed + 3)
    averaged, last = (quality(reader, run.gan.images(z, a), test_images, data.images) for a in (run.average, None))
    print("drawing", flush=True)
    count = draw(run, args, recipe, data, averaged.classes)
    study.write_metrics(args, data, about=recipe.about, quality=averaged._asdict(), quality_of_last_weights=last._asdict(),
                        parameters=sum(p.size for p in run.gan.parameters()),
                        **{name: sum(e.get(name, 0) for e in run.history) for name in ("seconds", "processor_seconds")},
                        history=run.history)
    print(f"wrote {count} pictures, learning.gif, metrics.json and checkpoint.npz to {args.out}")
    print(f"Fréchet distance {averaged.frechet:.2f} (last weights {last.frechet:.2f}; real images {averaged.floor:.2f}), "
          f"smallest class {100 * min(averaged.classes):.1f} %, coverage {averaged.coverage:.2f}")
