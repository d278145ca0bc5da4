"""The memory of this process."""

from __future__ import annotations

import ctypes
import gc
import os


def own_memory():
    """Return the private memory of this process in bytes, after free memory has been returned.

    Pages of files do not count: the system maps them as it likes. glibc keeps free memory at the
    top of its heap, up to twice the size of the largest block that was allocated separately and
    freed: here several MiB, which come and go.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        _, resident, shared, *_ = map(int, file.read().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def growth(work, allowed):
    """Return by how many bytes the memory of this process grows while `work` runs.

    Allocators keep blocks now and then, but a leak leaks each time: where the growth is not below
    `allowed`, `work` runs up to twice more, and the least growth counts.
    """
    least = None
    for _ in range(3):
        before = own_memory()
        work()
        grown = own_memory() - before
        least = grown if least is None else min(least, grown)
        if least < allowed:
            break
    return least
