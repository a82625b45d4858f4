"""C5: files that would fill the memory, crowd the archive or write elsewhere are refused at a glance."""
from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from scratchnet.storage import CheckpointError, load
from tests.storage_tools import raw_save

full = pytest.mark.full


def refuses_lightly(path: Path, words: str, seconds: float = 2.0) -> None:
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(CheckpointError, match=words):
            load(path)
        assert time.perf_counter() - start < seconds
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def npy_bytes(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + data


def zip_with(path: Path, member: bytes, *, name: str = "x.npy", method: int = zipfile.ZIP_STORED) -> None:
    raw_save(path, {}, {"x": ["array"]})
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr(name, member)


@pytest.mark.parametrize("descr, shape, stored", [
    ("'<f8'", "(1000000000000,)", 8), ("'<f8'", "(4294967296, 4294967296)", 0),           # 0 in 64 bits
    ("'<f8'", "(-1, -1)", 8), ("'<f8'", "(2,)", 8), ("'<f8'", "(1,)", 16), ("'|V1000000000'", "(8,)", 8),
    ("('<f8', (100000000,))", "(1,)", 8)])
def test_C5_header_bomb(tmp_path, descr, shape, stored):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"
    zip_with(tmp_path / "a.npz", npy_bytes(header, bytes(stored)))
    refuses_lightly(tmp_path / "a.npz", f"x.npy: expected plain numbers, {stored} bytes, found")


@pytest.mark.parametrize("shape", ["(" * 5000, "-" * 9000 + "1", "-" * 1900 + "1", "[" * 60000, "(1.0,)", ""])
def test_C5_header_that_is_no_header(tmp_path, shape):
    zip_with(tmp_path / "a.npz", npy_bytes(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}", bytes(8)))
    refuses_lightly(tmp_path / "a.npz", "content: expected an intact file")


def test_C5_later_npy_formats_with_longer_headers(tmp_path):
    zip_with(tmp_path / "a.npz", b"\x93NUMPY\2\0" + struct.pack("<L", 2 ** 31) + b"{")
    refuses_lightly(tmp_path / "a.npz", "a.npz: ")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("size", [10 ** 8, pytest.param(10 ** 9, marks=full)])
def test_C5_zip_bomb(tmp_path, method, size):
    member = npy_bytes("{'descr': '|u1', 'fortran_order': False, 'shape': (%d,)}" % size, bytes(size))
    zip_with(tmp_path / "a.npz", member, method=method)
    assert (tmp_path / "a.npz").stat().st_size < size / 500
    refuses_lightly(tmp_path / "a.npz", "zip directory: expected sizes")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_C5_even_a_little_compressed(tmp_path, method):
    """As little as that the sizes alone do not give it away."""
    member = npy_bytes("{'descr': '|u1', 'fortran_order': False, 'shape': (9,)}", bytes(9))
    zip_with(tmp_path / "a.npz", member, method=method)
    refuses_lightly(tmp_path / "a.npz", "x.npy: expected a stored member")


def test_C5_members_on_top_of_each_other(tmp_path):
    """A thousand members that are all the same bytes of the file would ask for a thousand times its size."""
    path, size = tmp_path / "a.npz", 10 ** 6
    names = [f"{i:03}" for i in range(1000)]
    raw_save(path, {"000": np.zeros(size, np.uint8)}, {n: ["array"] for n in names})
    content = path.read_bytes()
    start = content.rindex(b"PK\1\2")                          # the directory's record of 000.npy
    record, end = content[start:-22], bytearray(content[-22:])
    extra = b"".join(record.replace(b"000.npy", f"{n}.npy".encode()) for n in names[1:])
    count, length = struct.unpack("<HL", end[10:16])
    end[8:16] = struct.pack("<HHL", count + 999, count + 999, length + len(extra))
    path.write_bytes(content[:-22] + extra + end)
    refuses_lightly(path, "zip directory: expected sizes")


def crowd(count: int, claim: int | None = None, length: int | None = None) -> bytes:
    """A zip file of `count` members of no bytes; claim, length: what its end says instead of the truth."""
    directory = b"".join(b"PK\1\2" + bytes(24) + struct.pack("<H", 8) + bytes(16) + b"%08x" % i for i in range(count))
    count, length = count if claim is None else claim, len(directory) if length is None else length
    end = b"PK\5\6" + bytes(4) + struct.pack("<HHLLH", min(count, 65535), min(count, 65535), length, 0, 0)
    if count > 65535:
        wide = b"PK\6\6" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, length, 0)
        end = wide + b"PK\6\7" + struct.pack("<LQL", 0, len(directory), 1) + end
    return directory + end


@pytest.mark.parametrize("count", [20_000, pytest.param(10 ** 6, marks=full)])
def test_C5_too_many_members(tmp_path, count):
    (tmp_path / "a.npz").write_bytes(crowd(count))
    refuses_lightly(tmp_path / "a.npz", "zip directory of .* more than")
    for lie in (dict(claim=1), dict(claim=10 ** 6), dict(claim=10 ** 18), dict(length=2 ** 31), dict(length=1 << 20)):
        (tmp_path / "a.npz").write_bytes(crowd(count, **lie))
        refuses_lightly(tmp_path / "a.npz", "a.npz: ")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_C5_duplicate_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for value in (1, 2):
            content = io.BytesIO()
            np.save(content, np.full(3, value))
            archive.writestr("x.npy", content.getvalue())
    refuses_lightly(tmp_path / "a.npz", "each name once")


@pytest.mark.parametrize("name", ["../x.npy", "/x.npy", "a/../../x.npy", "C:x.npy", "..\\x.npy", "x", "x.npy/", "y.npy",
                                  "x.npy\0.npy", "./x.npy"])
def test_C5_names_that_lead_elsewhere(tmp_path, name):
    good = npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", bytes(8))
    raw_save(tmp_path / "a.npz", {}, {"x": ["array"]})
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("N" * len(name), good)
    content = (tmp_path / "a.npz").read_bytes().replace(b"N" * len(name), name.encode())
    (tmp_path / "a.npz").write_bytes(content)
    refuses_lightly(tmp_path / "a.npz", "a.npz: ")
    raw_save(tmp_path / "a.npz", {}, {name.removesuffix(".npy"): ["array"]})     # and as a name in the tree
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr(name, good)
    if name not in ("x", "y.npy"):
        refuses_lightly(tmp_path / "a.npz", "a.npz: ")


def test_C5_a_text_that_is_too_long(tmp_path):
    np.savez(tmp_path / "a.npz", __meta__=np.frombuffer(b"[" + b"{}," * 10 ** 6 + b"{}]", np.uint8))
    refuses_lightly(tmp_path / "a.npz", "__meta__: expected at most")
