"""Checkpoints: what is loaded is what was saved, to the bit; what load would refuse is not saved (C4, C5).

Killed or failed saves: test_storage_whole.py; damage and code: test_storage_damage.py; bombs: test_storage_bombs.py;
another model, and training that goes on: test_storage_resume.py."""
from __future__ import annotations

import time
import zipfile

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import Dense, ReLU, Sequential
from scratchnet.optim import Adam
from scratchnet.storage import CheckpointError, load, save
from tests.storage_tools import EXAMPLE, files, same


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


@pytest.mark.full
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


# ---- C4, C5: what is not saved ------------------------------------------------------------------

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
