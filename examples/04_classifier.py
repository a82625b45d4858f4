"""04 · A convolutional network reads handwritten digits: convolutions, pooling, then a dense classifier.

    python examples/04_classifier.py                   MNIST if it can be had, else drawn digits

The network and its training step are in scratchnet/models/classifier.py.  Writes to --out: the mistakes it
makes, the filters it learned, loss curves, metrics.json and model.npz.
Expected last line:  99.3 % of the 10,000 test images are read rightly; …   (MNIST, 6 epochs)
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import scratchnet as sn
from scratchnet import plot
from scratchnet.models.classifier import Classifier, train_step
from scratchnet.optim import one_cycle

p = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
p.add_argument("--data", default="auto", choices=["auto", "mnist", "fashion-mnist", "digits"])
p.add_argument("--epochs", type=int, default=6)
p.add_argument("--batch", type=int, default=64)
p.add_argument("--lr", type=float, default=2e-3, help="the highest step size of the cycle")
p.add_argument("--seed", type=int, default=0)
p.add_argument("--out", type=Path, default=Path("out/classifier"))
p.add_argument("--train-images", type=int, default=None, help="use only the first so many")
args = p.parse_args()
for option in ("epochs", "batch", "train_images"):
    if getattr(args, option) is not None and getattr(args, option) < 1:
        p.error(f"--{option.replace('_', '-')} is {getattr(args, option)}, expected 1 or more")

name, why = sn.data.choose(args.data)
if why:
    print(why)
note = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "digits": "drawn digits (not MNIST)"}[name]
print(f"training on {note}; results go to {args.out}")
try:
    images, labels = sn.data.load(name, "train", args.train_images)
    test_images, test_labels = sn.data.load(name, "test")
except sn.data.DataFileError as e:
    sys.exit(str(e))
args.out.mkdir(parents=True, exist_ok=True)

rng = np.random.default_rng(args.seed)
model = Classifier(rng=rng)
optimiser = sn.optim.Adam(model.parameters(), lr=args.lr)
steps = args.epochs * -(-len(images) // args.batch)
losses, accuracies, step, start = [], [], 0, time.time()
for epoch in range(1, args.epochs + 1):
    total = 0.0
    with tqdm(total=len(images), desc=f"epoch {epoch}/{args.epochs}", unit=" images", dynamic_ncols=True,
              mininterval=0.1 if sys.stderr.isatty() else 10) as bar:
        for x, t in sn.data.batches((images, labels), args.batch, rng=rng):
            optimiser.lr = one_cycle(step, steps, args.lr)
            total += len(x) * train_step(model, optimiser, x, t)
            step += 1
            bar.update(len(x))
            bar.set_postfix_str(f"loss {total / bar.n:.3f}", refresh=False)
    answers = model.probabilities(test_images)                              # (10000, 10)
    losses.append(total / len(images))
    accuracies.append(float((answers.argmax(axis=1) == test_labels).mean()))
    print(f"epoch {epoch}: loss {losses[-1]:.4f}, test accuracy {100 * accuracies[-1]:.2f} %", flush=True)

caption = f"{note}, {args.epochs} epochs"
plot.curves({"cross-entropy (nats)": {"train": losses}, "accuracy": {"test": accuracies}}, args.out / "training.png",
            title="Training the classifier", caption=caption)
wrong = np.flatnonzero(answers.argmax(axis=1) != test_labels)[:40]
if len(wrong):
    plot.gallery(test_images[wrong], [f"{t} read as {a}" for t, a in zip(test_labels[wrong], answers[wrong].argmax(axis=1))],
                 args.out / "mistakes.png", title=f"The first {len(wrong)} test images it misreads", caption=caption)
w = model.features[0].w.numpy()                                             # (16, 1, 5, 5)
plot.filters(w, args.out / "filters.png", title="The 16 filters of the first layer", caption=caption)
sn.save(args.out / "model.npz", model=model)
(args.out / "metrics.json").write_text(json.dumps({"data": note, "epochs": args.epochs, "seed": args.seed, "loss": losses,
                                                   "test_accuracy": accuracies}, indent=1) + "\n")
print(f"{100 * accuracies[-1]:.2f} % of the {len(test_images):,} test images are read rightly; "
      f"{time.time() - start:.0f} s; wrote 3 pictures, metrics.json and model.npz to {args.out}")
