"""Fetch a file of known size and checksum, and keep it so that nobody ever sees half of it."""
from __future__ import annotations

import hashlib
import os
import time
import urllib.request
import uuid
from pathlib import Path

from tqdm import tqdm

from .idx import DataFileError

SLOWEST = 20_000             # bytes per second; whoever sends less is given up in the end
CHUNK = 1 << 16              # bytes asked for at a time
STALE = 3600                 # seconds after which a temporary file has lost its writer


def check(packed: bytes, size: int, sha256: str, file: object) -> None:
    """Compare bytes with the size and the SHA-256 they must have; DataFileError when they differ."""
    if len(packed) != size:
        found = len(packed) if len(packed) < size else "more"
        raise DataFileError.mismatch(file, "size", f"{size} bytes", found)
    found = hashlib.sha256(packed).hexdigest()
    if found != sha256:
        raise DataFileError.mismatch(file, "SHA-256", sha256, found)


def fetch(url: str, size: int, sha256: str, timeout: float) -> bytes:
    """Download one file into memory, checked; a progress bar on stderr when it takes over a second.

    Units: size in bytes, timeout in seconds without any answer.
    Errors: DataFileError for a wrong size or checksum, or a server slower than SLOWEST; OSError,
    http.client.HTTPException and ValueError as urllib raises them.
    """
    name = url.rsplit("/", 1)[-1]
    request = urllib.request.Request(url, headers={"User-Agent": "scratchnet"})
    deadline = time.monotonic() + timeout + size / SLOWEST
    packed = bytearray()
    with urllib.request.urlopen(request, timeout=timeout) as response, \
            tqdm(desc=name, total=size, unit="B", unit_scale=True, delay=1, leave=False) as bar:
        # one byte too many is proof enough: an endless body ends there
        while piece := response.read1(min(CHUNK, size + 1 - len(packed))):
            if time.monotonic() > deadline:      # the timeout alone does not stop one byte a second
                raise DataFileError.mismatch(name, "speed", f"{SLOWEST} bytes per second", "less")
            packed += piece
            bar.update(len(piece))
    check(packed, size, sha256, name)
    return bytes(packed)


def keep(packed: bytes, target: Path) -> None:
    """Write a file whole or not at all: others see the old one or the new one, never a part.

    Errors: OSError when it cannot be written; no temporary file stays behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(target)
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as stream:
            stream.write(packed)
            stream.flush()
            os.fsync(stream.fileno())            # content before name: a power cut must not leave
        os.replace(temporary, target)            # a file that is there and empty
    finally:
        temporary.unlink(missing_ok=True)        # after os.replace it is gone already


def _remove_stale(target: Path) -> None:
    """Remove what killed processes left; a living writer's file is seconds old and stays."""
    for leftover in target.parent.glob(f"{target.name}.*.tmp"):
        try:
            if time.time() - leftover.stat().st_mtime > STALE:
                leftover.unlink()
        except OSError:                          # another process was faster, or it is not ours:
            pass                                 # either way it does not stop this download
