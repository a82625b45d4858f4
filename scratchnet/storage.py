"""Checkpoints: everything a run needs to go on tomorrow, in one file that is whole or not there.

    sn.save("run.npz", model=model, optimiser=adam, epoch=3, rng=rng)
    parts = sn.load("run.npz")                          # once model, adam and rng are built again
    model.load_state(parts["model"])
    adam.load_state(parts["optimiser"])
    rng.bit_generator.state = parts["rng"].bit_generator.state         # into the generator that dropout holds

The file is a plain .npz, a zip of arrays in NumPy's .npy form, which np.load can open as well:

    __meta__.npy        JSON text, as bytes: format, versions, and the tree of all parts, where an
                        array is ["array"], a generator ["generator", its state], the rest is itself
    model/0.w.npy …     the array that is found in the tree under "model", then "0.w"

Nothing in it is compressed, so a file of n bytes can ask for n bytes of memory and no more; nothing
is pickled, so reading it runs no code; each member has a CRC-32, so no flipped bit goes unnoticed.
"""
from __future__ import annotations

import io
import json
import math
import os
import re
import socket
import uuid
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

import numpy as np
from numpy.lib import format as npy

FORMAT, VERSION, META = "scratchnet checkpoint", 1, "__meta__"
DTYPES = {np.dtype(c) for c in ("?", *np.typecodes["AllInteger"], "f4", "f8", "c16")}
KEY = re.compile(r"(?!\.\.?$)[^/\\:\x00-\x1f\ud800-\udfff]{1,200}")  # one name, never a path
MOST = 1 << 20                            # bytes of the zip directory, and of the JSON: 8000 arrays and more
COPY = "use another copy of the file, or an earlier checkpoint"


class CheckpointError(ValueError):
    """A refused file: .path, .member (where in it), .expected, .found, .remedy (what to do)."""
    path, member, expected, found, remedy = (property(lambda self, i=i: self.args[i]) for i in range(5))

    def __str__(self):
        return "{}: {}: expected {!s:.200}, found {!s:.200}; {}".format(*self.args)


def under(place: str, key: str) -> str:
    if not (isinstance(key, str) and KEY.fullmatch(key)) or key == META:
        raise ValueError(f"{place or 'a part'} has the name {key!r:.60}; expected 1 to 200 letters, no / \\ : {META}")
    return f"{place}/{key}" if place else key


def pack(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """The JSON tree of a value; its arrays go into `arrays`, each under its place, as model/0.w."""
    if isinstance(value, np.random.Generator) and isinstance(value.bit_generator, np.random.PCG64):
        return ["generator", value.bit_generator.state]
    if callable(getattr(value, "state", None)):                # a Layer, an optimiser
        value = value.state()
    if isinstance(value, dict):
        return {key: pack(branch, under(place, key), arrays) for key, branch in value.items()}
    if isinstance(value, np.generic) and value.dtype in DTYPES:
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if type(value) is np.ndarray and value.dtype in DTYPES:    # not its subclasses: a masked array would lose its mask
        arrays[place] = value
        return ["array"]
    raise TypeError(f"save: {place} is a {type(value).__name__} {getattr(value, 'dtype', '')}; expected a dict, an "
                    "array of bool, integers, float32, float64 or complex128 (of a Tensor, its .data), a number, "
                    "a string, a generator made by np.random.default_rng, or an object with .state()")


def unpack(tree: Any, place: str, array: Callable[[str], Any]) -> Any:
    """The value that was packed; array(place) is asked for each array, in the order of the tree."""
    if isinstance(tree, dict):
        return {key: unpack(branch, under(place, key), array) for key, branch in tree.items()}
    if tree == ["array"]:
        return array(place)
    if not isinstance(tree, list):
        return tree
    rng = np.random.Generator(np.random.PCG64(0))
    rng.bit_generator.state = tree[1]
    return rng


def save(path: str | os.PathLike, /, **parts: Any) -> None:
    """Write all parts into one file; whoever reads path finds the old file or the new one, never half of one.

    A part is a Layer or optimiser (its .state() is saved), a dict (of dicts) of arrays, an array, a
    number, a string, a bool, None, or a generator made by np.random.default_rng.
    Errors   TypeError and ValueError, naming part and key, for what cannot be stored.  OSError for a
             full disk, a missing permission or folder.  After any error path is what it was before.
    Source   Pillai et al. 2014, "All file systems are not created equal", OSDI: write, fsync, rename.
    """
    from . import __version__                                  # here, because the package imports this file
    arrays = {META: np.empty(0, np.uint8)}                     # the first member of the file
    meta = {"format": FORMAT, "version": VERSION, "scratchnet": __version__, "parts": pack(parts, "", arrays)}
    arrays[META] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    target = Path(os.path.realpath(path))                      # of a link, the file that it means
    ours = f".{target.name}~{socket.gethostname()}~"           # temporary files: .run.npz~host~process~…
    temporary = target.with_name(f"{ours}{os.getpid()}~{uuid.uuid4().hex[:8]}")
    try:
        remove_abandoned(target.parent, ours)
        with zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:       # force: of unknown size
                    npy.write_array(member, array, version=(1, 0), allow_pickle=False)
        with SmallReads(temporary, "r+") as file:
            inspect(file, path)                                # what save accepts, load accepts
            os.fsync(file.fileno())                            # the content first, then the name that leads to it
        os.replace(temporary, target)                          # atomic: the name means the one file or the other
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: not saved, old file unchanged", os.fspath(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()                                 # after os.replace it is gone already
    with suppress(OSError):                                    # the rename itself, on systems that offer it
        folder = os.open(target.parent, os.O_RDONLY)
        with suppress(OSError):
            os.fsync(folder)
        os.close(folder)


def remove_abandoned(folder: Path, ours: str) -> None:
    """Remove what killed processes of this machine left; a process that still runs keeps its file."""
    for old in folder.iterdir() if os.name == "posix" else ():           # on Windows signal 0 does more than ask
        if old.name.startswith(ours):
            with suppress(OSError, ValueError, OverflowError):           # it runs as somebody else; no process id
                try:
                    os.kill(int(old.name.split("~")[-2]), 0)
                except ProcessLookupError:
                    old.unlink()


def load(path: str | os.PathLike, /) -> dict[str, Any]:
    """Read what save wrote: {"model": {"0.w": array, …}, "epoch": 3, "rng": Generator}, as it was named there.

    Errors   OSError when it cannot be opened.  CheckpointError for a file that is damaged, of a newer
             version, not from sn.save, or made to do harm: no code in it runs, no memory goes to its claims.
    Source   PKWARE, APPNOTE.TXT 6.3 (zip); NumPy Enhancement Proposal 1 (.npy).
    """
    with SmallReads(path) as file:
        try:
            archive, tree = inspect(file, path)
            return unpack(tree, "", lambda place: read_array(archive, place))
        except (CheckpointError, MemoryError):
            raise
        except Exception as error:                             # damage has many faces: BadZipFile, EOFError, …
            raise CheckpointError(path, "content", "an intact file", repr(error), COPY) from error


def read_array(archive: zipfile.ZipFile, place: str) -> np.ndarray:
    with archive.open(f"{place}.npy") as member:
        return npy.read_array(member, allow_pickle=False)      # the zip compares the CRC-32 at the last byte


class SmallReads(io.FileIO):
    """A file that is read in pieces: zipfile would take in a directory of any length at once."""
    def read(self, size: int = -1) -> bytes:
        if size > MOST:
            raise ValueError(f"a zip directory of {size} bytes, more than {MOST}: store fewer, larger arrays")
        return super().read(size)


def inspect(file: SmallReads, path) -> tuple[zipfile.ZipFile, dict]:
    """The open archive and its tree, once all that it says of itself holds together; no array is read."""
    def need(ok: bool, *what, remedy: str = COPY) -> None:
        if not ok:
            raise CheckpointError(path, *what, remedy)
    # The directory: each name once, ours first, and no more bytes than there are.
    archive, size = zipfile.ZipFile(file), os.fstat(file.fileno()).st_size
    members = {member.orig_filename: member for member in archive.infolist()}
    need(len(members) == len(archive.infolist()), "zip directory", "each name once", "one twice")
    need([*members][:1] == [f"{META}.npy"], META, "a file of sn.save", [*members][:3], remedy="try np.load")
    need(sum(m.file_size for m in members.values()) < size, "zip directory", f"sizes that sum to < {size}", "more")
    # Each member: stored as it is, and its shape and dtype account for all its bytes.
    for name, member in members.items():
        left = member.file_size
        need(member.compress_type == zipfile.ZIP_STORED and member.compress_size == left, name, "a stored member",
             f"{left} bytes packed into {member.compress_size}")
        with archive.open(member) as stream:
            version = npy.read_magic(stream)
            shape, _, dtype = npy.read_array_header_1_0(stream, max_header_size=2000)     # 64 numbers, and words
            left -= stream.tell()
        need(version == (1, 0) and dtype in DTYPES and min(shape, default=0) >= 0
             and math.prod(shape) * dtype.itemsize == left, name, f"plain numbers, {left} bytes", f"{dtype} {shape}")
        if name == f"{META}.npy":                              # the first, as a newer version may change the rest
            need(left <= MOST, META, f"at most {MOST} bytes of text", left, remedy="store long texts as arrays")
            meta = json.loads(read_array(archive, META).tobytes())
            need(meta["format"] == FORMAT, META, f"format {FORMAT!r}", meta["format"], remedy="try np.load")
            need(meta["version"] == VERSION, META, f"format version {VERSION}", f"version {meta['version']} of "
                 f"scratchnet {meta['scratchnet']}", remedy="load it with that scratchnet, or a newer one")
    # The tree: a place for each array, and an array for each place.
    told = [f"{META}.npy"]
    unpack(meta["parts"], "", lambda place: told.append(f"{place}.npy"))
    need(told == [*members], META, f"the members {told}", [*members])
    return archive, meta["parts"]
