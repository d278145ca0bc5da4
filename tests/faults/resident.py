"""The memory of this process."""

from __future__ import annotations

import ctypes
import gc
import os


def resident():
    """Return the resident memory of the process in bytes, after free memory has been returned.

    glibc keeps free memory at the top of its heap, up to twice the size of the largest block that
    was allocated separately and freed: here several MiB, which come and go.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
