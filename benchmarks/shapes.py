"""Training steps of networks of random shapes, compared with peers and the machine's limits.

The floor of a step is the larger of two times: its multiply-adds at the peak of the dtype, and the
bytes that it must move at the bandwidth of the cache (or memory) that holds all its arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks import report
from benchmarks.field import OURS, Field, field
from benchmarks.peers import Contestant
from benchmarks.problems import Array, Problem
from benchmarks.timing import Effort, Timed, interleave
from benchmarks.worker import WorkerError
from handnn import _core

Dtype = Literal["float32", "float64"]

LABELS = (OURS, "NumPy", "PyTorch eager", "PyTorch compiled", "JAX scan")
COMPILED_EVERY = 10
"""PyTorch compiles only every tenth network, because compiling takes about a minute."""

LARGEST = 4096
MAX_OPERATIONS = 2e9
EPOCH_BYTES = 1 << 25
WORST = 10
TOLERANCE = 0.05
"""Weights with a larger difference, relative to their change, are those of another training."""


@dataclass(frozen=True)
class Row:
    """CPU seconds of a step by label, and its floor."""

    problem: Problem
    seconds: dict[str, float]
    floor: float

    @property
    def ratio(self) -> float:
        """The time of the fastest peer divided by handnn's."""
        return self.seconds[self.best_peer] / self.seconds[OURS]

    @property
    def best_peer(self) -> str:
        """The label of the fastest peer."""
        peers = [label for label in self.seconds if label != OURS]
        return min(peers, key=self.seconds.__getitem__)

    @property
    def share_of_floor(self) -> float:
        """The floor divided by handnn's time."""
        return self.floor / self.seconds[OURS]


def draw(seed: int, count: int, dtype: Dtype) -> Iterator[Problem]:
    """Yield networks of 1 to 4 layers: widths and batch sizes are log-uniform in 1 ... 4,096."""
    rng = np.random.default_rng(seed)

    def size() -> int:
        return int(np.exp(rng.uniform(0, np.log(LARGEST + 1))))

    while count:
        sizes = tuple(size() for _ in range(rng.integers(1, 5) + 1))
        batch = size()
        activation = ("relu", "sigmoid", "gelu")[rng.integers(3)]
        is_mse, is_sgd = rng.random(2) < 0.5
        loss: Literal["mse", "cross entropy"] = (
            "mse" if is_mse or sizes[-1] < 2 else "cross entropy"
        )
        optimizer: Literal["sgd", "adam"] = "sgd" if is_sgd else "adam"
        row = (sizes[0] + sizes[-1]) * np.dtype(dtype).itemsize
        batches = int(np.clip(EPOCH_BYTES // (row * batch), 1, 32))
        name = "-".join(map(str, sizes))
        rate = 0.01 / max(sizes)  # one row with 4,096 inputs diverges above 2 / 4,096
        problem = Problem(name, sizes, activation, batch, batches, loss, optimizer, dtype, rate)
        if problem.operations <= MAX_OPERATIONS:
            count -= 1
            yield problem


def arrays_bytes(problem: Problem) -> tuple[int, int]:
    """Return the bytes of all arrays of a step, and the bytes that it must read or write.

    Weights are read in both passes and written; those of the first layer may be read once for their
    update and for the next row, if that is a batch. Adam reads and writes two more arrays of their
    size. Outputs are written forward and read backward, and so are their gradients.
    """
    weights = sum((n_in + 1) * n_out for n_in, n_out in pairwise(problem.sizes))
    read_once = problem.sizes[0] * problem.sizes[1] if problem.batch == 1 else 0
    outputs = problem.batch * sum(problem.sizes[1:])
    rows = problem.batch * (problem.sizes[0] + problem.sizes[-1])
    states = 2 * weights if problem.optimizer == "adam" else 0
    item = np.dtype(problem.dtype).itemsize
    held = weights + states + rows + 2 * outputs
    moved = 3 * weights - read_once + 2 * states + 2 * rows + 4 * outputs
    return held * item, moved * item


def floor(problem: Problem, peak: float, bandwidths: list[tuple[int, float]]) -> float:
    """Return the lower bound on the seconds of a step."""
    held, moved = arrays_bytes(problem)
    bandwidth = next((speed for size, speed in bandwidths if size >= held), bandwidths[-1][1])
    return max(problem.operations / peak, moved / bandwidth)


def agree(problem: Problem, one: list[Array], other: list[Array]) -> bool:
    """Return whether two results of one epoch are those of the same training."""
    start = [array for pair in problem.weights() for array in pair]
    moved = max(float(np.abs(a - s).max()) for a, s in zip(one, start, strict=True))
    size = max(float(np.abs(a).max()) for a in one)
    rounding = problem.batches * float(np.finfo(problem.dtype).eps) * size
    return all(
        np.allclose(a, b, rtol=0, atol=TOLERANCE * moved + rounding)
        for a, b in zip(one, other, strict=True)
    )


def measure_one(
    contest: Field, problem: Problem, effort: Effort, compiles: bool
) -> dict[str, float]:
    """Return the CPU seconds of a step by label; contestants that fail or differ are left out."""
    runs: dict[str, Timed] = {}
    expected: list[Array] = []
    for contestant, worker in contest.workers.items():
        if contestant.label == "PyTorch compiled" and not compiles:
            continue
        try:
            worker.make(contestant.trainer or "", problem)
            worker.run(1)
            result = worker.result()
        except WorkerError as error:
            if contestant.label == OURS:
                raise
            report.progress(f"{problem.title}: {str(error).splitlines()[-1]}")
            continue
        expected = expected or result
        if agree(problem, expected, result):
            runs[contestant.label] = worker.run_cpu
        else:
            report.progress(f"{problem.title}: {contestant.label} has other weights")
    seconds = interleave(runs, effort)
    return {label: spent / problem.batches for label, spent in seconds.items()}


def measure(
    contestants: list[Contestant], seed: int, count: int, effort: Effort, compiles: bool
) -> dict[str, list[Row]]:
    """Measure `count` networks in float32 and half as many in float64.

    With `compiles`, PyTorch compiles some of them.
    """
    entrants = [c for c in contestants if c.label in LABELS]
    rows: dict[str, list[Row]] = {}
    counts: dict[Dtype, int] = {"float32": count, "float64": (count + 1) // 2}
    with field(entrants, lambda contestant: contestant.trainer, 1) as contest:
        ours = next(iter(contest.workers.values()))
        bandwidths = ours.bandwidths(effort.seconds)
        peaks = {dtype: ours.fma_peak(0.5, dtype) for dtype in counts}
        report.table(
            "One thread: peak, and bandwidth of a copy within arrays of some size",
            ["", "GFLOP/s or GB/s"],
            [
                *([f"{dtype} multiply-adds", f"{peak / 1e9:.0f}"] for dtype, peak in peaks.items()),
                *([f"{size:,} bytes", f"{speed / 1e9:.0f}"] for size, speed in bandwidths),
            ],
        )
        for dtype, n in counts.items():
            rows[dtype] = []
            for index, problem in enumerate(draw(seed, n, dtype)):
                is_compiled = compiles and index % COMPILED_EVERY == 0
                seconds = measure_one(contest, problem, effort, is_compiled)
                row = Row(problem, seconds, floor(problem, peaks[dtype], bandwidths))
                if len(seconds) > 1:
                    rows[dtype].append(row)
                    report.progress(
                        f"{dtype} {index + 1}/{n} {problem.title}: {row.ratio:.2f} x "
                        f"{row.best_peer}, {row.share_of_floor:.2f} of the floor"
                    )
    return rows


def where_time_goes(row: Row) -> str:
    """Return the products that take at least a tenth of a step, and the rest."""
    problem, parts = row.problem, []
    is_float32 = problem.dtype == "float32"
    total = row.seconds[OURS]
    rest = 1.0
    for place, (I, O) in enumerate(pairwise(problem.sizes)):
        for form, name in {"nn": "x·w", "tn": "xᵀ·dout", "nt": "dout·wᵀ"}.items():
            if form == "nt" and place == 0:
                continue
            speed, _ = _core.measure_product(form, problem.batch, I, O, is_float32, 0.01)
            share = 2 * problem.batch * I * O / speed / total
            rest -= share
            if share >= 0.1:
                parts.append(f"{name} of {I}-{O} {100 * share:.0f} %")
    return ", ".join([*parts, f"rest {100 * max(rest, 0):.0f} %"])


def n_ahead(rows: list[Row]) -> int:
    """Return the number of networks with which handnn is at least as fast as the best peer."""
    return sum(row.ratio >= 1 for row in rows)


def show(rows: dict[str, list[Row]]) -> None:
    """Print the distributions, then the networks with the lowest ratios."""
    quantiles = (0, 0.1, 0.5, 0.9)
    of = ("worst", "worst tenth", "median", "best tenth")
    report.table(
        "Networks of random shapes, one pinned thread, CPU time: time of the best peer / handnn's, "
        "and the share of the floor",
        ["dtype", "networks", "ahead", *of, *(f"floor, {name}" for name in of)],
        [
            [
                dtype,
                str(len(found)),
                str(n_ahead(found)),
                *(report.times(float(np.quantile([r.ratio for r in found], q))) for q in quantiles),
                *(
                    report.percent(float(np.quantile([r.share_of_floor for r in found], q)))
                    for q in quantiles
                ),
            ]
            for dtype, found in rows.items()
            if found
        ],
    )
    for dtype, found in rows.items():
        worst = sorted(found, key=lambda row: row.ratio)[:WORST]
        report.table(
            f"The {len(worst)} lowest ratios in {dtype}",
            ["network, batch", "µs", "ratio", "best peer", "of floor", "where the time goes"],
            [
                [
                    row.problem.title,
                    report.micro(row.seconds[OURS]),
                    report.times(row.ratio),
                    row.best_peer,
                    report.percent(row.share_of_floor),
                    where_time_goes(row),
                ]
                for row in worst
            ],
        )


def draw_chart(rows: dict[str, list[Row]], path: Path, machine: str) -> None:
    """Write the ratio of every network over its multiply-adds to `path`, a panel for each dtype."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from benchmarks.chart import ACCENT, BAR, INK, QUIET

    panels = {dtype: found for dtype, found in rows.items() if found}
    figure, axes = plt.subplots(1, len(panels), figsize=(11, 4.6), sharey=True, squeeze=False)
    for ax, (dtype, found) in zip(axes.flat, panels.items(), strict=True):
        work = [row.problem.operations / 2 for row in found]
        colors = [BAR if row.ratio >= 1 else ACCENT for row in found]
        ax.scatter(
            work, [row.ratio for row in found], c=colors, s=26, edgecolors=INK, linewidths=0.4
        )
        ax.axhline(1, color=INK, linewidth=0.8)
        ax.set_xscale("log")
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter(lambda ratio, _: f"{ratio:g} ×")
        middle = report.times(float(np.median([row.ratio for row in found])))
        about = f"{dtype}: ahead on {n_ahead(found)} of {len(found)} networks, median {middle}"
        ax.set_title(about, loc="left", fontsize=10.5, color=INK)
        ax.set_xlabel("multiply-adds of a step", fontsize=9.5, color=QUIET)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("time of the fastest peer / handnn's", fontsize=9.5, color=QUIET)
    title = "Training steps of networks of random shapes; behind the fastest peer in orange"
    figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)
    figure.text(0.02, 0.895, f"one thread, CPU time; {machine}", fontsize=9.5, color=QUIET)
    figure.tight_layout(rect=(0.01, 0.01, 0.99, 0.93))
    figure.savefig(path, dpi=150, facecolor="white")
    plt.close(figure)


def as_json(rows: dict[str, list[Row]]) -> list[dict[str, object]]:
    """Return the rows as JSON values."""
    return [
        {
            "network": row.problem.name,
            "activation": row.problem.activation,
            "batch": row.problem.batch,
            "loss": row.problem.loss,
            "optimizer": row.problem.optimizer,
            "dtype": dtype,
            "operations": row.problem.operations,
            "seconds": row.seconds,
            "ratio": row.ratio,
            "best_peer": row.best_peer,
            "floor": row.floor,
        }
        for dtype, found in rows.items()
        for row in found
    ]
