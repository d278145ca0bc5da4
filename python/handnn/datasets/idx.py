"""The IDX format of MNIST: one array of bytes in a file.

A file starts with the magic number 0x00000800 + the number of axes and the length of each axis, as
big-endian 32-bit integers; the entries of the array follow. Source: Y. LeCun, C. Cortes, C. J. C.
Burges, "The MNIST database of handwritten digits", 1998.
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
"""The largest overhead of gzip on incompressible data: a header, and 5 bytes per 65,535."""


class IdxFile(NamedTuple):
    """An expected file: its unpacked name, its shape, and the SHA-256 of its unpacked bytes.

    The checksum is not that of the .gz file, because mirrors compress the same bytes differently.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def header(self) -> bytes:
        """The first bytes: magic number and shape."""
        axes = len(self.shape)
        return struct.pack(f">{1 + axes}I", 0x800 + axes, *self.shape)

    @property
    def size(self) -> int:
        """The number of unpacked bytes."""
        return len(self.header) + math.prod(self.shape)


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the array in the IDX file `path`, which is gzipped if its name ends in .gz.

    Raises ValueError unless the file is exactly one IDX array of that shape. At most one byte more
    than that is unpacked.
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
    """Decompress gzip data, stopping after `size` + 1 bytes."""
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16 selects the gzip format
    try:
        data = decompressor.decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(f"damaged gzip data ({error})") from None
    if len(data) <= size and not decompressor.eof:  # the trailer with the checksum is missing
        raise ValueError(f"truncated gzip data: {len(data)} of {size} bytes")
    if decompressor.unused_data:
        raise ValueError("data after the end of the gzip stream")
    return data


def _check_header(data: bytes, file: IdxFile) -> None:
    """Raise ValueError unless `data` is exactly an IDX file of that shape.

    The header is checked first, because a wrong shape is the more helpful message.
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
        found_size = "more" if len(data) > file.size else len(data)
        raise ValueError(f"must have {file.size} bytes unpacked, but has {found_size}")
