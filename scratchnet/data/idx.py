"""The IDX format of the MNIST files: a header of big-endian numbers, then one byte per pixel or label.

    00 00 08 03     two zero bytes, 08 for unsigned bytes, 03 for three dimensions
    00 00 EA 60     60,000 images
    00 00 00 1C     28 rows
    00 00 00 1C     28 columns
    ...             60,000 · 28 · 28 bytes, row after row

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "file formats".
"""
from __future__ import annotations

import gzip
import io
import math
import struct
import zlib

import numpy as np

MAX_DIMENSIONS = 32          # what every version of NumPy can hold
CHUNK = 1 << 16              # bytes unpacked at a time


class DataFileError(OSError):
    """A data file is missing, damaged, or not what its name promises.

    An OSError, because the cause lies outside the program, on the disk or in the network: whoever
    already meets a missing file with `except OSError` meets this one too.
    """

    @classmethod
    def mismatch(cls, file: object, field: str, expected: object, found: object) -> DataFileError:
        """The error for a field of a file that does not hold what it should."""
        return cls(f"{file}: {field}: expected {expected}, found {found}")


def gunzip(packed: bytes, size: int, file: object = "gzip data") -> bytearray:
    """Unpack a .gz file that must hold exactly `size` bytes, and take hardly more memory than those.

    Units: size in bytes.
    Errors: DataFileError when there are fewer bytes, or more (a gzip bomb stops there), or the
    checksum inside the .gz is wrong.
    Source: RFC 1952.
    """
    raw = bytearray()
    try:
        with gzip.open(io.BytesIO(packed)) as stream:
            while len(raw) <= size and (piece := stream.read(CHUNK)):
                raw += piece
    except (OSError, EOFError, zlib.error) as error:
        raise DataFileError.mismatch(file, "gzip data", "an intact .gz file", error) from None
    if len(raw) != size:
        found = len(raw) if len(raw) < size else "more"
        raise DataFileError.mismatch(file, "unpacked size", f"{size} bytes", found)
    return raw


def read_idx(raw: bytes | bytearray, file: object = "IDX data") -> np.ndarray:
    """Read the bytes of an IDX file as an array: a view of them, nothing is copied.

    Shapes: what the header says; it is compared with the number of bytes before it is believed.
    Units: uint8, 0 to 255.
    Errors: DataFileError naming file, field, expected and found.
    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "file formats".
    """
    if len(raw) < 4:
        raise DataFileError.mismatch(file, "magic number", "4 bytes", len(raw))
    zeros, kind, ndim = struct.unpack(">HBB", raw[:4])
    if zeros != 0:
        raise DataFileError.mismatch(file, "magic number", "two zero bytes", raw[:2].hex(" "))
    if kind != 0x08:
        raise DataFileError.mismatch(file, "type code", "0x08 (unsigned byte)", f"0x{kind:02x}")
    if not 1 <= ndim <= MAX_DIMENSIONS:
        raise DataFileError.mismatch(file, "number of dimensions", f"1 to {MAX_DIMENSIONS}", ndim)
    header = 4 + 4 * ndim
    if len(raw) < header:
        raise DataFileError.mismatch(file, "header", f"{header} bytes", len(raw))
    shape = struct.unpack(f">{ndim}I", raw[4:header])
    if math.prod(shape) != len(raw) - header:            # Python integers: no overflow to hide in
        expected = f"{' · '.join(map(str, shape))} = {math.prod(shape)} bytes"
        raise DataFileError.mismatch(file, "payload", expected, len(raw) - header)
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
