"""A local http server with good and bad mirrors, a small data set for it, and a process that loads it.

Used by test_data_files.py and test_data_download.py; nothing here reaches beyond this machine.
"""
from __future__ import annotations

import gzip
import hashlib
import json
import os
import struct
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from scratchnet.data import datasets, files


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file as bytes, written from the format's description and not by the code under test."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def small_set(train: int = 20, test: int = 8) -> tuple[dict, dict[str, bytes]]:
    """A data set of random images: the catalogue that files.FILES would hold, and file name -> bytes."""
    rng = np.random.default_rng(5)
    catalogue, served = {}, {}
    for split, n in (("train", train), ("test", test)):
        pair = []
        for kind, array in (("images", rng.integers(0, 256, (n, 28, 28), np.uint8)),
                            ("labels", rng.integers(0, 10, n, np.uint8))):
            raw = idx_bytes(array)
            packed = gzip.compress(raw, mtime=0)
            name = f"{split}-{kind}.gz"
            pair.append(files.File(name, len(packed), len(raw), hashlib.sha256(packed).hexdigest()))
            served[name] = packed
        catalogue[split] = tuple(pair)
    return {"mnist": catalogue}, served


class Mirrors(ThreadingHTTPServer):
    """http://127.0.0.1:port/<behaviour>/<file>; the behaviours are the do_... methods of Handler."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, served: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.served = served
        self.asked: list[str] = []           # paths, in the order in which they came
        self.sent = 0                        # bytes of the endless body
        self.closing = threading.Event()

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"

    def handle_error(self, request, client_address):
        """A client that hangs up is what several tests are about."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(.05,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.closing.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Mirrors

    def do_GET(self):
        self.server.asked.append(self.path)
        _, behaviour, name = self.path.split("/")
        getattr(self, f"send_{behaviour}")(self.server.served[name])

    def head(self, length: int | None):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send_good(self, body):
        self.head(len(body))
        self.wfile.write(body)

    def send_missing(self, body):
        self.send_error(404)

    def send_broken(self, body):
        self.send_error(500)

    def send_short(self, body):
        self.head(len(body))
        self.wfile.write(body[:-5])

    def send_wrong(self, body):
        self.head(len(body))
        self.wfile.write(body[:-1] + bytes([body[-1] ^ 1]))

    def send_silent(self, body):
        self.server.closing.wait(30)

    def send_stalled(self, body):
        self.head(len(body))
        self.wfile.write(body[:10])
        self.wfile.flush()
        self.server.closing.wait(30)

    def send_dripping(self, body):
        self.head(len(body))
        for i in range(len(body)):
            self.wfile.write(body[i:i + 1])
            self.wfile.flush()
            if self.server.closing.wait(.05):
                break

    def send_endless(self, body):
        self.head(None)
        while not self.server.closing.is_set() and self.server.sent < 1 << 28:
            self.server.sent += self.wfile.write(bytes(1 << 16))

    def send_garbage(self, body):
        self.wfile.write(b"this is not http\r\n\r\n")

    def log_message(self, *arguments):
        """Stay quiet."""


CATALOGUE, SERVED = small_set()
IMAGES, LABELS = CATALOGUE["mnist"]["test"]
NOBODY = "http://127.0.0.1:9/"               # the discard port: connections are refused at once


def pixels() -> np.ndarray:
    """The images of split "test", as they were before they were packed."""
    return np.frombuffer(gzip.decompress(SERVED[IMAGES.name])[16:], np.uint8).reshape(-1, 1, 28, 28)


def fill(folder: Path) -> Path:
    """Put the four files into folder/mnist."""
    (folder / "mnist").mkdir(parents=True)
    for name, packed in SERVED.items():
        (folder / "mnist" / name).write_bytes(packed)
    return folder


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def listing(folder: Path) -> list[str]:
    """The names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def child_environment() -> dict[str, str]:
    """For processes of their own: this package, no proxy, no data."""
    environment = {**os.environ, "no_proxy": "*", "PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop("SCRATCHNET_DATA", None)
    return environment


def use(monkeypatch, cache: Path, catalogue: dict, mirrors: list[str]) -> None:
    """Point the package at this catalogue, these mirrors and this cache folder, and at nothing else."""
    monkeypatch.delenv("SCRATCHNET_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(files, "cache_folder", lambda: cache)
    monkeypatch.setattr(files, "FILES", catalogue)
    monkeypatch.setattr(files, "MIRRORS", {"mnist": mirrors})


def reader() -> None:
    """One process of X1: for each cache folder named on stdin, load all and print what was seen."""
    mirror, catalogue = json.loads(sys.argv[1])
    files.FILES = {"mnist": {split: tuple(files.File(*file) for file in pair)
                             for split, pair in catalogue.items()}}
    files.MIRRORS = {"mnist": [mirror]}
    warnings.simplefilter("error")           # a damaged file in the cache would be a warning
    print("ready", flush=True)
    for line in sys.stdin:
        files.cache_folder = lambda: Path(line.strip())
        try:
            seen = hashlib.sha256()
            for split in ("train", "test"):
                for array in datasets.load("mnist", split):
                    seen.update(array.tobytes())
            print(seen.hexdigest(), flush=True)
        except Exception as error:
            print(repr(error).replace("\n", " "), flush=True)


if __name__ == "__main__":
    reader()
