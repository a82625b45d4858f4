"""What the examples of the study share: options, the data with its names, a bar for each epoch, pictures, metrics.json.

    p = study.parser(__doc__, out="out/vae", epochs=5)      # then p.add_argument(…) for what is the example's own
    args = study.parse(p)
    data = study.load(args)                                  # prints what is trained on; data.images, data.labels, …
    for epoch in …: means = study.one_epoch(step, data.images, args.batch, rng=rng, desc=…, terms=…)
    to = study.Pictures(args.out, data.note, caption); to.write(plot.images, sheet, to="samples", title="Samples")
    study.write_metrics(args, data, history=…)

Nothing here is about networks: the examples keep what they teach.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Callable, NamedTuple, Sequence

import numpy as np
from tqdm import tqdm

from . import data as datasets
from . import kernel
from .autograd import no_grad
from .optim import warm_up

NOTES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "digits": "drawn digits (not MNIST)"}
CLOTHES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]


# ---- options ------------------------------------------------------------------------------------

def parser(doc: str, *, out: str, epochs: int, batch: int = 128) -> argparse.ArgumentParser:
    """The options that every example has; its description is the first line of `doc`."""
    p = argparse.ArgumentParser(description=doc.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--data", default="auto", choices=["auto", *NOTES])
    p.add_argument("--epochs", type=int, default=epochs)
    p.add_argument("--batch", type=int, default=batch)
    p.add_argument("--lr", type=float, default=1e-3, help="Adam's step size")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=Path, default=Path(out), help="folder for pictures and metrics.json")
    p.add_argument("--kernels", default=None, choices=["numba", "numpy"], help="default: SCRATCHNET_KERNELS or numba")
    p.add_argument("--train-images", type=int, default=None, help="use only the first so many")
    p.add_argument("--test-images", type=int, default=None, help="likewise")
    return p


def parse(p: argparse.ArgumentParser) -> argparse.Namespace:
    """The options given; a number of things that is below 1 gets a sentence.  Sets the kernels."""
    args = p.parse_args()
    for name, value in vars(args).items():
        if isinstance(value, int) and name != "seed" and not isinstance(value, bool) and value < 1:
            p.error(f"--{name.replace('_', '-')} is {value}, expected 1 or more")
    if args.kernels:
        kernel.use_kernels(args.kernels)
    return args


class Data(NamedTuple):
    """note: the data set in words; names: of the ten classes."""
    note: str
    names: list[str]
    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load(args: argparse.Namespace) -> Data:
    """The data of --data, announced; makes the folder --out.  Ends with a sentence if there are none."""
    args.data, why = datasets.choose(args.data)
    if why:
        print(why, flush=True)
    note = NOTES[args.data]
    print(f"training on {note}; results go to {args.out}", flush=True)
    try:
        images, labels = datasets.load(args.data, "train", args.train_images)
        test_images, test_labels = datasets.load(args.data, "test", args.test_images)
    except datasets.DataFileError as e:
        sys.exit(str(e))
    args.out.mkdir(parents=True, exist_ok=True)
    return Data(note, CLOTHES if args.data == "fashion-mnist" else list("0123456789"), images, labels, test_images, test_labels)


# ---- training -----------------------------------------------------------------------------------

def progress(total: int, desc: str, unit: str = " images") -> tqdm:
    """A bar; a line each ten seconds where nobody is watching."""
    watched = sys.stderr.isatty()
    return tqdm(total=total, desc=desc, unit=unit, dynamic_ncols=True, mininterval=0.1 if watched else 10)


def one_epoch(step: Callable, rows, batch: int, *, desc: str, terms: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """step(x) on every shuffled batch of `rows`, or step(x, t) of two arrays side by side.

    It returns a number for each name in `terms` (one: the number alone); the result is their means over all rows.
    """
    sums, seen, many = np.zeros(len(terms)), 0, isinstance(rows, tuple)
    with progress(len(rows[0] if many else rows), desc) as bar:
        for x in datasets.batches(rows, batch, rng=rng):
            n = len(x[0] if many else x)
            sums, seen = sums + n * np.array(step(*x) if many else step(x)), seen + n
            bar.set_postfix_str(" + ".join(f"{name} {s / seen:.2f}" for name, s in zip(terms, sums)), refresh=False)
            bar.update(n)
    return sums / seen


def fit(step: Callable, rows, args: argparse.Namespace, *, name: str, terms: Sequence[str], optimiser,
        rng: np.random.Generator, epochs: int | None = None) -> list[dict[str, float]]:
    """--epochs times one_epoch, the learning rate warming up to --lr in the first; the means of each, also printed."""
    epochs, history = epochs or args.epochs, []
    warm = min(400, -(-len(rows[0] if isinstance(rows, tuple) else rows) // args.batch))

    def warmed(*x):
        optimiser.lr = warm_up(optimiser.t, warm, args.lr)
        return step(*x)
    for epoch in range(1, epochs + 1):
        means = one_epoch(warmed, rows, args.batch, desc=f"{name}, epoch {epoch}/{epochs}", terms=terms, rng=rng)
        history.append(dict(zip(terms, means.tolist())))
        print(f"{name}, epoch {epoch}: " + ", ".join(f"{term} {value:.2f}" for term, value in history[-1].items()), flush=True)
    return history


def evaluate(loss: Callable, images: np.ndarray, batch: int = 500) -> list[float]:
    """The means over all images of the numbers that loss(x), on a batch, returns as Tensors; nothing is recorded."""
    with no_grad():
        sums = sum(len(x) * np.array([t.item() for t in loss(x)]) for x in datasets.batches(images, batch, shuffle=False))
    return (sums / len(images)).tolist()


def epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count > 1)}"


# ---- results ------------------------------------------------------------------------------------

class Pictures:
    """Writes pictures to one folder; each title names the data set, each caption says what was trained."""

    def __init__(self, out: Path, note: str, caption: str):
        self.out, self.note, self.caption, self.count = out, note, f"{note}, {caption}", 0

    def write(self, kind: Callable, *arrays, to: str, title: str, **options) -> None:
        kind(*arrays, self.out / f"{to}.png", title=f"{title} · {self.note}", caption=self.caption, **options)
        self.count += 1


def write_metrics(args: argparse.Namespace, data: Data, **metrics) -> Path:
    """metrics.json in --out: the data, the options and kernels, then `metrics`; written whole or not at all."""
    from . import __version__                                  # here, because the package imports this file
    settings = {k: v for k, v in vars(args).items() if k not in ("out", "kernels", "resume")}
    everything = {"data": data.note, "settings": settings, "kernels": kernel.mode, "version": __version__, **metrics}
    path = args.out / "metrics.json"
    temporary = path.with_name(f".metrics.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(everything, indent=1) + "\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
