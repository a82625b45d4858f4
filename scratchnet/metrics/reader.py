"""The reader of digits that judges made images: the package's own classifier, trained once and kept.

    features        what its last hidden layer says, (N, 128): digits that look alike to it lie close together
    probabilities   its answers, (N, 10)

It is kept in the cache folder, beside the data, under a name that says what it was trained on.  Whoever finds a
damaged or a foreign file there trains it anew.
"""
from __future__ import annotations

import sys
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ..data.batching import batches
from ..data.files import cache_folder
from ..models.classifier import Classifier, train_step
from ..models.images import in_batches
from ..optim import Adam, one_cycle
from ..storage import CheckpointError, load, save
from .generative import class_shares, frechet_distance, inception_score, overlap

BATCH, LR, SEED = 64, 2e-3, 0


def trained_reader(images: np.ndarray, labels: np.ndarray, epochs: int = 6, folder: Path | None = None) -> Classifier:
    """The classifier trained on these images, from the cache folder if it is there.

        θ ← Adam(θ, ∂L/∂θ),  L = −log p[label],  lr of one_cycle, 64 images a step
    Shapes   images (N,1,28,28) in [0,1]; labels (N,).   Units   MNIST, 6 epochs: a minute or two, 99.3 % of its test images.
    Errors   those of Classifier; a file that cannot be read or written is a warning.
    """
    folder = cache_folder() / "readers" if folder is None else folder
    trained_on = zlib.crc32(np.ascontiguousarray(images)) ^ zlib.crc32(np.ascontiguousarray(labels))
    path = folder / f"{len(images)}-images-{trained_on:08x}-{epochs}-epochs.npz"
    model = Classifier(rng=SEED).eval()
    if path.exists():
        try:
            parts = load(path)
            model.load_state(parts["model"])
            np.testing.assert_allclose(features(model, probe()), parts["probe"], rtol=1e-3, atol=1e-3)
            return model
        except (CheckpointError, OSError, KeyError, TypeError, ValueError, AssertionError) as error:
            warnings.warn(f"{path} cannot be used ({type(error).__name__}: {str(error).strip().splitlines()[0]}); "
                          "the reader is trained again", stacklevel=2)
    model = train(images, labels, epochs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save(path, model=model, probe=features(model, probe()))            # atomic: others see all of it or nothing
    except OSError as error:
        warnings.warn(f"the trained reader cannot be kept ({error}); next time it is trained again", stacklevel=2)
    return model


def train(images: np.ndarray, labels: np.ndarray, epochs: int) -> Classifier:
    rng = np.random.default_rng(SEED)
    model = Classifier(rng=rng)
    optimiser, steps = Adam(model.parameters()), epochs * -(-len(images) // BATCH)
    with tqdm(total=epochs * len(images), desc="a reader of digits, trained once", unit=" images", dynamic_ncols=True,
              mininterval=0.1 if sys.stderr.isatty() else 10) as bar:
        for _ in range(epochs):
            for x, t in batches((images, labels), BATCH, rng=rng):
                optimiser.lr = one_cycle(optimiser.t, steps, LR)
                train_step(model, optimiser, x, t)
                bar.update(len(x))
    return model.eval()


def probe() -> np.ndarray:
    """Images whose features are kept with the weights: whether both still belong to this code."""
    return np.random.default_rng(0).random((4, 1, 28, 28)).astype(np.float32)


def features(model: Classifier, images: np.ndarray) -> np.ndarray:
    """(N, 128): the last hidden layer's answer to each image.

        f = max(0, h·W + b) of the first dense layer
    Shapes   images (N,1,28,28) → (N,128).    Errors   those of its layers.
    """
    return in_batches(model.features, images)


class Quality(NamedTuple):
    """What is known of made images.  frechet_percent: of the real features' variance; floor: train against test images."""
    frechet: float
    frechet_percent: float
    floor: float
    score: float
    precision: float
    recall: float
    density: float
    coverage: float
    classes: list[float]                        # the share of each class


def quality(model: Classifier, made: np.ndarray, test: np.ndarray, train: np.ndarray) -> Quality:
    """Made images against test images, both (N,1,28,28); as many training images against them give the floor.

        frechet = d²(features of test, of made);   floor = d²(features of test, of train);   score of p(y|made)
    Shapes   made (M,1,28,28), test (N,1,28,28), train (N,1,28,28) → frechet (), frechet_percent (),
             floor (), score (), precision (), recall (), density (), coverage (), classes (10,).
    Errors   those of frechet_distance and overlap, of which the largest need is 6 images each.
    Source   those of generative.py.
    """
    real, mine = features(model, test), features(model, made)
    answers = model.probabilities(made)
    distance = frechet_distance(real, mine)
    return Quality(distance, 100 * distance / float(real.var(axis=0, dtype=np.float64).sum()),
                   frechet_distance(real, features(model, train[:len(test)])), inception_score(answers),
                   *overlap(real, mine), class_shares(answers).tolist())
