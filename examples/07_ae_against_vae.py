"""07 · Autoencoder against VAE: what lies between their codes, and what a draw from each becomes.

    python examples/07_ae_against_vae.py                       MNIST if it can be had, else drawn digits
    python examples/07_ae_against_vae.py --strips 2 5 10 20    also reconstructions at these numbers of codes

Both have the same layers and the same first weights; the VAE alone is told where codes should lie and reads
noisy ones.  A reader of digits, the classifier of 04, trained once and kept, then says how much like a digit it is what
they decode: its confidence (the largest of its ten probabilities) halfway between two digits of different kinds, and for
draws: z ~ N(0, 1) for the VAE, z from a Gaussian fitted to its codes for the autoencoder.
Writes to --out: codes, grids, lines, gaps, draws, confidences, losses (side by side); metrics.json.
Expected last line:  wrote 7 pictures and metrics.json to out/ae_against_vae
"""
import numpy as np

import scratchnet as sn
from scratchnet import plot, study
from scratchnet.metrics import gaps, trained_reader
from scratchnet.models import autoencoder, vae

p = study.parser(__doc__, out="out/ae_against_vae", epochs=5)
p.add_argument("--hidden", type=int, default=16, help="width of the dense layer before the code")
p.add_argument("--pairs", type=int, default=2000, help="how many pairs of digits, and how many draws, are judged")
p.add_argument("--strips", type=int, nargs="*", default=[], metavar="CODES", help="train both also with so many codes each")
args = study.parse(p)
if min(args.strips, default=1) < 1:
    p.error(f"--strips is {args.strips}, expected numbers of codes, each 1 or more")
data = study.load(args)
names, labels = data.names, data.test_labels
to = study.Pictures(args.out, data.note, study.epochs(args.epochs))


def train_both(latent: int) -> tuple[dict, dict]:
    """{name: model} and {name: history}, trained on the same batches in the same order."""
    models = {"AE": autoencoder.Autoencoder(latent, "conv", hidden=args.hidden, rng=args.seed),
              "VAE": vae.VAE(latent, args.hidden, rng=args.seed)}
    histories = {}
    for name, model in models.items():
        rng, noise = np.random.default_rng(args.seed), np.random.default_rng(args.seed + 1)
        optimiser = sn.optim.Adam(model.parameters(), lr=args.lr, eps=1e-7)
        step, terms = (lambda x: autoencoder.train_step(model, optimiser, x), ("reconstruction",)) if name == "AE" else \
            (lambda x: vae.train_step(model, optimiser, x, rng=noise), ("reconstruction", "KL"))
        histories[name] = study.fit(step, data.images, args, name=f"{name}, {latent} codes", terms=terms,
                                    optimiser=optimiser, rng=rng)
    return models, histories


# ---- the reader, and the two that it will judge -------------------------------------------------

rng = np.random.default_rng(args.seed)
reader = trained_reader(data.images, data.labels)
accuracy = float((reader.probabilities(data.test_images).argmax(axis=1) == labels).mean())
print(f"the reader reads {100 * accuracy:.2f} % of the test images rightly", flush=True)
models, histories = train_both(2)
codes = {name: model.codes(data.test_images) for name, model in models.items()}

# ---- measured -----------------------------------------------------------------------------------

pairs = rng.integers(0, len(labels), (20 * args.pairs, 2))
pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]][:args.pairs]                        # of different kinds
eps = rng.standard_normal((args.pairs, 2))
fitted = models["AE"].codes(data.images)                                                      # the Gaussian N(m, C) …
m, C = fitted.mean(axis=0, dtype=np.float64), np.cov(fitted.T.astype(np.float64))
draws = {"AE": m + eps @ np.linalg.cholesky(C).T, "VAE": eps}                                 # … C = A·Aᵀ, z = m + A·ε


def confidence(images: np.ndarray) -> float:
    return float(reader.probabilities(images).max(axis=1).mean())


table = {name: {"reconstructions": confidence(model.images(codes[name][pairs[:, 0]])),
                "halfway between two digits": confidence(model.images(codes[name][pairs].mean(axis=1))),
                "draws": confidence(model.images(draws[name]))} for name, model in models.items()}
print(f"\nmean confidence of the reader ({confidence(data.test_images):.3f} on the test images themselves)")
print(f"{'':<28}{'AE':>8}{'VAE':>8}")
for what in table["AE"]:
    print(f"{what:<28}" + "".join(f"{table[name][what]:8.3f}" for name in table), flush=True)

# ---- drawn --------------------------------------------------------------------------------------

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
to.write(plot.images, np.concatenate([models[name].images(draws[name][:30]) for name in models]), to="draws", columns=15,
         rows=["AE", "", "VAE", ""], title="Draws: AE from a Gaussian fitted to its codes, VAE from N(0, 1)")
to.write(plot.table, [(what, *(f"{table[name][what]:.3f}" for name in table)) for what in table["AE"]], ("", "AE", "VAE"),
         to="confidences", title="How sure the reader is of what they decode")
to.write(plot.curves, {f"{term} (nats per image)": {n: [e[term] for e in h] for n, h in histories.items() if term in h[0]}
                       for term in ("reconstruction", "KL")}, to="losses", title="The terms of the loss in training")

if args.strips:
    some = np.array([np.flatnonzero(labels == c)[0] for c in range(10)])
    rows, left = [data.test_images[some]], ["image"]
    for latent in args.strips:
        for name, model in (models if latent == 2 else train_both(latent)[0]).items():
            rows.append(model.images(model.codes(data.test_images[some])))
            left.append(f"{name}, {latent}")
    to.write(plot.images, np.concatenate(rows), to="strips", rows=left, headings=names, title="Test images through so many codes")

study.write_metrics(args, data, reader_accuracy=accuracy, confidence=table, histories=histories)
print(f"wrote {to.count} pictures and metrics.json to {args.out}")
