"""Disk space, import time and peak memory of each library."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import handnn
from benchmarks import report
from benchmarks.peers import Contestant
from benchmarks.problems import PROBLEMS
from benchmarks.worker import Worker
from handnn import _core

TRAINED = PROBLEMS[3]

IMPORTS = {"scikit-learn": "sklearn.neural_network"}
"""The module to import, if it does not have the library's name."""

IMPORT_TIME = """
from time import perf_counter
{before}
start = perf_counter()
import {module}
print(perf_counter() - start)
"""


@dataclass(frozen=True)
class Row:
    """One library: bytes on disk, without and with its requirements except NumPy; peak memory."""

    library: str
    version: str | None
    own_bytes: int
    installed_bytes: int
    import_seconds: float
    training_bytes: int | None


def required(distribution: str) -> set[str]:
    """Return a distribution and all its requirements, except NumPy."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found or (name == "numpy" and distribution != "numpy"):
            continue
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        for requirement in map(Requirement, requirements):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def disk_bytes(distribution: str) -> int:
    """Return the size of a distribution's files, without compiled Python."""
    if distribution == "handnn":  # an editable installation does not list its files
        root = Path(handnn.__file__).parent
        paths = {path.resolve() for path in root.rglob("*")} | {Path(_core.__file__).resolve()}
    else:
        paths = {Path(str(path.locate())) for path in metadata.files(distribution) or []}
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


def import_seconds(library: str) -> float:
    """Return the median time of a warm import in a new process, after importing NumPy."""
    module = IMPORTS.get(library, library)
    before = "" if library == "numpy" else "import numpy"
    code = IMPORT_TIME.format(before=before, module=module)
    command = [sys.executable, "-c", code]
    seconds = []
    for _ in range(6):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds.append(float(done.stdout))
    return statistics.median(seconds[1:])


def training_bytes(contestant: Contestant) -> int:
    """Return the peak memory of a process that trains `TRAINED`."""
    assert contestant.trainer is not None
    with Worker(contestant, threads=1) as worker:
        worker.make(contestant.trainer, TRAINED)
        worker.run(2)
        return worker.peak_memory()


def measure(contestants: list[Contestant]) -> list[Row]:
    """Measure each library once, with its first contestant for training."""
    rows = []
    for library in dict.fromkeys(contestant.library for contestant in contestants):
        report.progress(f"size: {library}")
        first = next(contestant for contestant in contestants if contestant.library == library)
        rows.append(
            Row(
                library,
                first.version,
                disk_bytes(library),
                sum(map(disk_bytes, required(library))),
                import_seconds(library),
                training_bytes(first) if first.trainer else None,
            )
        )
    return rows


def show(rows: list[Row]) -> None:
    """Print the table."""
    report.table(
        "Size: MB on disk, alone and with requirements; ms to import (both without NumPy); "
        f"MB of peak memory in training {TRAINED.name}",
        ["library", "version", "alone", "installed", "import", "training"],
        [
            [
                row.library,
                row.version or "-",
                report.megabytes(row.own_bytes),
                report.megabytes(row.installed_bytes),
                f"{1e3 * row.import_seconds:.0f}",
                report.megabytes(row.training_bytes),
            ]
            for row in rows
        ],
    )


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """Return the rows as JSON values."""
    return [asdict(row) for row in rows]
