"""C1 to C7: a checkpoint is the old one or the new one, a damaged one is refused, loading runs no code."""
from __future__ import annotations

import errno
import io
import json
import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import storage
from scratchnet.layers import Dense, Dropout, ReLU, Sequential
from scratchnet.optim import SGD, Adam, AdamW, RMSProp
from scratchnet.storage import CheckpointError, load, save

full = pytest.mark.full
EXAMPLE = {
    "model": {"0.w": np.arange(6, dtype=np.float32).reshape(2, 3), "0.b": np.zeros(3)},
    "deep": {"a": {"b": np.array([True, False]), "c": -7}, "empty": {}},
    "kinds": {c: np.ones((2, 1), c) for c in "?bBhHiIlLqQfdD"},
    "scalar": np.array(2.5), "none_left": np.zeros((0, 4)), "columns": np.asfortranarray(np.eye(3)[:, :2]),
    "epoch": 3, "big": 2 ** 100, "lr": 0.1, "inf": -np.inf, "best": True, "nothing": None, "name": "Größe \0 \ud800",
}


def same(a, b) -> bool:
    """Equal in structure, types, dtypes, shapes and bits."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, np.random.Generator):
        return isinstance(b, np.random.Generator) and a.bit_generator.state == b.bit_generator.state
    return type(a) is type(b) and a == b


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def helper(*words) -> str:
    """Run one of the functions at the end of this file in a process of its own."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(sn.__file__).parents[1]), *sys.path])}
    done = subprocess.run([sys.executable, __file__, *map(str, words)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def raw_save(path: Path, arrays: dict[str, np.ndarray], parts, **meta) -> None:
    """What save does, without its care: for files that it would never write."""
    text = json.dumps({"format": storage.FORMAT, "version": 1, "scratchnet": "9", "parts": parts, **meta}).encode()
    np.savez(path, **{"__meta__": np.frombuffer(text, np.uint8), **arrays})


# ---- round trip ---------------------------------------------------------------------------------

def test_loads_what_was_saved(tmp_path):
    rng = np.random.default_rng(4)
    rng.integers(9, dtype=np.int32)                            # leaves half of a 64-bit number behind
    save(tmp_path / "a.npz", **EXAMPLE, rng=rng)
    back = load(tmp_path / "a.npz")
    assert same(back, {**EXAMPLE, "rng": rng})
    assert back["columns"].flags.f_contiguous                  # the order of sums may depend on it
    assert same(back["rng"].integers(9, size=5, dtype=np.int32), rng.integers(9, size=5, dtype=np.int32))
    assert files(tmp_path) == ["a.npz"]


def test_objects_with_state_and_numpy_numbers(tmp_path):
    model = Sequential(Dense(3, 2), ReLU())
    adam = Adam(model.parameters())
    save(tmp_path / "a.npz", model=model, adam=adam, loss=np.float32(0.1), n=np.int64(5), ok=np.bool_(True))
    assert same(load(tmp_path / "a.npz"), {"model": model.state(), "adam": adam.state(), "loss": float(np.float32(0.1)),
                                           "n": 5, "ok": True})


def test_numpy_reads_it_and_equal_content_is_equal_bytes(tmp_path, monkeypatch):
    save(tmp_path / "a.npz", **EXAMPLE)
    later = time.localtime(time.time() + 1e6)
    monkeypatch.setattr(time, "localtime", lambda *when: later)          # zipfile asks it for its dates
    save(tmp_path / "b.npz", **EXAMPLE)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:
        np.testing.assert_array_equal(plain["model/0.w"], EXAMPLE["model"]["0.w"])


def test_files_beyond_the_plain_zip_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)           # else it takes 2 GiB to get these records
    save(tmp_path / "a.npz", **EXAMPLE)
    assert b"PK\6\6" in (tmp_path / "a.npz").read_bytes()
    assert same(load(tmp_path / "a.npz"), EXAMPLE)


@full
def test_a_file_of_more_than_two_gib(tmp_path):
    save(tmp_path / "a.npz", a=np.zeros(2 ** 31 + 5, np.uint8), b=np.arange(9))
    back = load(tmp_path / "a.npz")
    assert same(back["b"], np.arange(9)) and not back["a"].any() and back["a"].size == 2 ** 31 + 5


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "real" / "a.npz")
    for epoch in (1, 2):
        save(tmp_path / "link.npz", epoch=epoch)
    assert (tmp_path / "link.npz").is_symlink() and load(tmp_path / "real" / "a.npz") == {"epoch": 2}


@pytest.mark.parametrize("part, words", [
    ({"0.w": np.array([{}])}, "m/0.w.*object"), ({"w": np.ones(2, np.float16)}, "m/w.*float16"),
    (np.array(["a"]), "m is.*<U1"), (np.ones(2, ">f8"), "m is.*>f8"), (np.ones(2, "f4,f4"), "m is"),
    (np.ones(2, "M8[s]"), "m is.*datetime64"), (np.ma.masked_array([1.0], [True]), "MaskedArray"), ([1, 2], "list"),
    (sn.Tensor([1.0]), "Tensor.*data"), (1j, "complex"), (np.random.Generator(np.random.MT19937(0)), "default_rng"),
    (np.random.RandomState(0), "RandomState"), (lambda: 0, "function"), (np.datetime64("2020", "ns"), "datetime64")])
def test_C4_what_is_no_plain_number_is_not_saved(tmp_path, part, words):
    save(tmp_path / "a.npz", m=1)
    with pytest.raises(TypeError, match=words):
        save(tmp_path / "a.npz", m=part)
    assert load(tmp_path / "a.npz") == {"m": 1} and files(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("parts", [
    {"a/b": 1}, {"..": 1}, {".": 1}, {"": 1}, {"__meta__": np.ones(1)}, {"m": {"C:x": 1}}, {"m": {"a\\b": 1}},
    {"m": {3: 1}}, {"m": {"a\0": 1}}, {"m": {"\ud800": 1}}, {"m": {"k" * 201: 1}}])
def test_C5_names_that_could_be_paths_are_not_saved(tmp_path, parts):
    with pytest.raises(ValueError, match="has the name"):
        save(tmp_path / "a.npz", **parts)
    assert files(tmp_path) == []


def test_C5_what_load_would_refuse_is_not_saved(tmp_path):
    save(tmp_path / "a.npz", epoch=1)
    with pytest.raises(ValueError, match="fewer, larger arrays"):
        save(tmp_path / "a.npz", m={f"{i:0200}": np.ones(1) for i in range(5000)})
    with pytest.raises(CheckpointError, match="long texts"):
        save(tmp_path / "a.npz", text="x" * (1 << 20))
    assert load(tmp_path / "a.npz") == {"epoch": 1} and files(tmp_path) == ["a.npz"]


# ---- C1, C2: old or new, never half -------------------------------------------------------------

@pytest.mark.parametrize("trials", [20, pytest.param(200, marks=full)])
def test_C1_killed_while_saving(tmp_path, trials):
    report = json.loads(helper("kill", tmp_path, trials))
    assert report["wrong"] == [] and report["left after a save"] == []
    assert report["interrupted"] >= trials // 5                # enough kills hit the writing itself
    assert files(tmp_path) == ["a.npz"]


def test_C1_the_file_of_a_live_writer_stays(tmp_path):
    report = json.loads(helper("pause", tmp_path))
    assert report == {"kept": True, "whole": True, "left": ["a.npz"]}


def test_C1_only_abandoned_files_of_this_target_and_machine_go(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = socket.gethostname()
    keep = [f".a.npz~{host}~{os.getpid()}~00", f".a.npz~not-{host}~{gone.pid}~00", f".b.npz~{host}~{gone.pid}~00",
            f".a.npz~{host}~x~00", f"a.npz~{host}~{gone.pid}~00", f".a.npz~{host}~1~00", f".a.npz~{host}~{10 ** 30}~00"]
    for name in [*keep, f".a.npz~{host}~{gone.pid}~00"]:
        (tmp_path / name).touch()
    save(tmp_path / "a.npz", epoch=1)
    assert files(tmp_path) == sorted([*keep, "a.npz"])


@pytest.mark.parametrize("limits", [8, pytest.param(50, marks=full)])
def test_C2_disk_full(tmp_path, limits):
    save(tmp_path / "a.npz", version=1, w=np.ones(3000))
    size = (tmp_path / "a.npz").stat().st_size
    before = (tmp_path / "a.npz").read_bytes()
    report = json.loads(helper("full", tmp_path, *np.linspace(0, size - 1, limits, dtype=int)))
    assert len(report) == limits
    for number, text, left in report:
        assert number == errno.EFBIG and "unchanged" in text and "a.npz" in text and left == ["a.npz"]
    assert (tmp_path / "a.npz").read_bytes() == before and load(tmp_path / "a.npz")["version"] == 1


def test_C2_no_permission(tmp_path):
    save(tmp_path / "a.npz", version=1)
    tmp_path.chmod(0o555)
    try:
        number, text = json.loads(helper("forbidden", tmp_path))
    finally:
        tmp_path.chmod(0o755)
    assert number == errno.EACCES and "unchanged" in text
    assert load(tmp_path / "a.npz") == {"version": 1} and files(tmp_path) == ["a.npz"]


def test_C2_the_target_is_a_folder_or_has_none(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for name, error in [("folder", IsADirectoryError), ("missing/a.npz", FileNotFoundError),
                        ("file/a.npz", NotADirectoryError)]:
        with pytest.raises(error, match="not saved"):
            save(tmp_path / name, epoch=1)
    assert files(tmp_path) == ["file", "folder"] and files(tmp_path / "folder") == []


@pytest.mark.parametrize("step", ["fsync", "replace", "unlink"])
def test_C2_any_step_fails(tmp_path, monkeypatch, step):
    """`unlink` stands for: nothing fails but the tidying up, which then must not hide the reason."""
    save(tmp_path / "a.npz", version=1)
    before = (tmp_path / "a.npz").read_bytes()

    def fail(*args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")
    monkeypatch.setattr(storage.os, "replace" if step == "unlink" else step, fail)
    if step == "unlink":
        monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(OSError, match="Input/output error: not saved"):
        save(tmp_path / "a.npz", version=2)
    monkeypatch.undo()
    assert (tmp_path / "a.npz").read_bytes() == before
    assert step == "unlink" or files(tmp_path) == ["a.npz"]


def test_C2_the_folder_is_removed_while_saving(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()

    def fsync_late(fd):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    monkeypatch.setattr(storage.os, "fsync", fsync_late)
    with pytest.raises(FileNotFoundError, match="not saved"):
        save(folder / "a.npz", epoch=1)
    assert files(tmp_path) == []


def test_C2_interrupted_by_the_keyboard(tmp_path, monkeypatch):
    save(tmp_path / "a.npz", version=1)

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt
    monkeypatch.setattr(storage.npy, "write_array", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "a.npz", version=2)
    assert load(tmp_path / "a.npz") == {"version": 1} and files(tmp_path) == ["a.npz"]


def test_C2_content_reaches_the_disk_before_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(fd):
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else os.fstat(fd).st_size)
        fsync(fd)
    monkeypatch.setattr(storage.os, "fsync", note_fsync)
    monkeypatch.setattr(storage.os, "replace", lambda *names: (calls.append("rename"), replace(*names)))
    save(tmp_path / "a.npz", **EXAMPLE)
    size = (tmp_path / "a.npz").stat().st_size
    assert calls == [size, "rename", "folder" if os.path.isdir("/proc/self/fd") else size]


# ---- C3: damage ---------------------------------------------------------------------------------

def refused_or_same(path: Path, content: bytes, parts: dict) -> bool:
    """True if load refuses the content with a full report; it must otherwise give the same parts."""
    path.write_bytes(content)
    try:
        back = load(path)
    except CheckpointError as error:
        assert error.path == path and error.member and error.remedy and f"{path}: " in str(error)
        assert ": expected " in str(error) and ", found " in str(error) and len(str(error)) < 1000
        return True
    assert same(back, parts)
    return False


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> tuple[bytes, dict]:
    path = tmp_path_factory.mktemp("sound") / "a.npz"
    parts = {**EXAMPLE, "rng": np.random.default_rng(1), "long": np.random.default_rng(2).random(1500)}
    save(path, **parts)
    return path.read_bytes(), parts


@pytest.mark.parametrize("trials", [300, pytest.param(3000, marks=full)])
def test_C3_bit_flips(tmp_path, sound, trials):
    content, parts = sound
    rng, refused = np.random.default_rng(3), 0
    for bit in rng.choice(8 * len(content), trials, replace=False):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        refused += refused_or_same(tmp_path / "a.npz", bytes(damaged), parts)
    assert refused > 0.8 * trials                              # the rest: dates and attributes of members


@pytest.mark.parametrize("trials", [50, pytest.param(500, marks=full)])
def test_C3_truncation(tmp_path, sound, trials):
    content, parts = sound
    for length in np.linspace(0, len(content) - 1, trials, dtype=int):
        assert refused_or_same(tmp_path / "a.npz", content[:length], parts)


@pytest.mark.parametrize("trials", [20, pytest.param(200, marks=full)])
def test_C3_a_run_of_bytes_is_lost_doubled_or_zeroed(tmp_path, sound, trials):
    content, parts = sound
    rng = np.random.default_rng(5)
    for _ in range(trials):
        a, n = int(rng.integers(len(content) - 64)), int(rng.integers(1, 64))
        for middle in (b"", content[a:a + n] * 2, bytes(n)):
            refused_or_same(tmp_path / "a.npz", content[:a] + middle + content[a + n:], parts)


def test_C3_other_files(tmp_path):
    for content in (b"", b"x", os.urandom(5000), b"PK\5\6" + bytes(18), pickle.dumps({})):
        assert refused_or_same(tmp_path / "a.npz", content, {})
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.npz")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    np.savez(tmp_path / "other.npz", w=np.ones(3))
    with pytest.raises(CheckpointError, match="a file of sn.save, found .*w.npy.*np.load"):
        load(tmp_path / "other.npz")


def test_errors_survive_a_process_boundary():
    error = pickle.loads(pickle.dumps(CheckpointError("p", "m", 1, 2, "r")))
    assert (error.path, error.member, error.expected, error.found, error.remedy) == ("p", "m", 1, 2, "r")


# ---- C4: no code runs ---------------------------------------------------------------------------

class Canary:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_C4_pickles_are_refused_unread(tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "a.npz"
    trap = np.array([Canary(canary)], dtype=object)
    pair = np.zeros(2, [("a", "f4"), ("b", "f4")])
    np.savez(path, x=trap)
    np.load(path, allow_pickle=True)["x"]
    assert canary.exists()                                     # the trap works
    canary.unlink()
    for array, words in [(trap, "object"), (pair, r"\('a'"), (np.array(["t"]), "<U1"),
                         (np.ones(1, "M8[s]"), "datetime64"), (np.ones(1, ">f8"), ">f8"),
                         (np.ones(1, np.float16), "float16")]:
        raw_save(path, {"x": array}, {"x": ["array"]})
        with pytest.raises(CheckpointError, match="x.npy: expected plain numbers.*" + words):
            load(path)
    np.savez(path, __meta__=trap)
    with pytest.raises(CheckpointError, match="__meta__.*object"):
        load(path)
    for name in ("x.npy", "__meta__.npy", "x.pkl"):            # a bare pickle under any name
        raw_save(path, {}, {"x": ["array"]} if name == "x.npy" else {})
        with zipfile.ZipFile(path, "w" if name == "__meta__.npy" else "a") as archive:
            archive.writestr(name, pickle.dumps(Canary(canary)))
        with pytest.raises(CheckpointError):
            load(path)
    path.write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(CheckpointError):
        load(path)
    assert not canary.exists()


@pytest.mark.parametrize("tree", [
    ["generator", {"bit_generator": "MT19937", "state": {"key": [0] * 624, "pos": 10 ** 6}}], ["generator"], [], [1, 2],
    ["generator", "x"], ["generator", {"bit_generator": "PCG64", "state": {"state": 2 ** 200, "inc": 1}}], ["array"],
    {"../x": 1}, {"": 1}, {"x": ["array"]}])
def test_C4_a_tree_that_save_did_not_make(tmp_path, tree):
    raw_save(tmp_path / "a.npz", {}, {"m": tree})
    with pytest.raises(CheckpointError):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize("text", [b"[]", b"{}", b"3", b"nonsense", b"\xff", b"[" * 100_000, b'{"format": "other"}'])
def test_C4_a_text_that_save_did_not_make(tmp_path, text):
    np.savez(tmp_path / "a.npz", __meta__=np.frombuffer(text, np.uint8))
    with pytest.raises(CheckpointError):
        load(tmp_path / "a.npz")


# ---- C5: bombs ----------------------------------------------------------------------------------

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


# ---- C6: the wrong file for this model ----------------------------------------------------------

def net(hidden: int = 4) -> Sequential:
    return Sequential(Dense(3, hidden, rng=0), ReLU(), Dense(hidden, 2, rng=1))


def through_file(path: Path, state) -> dict:
    save(path, model=state)
    return load(path)["model"]


@pytest.mark.parametrize("change, words", [
    (lambda s: net(5).state(), r"'layers.0.w' is float32 \(3, 5\), but this one needs float32 \(3, 4\)"),
    (lambda s: net().astype(np.float64).state(), r"'layers.0.w' is float64 \(3, 4\), but .* float32 \(3, 4\)"),
    (lambda s: {k: v for k, v in s.items() if k != "layers.2.b"}, r"missing \['layers.2.b'\]"),
    (lambda s: {**s, "layers.3.w": np.ones(2)}, r"not expected \['layers.3.w'\]"),
    (lambda s: Dense(3, 4).state(), r"missing \['layers.0.b', .*not expected \['b', 'w'\]"),
    (lambda s: {**s, "layers.2.w": s["layers.2.w"] * np.float32(np.nan)}, "'layers.2.w' contains NaN"),
    (lambda s: {**s, "layers.0.b": np.zeros((4, 1), np.float32)}, r"'layers.0.b' is float32 \(4, 1\)"),
])
def test_C6_another_model(tmp_path, change, words):
    model = net()
    before = model.state()
    with pytest.raises(ValueError, match=words) as caught:
        model.load_state(through_file(tmp_path / "a.npz", change(net().state())))
    assert "\n" not in str(caught.value) and same(model.state(), before)


def test_C6_another_optimiser(tmp_path):
    parameters = net().parameters()
    for other, words in [(SGD(parameters, 0.1), "of another model or optimiser"),
                         (Adam(net(5).parameters()), r"'m.0' is float32 \(3, 5\), but this one needs float32 \(3, 4\)"),
                         (AdamW(parameters), r"of another model or optimiser: missing nothing, not expected \['weight_decay'\]"),
                         (Adam(parameters[:2]), "of another model or optimiser")]:
        with pytest.raises(ValueError, match=words):
            Adam(parameters).load_state(through_file(tmp_path / "a.npz", other))


def test_C6_another_or_newer_format(tmp_path):
    raw_save(tmp_path / "a.npz", {}, {}, format="other")
    with pytest.raises(CheckpointError, match="expected format 'scratchnet checkpoint', found other; try np.load"):
        load(tmp_path / "a.npz")
    raw_save(tmp_path / "a.npz", {"x": np.array(["whatever"])}, 7, version=2, scratchnet="3.4")
    with pytest.raises(CheckpointError, match="format version 1, found version 2 of scratchnet 3.4; load it"):
        load(tmp_path / "a.npz")


# ---- C7: going on where it stopped --------------------------------------------------------------

OPTIMISERS = {
    "sgd": lambda p: SGD(p, 0.05), "momentum": lambda p: SGD(p, 0.05, momentum=0.9),
    "nesterov": lambda p: SGD(p, 0.05, momentum=0.9, nesterov=True), "rmsprop": lambda p: RMSProp(p, 0.01),
    "adam": lambda p: Adam(p, 0.01), "adamw": lambda p: AdamW(p, 0.01)}


class Run:
    """A model with dropout that sees shuffled batches; every random number comes from one generator."""

    def __init__(self, optimiser: str, dtype: str):
        self.rng = np.random.default_rng(7)
        rng = self.rng
        self.model = Sequential(Dense(3, 8, rng=rng), ReLU(), Dropout(0.3, rng=rng), Dense(8, 2, rng=rng)).astype(dtype)
        self.optimiser = OPTIMISERS[optimiser](self.model.parameters())
        data = np.random.default_rng(8)
        self.x, self.t = data.normal(size=(20, 3)).astype(dtype), data.normal(size=(20, 2)).astype(dtype)

    def steps(self, n: int) -> Run:
        for _ in range(n):
            rows = self.rng.permutation(20)[:int(self.rng.integers(5, 9, dtype=np.int32))]
            self.optimiser.zero_grad()
            sn.mse(self.model(sn.Tensor(self.x[rows])), sn.Tensor(self.t[rows])).backward()
            self.optimiser.step()
        return self

    def save(self, path) -> None:
        save(path, model=self.model, optimiser=self.optimiser, rng=self.rng, steps=self.optimiser.t)

    def load(self, path) -> Run:
        parts = load(path)
        self.model.load_state(parts["model"])
        self.optimiser.load_state(parts["optimiser"])
        self.rng.bit_generator.state = parts["rng"].bit_generator.state
        return self


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_C7_resumed_is_as_if_never_stopped(tmp_path, optimiser, dtype):
    Run(optimiser, dtype).steps(5).save(tmp_path / "half.npz")
    resumed, straight = Run(optimiser, dtype).load(tmp_path / "half.npz").steps(5), Run(optimiser, dtype).steps(10)
    for run, name in ((resumed, "resumed"), (straight, "straight")):
        run.save(tmp_path / f"{name}.npz")
    assert same(load(tmp_path / "resumed.npz"), load(tmp_path / "straight.npz"))
    assert not same(Run(optimiser, dtype).steps(5).model.state(), straight.model.state())


def test_C7_in_a_fresh_process_after_a_kill(tmp_path):
    Run("adamw", "float32").steps(10).save(tmp_path / "straight.npz")
    helper("train", tmp_path)                                  # saves after 5 steps and is killed
    helper("resume", tmp_path)
    assert same(load(tmp_path / "resumed.npz"), load(tmp_path / "straight.npz"))


# ---- what runs in a process of its own ----------------------------------------------------------

def versions(v: int) -> dict:
    return {"version": v, "w": {str(i): np.full(40_000, v, np.float64) for i in range(8)}}


def save_for_ever(path: Path):
    """Fork a child that saves version after version."""
    child = os.fork()
    if child:
        return child
    for v in range(10 ** 9):
        save(path, **versions(v))


def is_a_version(path: Path) -> bool:
    parts = load(path)
    return same(parts, versions(parts["version"]))


def main_kill(folder: Path, trials: str) -> dict:
    path, rng = folder / "a.npz", np.random.default_rng()
    report = {"wrong": [], "interrupted": 0, "left after a save": []}
    for trial in range(int(trials)):
        save(path, **versions(-1))
        report["left after a save"] += [n for n in files(folder) if n != path.name]
        child = save_for_ever(path)
        time.sleep(rng.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        report["interrupted"] += len(files(folder)) > 1
        try:
            assert is_a_version(path)
        except Exception as error:
            report["wrong"].append(f"trial {trial}: {error!r}")
    save(path, **versions(-1))
    return report


def main_pause(folder: Path) -> dict:
    path = folder / "a.npz"
    child = save_for_ever(path)
    try:
        for _ in range(1000):                                  # until it stands still in the middle of a save
            time.sleep(0.005)
            os.kill(child, signal.SIGSTOP)
            os.waitpid(child, os.WUNTRACED)
            mine = [n for n in files(folder) if f"~{child}~" in n]
            if mine:
                break
            os.kill(child, signal.SIGCONT)
        save(path, **versions(-1))
        kept = bool(mine) and mine[0] in files(folder)
        os.kill(child, signal.SIGCONT)
        time.sleep(0.1)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    whole = is_a_version(path)
    save(path, **versions(-1))
    return {"kept": kept, "whole": whole, "left": files(folder)}


def main_full(folder: Path, *limits: str) -> list:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)              # a write beyond the limit is then an error
    hard, report = resource.getrlimit(resource.RLIMIT_FSIZE)[1], []
    for limit in limits:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
        try:
            save(folder / "a.npz", version=2, w=np.ones(3000))
        except OSError as error:
            report.append((error.errno, str(error), files(folder)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    return report


def main_forbidden(folder: Path) -> tuple:
    if os.getuid() == 0:                                       # who may do everything becomes nobody
        os.setuid(65534)
    try:
        save(folder / "a.npz", version=2)
    except OSError as error:
        return error.errno, str(error)
    return 0, "saved"


def main_train(folder: Path) -> None:
    child = os.fork()
    if not child:
        Run("adamw", "float32").steps(5).save(folder / "half.npz")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def main_resume(folder: Path) -> None:
    Run("adamw", "float32").load(folder / "half.npz").steps(5).save(folder / "resumed.npz")


if __name__ == "__main__":
    print(json.dumps(globals()[f"main_{sys.argv[1]}"](Path(sys.argv[2]), *sys.argv[3:])))
