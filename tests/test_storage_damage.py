"""C3, C4: a damaged checkpoint is refused, never silently wrong; loading runs no code."""
from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from scratchnet.storage import CheckpointError, load, save
from tests.storage_tools import EXAMPLE, raw_save, same

full = pytest.mark.full


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
