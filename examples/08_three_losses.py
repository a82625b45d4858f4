"""08 · What each term of the VAE's loss does alone: reconstruction only, KL only, both.

    python examples/08_three_losses.py                         MNIST if it can be had, else drawn digits

The same network three times, from the same first weights, on the same batches:

    reconstruction only    codes of one kind together, gaps between, at any distance from 0: nothing holds them
    KL only                μ = 0 and σ = 1 for every image: a ball without structure, which decodes to one blur
    both                   the ball again, but shared out among the kinds, without gaps

Writes to --out: the three planes (samples z above, the clouds of 60 test images below), what 30 draws z ~ N(0, 1)
decode to, the terms of the loss; metrics.json with the terms and the accuracy of a 15-nearest-neighbour vote on μ.
Expected last line:  wrote 4 pictures and metrics.json to out/three_losses
"""
import numpy as np

import scratchnet as sn
from scratchnet import plot, study
from scratchnet.metrics import neighbour_accuracy
from scratchnet.models.images import in_batches
from scratchnet.models.vae import VAE, train_step

p = study.parser(__doc__, out="out/three_losses", epochs=5)
p.add_argument("--kl-epochs", type=int, default=2, help="of the run with KL only, which has nothing more to learn")
args = study.parse(p)
data = study.load(args)
labels, rng = data.test_labels, np.random.default_rng(args.seed)
to = study.Pictures(args.out, data.note, f"{study.epochs(args.epochs)} ({args.kl_epochs} with KL only)")

RUNS = {"reconstruction only": (1.0, 0.0, args.epochs), "KL only": (0.0, 1.0, args.kl_epochs), "both": (1.0, 1.0, args.epochs)}
shown = np.concatenate([np.flatnonzero(labels == c)[:6] for c in range(10)])                  # sixty test images
samples, clouds, draws, results, histories = [], [], [], {}, {}
eps = rng.standard_normal((30, 2))
for name, (reconstruction, kl, epochs) in RUNS.items():
    model, order, noise = VAE(rng=args.seed), np.random.default_rng(args.seed), np.random.default_rng(args.seed + 1)
    optimiser = sn.optim.Adam(model.parameters(), lr=args.lr, eps=1e-7)
    histories[name] = study.fit(lambda x: train_step(model, optimiser, x, reconstruction=reconstruction, beta=kl, rng=noise),
                                data.images, args, name=name, terms=("reconstruction", "KL"), optimiser=optimiser, rng=order,
                                epochs=epochs)
    mu, logvar = in_batches(model.encode, data.test_images)
    z = mu + np.exp(0.5 * logvar) * rng.standard_normal(mu.shape)
    terms = study.evaluate(lambda x: model.loss(x, rng=noise)[1:], data.test_images)
    accuracy = neighbour_accuracy(model.codes(data.images), data.labels, mu, labels)
    results[name] = {"test_reconstruction": terms[0], "test_kl": terms[1], "neighbour_accuracy": accuracy,
                     "mean_of_mu": mu.mean(axis=0).tolist(), "deviation_of_mu": mu.std(axis=0).tolist()}
    print(f"{name}: test reconstruction {terms[0]:.2f}, KL {terms[1]:.4f} nats per image; "
          f"15 nearest neighbours name {100 * accuracy:.1f} % of the digits", flush=True)
    heading = f"{name}\nreconstruction {terms[0]:.1f}, KL {terms[1]:.1f}, 15 neighbours {100 * accuracy:.0f} %"
    samples.append(plot.Panel(heading, z, labels))
    clouds.append(plot.Panel("μ and one σ of 60 images", mu[shown], labels[shown], sigma=np.exp(0.5 * logvar[shown])))
    draws.append(model.images(eps))

to.write(plot.latents, samples + clouds, to="latent", names=data.names, title="Samples z of the test images, and some of their clouds")
to.write(plot.images, np.concatenate(draws), to="draws", columns=15, title="30 draws z from N(0, 1), decoded",
         rows=[line for name in RUNS for line in (name, "")])
to.write(plot.curves, {f"{term} (nats per image)": {name: [e[term] for e in h] for name, h in histories.items()}
                       for term in ("reconstruction", "KL")}, to="losses", title="Both terms in training, whether trained or not")
to.write(plot.table, [(name, f"{r['test_reconstruction']:.2f}", f"{r['test_kl']:.4f}", f"{100 * r['neighbour_accuracy']:.1f} %")
                      for name, r in results.items()],
         ("loss", "test reconstruction", "test KL", "15 neighbours"), to="terms", title="What each loss reaches")
study.write_metrics(args, data, results=results, histories=histories)
print(f"wrote {to.count} pictures and metrics.json to {args.out}")
