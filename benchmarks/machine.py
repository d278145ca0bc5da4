"""Facts about the machine and its processes."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

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


def fma_peak(seconds: float) -> float | None:
    """Return the float32 operations per second of one core that only multiplies and adds."""
    measure = getattr(_core, "measure_fma_peak", None)
    return float(measure(seconds)) if measure else None


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
