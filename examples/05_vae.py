"""05 · A variational autoencoder: train it on handwritten digits, then look at what it learned.

    python examples/05_vae.py                          MNIST if it can be had, else drawn digits
    python examples/05_vae.py --latent 20 --hidden 256 --epochs 10
    python examples/05_vae.py --resume --epochs 20     go on from the checkpoint in --out

The network, its loss and the training step are in scratchnet/models/vae.py: read that file beside this
one.  Everything is written to --out: pictures, metrics.json, checkpoint.npz.  Ctrl-C leaves the checkpoint
of the last whole epoch; --resume repeats nothing and ends at the same numbers as an unbroken run.
Expected last line:  wrote 10 pictures, metrics.json and checkpoint.npz to out/vae
"""
import json
import sys
import time

import numpy as np

import scratchnet as sn
from scratchnet import plot, study
from scratchnet.models import PCA
from scratchnet.models.images import in_batches
from scratchnet.models.topology import table, topology
from scratchnet.models.vae import VAE, train_step
from scratchnet.optim import warm_up

SETTINGS = ("data", "latent", "hidden", "beta", "batch", "lr", "warmup", "seed", "train_images")


def options():
    p = study.parser(__doc__, out="out/vae", epochs=5)
    p.add_argument("--latent", type=int, default=2, help="axes of the code")
    p.add_argument("--hidden", type=int, default=16, help="width of the dense layer before the code")
    p.add_argument("--beta", type=float, default=1.0, help="weight of the KL term")
    p.add_argument("--warmup", type=int, default=400, help="steps until --lr is reached, but at most one epoch (1: at once)")
    p.add_argument("--resume", action="store_true", help="continue from --out/checkpoint.npz, which else is replaced; "
                                                         "--epochs counts those before it, too")
    return study.parse(p)


# ---- training -----------------------------------------------------------------------------------

class Run:
    """All that a continued run needs: it is what the checkpoint holds."""

    def __init__(self, args):
        self.rng = np.random.default_rng(args.seed)
        self.model = VAE(args.latent, args.hidden, rng=self.rng)
        self.optimiser = sn.optim.Adam(self.model.parameters(), lr=args.lr, eps=1e-7)
        self.history = []                                      # one dict per epoch
        self.settings = {name: getattr(args, name) for name in SETTINGS}
        self.path = args.out / "checkpoint.npz"

    def save(self):
        sn.save(self.path, model=self.model, optimiser=self.optimiser, rng=self.rng,
                history=json.dumps(self.history), settings=json.dumps(self.settings))

    def resume(self):
        parts = sn.load(self.path)
        if not {"model", "optimiser", "rng", "history", "settings"} <= parts.keys():
            sys.exit(f"--resume: {self.path} is not a checkpoint of this example, it has {sorted(parts)}")
        for name, was in json.loads(parts["settings"]).items():
            if was != self.settings[name]:
                sys.exit(f"{self.path} was made with --{name.replace('_', '-')} {was}, not {self.settings[name]}: "
                         "give the same options to --resume, or another --out")
        self.model.load_state(parts["model"])
        self.optimiser.load_state(parts["optimiser"])
        self.rng, self.history = parts["rng"], json.loads(parts["history"])


def train(run: Run, args, images, test_images) -> None:
    warm = min(args.warmup, -(-len(images) // args.batch))     # without it, seed 0 loses all but 1 of its 16 hidden units
    while len(run.history) < args.epochs:
        epoch, start = len(run.history) + 1, time.time()

        def step(x):
            run.optimiser.lr = warm_up(run.optimiser.t, warm, args.lr)
            return train_step(run.model, run.optimiser, x, beta=args.beta, rng=run.rng)
        rec, kl = study.one_epoch(step, images, args.batch, rng=run.rng, desc=f"epoch {epoch}/{args.epochs}",
                                  terms=("reconstruction", "KL"))
        noise = np.random.default_rng(0)                       # from a seed of its own: the same question every time
        test_rec, test_kl = study.evaluate(lambda x: run.model.loss(x, rng=noise)[1:], test_images)
        run.history.append({"epoch": epoch, "train_reconstruction": rec, "train_kl": kl, "test_reconstruction": test_rec,
                            "test_kl": test_kl, "seconds": round(time.time() - start, 2)})
        print(f"epoch {epoch}: train {rec:.2f} + {kl:.2f} = {rec + kl:.2f}, test {test_rec:.2f} + {test_kl:.2f} = "
              f"{test_rec + test_kl:.2f} nats per image (reconstruction + KL)", flush=True)
        run.save()


# ---- pictures -----------------------------------------------------------------------------------

def draw(run: Run, args, images, labels, names, note: str) -> int:
    """Every picture of the study that a VAE alone can show; returns how many."""
    model, rng = run.model, np.random.default_rng(args.seed)
    to = study.Pictures(args.out, note, f"{study.epochs(len(run.history))}, {args.latent} codes, β = {args.beta:g}")
    mu, logvar = in_batches(model.encode, images)
    of_class = [np.flatnonzero(labels == c)[:8] for c in range(10)]        # eight test images of each class

    h = {key: [e[key] for e in run.history] for key in run.history[0]}
    to.write(plot.curves, {
        "reconstruction (nats per image)": {"train": h["train_reconstruction"], "test": h["test_reconstruction"]},
        "KL (nats per image)": {"train": h["train_kl"], "test": h["test_kl"]}}, to="losses", title="The two terms of the loss")

    rows = []
    for which in (0, 1):
        some = np.array([members[which] for members in of_class])
        rows += [images[some], model.images(mu[some])]
    to.write(plot.images, np.concatenate(rows), to="reconstructions", title="Test images and their reconstructions",
             rows=["image", "decoded μ"] * 2, headings=names)
    to.write(plot.images, model.images(rng.standard_normal((100, args.latent))), to="samples",
             title="Samples: z drawn from N(0, 1), decoded")

    plane, axes_names = (mu, ("z₁", "z₂")) if args.latent == 2 else \
        (PCA(2).fit(mu).encode(mu), ("first principal axis", "second principal axis"))   # from its two widest sides
    to.write(plot.latent, plane, labels, to="latent", title="Codes μ of the test images", axes_names=axes_names, names=names)
    if args.latent == 2:
        some = np.concatenate([members[:6] for members in of_class])
        to.write(plot.ellipses, mu[some], np.exp(0.5 * logvar[some]), labels[some], to="clouds",
                 title="q(z|x) of 60 test images: μ and one σ", names=names)
        draw_manifolds(to, model, mu)
    draw_interpolations(to, model, mu, labels, names, of_class)
    draw_arithmetic(to, model, mu, images, labels, names)
    draw_topology(to, model, images[:1])
    return to.count


def draw_manifolds(to: study.Pictures, model: VAE, mu) -> None:
    """The plane of codes decoded on a grid: at quantiles of the prior, and evenly over where codes lie."""
    reach, n = float(np.abs(mu).max()), 20
    prior = np.quantile(np.random.default_rng(0).standard_normal(200_000), np.linspace(0.01, 0.99, n))
    for name, title, ticks in (("manifold_quantiles", "Decoded codes at equal steps of probability", prior),
                               ("manifold_linear", "Decoded codes at equal steps of distance", np.linspace(-reach, reach, n))):
        to.write(plot.manifold, model.images(plot.grid_codes(ticks, ticks)), ticks, to=name, title=title)


def draw_interpolations(to: study.Pictures, model: VAE, mu, labels, names, of_class) -> None:
    """Straight lines between the codes of two test images."""
    t = np.linspace(0, 1, 11)[:, None]
    ends = [(of_class[a][2], of_class[b][2]) for a, b in ((0, 1), (2, 7), (3, 8), (4, 9), (5, 6))]
    to.write(plot.images, np.concatenate([model.images((1 - t) * mu[a] + t * mu[b]) for a, b in ends]), to="interpolations",
             title="On the line between two codes", columns=11, headings=[f"{v:.1f}" for v in t[:, 0]],
             rows=[f"{names[labels[a]]} → {names[labels[b]]}" for a, b in ends])


def draw_arithmetic(to: study.Pictures, model: VAE, mu, images, labels, names) -> None:
    """Sums of mean codes, and the directions in which slant and thickness grow."""
    mean = [mu[labels == c].mean(axis=0) for c in range(10)]
    sums = model.images(np.array([mean[7], mean[1], mean[4], mean[7] - mean[1] + mean[4]]))
    rows, left = [sums, np.zeros((3, 1, 28, 28), sums.dtype)], [f"{names[7]}, {names[1]}, {names[4]}, {names[7]} − {names[1]} + {names[4]}"]
    y, x = np.mgrid[0:28, 0:28] - 13.5
    slant = -(images[:, 0] * x * y).sum(axis=(1, 2)) / (images[:, 0] * y * y).sum(axis=(1, 2))
    for name, value in (("slant", slant), ("thickness", images.mean(axis=(1, 2, 3)))):
        ranked, fifth = np.argsort(value), len(value) // 5
        direction = mu[ranked[-fifth:]].mean(axis=0) - mu[ranked[:fifth]].mean(axis=0)
        rows.append(model.images(mean[3] + np.linspace(-1, 1, 7)[:, None] * direction))
        left.append(f"{names[3]}, {name} − … +")
    to.write(plot.images, np.concatenate(rows), to="arithmetic", title="Arithmetic on mean codes", columns=7, rows=left)


def draw_topology(to: study.Pictures, model: VAE, image) -> None:
    encoder, h = topology(model.encoder, image)
    for name in ("mu", "logvar"):
        head, z = topology(getattr(model, name), h)
        encoder.append(head[0]._replace(layer=f"Dense ({name})"))
    decoder, _ = topology(model.decoder, z)
    rows, in_all = table({"encoder": encoder, "decoder": decoder})
    to.write(plot.table, rows, ("layer", "output", "parameters"), to="topology",
             title=f"Topology: {in_all[0]:,} + {in_all[1]:,} parameters")


# ---- main ---------------------------------------------------------------------------------------

def main() -> None:
    args = options()
    data = study.load(args)

    run = Run(args)
    if args.resume:
        try:
            run.resume()
        except (OSError, sn.CheckpointError) as e:
            sys.exit(f"--resume: {e}")
    else:
        run.save()                                             # so that even the first epoch can be interrupted
    try:
        train(run, args, data.images, data.test_images)
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; {run.path} holds the state after epoch {len(run.history)}: --resume continues from there")

    print("drawing", flush=True)
    count = draw(run, args, data.test_images, data.test_labels, data.names, data.note)
    study.write_metrics(args, data, parameters=sum(p.size for p in run.model.parameters()), history=run.history,
                        test_loss=run.history[-1]["test_reconstruction"] + run.history[-1]["test_kl"])
    print(f"wrote {count} pictures, metrics.json and checkpoint.npz to {args.out}")


if __name__ == "__main__":
    main()
