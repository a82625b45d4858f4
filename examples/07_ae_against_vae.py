"""07 · Autoencoder against VAE: what lies between their codes, and what a draw from each becomes.

    python examples/07_ae_against_vae.py                       MNIST if it can be had, else drawn digits
    python examples/07_ae_against_vae.py --codes 2 --epochs 15

Both have the same layers and the same first weights, once for each number of --codes; the VAE alone is told where codes
should lie and reads noisy ones.  A reader of digits, the classifier of 04, trained once and kept, then says how much like
a digit it is what they decode: its confidence (the largest of its ten probabilities) halfway between two digits of
different kinds, and for draws: z ~ N(0, 1) for the VAE, z from a Gaussian fitted to its codes for the autoencoder.
With two codes, the plane that can be drawn, some digit's code is near every place, and the reader is, if anything, surer of
the autoencoder; with many, most places are far from every code, and what it was never told about them shows.
Writes to --out: codes, grids, lines, gaps, draws, confidences, losses, strips (side by side); metrics.json.
Expected last line:  wrote 8 pictures and metrics.json to out/ae_against_vae
"""
import numpy as np

import scratchnet as sn
from scratchnet import plot, study
from scratchnet.metrics import features, frechet_distance, gaps, trained_reader
from scratchnet.models import autoencoder, vae
from scratchnet.optim import one_cycle

p = study.parser(__doc__, out="out/ae_against_vae", epochs=6)
p.set_defaults(lr=2e-3)
p.add_argument("--network", default="thin", choices=list(autoencoder.NETWORKS))
p.add_argument("--codes", type=int, nargs="+", default=[2, 5, 10, 20, 50], metavar="AXES",
               help="of the codes; 2 is always among them")
p.add_argument("--pairs", type=int, default=2000, help="how many pairs of digits, and how many draws, are judged")
args = study.parse(p)
if min(args.codes) < 1:
    p.error(f"--codes is {args.codes}, expected numbers of axes, each 1 or more")
data = study.load(args)
names, labels = data.names, data.test_labels
to = study.Pictures(args.out, data.note, f"{study.epochs(args.epochs)}, {args.network} network, 2 codes")


def train_both(latent: int) -> tuple[dict, dict]:
    """{name: model} and {name: history}, trained on the same batches in the same order."""
    first, second = (autoencoder.Autoencoder(latent, args.network, rng=args.seed) for _ in range(2))
    models = {"AE": first, "VAE": vae.VAE.from_autoencoder(second, rng=args.seed)}
    steps, histories = args.epochs * -(-len(data.images) // args.batch), {}
    for name, model in models.items():
        rng, noise = np.random.default_rng(args.seed), np.random.default_rng(args.seed + 1)
        optimiser = sn.optim.Adam(model.parameters(), lr=args.lr, eps=1e-7)

        def step(x):
            optimiser.lr = one_cycle(optimiser.t, steps, args.lr)              # in place of the constant one of study.fit
            return autoencoder.train_step(model, optimiser, x) if name == "AE" else vae.train_step(model, optimiser, x, rng=noise)
        histories[name] = study.fit(step, data.images, args, name=f"{name}, {latent} codes", optimiser=optimiser, rng=rng,
                                    terms=("reconstruction",) if name == "AE" else ("reconstruction", "KL"))
    return models, histories


# ---- trained, and judged by the reader ----------------------------------------------------------

reader = trained_reader(data.images, data.labels)
accuracy = float((reader.probabilities(data.test_images).argmax(axis=1) == labels).mean())
print(f"the reader reads {100 * accuracy:.2f} % of the test images rightly", flush=True)
rng = np.random.default_rng(args.seed)
pairs = rng.integers(0, len(labels), (20 * args.pairs, 2))
pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]][:args.pairs]                        # of different kinds


def confidence(images: np.ndarray) -> float:
    return float(reader.probabilities(images).max(axis=1).mean())


def draw(model) -> np.ndarray:
    """Codes as the model's own may be expected: z = ε for the VAE, from N(m, C) fitted to its codes for the autoencoder."""
    eps = np.random.default_rng(args.seed).standard_normal((args.pairs, model.latent))
    if isinstance(model, vae.VAE):
        return eps
    fitted = model.codes(data.images).astype(np.float64)
    m, A = fitted.mean(axis=0), np.linalg.cholesky(np.cov(fitted.T).reshape(model.latent, -1))                # C = A·Aᵀ
    return m + eps @ A.T


def judged(model) -> dict[str, float]:
    z, drawn, real = model.codes(data.test_images), model.images(draw(model)), features(reader, data.test_images)
    return {"reconstructions": confidence(model.images(z[pairs[:, 0]])),
            "halfway between two digits": confidence(model.images(z[pairs].mean(axis=1))), "draws": confidence(drawn),
            "distance of draws": frechet_distance(real, features(reader, drawn))}


trained = {latent: train_both(latent) for latent in sorted({2, *args.codes})}
table = {latent: {name: judged(model) for name, model in models.items()} for latent, (models, _) in trained.items()}
print(f"\nmean confidence of the reader ({confidence(data.test_images):.3f} on the test images themselves), and the Fréchet "
      f"distance of the draws from test images")
print("codes " + "".join(f"{what:^30}" for what in table[2]["AE"]) + "\n      " + f"{'AE':>13}{'VAE':>8}{'':9}" * 4)
for latent, row in table.items():
    print(f"{latent:5} " + "".join(f"{row['AE'][what]:13.3f}{row['VAE'][what]:8.3f}{'':9}" for what in row["AE"]), flush=True)

# ---- drawn: the plane of two codes --------------------------------------------------------------

(models, histories), some = trained[2], np.array([np.flatnonzero(labels == c)[0] for c in range(10)])
codes = {name: model.codes(data.test_images) for name, model in models.items()}
places = {name: gaps(z, 10, np.random.default_rng(args.seed)) for name, z in codes.items()}
to.write(plot.latents, [plot.Panel(f"{name}; numbered: ten places in its gaps", codes[name], labels, marks=places[name])
                        for name in codes], names=names, to="codes", title="Codes of the test images, AE and VAE")
to.write(plot.images, np.concatenate([models[name].images(places[name]) for name in models]), to="gaps", rows=list(models),
         headings=[str(i) for i in range(1, 11)], title="Decoded from the ten places with no codes around")

grids = []
for name, z in codes.items():
    across, up = (np.linspace(*np.quantile(z[:, axis], [0.01, 0.99]), 20) for axis in (0, 1))
    grids.append(plot.Grid(name, models[name].images(plot.grid_codes(across, up)), across, up))
to.write(plot.manifolds, grids, to="grids", title="Decoded codes on a grid over the plane, AE and VAE")

t, lines, left = np.linspace(0, 1, 11)[:, None], [], []
for a, b in ((0, 1), (3, 8), (4, 9), (5, 7)):
    first, second = (int(np.flatnonzero(labels == c)[1]) for c in (a, b))
    for name, z in codes.items():
        lines.append(models[name].images((1 - t) * z[first] + t * z[second]))
        left.append(f"{name}: {names[a]} → {names[b]}")
to.write(plot.images, np.concatenate(lines), to="lines", title="On the line between two codes, AE and VAE", columns=11, rows=left,
         headings=[f"{v:.1f}" for v in t[:, 0]])
to.write(plot.images, np.concatenate([model.images(draw(model)[:30]) for model in models.values()]), to="draws", columns=15,
         rows=["AE", "", "VAE", ""], title="Draws: AE from a Gaussian fitted to its codes, VAE from N(0, 1)")
to.write(plot.curves, {f"{term} (nats per image)": {n: [e[term] for e in h] for n, h in histories.items() if term in h[0]}
                       for term in ("reconstruction", "KL")}, to="losses", title="The terms of the loss in training")

# ---- drawn: all numbers of codes ----------------------------------------------------------------

to.caption = f"{data.note}, {study.epochs(args.epochs)}, {args.network} network, 2 to {max(trained)} codes"
shown = {"halfway between two digits": "halfway {:.3f}", "draws": "draws {:.3f}", "distance of draws": "distance {:.0f}"}
to.write(plot.table, [(f"{latent}", *(f.split()[1].format(row[name][what]) for what, f in shown.items() for name in row))
                      for latent, row in table.items()],
         ("codes", *(f"{f.split()[0]}, {name}" for f in shown.values() for name in models)), to="confidences",
         title="How sure the reader is of what they decode")
to.write(plot.images, np.concatenate([data.test_images[some], *(model.images(model.codes(data.test_images[some]))
         for both, _ in trained.values() for model in both.values())]), to="strips", headings=names,
         rows=["image", *(f"{name}, {latent}" for latent in trained for name in models)], title="Test images through so many codes")

study.write_metrics(args, data, reader_accuracy=accuracy, confidence=table, histories={k: h for k, (_, h) in trained.items()})
print(f"wrote {to.count} pictures and metrics.json to {args.out}")
