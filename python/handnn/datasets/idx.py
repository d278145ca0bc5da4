"""The IDX format, in which MNIST was published: one array of bytes in a file.

A file is the magic number 0x00000800 + the number of axes, the length of each axis (all of them
big-endian 32-bit integers), then the entries of the array. The format is described on the page of
the data: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", 1998.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GZIP_OVERHEAD = 2**16
"""What gzip may add to bytes that it cannot pack: its header, and 5 bytes for every 65,535."""


class IdxFile(NamedTuple):
    """A file to expect: its name when unpacked, its shape, the SHA-256 of its unpacked bytes.

    Not of the .gz file: gzip packs the same bytes in many ways, and the copies about differ.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def header(self) -> bytes:
        """The bytes it begins with."""
        axes = len(self.shape)
        return struct.pack(f">{1 + axes}I", 0x800 + axes, *self.shape)

    @property
    def size(self) -> int:
        """How many bytes it has when unpacked."""
        return len(self.header) + math.prod(self.shape)


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the bytes in the IDX file `path`, packed if its name ends in .gz, as `shape`.

    Raises ValueError when it is not one whole IDX file of that shape. One byte more than that is
    all that is ever unpacked.
    """
    file = IdxFile(path.name, shape, "")
    is_packed = path.suffix == ".gz"
    with path.open("rb") as stream:
        data = stream.read(file.size + 1 + (GZIP_OVERHEAD if is_packed else 0))
    try:
        if is_packed:
            data = unpack(data, file.size)
        _check_header(data, file)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return np.frombuffer(data, np.uint8, offset=len(file.header)).reshape(shape)


def unpack(packed: bytes, size: int) -> bytes:
    """Return what gzip packed into `packed`, but no more than `size` + 1 bytes of it."""
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16: a gzip header and trailer
    try:
        data = decompressor.decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(f"damaged gzip data ({error})") from None
    if len(data) <= size and not decompressor.eof:  # the trailer, with its checksum, is not there
        raise ValueError(f"gzip data cut short: {len(data)} bytes of {size} could be unpacked")
    if decompressor.unused_data:
        raise ValueError("gzip data with something else after their end")
    return data


def _check_header(data: bytes, file: IdxFile) -> None:
    """Raise ValueError unless `data` are the bytes of an IDX file of that shape, no less or more.

    The header is looked at first: what it says tells more than a wrong number of bytes.
    """
    expected = file.header
    if len(data) < len(expected):
        raise ValueError(f"has {len(data)} bytes, but an IDX header has {len(expected)}")
    if data[:4] != expected[:4]:
        raise ValueError(
            f"its magic number must be 0x{expected[:4].hex()}, but is 0x{data[:4].hex()}"
        )
    found = struct.unpack_from(f">{len(file.shape)}I", data, 4)
    if found != file.shape:
        raise ValueError(f"its shape must be {file.shape}, but is {found}")
    if len(data) != file.size:
        came = "more" if len(data) > file.size else len(data)
        raise ValueError(f"must have {file.size} bytes unpacked, but has {came}")
