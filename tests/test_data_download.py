"""Mirrors that fail in every way, X1, and the choice between MNIST and the drawn digits."""
from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest

import scratchnet.data as data
from scratchnet.data import DataFileError, datasets, download, files
from tests.conftest import size
from tests.data_server import (CATALOGUE, IMAGES, LABELS, NOBODY, SERVED, Mirrors, child_environment, fill, flip,
                               listing, small_set, use)


@pytest.fixture
def server():
    with Mirrors(SERVED) as mirrors:
        yield mirrors


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, a catalogue of small files, and no mirror that answers."""
    use(monkeypatch, tmp_path / "cache", CATALOGUE, [NOBODY])
    return tmp_path / "cache"


# ---- mirrors ---------------------------------------------------------------------------------

def test_download_keeps_the_files_and_fetches_only_what_is_needed(cache, monkeypatch, server):
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [server.url("good")]})
    first = data.load("mnist", "test")
    assert sorted(server.asked) == [f"/good/{IMAGES.name}", f"/good/{LABELS.name}"]
    assert listing(cache) == sorted([IMAGES.name, LABELS.name])
    second = data.load("mnist", "test")
    assert len(server.asked) == 2
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)
    assert not data.available("mnist")       # the training half is not here
    data.load("mnist", "train")
    assert data.available("mnist")


FAULTS = {
    "missing": "HTTP Error 404",
    "broken": "HTTP Error 500",
    "short": f"size: expected {IMAGES.size} bytes, found {IMAGES.size - 5}",
    "wrong": f"SHA-256: expected {IMAGES.sha256}, found ",
    "silent": "timed out",
    "stalled": "timed out",
    "dripping": "speed: expected 1000000 bytes per second, found less",
    "endless": f"size: expected {IMAGES.size} bytes, found more",
    "garbage": "this is not http",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_and_the_next_mirror_is_asked(cache, monkeypatch, server, fault):
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [server.url(fault)]})
    monkeypatch.setattr(download, "SLOWEST", 1_000_000)
    with pytest.raises(DataFileError) as error:
        files.read("mnist", IMAGES, timeout=.4)
    line = next(line for line in str(error.value).splitlines() if server.url(fault) in line)
    assert FAULTS[fault] in line
    assert listing(cache) == []

    monkeypatch.setattr(files, "MIRRORS", {"mnist": [NOBODY, server.url(fault), server.url("good")]})
    assert files.read("mnist", IMAGES, timeout=.4) == SERVED[IMAGES.name]
    assert listing(cache) == [IMAGES.name]


def test_endless_body_is_hung_up_on(cache, monkeypatch, server):
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [server.url("endless")]})
    with pytest.raises(DataFileError):
        files.read("mnist", IMAGES)
    time.sleep(.2)
    sent = server.sent                       # what fits into the buffers of two sockets, and no more
    time.sleep(.2)
    assert server.sent == sent < 1 << 25


def test_the_one_final_error_says_all_that_a_reader_needs(cache, tmp_path, monkeypatch, server):
    mirrors = [NOBODY, server.url("missing"), "http://no-such-host.invalid/", "nonsense/"]
    monkeypatch.setattr(files, "MIRRORS", {"mnist": mirrors})
    monkeypatch.setenv("SCRATCHNET_DATA", str(tmp_path / "own"))
    with pytest.raises(DataFileError) as error:
        data.load("mnist", "test")
    words = str(error.value)
    for mirror in mirrors:
        assert words.count(f"\n  {mirror}: ") == 1
    for needed in ("Connection refused", "HTTP Error 404", "unknown url type", "--data digits",
                   f"SCRATCHNET_DATA: no such file in {tmp_path / 'own' / 'mnist'}",
                   f"into {cache / 'mnist'}", *SERVED):
        assert needed in words
    assert isinstance(error.value, OSError)
    monkeypatch.delenv("SCRATCHNET_DATA")
    with pytest.raises(DataFileError, match="SCRATCHNET_DATA: not set"):
        data.load("mnist", "test")


def test_files_put_in_by_hand_where_the_error_says_are_found(cache):
    with pytest.raises(DataFileError) as error:
        data.load("mnist", "test")
    assert f"into {cache / 'mnist'}" in str(error.value)
    fill(cache)
    data.load("mnist", "test")


# ---- several processes -----------------------------------------------------------------------

def test_X1_eight_processes_fetch_the_same_set_at_once(tmp_path):
    trials = size(1, 25)
    catalogue, served = small_set(train=2000, test=500)          # 2 MB: not written in one go
    with Mirrors(served) as server:
        command = [sys.executable, "-m", "tests.data_server",
                   json.dumps([server.url("good"), catalogue["mnist"]])]
        readers = [subprocess.Popen(command, env=child_environment(), text=True, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE) for _ in range(8)]
        try:
            assert [reader.stdout.readline() for reader in readers] == 8 * ["ready\n"]
            for trial in range(trials):
                folder = tmp_path / str(trial)
                for reader in readers:
                    reader.stdin.write(f"{folder}\n")
                    reader.stdin.flush()
                seen = {reader.stdout.readline() for reader in readers}
                assert len(seen) == 1 and len(seen.pop()) == 65, seen     # one SHA-256 of all arrays
                assert {path.name: path.read_bytes() for path in (folder / "mnist").iterdir()} == served
        finally:
            for reader in readers:
                reader.communicate()
        assert len(server.asked) > 4 * trials                    # they did get in each other's way


# ---- choose ----------------------------------------------------------------------------------

def test_choose_takes_a_name_as_it_is():
    for name in ("mnist", "fashion-mnist", "digits"):
        assert data.choose(name) == (name, "")


def test_choose_auto_takes_mnist_from_disk_without_asking(cache):
    fill(cache)
    assert data.choose("auto") == ("mnist", "")


def test_choose_auto_fetches_all_four_files(cache, monkeypatch, server):
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [server.url("good")]})
    assert data.choose() == ("mnist", "")
    assert listing(cache) == sorted(SERVED)
    smallest = min(SERVED, key=lambda name: len(SERVED[name]))   # tells soonest whether there is a network
    assert server.asked[0] == f"/good/{smallest}"


def test_choose_auto_falls_back_and_says_why(cache, monkeypatch, server):
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [NOBODY, server.url("missing")]})
    name, note = data.choose("auto")
    assert name == "digits"
    for words in ("drawn digits", "Connection refused", "HTTP Error 404", str(cache / "mnist")):
        assert words in note


def test_choose_auto_falls_back_when_the_network_goes_half_way(cache, monkeypatch, server):
    short = {name: body for name, body in SERVED.items() if name != IMAGES.name}
    monkeypatch.setattr(server, "served", {**short, IMAGES.name: b""})
    monkeypatch.setattr(files, "MIRRORS", {"mnist": [server.url("good")]})
    name, note = data.choose("auto")
    assert name == "digits" and f"{IMAGES.name} is not on this machine" in note


def test_choose_auto_tells_of_a_damaged_own_file(cache, tmp_path, monkeypatch):
    own = fill(tmp_path / "own")
    flip(own / "mnist" / IMAGES.name)
    monkeypatch.setenv("SCRATCHNET_DATA", str(own))
    name, note = data.choose("auto")
    assert name == "digits" and str(own / "mnist" / IMAGES.name) in note and IMAGES.sha256 in note


def test_choose_auto_does_not_wait_for_a_silent_network(cache, monkeypatch):
    assert datasets.PATIENCE < 10
    monkeypatch.setattr(datasets, "PATIENCE", .3)
    monkeypatch.setattr(files, "fetch", lambda *a: time.sleep(3))        # as a DNS lookup may hang
    start = time.perf_counter()
    name, note = data.choose("auto")
    assert time.perf_counter() - start < 2
    assert name == "digits" and "no mirror answered within 0.3 seconds" in note and "--data digits" in note


def test_choose_raises_what_is_not_about_data(cache, monkeypatch):
    def bug(*arguments):
        raise ZeroDivisionError("a mistake of ours")
    monkeypatch.setattr(files, "fetch", bug)
    with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
        data.choose("auto")
