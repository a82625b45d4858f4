"""06 · An autoencoder: what a digit becomes when two numbers have to do, and what lies between the codes.

    python examples/06_autoencoder.py                          MNIST if it can be had, else drawn digits
    python examples/06_autoencoder.py --network conv --loss mse --noise mask

The networks, the losses and the training step are in scratchnet/models/autoencoder.py.  A first autoencoder squeezes
images into --latent numbers; a second one, with --wide numbers, learns to clean images that were spoiled by --noise.
Writes to --out: reconstructions, the plane of codes and its gaps, denoising, losses, topology; metrics.json, model.npz.
Expected last line:  wrote 6 pictures, metrics.json and model.npz to out/autoencoder
"""
import numpy as np

import scratchnet as sn
from scratchnet import plot, study
from scratchnet.metrics import gaps
from scratchnet.models import PCA
from scratchnet.models.autoencoder import NETWORKS, Autoencoder, corrupt, train_step
from scratchnet.models.topology import table, topology

p = study.parser(__doc__, out="out/autoencoder", epochs=6)
p.add_argument("--network", default="thin", choices=list(NETWORKS))
p.add_argument("--loss", default="bce", choices=["bce", "mse"])
p.add_argument("--latent", type=int, default=2, help="axes of the code")
p.add_argument("--wide", type=int, default=20, help="axes of the code of the denoising autoencoder")
p.add_argument("--noise", default="gauss", choices=["gauss", "mask"])
p.add_argument("--amount", type=float, default=0.5, help="standard deviation of the noise, or share of pixels masked")
args = study.parse(p)
data = study.load(args)
rng = np.random.default_rng(args.seed)
trained = f"{study.epochs(args.epochs)}, {args.network} network, {args.loss.upper()}"
to = study.Pictures(args.out, data.note, f"{trained}, {args.latent} codes")

# ---- one that squeezes --------------------------------------------------------------------------

model = Autoencoder(args.latent, args.network, loss=args.loss, rng=rng)
optimiser = sn.optim.Adam(model.parameters(), lr=args.lr, eps=1e-7)
history = study.fit(lambda x: train_step(model, optimiser, x), data.images, args, name="autoencoder", terms=("loss",),
                    optimiser=optimiser, rng=rng)
codes, labels = model.codes(data.test_images), data.test_labels
names, of_class = data.names, [np.flatnonzero(labels == c)[:8] for c in range(10)]            # eight of each class

rows = []
for which in (0, 1):
    some = np.array([members[which] for members in of_class])
    rows += [data.test_images[some], model.images(codes[some])]
to.write(plot.images, np.concatenate(rows), to="reconstructions", title="Test images and their reconstructions",
         rows=["image", "decoded code"] * 2, headings=names)

plane = PCA(2).fit(codes) if args.latent > 2 else None                     # more axes are seen from their two widest sides
places = gaps(codes, 9, rng)
flat, marks = (codes, places) if plane is None else (plane.encode(codes), plane.encode(places))
if args.latent > 1:
    to.write(plot.latents, [plot.Panel("nine places in the gaps are numbered", flat, labels, marks=marks)], names=names, prior=False,
             to="latent", title="Codes of the test images")
to.write(plot.images, model.images(places), to="gaps", title="Decoded from the gaps", columns=9, headings=list("123456789"))

encoder, z = topology(model.encoder, data.test_images[:1])
lines, in_all = table({"encoder": encoder, "decoder": topology(model.decoder, z)[0]})
to.write(plot.table, lines, ("layer", "output", "parameters"), to="topology",
         title=f"Topology: {in_all[0]:,} + {in_all[1]:,} parameters")

# ---- the same squeeze without training: PCA -----------------------------------------------------

linear = PCA(args.latent).fit(data.images)
errors = {}                                                                # squared error per image, on images trained on
for name, images in (("train", data.images[:10_000]), ("test", data.test_images)):
    drawn = model.images(model.codes(images)), linear.decode(linear.encode(images)).reshape(images.shape)
    errors[name] = [float(((x - images) ** 2).sum(axis=(1, 2, 3)).mean()) for x in drawn]
better = "below" if errors["train"][0] < errors["train"][1] else "NOT below: it has not learned enough yet,"
print(f"squared error per training image: {errors['train'][0]:.1f}, {better} the {errors['train'][1]:.1f} of PCA with as "
      f"many numbers; test {errors['test'][0]:.1f} and {errors['test'][1]:.1f}")

# ---- one that cleans ----------------------------------------------------------------------------

cleaner = Autoencoder(args.wide, args.network, loss=args.loss, rng=rng)
optimiser = sn.optim.Adam(cleaner.parameters(), lr=args.lr, eps=1e-7)
cleaning = study.fit(lambda x: train_step(cleaner, optimiser, x, noise=args.noise, amount=args.amount, rng=rng), data.images,
                     args, name="denoising autoencoder", terms=("loss",), optimiser=optimiser, rng=rng)
to.caption = f"{data.note}, {trained}"
some = np.array([members[2] for members in of_class])
clean = data.test_images[some]
spoiled = corrupt(clean, args.noise, args.amount, rng)
to.write(plot.images, np.concatenate([clean, np.clip(spoiled, 0, 1), cleaner(spoiled).numpy(),
                                      cleaner(clean).numpy()]), to="denoising", headings=names,
         title=f"Denoising, {args.wide} codes", rows=["image", f"{args.noise} {args.amount:g}", "cleaned", "from the clean one"])
unit = "nats" if args.loss == "bce" else "squared grey"
to.write(plot.curves, {f"loss ({unit} per image)": {f"{args.latent} codes": [e["loss"] for e in history],
                                                    f"{args.wide} codes, denoising": [e["loss"] for e in cleaning]}},
         to="losses", title="Training loss")

sn.save(args.out / "model.npz", model=model, cleaner=cleaner)
study.write_metrics(args, data, parameters=sum(in_all), history=history, denoising_history=cleaning,
                    test_loss=study.evaluate(lambda x: [model.loss(x)], data.test_images)[0],
                    squared_error={k: dict(zip(("autoencoder", "pca"), v)) for k, v in errors.items()})
print(f"wrote {to.count} pictures, metrics.json and model.npz to {args.out}")
