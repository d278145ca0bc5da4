"""A file that is opened once: its bytes, and their SHA-256, computed as they are read."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

from handnn.files.errors import TableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"

CHUNK = 2**20
"""The number of bytes read at a time."""


class InputFile:
    """A file that is opened once and may be read several times.

    is_hashed: whether bytes are hashed as they are read, for `sha256`.

    Attributes:
        path: its path.
        buffer: its bytes, to be read from the current position.
        start: its first 16 bytes, or fewer.

    Raises TableError for a folder, OSError when the file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], is_hashed: bool = False) -> None:
        self.path = os.fspath(path)
        if os.path.isdir(self.path):
            raise TableError(f"{self.path} is a folder, not a table")
        self._raw = _HashedFile(self.path) if is_hashed else io.FileIO(self.path)
        self.buffer = io.BufferedReader(self._raw, CHUNK)
        self.start = self.buffer.peek(16)[:16]

    @property
    def is_gzip(self) -> bool:
        """Whether the file is compressed with gzip."""
        return self.start.startswith(GZIP)

    @property
    def is_parquet(self) -> bool:
        """Whether the file begins with Parquet's magic bytes."""
        return self.start.startswith(PARQUET)

    @property
    def size(self) -> int:
        """The size in bytes; 0 for a pipe."""
        return os.fstat(self._raw.fileno()).st_size

    def rewind(self) -> None:
        """Go back to the first byte; TableError for a pipe."""
        try:
            self.buffer.seek(0)
        except OSError:
            problem = f"{self.path} can be read only once, as it is not a regular file"
            raise TableError(problem) from None

    def sha256(self) -> tuple[str, int]:
        """Return the SHA-256 of the file and the number of its bytes; the rest of it is read."""
        assert isinstance(self._raw, _HashedFile)
        return self._raw.sha256()

    def close(self) -> None:
        """Close the file."""
        self.buffer.close()


class _HashedFile(io.FileIO):
    """A file that is hashed while its bytes are read in order for the first time."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._restart()

    def _restart(self) -> None:
        self._hash, self._n_bytes, self._is_complete = hashlib.sha256(), 0, False

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer)
        if not self._is_complete:
            self._hash.update(memoryview(buffer)[:count])
            self._n_bytes += count
            self._is_complete = count == 0
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if not self._is_complete:
            self._restart()
        return super().seek(offset, whence)

    def sha256(self) -> tuple[str, int]:
        chunk = bytearray(CHUNK)
        while not self._is_complete:
            self.readinto(chunk)
        return self._hash.hexdigest(), self._n_bytes
