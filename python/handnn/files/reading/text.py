"""Text files as they come: packed or not, with a byte order mark or not, in any encoding."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from typing import IO, Any

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, and the encodings that they tell."""

FOREIGN = {
    b"PK\x03\x04": "a zip archive, perhaps of Excel; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the sheet as CSV",
    b"BZh": "packed with bzip2; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "packed with xz; unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it, or pack it with gzip",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"%PDF": "a PDF",
}
"""What a file is that begins so, and what to do about it."""


class TableError(ValueError):
    """A file is not the table that it should be: the message tells column, line and value."""


class TextFile:
    """An open text file, its line ends all made into line feeds.

    encoding: None finds a byte order mark, and takes UTF-8 without one. Raises TableError for an
    unknown encoding and for files that are known to be no text; OSError when it can't be read.
    """

    def __init__(self, path: str, encoding: str | None = None) -> None:
        self.path = path
        self._raw: IO[bytes] = open_bytes(path)
        start = self._raw.read(16)
        self._raw.seek(0)
        for mark, what in FOREIGN.items():
            if start.startswith(mark):
                self._raw.close()
                raise TableError(f"{path} is {what}")
        found = [name for mark, name in MARKS.items() if start.startswith(mark)]
        self.encoding = encoding or (found[0] if found else "utf-8")
        if encoding and codecs_name(encoding) == "utf-8":
            self.encoding = "utf-8-sig"
        self._text = io.TextIOWrapper(self._raw, self.encoding, errors="strict")

    def read(self, count: int) -> str:
        """Return up to `count` characters, "" at the end."""
        try:
            return self._text.read(count)
        except UnicodeError:
            raise TableError(self._undecodable()) from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TableError(f"{self.path} is a damaged gzip file: {error}") from None

    def readline(self, most: int = -1) -> str:
        """Return the rest of the line, up to `most` characters, "" at the end."""
        try:
            return self._text.readline(most)
        except UnicodeError:
            raise TableError(self._undecodable()) from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TableError(f"{self.path} is a damaged gzip file: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        self._raw.close()

    def _undecodable(self) -> str:
        """Say where the bytes stop being text."""
        if self.encoding not in ("utf-8", "utf-8-sig"):
            return f"{self.path} is not in the encoding {self.encoding}; --encoding names another"
        with open_bytes(self.path) as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    byte = line[error.start]
                    shown = line[max(0, error.start - 15) : error.start + 15].decode("latin-1")
                    if b"\0" in line:
                        return f"{self.path} is no UTF-8; it may be UTF-16: --encoding utf-16-le"
                    return (
                        f"{self.path}, line {number}: byte 0x{byte:02x} at {shown.strip()!r} is no "
                        "UTF-8; say --encoding windows-1252, or what it is in"
                    )
        return f"{self.path} ends within a character of UTF-8"


def open_bytes(path: str) -> IO[bytes]:
    """Open a file that may be packed with gzip, whatever its name is."""
    if os.path.isdir(path):
        raise TableError(f"{path} is a folder, not a table")
    with open(path, "rb") as file:
        is_packed = file.read(2) == GZIP
    opened: Any = gzip.open(path, "rb") if is_packed else open(path, "rb")  # noqa: SIM115
    return opened  # type: ignore[no-any-return]


def is_parquet(path: str) -> bool:
    """Return whether a file says at its beginning that it is of Parquet."""
    if os.path.isdir(path):
        raise TableError(f"{path} is a folder, not a table")
    with open(path, "rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def codecs_name(encoding: str) -> str:
    """Return Python's own name of an encoding; TableError when it is none of text."""
    try:
        found = codecs.lookup(encoding)
        "a".encode(encoding)
    except (LookupError, ValueError):
        raise TableError(f"{encoding!r} is no encoding that Python knows") from None
    return found.name
