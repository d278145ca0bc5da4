"""Estimators: handnn.sklearn beside sklearn.neural_network with the same settings.

Both get the same prepared arrays in float32, hidden layers, batches and epochs, Adam and no early
stopping, in one process on one pinned thread. Houses come from the CSV file that HANDNN_HOUSING
names (the table of 1990's census in California with median_house_value), digits from MNIST's files
in HANDNN_MNIST.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.machine import pin, usable_cpus, version
from benchmarks.timing import Effort, interleave
from benchmarks.worker import environment, settings

Array = NDArray[Any]

HOUSING = "HANDNN_HOUSING"
MNIST = "HANDNN_MNIST"
SEEDS = 5


class Data(NamedTuple):
    """Rows to train on, and rows held out."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array


@dataclass(frozen=True)
class Case:
    """What is trained: a table and the size of a network."""

    name: str
    kind: str
    hidden: tuple[int, ...]
    epochs: int
    variable: str
    """The environment variable that says where the table is."""


CASES = (
    Case("housing 64-64", "MLPRegressor", (64, 64), 30, HOUSING),
    Case("MNIST 256-128", "MLPClassifier", (256, 128), 5, MNIST),
)


@dataclass(frozen=True)
class Row:
    """One case: theirs and ours, means over the seeds; seconds a fit and a call, score held out."""

    name: str
    fit: tuple[float, float]
    score: tuple[float, float]
    one_row: tuple[float, float]


def housing(path: Path, seed: int) -> Data:
    """Hold out a fifth of the rows; fill gaps, scale numbers, make kinds columns of 0 and 1."""
    from handnn.tables import Columns, read_csv

    table = read_csv(path)
    y = np.array(table.pop("median_house_value"), np.float64) / 100_000
    order = np.random.default_rng(seed).permutation(len(y))
    test, train = order[: len(y) // 5], order[len(y) // 5 :]
    parts = [
        {name: [cells[row] for row in rows] for name, cells in table.items()}
        for rows in (train, test)
    ]
    columns = Columns.learn(parts[0], categories="one-hot")
    x_train, x_test = (columns.transform(part) for part in parts)
    return Data(x_train, y[train], x_test, y[test])


def mnist(path: Path, seed: int) -> Data:
    """Return the digits as they were published."""
    from handnn.datasets import load_mnist

    digits = load_mnist(path)
    return Data(digits.x_train, digits.y_train, digits.x_test, digits.y_test)


LOADERS: dict[str, Callable[[Path, int], Data]] = {HOUSING: housing, MNIST: mnist}


def compare(case: Case, seeds: int, effort: Effort) -> Row:
    """Train and time both; in a process of its own."""
    from sklearn import neural_network

    import handnn.sklearn
    from handnn.sklearn import AS_SCIKIT_LEARN

    pin(usable_cpus()[-1])
    warnings.simplefilter("ignore")  # that training had not converged
    seconds, scores = np.zeros((seeds, 2)), np.zeros((seeds, 2))
    given: dict[str, Any] = {"hidden_layer_sizes": case.hidden, "max_iter": case.epochs}
    given |= {"n_iter_no_change": case.epochs}
    for seed in range(seeds):
        data = LOADERS[case.variable](Path(os.environ[case.variable]), seed)
        makers = (getattr(neural_network, case.kind), getattr(handnn.sklearn, case.kind))
        models: list[Any] = [None, None]
        for place in (0, 1) if seed % 2 == 0 else (1, 0):  # a noisy moment strikes either
            own = {**AS_SCIKIT_LEARN, "dtype": "float32"} if place else {}
            model = makers[place](**{**own, **given, "random_state": seed})
            start = perf_counter()
            model.fit(data.x_train, data.y_train)
            seconds[seed, place] = perf_counter() - start
            scores[seed, place] = model.score(data.x_test, data.y_test)
            models[place] = model
        check_alike(case, *models)
    row = data.x_test[:1].copy()
    calls = interleave({name: _timed(m, row) for name, m in zip("ab", models, strict=True)}, effort)
    theirs, ours = seconds.mean(axis=0)
    their_score, our_score = scores.mean(axis=0)
    return Row(case.name, (theirs, ours), (their_score, our_score), (calls["a"], calls["b"]))


def check_alike(case: Case, *models: Any) -> None:
    """Raise AssertionError unless both have trained networks of one size and dtype, all epochs."""
    for model in models:
        sizes = tuple(coefs.shape[1] for coefs in model.coefs_[:-1])
        dtypes = {coefs.dtype for coefs in model.coefs_}
        done = (sizes, dtypes, model.n_iter_)
        expected = (case.hidden, {np.dtype(np.float32)}, case.epochs)
        if done != expected:
            raise AssertionError(f"{type(model).__module__}: {done} instead of {expected}")


def _timed(model: Any, row: Array) -> Callable[[int], float]:
    def run(repeats: int) -> float:
        start = perf_counter()
        for _ in range(repeats):
            model.predict(row)
        return perf_counter() - start

    return run


def measure(effort: Effort, quick: bool = False) -> list[Row]:
    """Measure the cases whose tables are there."""
    if version("scikit-learn") is None:
        report.progress("estimators skipped: scikit-learn is not installed")
        return []
    rows = []
    context = multiprocessing.get_context("spawn")
    for case in CASES:
        if not Path(os.environ.get(case.variable, "")).exists() or case.variable not in os.environ:
            report.progress(f"{case.name} skipped: {case.variable} does not say where the data are")
            continue
        report.progress(case.name)
        with environment(settings(1)), ProcessPoolExecutor(1, mp_context=context) as process:
            rows.append(process.submit(compare, case, 1 if quick else SEEDS, effort).result())
    return rows


def show(rows: list[Row]) -> None:
    """Print theirs, ours and the ratio."""
    if not rows:
        return
    lines = []
    for row in rows:
        lines += [
            [f"{row.name}, fit, s", *(f"{s:.2f}" for s in row.fit), report.times(_ratio(row.fit))],
            [f"{row.name}, score held out", *(f"{score:.4f}" for score in row.score), ""],
            [
                f"{row.name}, predict one row, µs",
                *map(report.micro, row.one_row),
                report.times(_ratio(row.one_row)),
            ],
        ]
    report.table(
        "Estimators with the same settings, one pinned thread",
        ["", "sklearn.neural_network", "handnn.sklearn", "ratio"],
        lines,
    )


def _ratio(pair: tuple[float, float]) -> float:
    return pair[0] / pair[1]


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the rows for the JSON file."""
    return [asdict(row) for row in rows]
