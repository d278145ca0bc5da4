"""Complete trainings: train_many against single fits, and the cost of progress and metrics."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter

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
"""The number of epochs of each network."""


@dataclass(frozen=True)
class Row:
    """Seconds of two ways to do the same training."""

    what: str
    one_way: str
    seconds: float
    other_way: str
    other_seconds: float


def in_turns(rounds: int, *ways: Callable[[], float]) -> list[float]:
    """Return the median seconds of each way; each round runs all of them."""
    turns = [[way() for way in ways] for _ in range(rounds)]
    return [median(seconds) for seconds in zip(*turns, strict=True)]


def seconds_of(train: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = perf_counter()
    train()
    return perf_counter() - start


def measure_many(rounds: int, epochs: int) -> Row:
    """Train networks one after another and with train_many; check that the bits are the same."""
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
        raise SystemExit("train_many: the bits differ from those of single fits")
    what = f"{NETWORKS} × 13-64-64-1, {TABLE_ROWS} rows, {epochs} epochs"
    return Row(what, "one after another", times[0], f"train_many, {threads} threads", times[1])


def measure_watched(sizes: tuple[int, ...], epochs: int, rounds: int) -> Row:
    """Train without output, and with a progress bar and a metric."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(DIGITS, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], DIGITS)

    def plain() -> object:
        trainer = Trainer(mlp(sizes, rng=0), SoftmaxCrossEntropy(), SGD(0.01), rng=0)
        return trainer.fit(x, y, epochs=epochs, batch_size=100)

    def watched() -> object:
        trainer = Trainer(mlp(sizes, rng=0), SoftmaxCrossEntropy(), SGD(0.01), rng=0, progress=True)
        with contextlib.redirect_stderr(io.StringIO()):  # hides the bar
            return trainer.fit(x, y, epochs=epochs, batch_size=100, metrics="accuracy")

    times = in_turns(rounds, lambda: seconds_of(plain), lambda: seconds_of(watched))
    what = f"{'-'.join(map(str, sizes))}, {DIGITS:,} rows, {epochs} epochs"
    return Row(what, "plain", times[0], "bar, accuracy", times[1])


def measure(quick: bool) -> list[Row]:
    """Measure all of them with one thread per network."""
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
    """Print the table."""
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


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """Return the rows as JSON values."""
    return [asdict(row) for row in rows]
