"""Replace a file atomically: a reader finds either the old or the new contents."""

from __future__ import annotations

import errno
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from handnn.engine import signals

if sys.platform != "win32":
    import fcntl

CAN_LOCK = hasattr(os, "O_NOFOLLOW")
"""Whether files can be locked; if not, temporary files of killed processes remain."""

MAX_TEMPORARIES = 8
"""The number of temporary names of one path, which limits the number of concurrent writers."""


def place_of(path: str | os.PathLike[str]) -> str:
    """Return `path` with links resolved; OSError if something other than a file is there."""
    text = os.fspath(path)
    place = os.path.realpath(text)
    if os.path.exists(place) and not os.path.isfile(place):
        kind = errno.EISDIR if os.path.isdir(place) else errno.EINVAL
        raise OSError(kind, "not a regular file; left unchanged", text)
    if text.endswith((os.sep, os.altsep or os.sep)):  # realpath drops the separator
        raise OSError(errno.EISDIR, "is the name of a folder", text)
    return place


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the contents of the file `path` by `data`, atomically and durably; signals wait."""

    def write() -> None:
        with replacing(path) as file:
            file.write(data)

    signals.held(write)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` when the block ends without an exception.

    The temporary file is in the same folder, has the mode of the file that it replaces from its
    first byte on, and is synced before it is renamed. After an exception `path` is unchanged and
    the temporary file is gone. If a killed process left one, the next replacement of the same path
    removes it. Raises OSError, naming `path`, when it cannot be written or is not a regular file.
    """
    place = place_of(path)
    temporary = _Temporary(place)
    try:
        with temporary.opened() as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not CAN_LOCK:  # Windows can only rename closed files
                file.close()
            os.replace(temporary.path, place)
    except OSError as error:  # errors about another file, read in the block, keep its name
        if error.errno and error.filename in (None, temporary.path):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise
    with suppress(OSError, AttributeError):  # sync the folder where the system supports it
        descriptor = os.open(os.path.dirname(place), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Temporary:
    """A temporary file next to `place`, locked as long as its process has it open.

    The lock distinguishes the file of a running process from one that a killed process left.

    Attributes:
        path: its path, once it is open.
    """

    def __init__(self, place: str) -> None:
        folder, name = os.path.split(place)
        self._stem = os.path.join(folder, f".handnn-{zlib.crc32(os.fsencode(name)):08x}")
        self._mode = stat.S_IMODE(os.stat(place).st_mode) if os.path.exists(place) else None
        self.path = ""
        self._is_made = False

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open a new file, and remove it if the block raises."""
        names = [f"{self._stem}-{number}.tmp" for number in range(MAX_TEMPORARIES)]
        for path in names:
            _remove_if_left(path)
        file = None
        try:
            while file is None:
                self.path = names.pop(0) if names else f"{self._stem}-{os.urandom(8).hex()}.tmp"
                with suppress(FileExistsError):
                    file = open(self.path, "xb", opener=self._open)  # noqa: SIM115 - closed below
                if file is not None and not _is_locked(file.fileno()):
                    file.close()
                    file = None
            yield file
        except BaseException:
            if file is not None and not CAN_LOCK:
                file.close()
            if self._is_made:
                _remove(self.path)
            raise
        finally:
            if file is not None:
                file.close()

    def _open(self, path: str, flags: int) -> int:
        descriptor = os.open(path, flags, 0o666 if self._mode is None else self._mode)
        self._is_made = True
        if self._mode is not None:  # the umask may have removed some bits
            os.chmod(path, self._mode)
        return descriptor


def _is_locked(descriptor: int) -> bool:
    """Lock a new file; return False if another process removed it before that."""
    if not CAN_LOCK:
        return True
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return os.fstat(descriptor).st_nlink > 0


def _remove_if_left(path: str) -> None:
    """Remove a temporary file whose process is gone; leave every other file alone."""
    if not CAN_LOCK:
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink > 0:  # no other process removed it
                os.remove(path)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    """Remove a file, if it exists, even while signal handlers raise."""
    while True:
        try:
            os.remove(path)
        except OSError:
            return
        except BaseException:  # the original exception continues
            continue
        return
