"""The row groups of a Parquet file: consecutive rows that are stored and read together.

Their sizes are in the footer, which is a struct of Thrift in its compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md; the fields are
those of https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from __future__ import annotations

from collections.abc import Iterator

ROW_GROUPS, NUM_ROWS = 4, 3
"""The numbers of the fields: FileMetaData.row_groups and RowGroup.num_rows."""

BYTE, INTEGERS, DOUBLE, BINARY, LISTS, MAP, STRUCT = 3, (4, 5, 6), 7, 8, (9, 10), 11, 12
"""Thrift types; 1 and 2 are booleans, which a struct encodes in the type itself."""

END = b"PAR1"


def row_group_sizes(path: str) -> list[int]:
    """Return the number of rows of each row group; nothing if the footer cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(-8, 2)
            end = file.read(8)
            n_bytes = int.from_bytes(end[:4], "little")
            if end[4:] != END or n_bytes > file.tell() - 8:
                return []
            file.seek(-8 - n_bytes, 2)
            return _Footer(file.read(n_bytes)).row_group_sizes()
    except (OSError, IndexError, ValueError, RecursionError):
        return []


class _Footer:
    """A Thrift struct; IndexError if it is truncated, ValueError for an unknown type."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def row_group_sizes(self) -> list[int]:
        sizes: list[int] = []
        for number, kind in self._fields():
            if number != ROW_GROUPS or kind not in LISTS:
                self._skip(kind)
                continue
            for _ in range(self._list()[0]):
                for inner, inner_kind in self._fields():
                    if inner == NUM_ROWS:
                        sizes.append(self._integer())
                    else:
                        self._skip(inner_kind)
        return sizes

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _fields(self) -> Iterator[tuple[int, int]]:
        """Yield the number and the type of each field; the caller reads its value."""
        number = 0
        while byte := self._byte():
            number = number + (byte >> 4) if byte >> 4 else self._integer()
            yield number, byte & 15

    def _list(self) -> tuple[int, int]:
        """Return the length of a list and the type of its entries."""
        byte = self._byte()
        return (self._varint() if byte >> 4 == 15 else byte >> 4), byte & 15

    def _skip(self, kind: int, is_entry: bool = False) -> None:
        if kind in (1, 2):
            self._at += is_entry
        elif kind == BYTE:
            self._at += 1
        elif kind in INTEGERS:
            self._varint()
        elif kind == DOUBLE:
            self._at += 8
        elif kind == BINARY:
            n_bytes = self._varint()
            self._at += n_bytes
        elif kind in LISTS:
            length, entry = self._list()
            self._skip_entries(length, entry)
        elif kind == MAP:
            length = self._varint()
            kinds = self._byte() if length else 0
            self._skip_entries(length, kinds >> 4, kinds & 15)
        elif kind == STRUCT:
            for _, inner in self._fields():
                self._skip(inner)
        else:
            raise ValueError(f"{kind} is not a type of Thrift")

    def _skip_entries(self, length: int, *kinds: int) -> None:
        for _ in range(length):
            for kind in kinds:
                self._skip(kind, is_entry=True)
            if self._at > len(self._data):
                raise IndexError
