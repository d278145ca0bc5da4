"""The arrays that a header lists, in little memory: a file may list thirty thousand."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Mapping
from typing import NamedTuple

RANGE = struct.Struct("=2q")
"""The start and the end of an entry, where they are packed."""


class Entry(NamedTuple):
    """One array of a file: its dtype as in the format, and its byte range after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class Entries(Mapping[str, Entry]):
    """Entries by name, packed: an Entry is made when it is asked for.

    Examples:
        >>> from handnn.storage.entries import Entries, Entry
        >>> entries = Entries()
        >>> entries.add("b", Entry("F32", (2,), 8, 16))
        >>> entries.add("a", Entry("U8", (4, 2), 0, 8))
        >>> entries.sort()
        >>> list(entries), entries["b"]
        (['a', 'b'], Entry(dtype='F32', shape=(2,), start=8, end=16))
    """

    def __init__(self) -> None:
        # From name to int64: the place of the dtype, start, end, and the shape.
        self._packed: dict[str, bytes] = {}
        self._dtypes: list[str] = []

    def add(self, name: str, entry: Entry) -> None:
        """Append an entry; the names must differ."""
        if entry.dtype not in self._dtypes:
            self._dtypes.append(entry.dtype)
        numbers = (self._dtypes.index(entry.dtype), entry.start, entry.end, *entry.shape)
        self._packed[name] = array("q", numbers).tobytes()

    def sort(self) -> None:
        """Put the entries in the order of their bytes."""
        packed = self._packed
        for name in sorted(packed, key=self.range_of):
            packed[name] = packed.pop(name)

    def range_of(self, name: str) -> tuple[int, int]:
        """Return the start and the end of an entry, without making it."""
        start, end = RANGE.unpack_from(self._packed[name], 8)
        return start, end

    def __getitem__(self, name: str) -> Entry:
        dtype, start, end, *shape = memoryview(self._packed[name]).cast("q")
        return Entry(self._dtypes[dtype], tuple(shape), start, end)

    def __contains__(self, name: object) -> bool:
        return name in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
