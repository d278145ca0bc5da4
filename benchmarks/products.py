"""The three products of training, alone: what share of the FMA peak they reach, at which sizes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.machine import pin, usable_cpus
from benchmarks.problems import PROBLEMS
from benchmarks.timing import Effort
from benchmarks.worker import environment, settings
from handnn import _core, cpu_info

FORMS = {"nn": "x·w + b", "tn": "xᵀ·dout", "nt": "dout·wᵀ"}
CUBES = (64, 256, 1024)
LANES = {"v2": 4, "v3": 8, "v4": 16, "neon": 4}
"""How many float32 numbers a vector of each instruction set has."""

FMA_LATENCY = 4  # cycles until the sum of a fused multiply-add can be added to again
LARGEST, LEAST_WORK, SAMPLE = 130, 4096, 60
"""The sweep: so many random sizes up to the largest, with at least so many multiply-adds."""


@dataclass(frozen=True)
class Row:
    """One product for x (N, I), w (I, O), dout (N, O): its share of the peak, and of its floor."""

    form: str
    N: int
    I: int
    O: int
    dtype: str
    of_peak: float
    of_floor: float


def floor_cycles(M: int, K: int, J: int, lanes: int) -> float:
    """Return the cycles that (M, K) · (K, J) takes at least on a core with two FMA units.

    Whole vectors, along the columns or along the rows, at two a cycle; or one chain's latency.
    """
    padded = min(M * -(-J // lanes), J * -(-M // lanes)) * K / 2
    return max(padded, FMA_LATENCY * K)


def measure_one(form: str, N: int, I: int, O: int, dtype: str, seconds: float) -> Row:
    """Measure one product beside the peak, in turns."""
    speed, peak = _core.measure_product(form, N, I, O, dtype == "float32", seconds)
    lanes = LANES[cpu_info()["isa"]] * 4 // np.dtype(dtype).itemsize
    M, K, J = {"nn": (N, I, O), "tn": (I, N, O), "nt": (N, O, I)}[form]
    cycles = 2 * N * I * O / speed * peak / (4 * lanes)
    return Row(form, N, I, O, dtype, speed / peak, floor_cycles(M, K, J, lanes) / cycles)


def measure_named(effort: Effort) -> list[Row]:
    """Measure cubes, and the products of the six networks."""
    seconds = effort.seconds * effort.rounds / 4
    sizes = [(size, size, size, dtype) for dtype in ("float32", "float64") for size in CUBES]
    for problem in PROBLEMS:
        sizes += [(problem.batch, I, O, "float32") for I, O in pairwise(problem.sizes)]
    return [measure_one(form, *size, seconds) for size in dict.fromkeys(sizes) for form in FORMS]


def measure_swept(effort: Effort) -> list[Row]:
    """Measure products of random sizes."""
    seconds = effort.seconds * effort.rounds / 32
    rng = np.random.default_rng(3)
    rows: list[Row] = []
    while len(rows) < SAMPLE * len(FORMS):
        N, I, O = map(int, rng.integers(1, LARGEST + 1, 3))
        if N * I * O >= LEAST_WORK:
            rows += [measure_one(form, N, I, O, "float32", seconds) for form in FORMS]
    return rows


def measure_both(effort: Effort) -> tuple[list[Row], list[Row]]:
    """Measure all of them on one CPU."""
    pin(usable_cpus()[-1])
    return measure_named(effort), measure_swept(effort)


def measure(effort: Effort) -> tuple[list[Row], list[Row]]:
    """Return the named sizes and the swept ones, measured in a process of their own."""
    report.progress("products")
    context = multiprocessing.get_context("spawn")
    with environment(settings(1)), ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(measure_both, effort).result()


def show(named: list[Row], swept: list[Row]) -> None:
    """Print the named sizes, then how the shares of the floor are spread over the others."""
    report.table(
        "Products: share of the FMA peak, one pinned thread",
        ["N × I × O", "dtype", *FORMS.values()],
        [
            [
                f"{rows[0].N} × {rows[0].I} × {rows[0].O}",
                rows[0].dtype,
                *(report.percent(row.of_peak) for row in rows),
            ]
            for rows in zip(*[iter(named)] * len(FORMS), strict=True)
        ],
    )
    report.table(
        f"Products of random sizes up to {LARGEST}: share of what their lanes and chains allow",
        ["product", "median", "worst tenth", "worst", "its N × I × O"],
        [
            [
                FORMS[form],
                *(report.percent(float(np.quantile(shares, q))) for q in (0.5, 0.1, 0)),
                f"{worst.N} × {worst.I} × {worst.O}",
            ]
            for form in FORMS
            for rows in [[row for row in swept if row.form == form]]
            for shares in [[row.of_floor for row in rows]]
            for worst in [min(rows, key=lambda row: row.of_floor)]
        ],
    )


def as_json(named: list[Row], swept: list[Row]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows for the JSON file."""
    return {
        "named": [asdict(row) for row in named],
        "swept": [asdict(row) for row in swept],
    }
