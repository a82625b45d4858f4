"""Where the MNIST and Fashion-MNIST files are: on disk here, or on a mirror, and always checked."""
from __future__ import annotations

import http.client
import os
import sys
import warnings
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError

from .download import check, fetch, keep
from .idx import DataFileError

TIMEOUT = 10.0               # seconds a mirror may stay silent


class File(NamedTuple):
    """One .gz file as it was published."""
    name: str
    size: int                # bytes, packed
    raw_size: int            # bytes, unpacked
    sha256: str              # of the packed file


# data set -> split -> (images, labels); the two sets use the same four file names
FILES: dict[str, dict[str, tuple[File, File]]] = {
    "mnist": {
        "train": (File("train-images-idx3-ubyte.gz", 9912422, 47040016,
                       "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                  File("train-labels-idx1-ubyte.gz", 28881, 60008,
                       "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c")),
        "test": (File("t10k-images-idx3-ubyte.gz", 1648877, 7840016,
                      "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                 File("t10k-labels-idx1-ubyte.gz", 4542, 10008,
                      "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6")),
    },
    "fashion-mnist": {
        "train": (File("train-images-idx3-ubyte.gz", 26421880, 47040016,
                       "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                  File("train-labels-idx1-ubyte.gz", 29515, 60008,
                       "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845")),
        "test": (File("t10k-images-idx3-ubyte.gz", 4422102, 7840016,
                      "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                 File("t10k-labels-idx1-ubyte.gz", 5148, 10008,
                      "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5")),
    },
}

# asked in this order; what they send counts only if its SHA-256 is the one above
MIRRORS: dict[str, list[str]] = {
    "mnist": ["https://ossci-datasets.s3.amazonaws.com/mnist/",
              "https://storage.googleapis.com/cvdf-datasets/mnist/",
              "https://raw.githubusercontent.com/fgnt/mnist/master/"],
    "fashion-mnist": ["https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
                      "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"],
}


def cache_folder() -> Path:
    """The folder for downloads: `scratchnet` in the place where this system keeps its caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "scratchnet"


def own_folder() -> Path | None:
    """The folder named by the environment variable SCRATCHNET_DATA, or None."""
    folder = os.environ.get("SCRATCHNET_DATA")
    return Path(folder).expanduser() if folder else None


def all_files(name: str) -> list[File]:
    """The four files of a data set."""
    return [file for pair in FILES[name].values() for file in pair]


def on_disk(name: str, file: File) -> bool:
    """Whether a file is there with the right size; a cheap look, its checksum is not computed."""
    for folder in (own_folder(), cache_folder()):
        path = folder / name / file.name if folder else None
        if path and os.path.isfile(path):
            return path.stat().st_size == file.size
    return False


def find(name: str, file: File) -> bytes | None:
    """The packed bytes of one file from SCRATCHNET_DATA, else from the cache folder, else None.

    A damaged file in SCRATCHNET_DATA is an error, because somebody chose that folder; a damaged
    file in the cache folder gets a warning and counts as missing.

    Errors: DataFileError naming the file, what was expected and found, and the remedy.
    """
    own = own_folder()
    if own:
        try:
            return _read_checked(own / name / file.name, file)
        except FileNotFoundError:
            pass                                 # the folder may hold another data set only
        except DataFileError as error:
            raise DataFileError(f"{error}. Delete this file, or fetch it again: "
                                f"the variable SCRATCHNET_DATA points to {own}.") from None
    try:
        return _read_checked(cache_folder() / name / file.name, file)
    except FileNotFoundError:
        return None
    except DataFileError as error:
        warnings.warn(f"{error}. It will be fetched again.", stacklevel=2)
        return None


def read(name: str, file: File, timeout: float = TIMEOUT) -> bytes:
    """The packed bytes of one file: from disk, else from a mirror and then kept in the cache folder.

    Units: timeout in seconds, for each mirror.
    Errors: DataFileError naming the damaged file, or everything that was tried.
    """
    packed = find(name, file)
    if packed is None:
        packed = _from_mirrors(name, file, timeout)
        target = cache_folder() / name / file.name
        try:
            keep(packed, target)
        except OSError as error:                 # a full disk need not stop today's lesson
            warnings.warn(f"{target} cannot be kept ({error}); it will be fetched again next time.",
                          stacklevel=2)
    return packed


def _read_checked(path: Path, file: File) -> bytes:
    """The bytes of a file, read once: what is returned is what was hashed."""
    try:
        with open(path, "rb") as stream:
            packed = stream.read(file.size + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataFileError.mismatch(path, "content", "a readable file", error.strerror) from None
    check(packed, file.size, file.sha256, path)
    return packed


def _from_mirrors(name: str, file: File, timeout: float) -> bytes:
    """The file from the first mirror that sends it whole, or one error that tells about them all."""
    failures = []
    for mirror in MIRRORS[name]:
        try:
            return fetch(mirror + file.name, file.size, file.sha256, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, HTTPError):
                error.close()                    # it carries the connection
            reason = error.reason if type(error) is URLError else error     # URLError is a wrapper
            failures.append(f"{mirror}: {reason}")
    raise DataFileError(unreachable(name, file, failures))


def unreachable(name: str, file: File, failures: list[str]) -> str:
    """What was tried to get a file, and what its reader can do now."""
    own = own_folder()
    folder = cache_folder() / name
    return "\n  ".join([
        f"{name}: {file.name} is not on this machine and could not be fetched.",
        f"SCRATCHNET_DATA: {f'no such file in {own / name}' if own else 'not set'}",
        f"cache: no intact file in {folder}",
        *failures,
        f"What to do: put {', '.join(file.name for file in all_files(name))} into {folder},",
        "or use the digits that scratchnet draws itself: --data digits"])
