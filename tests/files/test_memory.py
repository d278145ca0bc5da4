"""Memory that is free goes back to the system, though some between it is still used."""

from __future__ import annotations

import os
import platform

import numpy as np
import pytest

from handnn.files.reading.memory import give_back


def resident():
    """Megabytes that this process has."""
    with open("/proc/self/status") as file:
        (size,) = (line.split()[1] for line in file if line.startswith("VmRSS"))
    return int(size) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer keeps what was freed")
def test_what_lies_between_kept_arrays_is_given_back():
    arrays = [np.ones(8_000) for _ in range(3_000)]  # 64 kB each: of the heap, not mapped
    kept = arrays[::10]
    del arrays
    before = resident()
    give_back()
    assert resident() < before - 100
    assert sum(map(len, kept)) == 300 * 8_000
    give_back()
