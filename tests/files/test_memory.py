"""Free memory is returned to the operating system, even between blocks in use."""

from __future__ import annotations

import os
import platform

import numpy as np
import pytest

from handnn.files.reading.memory import release_memory


def resident():
    """Return the resident memory of this process in megabytes."""
    with open("/proc/self/status") as file:
        (size,) = (line.split()[1] for line in file if line.startswith("VmRSS"))
    return int(size) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer keeps what was freed")
def test_releases_memory_between_kept_arrays():
    arrays = [np.ones(8_000) for _ in range(3_000)]  # 64 kB each, on the heap and not mapped
    kept = arrays[::10]
    del arrays
    before = resident()
    release_memory()
    assert resident() < before - 100
    assert sum(map(len, kept)) == 300 * 8_000
    release_memory()
