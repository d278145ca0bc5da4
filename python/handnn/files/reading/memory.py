"""Memory: what is free goes back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Let the C library return memory that is free, where it is glibc.

    Left alone it keeps what was freed below the little that is still used, and so a file that is
    read block by block, with some rows of each kept, takes more memory the longer it is.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(ctypes.c_size_t(0))
