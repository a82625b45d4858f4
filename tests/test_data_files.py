"""D2, D3: files on disk, read whole or refused, written whole or not at all; and the real sets."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import scratchnet.data as data
from scratchnet.data import DataFileError, download, files
from tests.conftest import size
from tests.data_server import (CATALOGUE, IMAGES, LABELS, NOBODY, SERVED, Mirrors, child_environment, fill, flip,
                               listing, pixels, use)


@pytest.fixture
def server():
    with Mirrors(SERVED) as mirrors:
        yield mirrors


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, a catalogue of small files, and no mirror that answers."""
    use(monkeypatch, tmp_path / "cache", CATALOGUE, [NOBODY])
    return tmp_path / "cache"


# ---- what the source says --------------------------------------------------------------------

def test_real_mirrors_are_https_folders_and_files_are_those_published():
    for name, mirrors in files.MIRRORS.items():
        assert len(mirrors) >= 2 and all(m.startswith("https://") and m.endswith("/") for m in mirrors)
        assert set(files.FILES[name]) == {"train", "test"}
        for images, labels in files.FILES[name].values():
            assert (images.raw_size - 16) / 784 == labels.raw_size - 8 in (10_000, 60_000)
        assert all(len(bytes.fromhex(file.sha256)) == 32 for file in files.all_files(name))


@pytest.mark.parametrize("platform, variables, folder", [
    ("linux", {"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/scratchnet"),
    ("linux", {"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/scratchnet"),
    ("darwin", {"HOME": "/h"}, "/h/Library/Caches/scratchnet"),
    ("win32", {"LOCALAPPDATA": "/local", "HOME": "/h"}, "/local/scratchnet"),
    ("win32", {"LOCALAPPDATA": "", "HOME": "/h"}, "/h/AppData/Local/scratchnet"),
])
@pytest.mark.skipif(sys.platform == "win32", reason="HOME means nothing there")
def test_cache_folder_is_the_systems_own(monkeypatch, platform, variables, folder):
    monkeypatch.setattr(files.sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert files.cache_folder() == Path(folder)


# ---- files on disk ---------------------------------------------------------------------------

def test_own_folder_comes_first_and_needs_no_network(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCHNET_DATA", str(fill(tmp_path / "own")))
    images, labels = data.load("mnist", "test")
    assert images.dtype == np.float32 and labels.dtype == np.int64 and labels.shape == (8,)
    np.testing.assert_array_equal(np.rint(images * 255), pixels())
    assert images.min() >= 0 and images.max() <= 1 and data.available("mnist")
    assert not cache.exists()


@pytest.mark.parametrize("own", [False, True])
def test_cache_folder_is_read_and_own_folder_may_lack_the_set(cache, tmp_path, monkeypatch, own):
    if own:
        monkeypatch.setenv("SCRATCHNET_DATA", str(tmp_path))
    fill(cache)
    assert data.available("mnist")
    np.testing.assert_array_equal(np.rint(data.load("mnist", "test")[0] * 255), pixels())


def test_available_is_not_deceived_by_half_a_file(cache):
    path = fill(cache) / "mnist" / IMAGES.name
    path.write_bytes(SERVED[IMAGES.name][:-1])
    assert not data.available("mnist")


def test_D3_flipped_byte_in_own_folder_is_an_error_with_both_hashes(cache, tmp_path, monkeypatch, server):
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [server.url("good")]})
    own = fill(tmp_path / "own")
    fill(cache)                              # whole files there do not excuse it
    monkeypatch.setenv("SCRATCHNET_DATA", str(own))
    damaged = own / "mnist" / IMAGES.name
    flip(damaged)
    with pytest.raises(DataFileError) as error:
        data.load("mnist", "test")
    words = str(error.value)
    assert str(damaged) in words and IMAGES.sha256 in words and "SHA-256: expected" in words
    assert "found" in words and "Delete this file, or fetch it again" in words and "SCRATCHNET_DATA" in words
    assert server.asked == []


def test_D3_every_flip_anywhere_is_seen(cache):
    trials = size(75, 1500)
    rng = np.random.default_rng(3)
    path = fill(cache) / "mnist" / IMAGES.name
    for bit in rng.integers(0, 8 * IMAGES.size, trials):
        damaged = bytearray(SERVED[IMAGES.name])
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(DataFileError), pytest.warns(UserWarning, match="SHA-256"):
            data.load("mnist", "test")


def test_D2_truncated_lengthened_and_empty_files(cache, tmp_path, monkeypatch):
    own = fill(tmp_path / "own")
    monkeypatch.setenv("SCRATCHNET_DATA", str(own))
    packed = SERVED[IMAGES.name]
    cases = [packed[:n] for n in range(0, len(packed), 7 * 13)] + [packed + bytes(n) for n in range(1, 101)]
    for case in cases:
        (own / "mnist" / IMAGES.name).write_bytes(case)
        found = "more" if len(case) > len(packed) else len(case)
        with pytest.raises(DataFileError, match=f"{IMAGES.name}: size: expected {len(packed)} bytes, found {found}"):
            data.load("mnist", "test")


def test_D2_directory_or_locked_file_in_place_of_a_file(cache, tmp_path, monkeypatch):
    own = fill(tmp_path / "own")
    monkeypatch.setenv("SCRATCHNET_DATA", str(own))
    path = own / "mnist" / IMAGES.name
    path.unlink()
    path.mkdir()
    with pytest.raises(DataFileError, match=f"{IMAGES.name}: content: expected a readable file, found "):
        data.load("mnist", "test")
    assert not data.available("mnist")


def test_D2_directory_in_the_cache_does_not_stop_the_lesson(cache, monkeypatch, server):
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [server.url("good")]})
    (cache / "mnist" / IMAGES.name).mkdir(parents=True)
    with pytest.warns(UserWarning, match="fetched again"):
        images, _ = data.load("mnist", "test")
    np.testing.assert_array_equal(np.rint(images * 255), pixels())
    assert listing(cache) == [LABELS.name]   # and no temporary file


def test_damaged_file_in_the_cache_is_told_and_fetched_again(cache, monkeypatch, server):
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [server.url("good")]})
    path = fill(cache) / "mnist" / IMAGES.name
    flip(path)
    with pytest.warns(UserWarning, match=f"{IMAGES.name}: SHA-256: expected .* It will be fetched again"):
        data.load("mnist", "test")
    assert server.asked == [f"/good/{IMAGES.name}"] and path.read_bytes() == SERVED[IMAGES.name]


# ---- writing ---------------------------------------------------------------------------------

DISK_FULL = """
import json, resource, sys, warnings
from pathlib import Path
from scratchnet.data import files
mirror, cache, file = json.loads(sys.argv[1])
files.MIRRORS = {"mnist": [mirror]}
files.cache_folder = lambda: Path(cache)
file = files.File(*file)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))      # Python ignores SIGXFSZ: write() fails
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert len(files.read("mnist", file)) == file.size
print(told[0].message)
"""


def run(code: str, *arguments, **more) -> str:
    done = subprocess.run([sys.executable, "-c", code, json.dumps(arguments)], env=child_environment(),
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE there")
def test_disk_full_is_told_leaves_nothing_and_the_lesson_goes_on(cache, server):
    told = run(DISK_FULL, server.url("good"), str(cache), IMAGES)
    assert IMAGES.name in told and "cannot be kept" in told and "File too large" in told
    assert listing(cache) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch, step):
    target = tmp_path / "file.gz"
    target.write_bytes(b"old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(download.os, step, fail)
    with pytest.raises(OSError, match="No space"):
        download.keep(b"new", target)
    assert listing(tmp_path) == ["file.gz"] and target.read_bytes() == b"old"


def test_content_is_on_disk_before_the_name(tmp_path, monkeypatch):
    steps = []
    for step in ("fsync", "replace"):
        real = getattr(os, step)
        monkeypatch.setattr(download.os, step, lambda *a, s=step, r=real: (steps.append(s), r(*a))[1])
    download.keep(b"new", tmp_path / "a" / "file.gz")
    assert steps == ["fsync", "replace"] and (tmp_path / "a" / "file.gz").read_bytes() == b"new"


def test_stale_temporary_files_go_and_young_and_foreign_ones_stay(tmp_path):
    names = {"file.gz.old.tmp": 2 * download.STALE, "file.gz.young.tmp": 5, "other.gz.old.tmp": 2 * download.STALE}
    for name, age in names.items():
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    download.keep(b"new", tmp_path / "file.gz")
    assert listing(tmp_path) == ["file.gz", "file.gz.young.tmp", "other.gz.old.tmp"]


# ---- names, and the real thing ---------------------------------------------------------------

@pytest.mark.parametrize("call, words", [
    (lambda: data.load("MNIST"), "name: expected one of mnist, fashion-mnist, digits, got 'MNIST'"),
    (lambda: data.load("digits", "valid"), "split: expected one of train, test, got 'valid'"),
    (lambda: data.available("cifar"), "name: expected one of"),
    (lambda: data.choose("cifar"), "name: expected one of auto, mnist"),
])
def test_unknown_names_are_listed(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_digits_are_always_available():
    assert data.available("digits")


@pytest.mark.parametrize("name, mean", [("mnist", (.1307, .1325)), ("fashion-mnist", (.2860, .2868))])
@pytest.mark.parametrize("split, n", [("train", 60_000), ("test", 10_000)])
def test_real_sets(name, mean, split, n):
    own = files.own_folder()
    if own is None or not all((own / name / file.name).is_file() for file in files.all_files(name)):
        pytest.skip(f"SCRATCHNET_DATA has no {name}")
    images, labels = data.load(name, split)
    assert images.shape == (n, 1, 28, 28) and images.dtype == np.float32
    assert labels.shape == (n,) and labels.dtype == np.int64
    assert images.min() == 0 and images.max() == 1
    assert images.mean(dtype=float) == pytest.approx(mean[split == "test"], abs=1e-4)
    assert set(np.unique(labels)) == set(range(10))
    assert data.available(name)
