"""The three matrix products of training: their share of the FMA peak at many sizes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise

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
"""The number of float32 lanes of each instruction set."""

FMA_LATENCY = 4  # cycles between dependent fused multiply-adds
MAX_SIZE, MIN_WORK, N_SIZES = 130, 4096, 60
"""The sweep: largest size, fewest multiply-adds, and number of random sizes."""


@dataclass(frozen=True)
class Row:
    """One product of x (N, I), w (I, O), dout (N, O): shares of the peak and of the bound below."""

    form: str
    N: int
    I: int
    O: int
    dtype: str
    of_peak: float
    of_floor: float


def floor_cycles(M: int, K: int, J: int, lanes: int) -> float:
    """Return a lower bound of the cycles of (M, K) · (K, J) on a core with two FMA units.

    It is the larger of two times: that of full vectors, along the columns or the rows, at two per
    cycle; and the latency of one chain.
    """
    padded = min(M * -(-J // lanes), J * -(-M // lanes)) * K / 2
    return max(padded, FMA_LATENCY * K)


def measure_one(form: str, N: int, I: int, O: int, dtype: str, seconds: float) -> Row:
    """Measure one product and the peak alternately."""
    speed, peak = _core.measure_product(form, N, I, O, dtype == "float32", seconds)
    lanes = LANES[str(cpu_info()["isa"])] * 4 // np.dtype(dtype).itemsize
    M, K, J = {"nn": (N, I, O), "tn": (I, N, O), "nt": (N, O, I)}[form]
    cycles = 2 * N * I * O / speed * peak / (4 * lanes)
    return Row(form, N, I, O, dtype, speed / peak, floor_cycles(M, K, J, lanes) / cycles)


def measure_named(effort: Effort) -> list[Row]:
    """Measure cubes and the products of the six networks."""
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
    while len(rows) < N_SIZES * len(FORMS):
        N, I, O = map(int, rng.integers(1, MAX_SIZE + 1, 3))
        if N * I * O >= MIN_WORK:
            rows += [measure_one(form, N, I, O, "float32", seconds) for form in FORMS]
    return rows


def measure_both(effort: Effort) -> tuple[list[Row], list[Row]]:
    """Measure named and random sizes on one CPU."""
    pin(usable_cpus()[-1])
    return measure_named(effort), measure_swept(effort)


def measure(effort: Effort) -> tuple[list[Row], list[Row]]:
    """Run `measure_both` in a process in which every library has one thread."""
    report.progress("products")
    context = multiprocessing.get_context("spawn")
    with environment(settings(1)), ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(measure_both, effort).result()


def show(named: list[Row], swept: list[Row]) -> None:
    """Print the named sizes, then quantiles over the random sizes."""
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
        f"Products of random sizes up to {MAX_SIZE}: share of what lanes and latency allow",
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


def as_json(named: list[Row], swept: list[Row]) -> dict[str, list[dict[str, object]]]:
    """Return the rows as JSON values."""
    return {
        "named": [asdict(row) for row in named],
        "swept": [asdict(row) for row in swept],
    }
