"""Facts about the machine and its processes."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np

from handnn import _core, cpu_info


def usable_cpus() -> list[int]:
    """Return the numbers of the CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin(cpu: int) -> None:
    """Pin this process to one CPU where the system supports it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


def fma_peak(seconds: float, dtype: str = "float32") -> float:
    """Return the peak rate of one core, in operations per second of multiply-adds."""
    return _core.measure_fma_peak(seconds, dtype == "float32")


def bandwidths(seconds: float) -> list[tuple[int, float]]:
    """Return sizes in bytes, and the bytes per second read and written by a copy within each."""
    found = []
    for size in (1 << power for power in range(14, 28)):
        source, target = np.zeros((2, size // 2), np.uint8)
        source[:] = 1
        np.copyto(target, source)
        repeats = max(1, (1 << 20) // size)
        best, end = 0.0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.process_time()
            for _ in range(repeats):
                np.copyto(target, source)
            best = max(best, repeats * size / max(time.process_time() - start, 1e-9))
        found.append((size, best))
    return found


def version(distribution: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes, or 0 if unknown."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def describe() -> dict[str, str]:
    """Describe the machine."""
    cpu = cpu_info()
    return {
        "CPU": f"{cpu['cpu']}, {len(usable_cpus())} usable",
        "system": platform.platform(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "handnn": f"{version('handnn')}, {cpu['isa']}, {cpu['compiler']}",
    }
