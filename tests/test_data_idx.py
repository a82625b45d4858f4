"""D1, D2: damaged IDX and .gz bytes are named, never believed, and never cost memory."""
from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest

from scratchnet.data import DataFileError, read_idx
from scratchnet.data.datasets import _check_pair
from scratchnet.data.idx import gunzip
from tests.conftest import size
from tests.data_server import idx_bytes

RNG = np.random.default_rng(11)
IMAGES = RNG.integers(0, 256, (20, 28, 28), np.uint8)
LABELS = RNG.integers(0, 10, 20, np.uint8)
RAW = {"images": idx_bytes(IMAGES), "labels": idx_bytes(LABELS)}


def decode(raw: dict[str, bytes]) -> tuple[np.ndarray, np.ndarray]:
    """All checks that stand behind the checksum."""
    images, labels = (read_idx(raw[kind], f"{kind}.gz") for kind in ("images", "labels"))
    _check_pair(images, labels, "images.gz", "labels.gz")
    return images, labels


def refused_or_same(raw: dict[str, bytes], file: str) -> bool:
    """True for a DataFileError that names file, expected and found; False for the same values."""
    try:
        images, labels = decode(raw)
    except DataFileError as error:
        assert file in str(error) or "images.gz" in str(error)
        assert ": expected " in str(error) and ", found " in str(error)
        return True
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    return False


def test_reads_what_was_written():
    images, labels = decode(RAW)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("shape", [(1,), (0,), (3, 4), (2, 0, 5), (1, 2, 3, 4)])
def test_reads_any_shape(shape):
    array = RNG.integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(read_idx(idx_bytes(array)), array)


def test_D1_bit_flips_in_the_header():
    trials = size(150, 3000)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(trials):
        kind = ("images", "labels")[rng.integers(2)]
        damaged = bytearray(RAW[kind])
        header = 4 + 4 * damaged[3]
        for bit in rng.integers(0, 8 * header, rng.integers(1, 5)):
            damaged[bit // 8] ^= 1 << bit % 8
        refused += refused_or_same({**RAW, kind: bytes(damaged)}, f"{kind}.gz")
    assert refused > .9 * trials             # the rest flipped one bit twice


def test_D1_every_single_bit_of_the_header_matters():
    for kind, header in (("images", 16), ("labels", 8)):
        for bit in range(8 * header):
            damaged = bytearray(RAW[kind])
            damaged[bit // 8] ^= 1 << bit % 8
            assert refused_or_same({**RAW, kind: bytes(damaged)}, f"{kind}.gz")


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_D2_truncated_idx(kind):
    for length in range(0, len(RAW[kind]), 7):
        assert refused_or_same({**RAW, kind: RAW[kind][:length]}, f"{kind}.gz")


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_D2_trailing_bytes(kind):
    for extra in range(1, 101):
        assert refused_or_same({**RAW, kind: RAW[kind] + bytes(extra)}, f"{kind}.gz")


def test_D2_truncated_gz():
    packed = gzip.compress(RAW["images"])
    for length in range(0, len(packed), 7):
        with pytest.raises(DataFileError, match="cut.gz: .*expected .*found"):
            gunzip(packed[:length], len(RAW["images"]), "cut.gz")
    with pytest.raises(DataFileError, match="gzip data"):        # all the data, but half the checksum
        gunzip(packed[:-4], len(RAW["images"]), "cut.gz")


def test_D2_bytes_after_gz():
    packed = gzip.compress(RAW["labels"])
    for extra in (b"x", b"\x1f\x8b", packed, b"x" * 100):
        with pytest.raises(DataFileError, match="long.gz"):
            gunzip(packed + extra, len(RAW["labels"]), "long.gz")


def test_D2_flipped_gz_payload_fails_the_inner_checksum():
    packed = gzip.compress(RAW["images"], compresslevel=0)       # stored: only the CRC can notice
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 1
    with pytest.raises(DataFileError, match="CRC"):
        gunzip(bytes(damaged), len(RAW["images"]), "flip.gz")


@pytest.mark.parametrize("raw, words", [
    (b"", "magic number: expected 4 bytes, found 0"),
    (b"\x89PNG" + bytes(20), "magic number: expected two zero bytes, found 89 50"),
    (b"\x00\x01\x08\x01" + bytes(4), "magic number: expected two zero bytes, found 00 01"),
    (b"\0\0\x0d\x01" + bytes(4), r"type code: expected 0x08 \(unsigned byte\), found 0x0d"),
    (b"\0\0\x08\0\x07", "number of dimensions: expected 1 to 32, found 0"),
    (b"\0\0\x08\x28" + 40 * b"\0\0\0\1" + b"\7", "number of dimensions: expected 1 to 32, found 40"),
    (b"\0\0\x08\x03" + bytes(11), "header: expected 16 bytes, found 15"),
    (b"\0\0\x08\x03" + 12 * b"\xff" + bytes(9),
     "payload: expected 4294967295 · 4294967295 · 4294967295 = 79228162458924105385300197375 bytes, found 9"),
    (b"\0\0\x08\x02" + b"\x80\0\0\0" * 2, "payload: expected .* = 4611686018427387904 bytes, found 0"),
])
def test_D2_bad_header(raw, words):
    with pytest.raises(DataFileError, match=f"^some.idx: {words}"):
        read_idx(raw, "some.idx")


@pytest.mark.parametrize("images, labels, words", [
    (IMAGES, LABELS[:-1], r"images.gz: shape, to match labels.gz: expected \(19, 28, 28\), found \(20, 28, 28\)"),
    (IMAGES[:, :27], LABELS, r"images.gz: shape.*found \(20, 27, 28\)"),
    (IMAGES.reshape(20, 784), LABELS, r"images.gz: shape.*found \(20, 784\)"),
    (IMAGES, LABELS[:, None], "labels.gz: number of dimensions: expected 1, found 2"),
    (IMAGES, LABELS + 1 + 9 * (LABELS > 0), "labels.gz: labels: expected 0 to 9, found 1"),
])
def test_D2_images_and_labels_that_do_not_belong_together(images, labels, words):
    with pytest.raises(DataFileError, match=words):
        _check_pair(images, labels, "images.gz", "labels.gz")


def peak(work) -> int:
    """The most bytes that Python and NumPy held at once, over those held before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refuse(work):
    def run():
        with pytest.raises(DataFileError):
            work()
    return run


def test_D2_reading_takes_no_more_than_twice_the_file():
    array = np.random.default_rng(0).integers(0, 256, (5000, 28, 28), np.uint8)
    raw = idx_bytes(array)
    packed = gzip.compress(raw, 1)
    whole = len(raw)                          # 3.9 MB
    assert peak(lambda: read_idx(gunzip(packed, whole))) < 1.5 * whole
    assert peak(lambda: read_idx(raw)) < 100_000                 # a view
    for dims in (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x10\x00\x00"):
        lying = raw[:4] + dims + raw[8:]
        assert peak(refuse(lambda: read_idx(lying))) < 100_000


def test_D2_gzip_bomb_stops_at_the_known_size():
    bomb = gzip.compress(bytes(64 << 20))                        # 64 MB in 65 kB
    whole = 1 << 20
    assert peak(refuse(lambda: gunzip(bomb, whole))) < 1.5 * whole
