"""Text files: plain or compressed, with or without a byte order mark, in any encoding."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from handnn.files.errors import Option, Remedy, TableError
from handnn.files.reading.input_file import InputFile

ENCODINGS_BY_MARK = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # tested first: UTF-16's mark is a prefix of it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by their byte order marks."""

OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive, perhaps an Excel file; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the sheet as CSV",
    b"BZh": "compressed with bzip2; decompress it, or use gzip",
    b"\xfd7zXZ": "compressed with xz; decompress it, or use gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it, or use gzip",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"%PDF": "a PDF",
}
"""Formats that are not text, by their first bytes, with advice for the message."""


class TextFile:
    """The text of a file, with all line ends converted to line feeds.

    encoding: by default that of the byte order mark, or UTF-8 without one.

    Raises TableError for an unknown encoding, for other file formats and for bytes that are not in
    the encoding; OSError when the file cannot be read.
    """

    def __init__(self, file: InputFile, encoding: str | None = None) -> None:
        self.path = file.path
        self._file = file
        self._bytes = self._decompressed()
        with self._gzip_errors():
            start = self._bytes.peek(16)[:16]
        for mark, what in OTHER_FORMATS.items():
            if start.startswith(mark):
                raise TableError(f"{self.path} is {what}")
        found = [name for mark, name in ENCODINGS_BY_MARK.items() if start.startswith(mark)]
        self.encoding = encoding or (found[0] if found else "utf-8")
        if encoding and check_encoding(encoding) == "utf-8":
            self.encoding = "utf-8-sig"
        self._text = io.TextIOWrapper(self._bytes, self.encoding, errors="strict")
        self._ahead = io.StringIO()

    def peek(self, count: int) -> str:
        """Return up to `count` characters from the beginning, without consuming them."""
        text = self.read(count)
        self._ahead = io.StringIO(text, newline="\n")
        return text

    def read(self, count: int) -> str:
        """Return the next `count` characters; fewer at the end, "" after it."""
        text = self._ahead.read(count)
        if len(text) < count:
            with self._decoding_errors():
                text += self._text.read(count - len(text))
        return text

    def readline(self, max_length: int) -> str:
        """Return the rest of the line, up to `max_length` characters; "" at the end."""
        text = self._ahead.readline(max_length)
        if len(text) < max_length and not text.endswith("\n"):
            with self._decoding_errors():
                text += self._text.readline(max_length - len(text))
        return text

    def rewind(self) -> None:
        """Go back to the first character."""
        self._file.rewind()
        self.detach()
        self._bytes = self._decompressed()
        self._text = io.TextIOWrapper(self._bytes, self.encoding, errors="strict")
        self._ahead = io.StringIO()

    def detach(self) -> None:
        """Stop reading text, but leave the file open."""
        self._text.detach()

    def _decompressed(self) -> io.BufferedReader[io.FileIO] | gzip.GzipFile:
        if not self._file.is_gzip:
            return self._file.buffer
        return gzip.GzipFile(fileobj=self._file.buffer, mode="rb")

    @contextmanager
    def _decoding_errors(self) -> Iterator[None]:
        try:
            with self._gzip_errors():
                yield
        except UnicodeError:
            raise self._undecodable() from None

    @contextmanager
    def _gzip_errors(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TableError(f"{self.path} is a damaged gzip file: {error}") from None

    def _undecodable(self) -> TableError:
        """Return the error that names the first bytes that are not in the encoding."""
        if self.encoding not in ("utf-8", "utf-8-sig"):
            problem = f"{self.path} is not in the encoding {self.encoding}"
            return TableError(problem, Remedy(Option.ENCODING, "utf-8"))
        try:
            self.rewind()
        except TableError:
            problem = f"{self.path} is not UTF-8"
            return TableError(problem, Remedy(Option.ENCODING, "windows-1252"))
        for number, line in enumerate(self._bytes, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                if b"\0" in line:
                    problem = f"{self.path} is not UTF-8 but perhaps UTF-16"
                    return TableError(problem, Remedy(Option.ENCODING, "utf-16-le"))
                shown = line[max(0, error.start - 15) : error.start + 15].decode("latin-1").strip()
                return TableError(
                    f"{self.path}, line {number}: byte 0x{line[error.start]:02x} at {shown!r} is "
                    "not UTF-8",
                    Remedy(Option.ENCODING, "windows-1252"),
                )
        return TableError(f"{self.path} ends within a UTF-8 character")


def check_encoding(encoding: str) -> str:
    """Return Python's name of an encoding; TableError when it is not a text encoding."""
    try:
        found = codecs.lookup(encoding)
        "a".encode(encoding)
    except (LookupError, ValueError):
        raise TableError(f"{encoding!r} is not an encoding that Python knows") from None
    return found.name
