"""The memory of this process."""

from __future__ import annotations

import gc
import os


def resident():
    """Return the resident memory of the process in bytes."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
