"""Whole trainings: many networks at once beside one after another, and what watching one costs."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.machine import usable_cpus
from handnn import (
    SGD,
    MSELoss,
    SoftmaxCrossEntropy,
    Trainer,
    get_num_threads,
    mlp,
    set_num_threads,
    train_many,
)

NETWORKS, TABLE_ROWS, TABLE_EPOCHS = 64, 506, 400
DIGITS = 60_000
WATCHED = {(784, 50, 10): 20, (784, 256, 128, 10): 3}
"""Networks, and for how many epochs they are trained."""


@dataclass(frozen=True)
class Row:
    """Seconds of two ways to do the same."""

    what: str
    one_way: str
    seconds: float
    other_way: str
    other_seconds: float


def in_turns(rounds: int, *ways: Callable[[], float]) -> list[float]:
    """Return the median seconds of each of the ways, one after the other in each round."""
    turns = [[way() for way in ways] for _ in range(rounds)]
    return [median(seconds) for seconds in zip(*turns, strict=True)]


def seconds_of(train: Callable[[], object]) -> float:
    """Return the seconds that it takes."""
    start = perf_counter()
    train()
    return perf_counter() - start


def measure_many(rounds: int, epochs: int) -> Row:
    """Train networks for a table one after another, and all at once, to the same bits."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(TABLE_ROWS, 13)).astype(np.float32)
    y = np.sin(x[:, :1])

    def trainers() -> list[Trainer]:
        networks = [mlp([13, 64, 64, 1], rng=seed) for seed in range(NETWORKS)]
        optimizers = [SGD(0.01, momentum=0.9) for _ in networks]
        return [
            Trainer(network, MSELoss(), optimizer, rng=seed)
            for seed, (network, optimizer) in enumerate(zip(networks, optimizers, strict=True))
        ]

    results: list[list[bytes]] = []

    def trained(train: Callable[[list[Trainer]], object]) -> float:
        new = trainers()
        seconds = seconds_of(lambda: train(new))
        results.append([a.tobytes() for one in new for a in one.network.params.values()])
        return seconds

    def one_by_one(new: list[Trainer]) -> None:
        for one in new:
            one.fit(x, y, epochs=epochs, batch_size=32)

    threads = len(usable_cpus())
    times = in_turns(
        rounds,
        lambda: trained(one_by_one),
        lambda: trained(
            lambda new: train_many(new, x, y, epochs=epochs, batch_size=32, threads=threads)
        ),
    )
    if any(result != results[0] for result in results):
        raise SystemExit("train_many: other bits than one after another")
    what = f"{NETWORKS} × 13-64-64-1, {TABLE_ROWS} rows, {epochs} epochs"
    return Row(what, "one after another", times[0], f"train_many, {threads} threads", times[1])


def measure_watched(sizes: tuple[int, ...], epochs: int, rounds: int) -> Row:
    """Train with nothing to look at, and with a bar, a metric and the history of both."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(DIGITS, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], DIGITS)

    def plain() -> object:
        trainer = Trainer(mlp(sizes, rng=0), SoftmaxCrossEntropy(), SGD(0.01), rng=0)
        return trainer.fit(x, y, epochs=epochs, batch_size=100)

    def watched() -> object:
        trainer = Trainer(mlp(sizes, rng=0), SoftmaxCrossEntropy(), SGD(0.01), rng=0, progress=True)
        with contextlib.redirect_stderr(io.StringIO()):  # of a terminal's width, but not shown
            return trainer.fit(x, y, epochs=epochs, batch_size=100, metrics="accuracy")

    times = in_turns(rounds, lambda: seconds_of(plain), lambda: seconds_of(watched))
    what = f"{'-'.join(map(str, sizes))}, {DIGITS:,} rows, {epochs} epochs"
    return Row(what, "plain", times[0], "bar, accuracy", times[1])


def measure(quick: bool) -> list[Row]:
    """Measure all of them, with one thread for each network."""
    rounds = 2 if quick else 7
    threads = get_num_threads()
    set_num_threads(1)
    try:
        report.progress("trainings: many at once")
        rows = [measure_many(rounds, TABLE_EPOCHS // 10 if quick else TABLE_EPOCHS)]
        for sizes, epochs in WATCHED.items():
            report.progress(f"trainings: {sizes} watched")
            rows.append(measure_watched(sizes, epochs, rounds))
        return rows
    finally:
        set_num_threads(threads)


def show(rows: list[Row]) -> None:
    """Print seconds and ratios."""
    report.table(
        "Whole trainings: seconds, each network on one thread",
        ["training", "", "seconds", "", "seconds", "first / second"],
        [
            [
                row.what,
                row.one_way,
                f"{row.seconds:.3f}",
                row.other_way,
                f"{row.other_seconds:.3f}",
                f"{row.seconds / row.other_seconds:.3f}",
            ]
            for row in rows
        ],
    )


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the rows for the JSON file."""
    return [asdict(row) for row in rows]
