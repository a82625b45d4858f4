"""10 · Deep embedded clustering: an encoder sorts digits into ten clusters, and nobody told it what a digit is.

    python examples/10_deep_clustering.py                      MNIST if it can be had, else drawn digits

First an autoencoder of randomly turned and moved images; k-means on its codes, whitened, gives ten centres; then encoder and
centres are trained together on their own confident answers (scratchnet/models/dec.py), until fewer than --settled of
the images change clusters from one target to the next.  Labels are used for nothing but the figures at the end.
Writes to --out: augmented images, accuracy and changes from target to target, codes before and after, who is in each
cluster; metrics.json and model.npz.
Expected last line:  accuracy on test images 9….. %, found without labels; wrote 5 pictures, metrics.json and model.npz to …   (MNIST, six minutes on two cores)
"""
import time

import numpy as np

import scratchnet as sn
from scratchnet import plot, study
from scratchnet.data import random_affine
from scratchnet.metrics import clustering
from scratchnet.models import PCA, KMeans, autoencoder, dec
from scratchnet.models.images import in_batches
from scratchnet.optim import warm_up

p = study.parser(__doc__, out="out/deep_clustering", epochs=12)
p.add_argument("--latent", type=int, default=10, help="axes of the code")
p.add_argument("--clusters", type=int, default=10)
p.add_argument("--dec-epochs", type=int, default=30, help="at most")
p.add_argument("--dec-batch", type=int, default=256)
p.add_argument("--every", type=int, default=140, help="batches from one target to the next")
p.add_argument("--settled", type=float, default=0.004, help="stop when a smaller share of images changes clusters")
args = study.parse(p)
data, start = study.load(args), time.time()
images, rng = data.images, np.random.default_rng(args.seed)


def judged(clusters, test_clusters) -> dict:
    """What the labels say about clusters found without them."""
    return {"train": clustering.agreement(data.labels, clusters), "test": clustering.agreement(data.test_labels, test_clusters)}


# ---- an autoencoder, and k-means on its codes ---------------------------------------------------

ae = autoencoder.Autoencoder(args.latent, "thin", rng=rng)
optimiser = sn.optim.Adam(ae.parameters(), lr=args.lr)
history = study.fit(lambda x: autoencoder.train_step(ae, optimiser, random_affine(x, rng=rng)), images, args,
                    name="autoencoder", terms=("loss",), optimiser=optimiser, rng=rng)
results = {}
for name in ("k-means on codes", "k-means on whitened codes"):
    if name == "k-means on whitened codes":
        ae.fold(PCA(args.latent).fit(ae.codes(images)), scale=3.0)         # the codes change, the reconstructions do not
    codes, test_codes = ae.codes(images), ae.codes(data.test_images)
    kmeans = KMeans(args.clusters, n_init=20, seed=args.seed).fit(codes)
    results[name] = judged(kmeans.labels_, kmeans.predict(test_codes))
    print(f"{name}: accuracy {100 * results[name]['train']['accuracy']:.2f} %, "
          f"test {100 * results[name]['test']['accuracy']:.2f} %", flush=True)

# ---- encoder and centres together ---------------------------------------------------------------

def endless():
    """Numbers of images, batch after batch, pass after pass."""
    while True:
        yield from sn.data.batches(np.arange(len(images)), args.dec_batch, rng=rng)


before = test_codes
model = dec.DEC(ae.encoder, kmeans.cluster_centers_.astype(np.float32))
optimiser = sn.optim.Adam(model.parameters(), lr=args.lr)
clusters, changes, accuracies, batches = kmeans.labels_, [], [], endless()
most = args.dec_epochs * -(-len(images) // args.dec_batch)
with study.progress(most, "clustering, at most", " batches") as bar:
    while True:
        q = model.assignment(images)                                       # (N,k), of the images as they are …
        target, found = dec.target(q), q.argmax(axis=1)
        changes.append(float((found != clusters).mean()))
        accuracies.append(clustering.accuracy(data.labels, found))
        clusters = found
        bar.set_postfix_str(f"{100 * changes[-1]:.2f} % changed clusters", refresh=False)
        if bar.n >= most or (bar.n and changes[-1] < args.settled):
            break
        for _ in range(args.every):
            some = next(batches)
            optimiser.lr = warm_up(optimiser.t, 400, args.lr)
            dec.train_step(model, optimiser, random_affine(images[some], rng=rng), target[some])     # … learned on moved ones
            bar.update()
test_q = model.assignment(data.test_images)
test_clusters = test_q.argmax(axis=1)
results["deep clustering"] = judged(clusters, test_clusters)
settled = "settled" if changes[-1] < args.settled else "NOT settled: give it more --dec-epochs"
if len(np.unique(clusters)) < args.clusters:
    settled += f", {args.clusters - len(np.unique(clusters))} clusters are EMPTY: the autoencoder needs more --epochs"
print(f"{settled}: {100 * changes[-1]:.2f} % of the images changed clusters at the last target, after {bar.n} batches", flush=True)

# ---- drawn --------------------------------------------------------------------------------------

to = study.Pictures(args.out, data.note, f"{study.epochs(args.epochs)} of autoencoder, "
                                         f"{bar.n / (most / args.dec_epochs):.1f} of clustering, {args.latent} codes")
labels, names = data.test_labels, data.names
some = np.array([np.flatnonzero(labels == c)[0] for c in range(10)])
to.write(plot.images, np.concatenate([data.test_images[some], *(random_affine(data.test_images[some], rng=rng) for _ in range(4))]),
         to="augmented", title="What the encoder learns from", rows=["image", *["turned, moved, resized"] * 4], headings=names)
to.write(plot.curves, {"accuracy on training images": {"by clusters": accuracies},
                       "share that changed clusters": {"since the last target": changes[1:] or changes}},
         to="progress", title="From target to target", xlabel="target")
after = in_batches(model.encoder, data.test_images)
to.write(plot.latents, [plot.Panel(heading, PCA(2).fit(z).encode(z), labels) for heading, z in
                        (("after k-means on whitened codes", before), ("after deep clustering", after))], prior=False, names=names,
         axes_names=("first principal axis", "second principal axis"), to="codes", title="Test codes, coloured by class")

rows, left = [], []
for cluster in range(args.clusters):
    sure = np.argsort(-test_q[:, cluster])                                 # those most like it first
    members = sure[np.isin(sure, np.flatnonzero(test_clusters == cluster))]
    shown = np.concatenate([members[:10], members[::-1][:5]])
    rows.append(np.concatenate([data.test_images[shown], np.zeros((15 - len(shown), 1, 28, 28), np.float32)]))
    kinds = np.bincount(labels[members], minlength=len(names))
    left.append(f"cluster {cluster}: {kinds.max()} of {len(members)} are {names[kinds.argmax()]}" if len(members) else
                f"cluster {cluster}: empty")
to.write(plot.images, np.concatenate(rows), to="clusters", columns=15, rows=left, title="Who is in each cluster of test images",
         headings=["its surest", *[""] * 9, "its least sure", *[""] * 4])

table = clustering.confusion(labels, test_clusters, (args.clusters, len(names)))
to.write(plot.counts, table, [f"{j}: mostly {names[n.argmax()]}" for j, n in enumerate(table)], names, to="who_is_where",
         title=f"Clusters: {100 * results['deep clustering']['test']['accuracy']:.1f} %", ylabel="cluster", xlabel="digit")
sn.save(args.out / "model.npz", model=model)
study.write_metrics(args, data, results=results, history=history, changes=changes, accuracies=accuracies, batches=bar.n,
                    seconds=round(time.time() - start, 1))
for name, result in results.items():
    print(f"{name:<28}" + "   ".join(f"{split}: " + ", ".join(f"{k} {v:.4f}" for k, v in result[split].items())
                                     for split in result))
print(f"accuracy on test images {100 * results['deep clustering']['test']['accuracy']:.2f} %, found without labels; "
      f"wrote {to.count} pictures, metrics.json and model.npz to {args.out}")
