"""Safetensors files: reading, even hostile ones, and writing.

A safetensors file is the length of its header (8 bytes, little-endian), the header (JSON: for each
array its dtype, shape and byte range, and optional metadata of strings), and the bytes of the
arrays. This module is used instead of the library of that name. The library maps a file into
memory, so a file that shrinks while it is read ends the process with SIGBUS. It also writes from a
second copy of the arrays, and aborts the process if memory runs out.
"""

from __future__ import annotations

import math
import mmap
import os
import stat
import sys
from array import array
from collections.abc import Iterator, KeysView, Mapping
from contextlib import contextmanager
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.engine import signals
from handnn.storage.atomic import replacing
from handnn.storage.entries import Entry
from handnn.storage.header import MAX_HEADER_BYTES, check_cost, parse_header
from handnn.storage.messages import one_line

WRITTEN = {
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "float32": "F32",
    "uint32": "U32",
    "int32": "I32",
    "float16": "F16",
    "uint16": "U16",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
"""The names of NumPy's dtypes in the format, in the order in which a file holds them."""

FLOATS: Mapping[str, np.dtype[np.floating]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
"""The dtypes of a model's arrays."""

PACKED: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
"""The dtypes of packed lists; see `packing`."""

PIECE = 2**17
"""The number of elements that are transposed at a time."""


class FormatError(ValueError):
    """Raised for a file that handnn cannot read: damaged, foreign, or of a later format.

    Examples:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "network.safetensors")
        >>> with open(path, "wb") as file:
        ...     _ = file.write(b"not a network")
        >>> try:
        ...     handnn.load(path)
        ... except handnn.FormatError as error:
        ...     print("refused")
        refused
    """


def _read_text(file: BufferedReader, length: int) -> str:
    """Read a header. Its bytes are in memory of their own, which is free before it is parsed."""
    try:
        memory = mmap.mmap(-1, max(length, 1))
    except OSError as error:  # no file is involved
        raise MemoryError from error
    with memory, memoryview(memory)[:length] as part:
        found = file.readinto(part)
        if found < length:
            raise ValueError(f"it ends within its header, after {8 + found} bytes")
        try:
            return str(part, "utf-8")
        except UnicodeDecodeError:
            raise ValueError("its header is not valid JSON") from None


class TensorFile:
    """A safetensors file open for reading.

    The header is checked on entry; arrays are read when asked for, so memory is bounded by the size
    of the file. Raises ValueError when the file is not a valid safetensors file.

    Attributes:
        metadata: the metadata of the header, from name to text.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        size = os.fstat(file.fileno()).st_size
        if size < 8:  # reading from a file without a size, such as /proc/kmsg, may block
            raise ValueError(f"it ends within its header, after {size} bytes")
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"its header is {length} bytes long, more than {MAX_HEADER_BYTES}")
        self._begin = 8 + length
        if size < self._begin:
            raise ValueError(f"it ends within its header, after {size} bytes")
        self.metadata, self._entries = parse_header(_read_text(file, length))
        end = max((self._entries.range_of(key)[1] for key in self._entries), default=0)
        if self._begin + end != size:
            raise ValueError(f"its arrays end at byte {self._begin + end}, but it has {size}")

    def keys(self) -> KeysView[str]:
        """Return the names of the arrays, in the order of their bytes."""
        return self._entries.keys()

    def read(self, key: str) -> Array:
        """Return a new array, float32 or float64; ValueError for another dtype or no such array."""
        return self._read(key, FLOATS)

    def read_packed(self, key: str) -> NDArray[Any]:
        """Return a new array, float64, int64 or uint8; raise ValueError like `read`."""
        return self._read(key, PACKED)

    def read_transposed(self, key: str) -> Array:
        """Return the transpose, C-contiguous, without a copy of the array; see `read`."""
        entry = self._entry(key, FLOATS)
        if len(entry.shape) != 2 or 0 in entry.shape:
            return np.ascontiguousarray(self.read(key).T)
        n_rows, n_columns = entry.shape
        made = np.empty((n_columns, n_rows), FLOATS[entry.dtype].newbyteorder("="))
        height, width = max(1, PIECE // n_columns), min(PIECE, n_columns)
        piece = np.empty(height * width, FLOATS[entry.dtype])
        self._file.seek(self._begin + entry.start)
        for top in range(0, n_rows, height):
            rows = slice(top, min(top + height, n_rows))
            for left in range(0, n_columns, width):  # several only if there is one row at a time
                columns = slice(left, min(left + width, n_columns))
                shape = rows.stop - rows.start, columns.stop - columns.start
                part = piece[: shape[0] * shape[1]]
                self._fill(part, key)
                made[columns, rows] = part.reshape(shape).T
        return made

    def read_lists(self, key: str) -> list[array[float]]:
        """Return the rows of a float64 array as lists that can grow; raise ValueError like `read`.

        A one-dimensional array is one row.
        """
        *n_rows, n_columns = self._entry(key, {"F64": FLOATS["F64"]}).shape or (1,)
        self._file.seek(self._begin + self._entries[key].start)
        lists = []
        for _ in range(math.prod(n_rows)):
            values = array("d", [0.0]) * n_columns
            self._fill(np.asarray(values), key)
            if sys.byteorder == "big":
                values.byteswap()
            lists.append(values)
        return lists

    def shape(self, key: str) -> tuple[int, ...]:
        """Return the shape of an array; raise ValueError if the file does not have it."""
        if key not in self._entries:
            raise ValueError(f"it has no array {key!r:.50}")
        return tuple(self._entries[key].shape)

    def _entry(self, key: str, dtypes: Mapping[str, np.dtype[Any]]) -> Entry:
        self.shape(key)
        entry = self._entries[key]
        if entry.dtype not in dtypes:
            raise ValueError(f"its array {key} is {entry.dtype}, not {' or '.join(dtypes)}")
        return entry

    def _read(self, key: str, dtypes: Mapping[str, np.dtype[Any]]) -> NDArray[Any]:
        entry = self._entry(key, dtypes)
        made = np.empty(entry.shape, dtypes[entry.dtype])
        self._file.seek(self._begin + entry.start)
        self._fill(made, key)
        return made.astype(made.dtype.newbyteorder("="), copy=False)

    def _fill(self, made: NDArray[Any], key: str) -> None:
        """Read the bytes of a C-contiguous array from the current position."""
        if made.size and self._file.readinto(made.reshape(-1).view(np.uint8).data) != made.nbytes:
            raise ValueError(f"it ends within its array {key}")


@contextmanager
def opened(path: str | os.PathLike[str], fault: str, where: str = "") -> Iterator[TensorFile]:
    """Open a safetensors file, once.

    A TypeError or ValueError that is raised while it is open becomes a FormatError "`where`
    `path` `fault`: ...". Raises OSError when the file cannot be read.
    """
    path = os.fspath(path)
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe would block
            raise ValueError("it is a pipe or a device, not a file")
        with open(path, "rb") as file:
            yield TensorFile(file)
    except (TypeError, ValueError, RecursionError) as error:
        text = f"{path} {fault}: {error}"
        raise FormatError(f"{where}{one_line(text)}") from error


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[np.generic]],
    metadata: dict[str, str],
) -> None:
    """Write a safetensors file atomically, without a copy of the arrays.

    The bytes are those that the library safetensors writes: the widest dtypes first, and within
    one dtype the arrays in the order of their names.

    arrays: C-contiguous. Raises ValueError when a name or the metadata is not valid Unicode or the
    header would exceed `MAX_HEADER_BYTES`, OSError when the file cannot be written; the old file
    then remains. Signals wait until the file is written.
    """
    ordered = sorted(arrays, key=lambda name: (list(WRITTEN).index(arrays[name].dtype.name), name))
    header = _header(ordered, arrays, metadata)
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(f"{os.fspath(path)} would need a header above {MAX_HEADER_BYTES} bytes")
    check_cost(metadata.values(), "description")

    def write() -> None:
        with replacing(path) as file:
            file.write(len(header).to_bytes(8, "little"))
            file.write(header)
            for name in ordered:
                array = arrays[name]
                little = array.astype(array.dtype.newbyteorder("<"), "C", copy=False)
                file.write(little.reshape(-1).view(np.uint8).data)

    signals.held(write)


def _header(
    ordered: list[str], arrays: Mapping[str, NDArray[np.generic]], metadata: dict[str, str]
) -> bytes:
    """Return the header of a file, padded to a multiple of 8 bytes."""
    import json

    entries: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name in ordered:
        array = arrays[name]
        start, end = end, end + array.nbytes
        entries[name] = {
            "dtype": WRITTEN[array.dtype.name],
            "shape": array.shape,
            "data_offsets": (start, end),
        }
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return text + b" " * (-len(text) % 8)


def as_path(path: object, name: str) -> str:
    """Return a path as a str.

    Raises TypeError for anything but a str or os.PathLike of str, ValueError for a text that cannot
    be the name of a file: with a null character, or one that the file system cannot encode.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str or os.PathLike, but is {path!r:.100}")
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:  # a lone surrogate
        encoded = b"\0"
    if b"\0" in encoded:
        raise ValueError(f"{name} is {text!r:.100}, which cannot be the name of a file")
    return text
