"""A file that is opened once: its bytes, and their SHA-256, computed as they are read."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import sys
import tempfile
from typing import TYPE_CHECKING

from handnn.files.errors import TableError
from handnn.storage import as_path

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"

STDIN = "-"
"""The path of the standard input."""

CHUNK = 2**20
"""The number of bytes read at a time."""


class InputFile:
    """A file that is opened once and may be read several times.

    is_hashed: whether bytes are hashed as they are read, for `sha256`.

    A pipe, a terminal or "-", the standard input, is copied to a temporary file first.

    Attributes:
        path: its path as it was given, "stdin" for "-".
        local_path: the path of a regular file with these bytes.
        buffer: its bytes, to be read from the current position.
        start: its first 16 bytes, or fewer.
        state: its size and its time of change when it was opened.

    Raises TableError for a folder, a device or an empty file, OSError if it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], is_hashed: bool = False) -> None:
        self.path = self.local_path = as_path(path, "path")
        self._copy: str | None = None
        if os.path.isdir(self.path):
            raise TableError(f"{self.path} is a folder, not a table")
        if self.path == STDIN or (os.path.exists(self.path) and not os.path.isfile(self.path)):
            self._copy = self.local_path = _copied(self.path)
            self.path = "stdin" if self.path == STDIN else self.path
        self._raw = (_HashedFile if is_hashed else io.FileIO)(self.local_path)
        self.state = self._found_state()
        self.buffer = io.BufferedReader(self._raw, CHUNK)
        if self.size == 0:  # reading from a file without a size, such as /proc/kmsg, may block
            self.close()
            raise TableError(f"{self.path} is empty")
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
        """The size in bytes."""
        return os.fstat(self._raw.fileno()).st_size

    def rewind(self) -> None:
        """Go back to the first byte; TableError when the file has changed."""
        self.check_unchanged()
        self.buffer.seek(0)

    def check_unchanged(self) -> None:
        """Raise TableError when the file has changed since it was opened."""
        if self._found_state() != self.state:
            raise TableError(f"{self.path} was changed while it was read")

    def _found_state(self) -> tuple[int, int]:
        state = os.fstat(self._raw.fileno())
        return state.st_size, state.st_mtime_ns

    def sha256(self) -> tuple[str, int]:
        """Return the SHA-256 of the file and the number of its bytes; the rest of it is read."""
        assert isinstance(self._raw, _HashedFile)
        self.check_unchanged()
        return self._raw.sha256()

    def close(self) -> None:
        """Close the file, and delete the copy."""
        self.buffer.close()
        if self._copy is not None and os.path.exists(self._copy):
            os.unlink(self._copy)


def _copied(path: str) -> str:
    """Return a temporary file with all bytes of a pipe, a terminal or, for "-", of stdin.

    Raises TableError for other devices, such as a disk or /dev/zero, which has no end.
    """
    if path == STDIN and sys.stdin is None:
        raise TableError("stdin is closed")
    source = sys.stdin.fileno() if path == STDIN else path
    with tempfile.NamedTemporaryFile(prefix="handnn-", delete=False) as copy:
        try:
            with open(source, "rb", closefd=path != STDIN) as stream:
                if _is_other_device(stream.fileno()):
                    raise TableError(f"{path} is a device, not a table")
                shutil.copyfileobj(stream, copy, CHUNK)
        except BaseException:
            os.unlink(copy.name)
            raise
    return copy.name


def _is_other_device(descriptor: int) -> bool:
    """Return whether an open file is a device, but neither a terminal nor the null device."""
    found = os.fstat(descriptor)
    if not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)):
        return False
    return not os.isatty(descriptor) and found.st_rdev != os.stat(os.devnull).st_rdev


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
