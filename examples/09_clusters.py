"""09 · Clusters: k-means on what an encoder sees finds digits that k-means on pixels does not.

    python examples/09_clusters.py                          MNIST if it can be had, else drawn digits
    python examples/09_clusters.py --clusters 20 --latent 16

An autoencoder is trained, without labels; its encoder stays, and k-means (scratchnet/models/kmeans.py) puts the codes into
--clusters groups; likewise the pixels themselves, and their principal components.  Labels serve only to say, at the
end, what is in each cluster (scratchnet/metrics/clustering.py).
Writes to --out: a sheet of test images for each cluster, the centres, who is in which cluster, inertia over the steps,
inertia and silhouette over k; metrics.json and model.npz.
Expected last line:  k-means on codes: 7….. % of the test images; wrote 14 pictures, … (MNIST, 5 minutes on two cores)
"""
import numpy as np

import scratchnet as sn
from scratchnet import plot, study
from scratchnet.metrics import clustering
from scratchnet.models import PCA, Autoencoder, KMeans
from scratchnet.models.autoencoder import train_step

p = study.parser(__doc__, out="out/clusters", epochs=10)
p.add_argument("--latent", type=int, default=10, help="axes of the code")
p.add_argument("--clusters", type=int, default=10)
p.add_argument("--starts", type=int, default=10, help="of k-means; the best is kept")
p.add_argument("--most", type=int, default=20, help="the largest k of the curves over k")
p.add_argument("--shown", type=int, default=25, help="images on the sheet of a cluster")
args = study.parse(p)
data = study.load(args)
rng = np.random.default_rng(args.seed)
k, labels = args.clusters, data.test_labels

# ---- four ways to see an image ------------------------------------------------------------------

model = Autoencoder(args.latent, "thin", rng=rng)
optimiser = sn.optim.Adam(model.parameters(), lr=args.lr, eps=1e-7)
history = study.fit(lambda x: train_step(model, optimiser, x), data.images, args, name="autoencoder", terms=("loss",),
                    optimiser=optimiser, rng=rng)
model.eval()
linear = PCA(args.latent).fit(data.images)
codes, test_codes = model.codes(data.images), model.codes(data.test_images)
whitened = PCA(args.latent).fit(codes)
VIEWS = {                                       # name: rows of the training images, of the test images
    "pixels": (data.images.reshape(len(data.images), -1), data.test_images.reshape(len(labels), -1)),
    "principal components": (linear.encode(data.images), linear.encode(data.test_images)),
    "codes": (codes, test_codes),
    "whitened codes": (whitened.whiten(codes), whitened.whiten(test_codes)),
}

# ---- k-means on each ----------------------------------------------------------------------------

found, results = {}, {}
with study.progress(len(VIEWS), "k-means", " views") as bar:
    for view, (rows, test_rows) in VIEWS.items():
        found[view] = one = KMeans(k, n_init=args.starts, seed=args.seed).fit(rows)
        results[view] = {"inertia": one.inertia_, "steps": one.n_iter_, "train": clustering.agreement(data.labels, one.labels_),
                         "test": clustering.agreement(labels, one.predict(test_rows))}
        bar.update()

print(f"\n{'k-means on':22}{'inertia':>14}{'steps':>7}   {'train: accuracy':>15}{'NMI':>7}{'ARI':>7}   {'test: accuracy':>14}{'NMI':>7}{'ARI':>7}")
for view, r in results.items():
    print(f"{view:22}{r['inertia']:14,.0f}{r['steps']:7}   " + "   ".join(
        f"{100 * r[split]['accuracy']:{width}.2f} %{r[split]['nmi']:7.3f}{r[split]['ari']:7.3f}" for split, width in (("train", 13), ("test", 12))))

# ---- what is in each cluster, said once and used everywhere -------------------------------------


class Cluster:
    """Cluster j of a view among the test images: its majority digit, and how many of its images that is."""

    def __init__(self, j: int, clusters: np.ndarray):
        self.j, self.members = j, np.flatnonzero(clusters == j)
        kinds = np.bincount(labels[self.members], minlength=len(data.names))
        self.digit, self.count = data.names[kinds.argmax()], int(kinds.max())

    def sheet(self) -> tuple[np.ndarray, int]:
        """Some of its images, drawn at random, and how many of those are the majority digit."""
        some = np.random.default_rng(args.seed).permutation(self.members)[:args.shown]
        return some, sum(data.names[i] == self.digit for i in labels[some])


test_clusters = found["codes"].predict(test_codes)
clusters = [Cluster(j, test_clusters) for j in range(k)]
to = study.Pictures(args.out, data.note, f"{study.epochs(args.epochs)} of autoencoder, {args.latent} codes")
for one in clusters:
    some, count = one.sheet()
    caption, to.caption = to.caption, f"{to.caption}\nof all its test images {one.count:,} of {len(one.members):,}"
    sheet = data.test_images[some] if len(some) else np.zeros((1, 1, 28, 28), np.float32)
    to.write(plot.images, sheet, columns=5, to=f"cluster_{one.j}", title=f"cluster {one.j}: {count} of {len(some)} are {one.digit}")
    to.caption = caption

table = clustering.confusion(labels, test_clusters, (k, len(data.names)))
to.write(plot.counts, table, [f"{one.j}: mostly {one.digit}" for one in clusters], data.names, to="who_is_where",
         title=f"Clusters of codes of test images: {100 * results['codes']['test']['accuracy']:.1f} %", ylabel="cluster", xlabel="digit")

pixel_clusters = [Cluster(j, found["pixels"].predict(VIEWS["pixels"][1])) for j in range(k)]
centres = [found["pixels"].cluster_centers_.reshape(-1, 1, 28, 28).clip(0, 1), model.images(found["codes"].cluster_centers_)]
to.write(plot.gallery, np.concatenate(centres), [f"{view} {one.j}: {one.digit}" for view, ones in
         (("pixels", pixel_clusters), ("codes", clusters)) for one in ones], columns=k, to="centres",
         title="Centres: means of pixels, and decoded means of codes, with the majority digit")

to.write(plot.curves, {"inertia / inertia after the first step": {view: np.array(one.inertia_history_) / one.inertia_history_[0]
         for view, one in found.items()}}, to="inertia", title="Inertia over the steps", xlabel="step")

# ---- how many clusters? -------------------------------------------------------------------------

some = rng.permutation(len(codes))[:2000]
over_k = {"inertia": [], "silhouette": []}
with study.progress(args.most - 1, "k-means over k", " k") as bar:
    for each in range(2, args.most + 1):
        one = KMeans(each, n_init=3, seed=args.seed).fit(codes)
        over_k["inertia"].append(one.inertia_)
        over_k["silhouette"].append(clustering.silhouette(codes[some], one.labels_[some]))
        bar.update()
to.write(plot.curves, {name: {"codes": values} for name, values in over_k.items()}, to="over_k", first=2, xlabel="k",
         title="Elbow and silhouette over k")

sn.save(args.out / "model.npz", model=model, centres=found["codes"].cluster_centers_)
study.write_metrics(args, data, history=history, results=results, over_k={"k": list(range(2, args.most + 1)), **over_k},
                    clusters=[{"cluster": one.j, "majority": one.digit, "count": one.count, "of": len(one.members)} for one in clusters])
print(f"k-means on codes: {100 * results['codes']['test']['accuracy']:.2f} % of the test images; wrote {to.count} pictures, "
      f"metrics.json and model.npz to {args.out}")
