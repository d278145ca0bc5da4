"""Return free memory to the operating system."""

from __future__ import annotations

import ctypes
import sys


def release_memory() -> None:
    """Make glibc return its free memory to the operating system; do nothing elsewhere.

    By default glibc keeps free memory below memory in use. A process that reads a file block by
    block and keeps some rows of each block would grow with the file.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl does not have it
    if trim is not None:
        trim(ctypes.c_size_t(0))
