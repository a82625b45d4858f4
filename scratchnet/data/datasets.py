"""Data sets by name: images and labels, ready to train on."""
from __future__ import annotations

import queue
import threading

import numpy as np

from . import files
from .drawn_digits import draw_digits
from .idx import DataFileError, gunzip, read_idx

NAMES = ("mnist", "fashion-mnist", "digits")
SPLITS = ("train", "test")
DRAWN = {"train": (60_000, 0), "test": (10_000, 1)}     # how many digits, and the seed

PATIENCE = 9.0           # seconds until choose() is sure that there is no network
SHORT_TIMEOUT = 3.0      # seconds for one mirror, meanwhile


def load(name: str, split: str = "train", first: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Load "mnist" or "fashion-mnist" (fetched when needed), or "digits" (drawn in seconds, offline).

    first: only so many images, from the start; of the digits no others are drawn.

    Shapes: images (N, 1, 28, 28) float32; labels (N,) int64.  N is 60,000 for split "train" and
    10,000 for "test", or `first` if that is less.
    Units: 0 is paper, 1 is ink, in steps of 1/255; labels 0 to 9.
    Errors: ValueError for an unknown name or split, and for first < 1; DataFileError when files are missing and
    cannot be fetched, or are damaged.
    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998; Xiao,
    Rasul and Vollgraf, "Fashion-MNIST", arXiv 1708.07747.
    """
    _check_known("name", name, NAMES)
    _check_known("split", split, SPLITS)
    if first is not None and first < 1:
        raise ValueError(f"first: expected 1 or more images, got {first}")
    if name == "digits":
        count, seed = DRAWN[split]
        return draw_digits(min(count, first or count), seed)
    image_file, label_file = files.FILES[name][split]
    images, labels = _unpack(name, image_file), _unpack(name, label_file)
    _check_pair(images, labels, image_file.name, label_file.name)
    images, labels = images[:first], labels[:first]
    scaled = images[:, None].astype(np.float32)              # (N, 1, 28, 28)
    scaled /= 255                                            # in place: no second copy of 188 MB
    return scaled, labels.astype(np.int64)


def available(name: str) -> bool:
    """Whether load(name) can go without the network, judged by the names and sizes of the files.

    Errors: ValueError for an unknown name.
    """
    _check_known("name", name, NAMES)
    return name == "digits" or all(files.on_disk(name, file) for file in files.all_files(name))


def choose(name: str = "auto") -> tuple[str, str]:
    """Turn the --data option of an example into a name for load(), and a note to print.

    "auto" means "mnist" if its files are here or can be fetched now, else "digits"; the note then
    says why, otherwise it is empty.  Without a network the answer takes at most ten seconds.

    Errors: ValueError for an unknown name.
    """
    _check_known("name", name, ("auto", *NAMES))
    if name != "auto":
        return name, ""
    try:
        _have("mnist")
    except DataFileError as error:
        return "digits", f"MNIST cannot be had, so these are drawn digits. The reason:\n{error}"
    return "mnist", ""


def _have(name: str) -> None:
    """Have every file of a data set on disk and intact, or raise DataFileError without delay."""
    missing = [file for file in files.all_files(name) if files.find(name, file) is None]
    missing.sort(key=lambda file: file.size)
    if missing:
        _probe(name, missing[0])             # the smallest tells soon whether there is a network
    for file in missing[1:]:
        files.read(name, file)


def _probe(name: str, file: files.File) -> None:
    """Fetch a file, but wait no longer than PATIENCE: a DNS lookup keeps to no timeout of its own."""
    answer: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def fetch() -> None:
        try:
            files.read(name, file, SHORT_TIMEOUT)
            answer.put(None)
        except Exception as error:           # whatever it is, it is raised where somebody sees it
            answer.put(error)

    threading.Thread(target=fetch, daemon=True).start()
    try:
        error = answer.get(timeout=PATIENCE)
    except queue.Empty:
        silence = [f"no mirror answered within {PATIENCE:g} seconds"]
        error = DataFileError(files.unreachable(name, file, silence))
    if error is not None:
        raise error


def _unpack(name: str, file: files.File) -> np.ndarray:
    return read_idx(gunzip(files.read(name, file), file.raw_size, file.name), file.name)


def _check_pair(images: np.ndarray, labels: np.ndarray, image_file: str, label_file: str) -> None:
    """Images and labels must belong together: as many of both, 28 x 28 pixels, labels 0 to 9."""
    if labels.ndim != 1:
        raise DataFileError.mismatch(label_file, "number of dimensions", 1, labels.ndim)
    if images.shape != (len(labels), 28, 28):
        raise DataFileError.mismatch(image_file, f"shape, to match {label_file}",
                                     (len(labels), 28, 28), images.shape)
    if labels.max(initial=0) > 9:
        raise DataFileError.mismatch(label_file, "labels", "0 to 9", labels.max())


def _check_known(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"{what}: expected one of {', '.join(known)}, got {given!r}")
