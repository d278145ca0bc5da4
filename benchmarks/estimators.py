"""Compare handnn.sklearn with sklearn.neural_network at the same settings.

Both train on the same prepared float32 arrays, with the same hidden layers, batches and epochs,
with Adam and without early stopping, in one process on one pinned thread. HANDNN_HOUSING is the
path of a CSV file (the table of the 1990 census in California, with median_house_value),
HANDNN_MNIST the folder with MNIST's files.
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
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.machine import pin, usable_cpus, version
from benchmarks.timing import Effort, interleave
from benchmarks.worker import environment, settings

Array = NDArray[np.generic]

HOUSING = "HANDNN_HOUSING"
MNIST = "HANDNN_MNIST"
SEEDS = 5


class Data(NamedTuple):
    """Training rows and held-out rows."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array


@dataclass(frozen=True)
class Case:
    """A table, and the size of the networks to train on it."""

    name: str
    kind: str
    hidden: tuple[int, ...]
    epochs: int
    variable: str
    """The environment variable with the path of the table."""


CASES = (
    Case("housing 64-64", "MLPRegressor", (64, 64), 30, HOUSING),
    Case("MNIST 256-128", "MLPClassifier", (256, 128), 5, MNIST),
)


class Estimator(Protocol):
    """A fitted estimator of either library."""

    coefs_: list[NDArray[np.floating]]
    n_iter_: int

    def fit(self, X: Array, y: Array) -> object:
        """Train on the rows of X and y."""
        ...

    def predict(self, X: Array) -> Array:
        """Return the predictions for the rows of X."""
        ...

    def score(self, X: Array, y: Array) -> float:
        """Return R², or the accuracy."""
        ...


@dataclass(frozen=True)
class Comparison:
    """Seconds per fit and per call, and held-out scores: theirs and ours, means over the seeds."""

    name: str
    fit: tuple[float, float]
    score: tuple[float, float]
    one_row: tuple[float, float]


def housing(path: Path, seed: int) -> Data:
    """Hold out a fifth of the rows; fill gaps, scale numbers, and one-hot encode categories."""
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
    """Return the digits with their published split."""
    from handnn.datasets import load_mnist

    digits = load_mnist(path)
    return Data(digits.x_train, digits.y_train, digits.x_test, digits.y_test)


LOADERS: dict[str, Callable[[Path, int], Data]] = {HOUSING: housing, MNIST: mnist}


def compare(case: Case, seeds: int, effort: Effort) -> Comparison:
    """Train and time both estimators; runs in a separate process."""
    from sklearn import neural_network

    import handnn.sklearn
    from handnn.sklearn import AS_SCIKIT_LEARN

    pin(usable_cpus()[-1])
    warnings.simplefilter("ignore")  # training has not converged
    seconds, scores = np.zeros((seeds, 2)), np.zeros((seeds, 2))
    given: dict[str, object] = {"hidden_layer_sizes": case.hidden, "max_iter": case.epochs}
    given |= {"n_iter_no_change": case.epochs}
    for seed in range(seeds):
        data = LOADERS[case.variable](Path(os.environ[case.variable]), seed)
        makers = (getattr(neural_network, case.kind), getattr(handnn.sklearn, case.kind))
        models: dict[int, Estimator] = {}
        for place in (0, 1) if seed % 2 == 0 else (1, 0):  # noise affects both alike
            own = {**AS_SCIKIT_LEARN, "dtype": "float32"} if place else {}
            model: Estimator = makers[place](**{**own, **given, "random_state": seed})
            start = perf_counter()
            model.fit(data.x_train, data.y_train)
            seconds[seed, place] = perf_counter() - start
            scores[seed, place] = model.score(data.x_test, data.y_test)
            models[place] = model
        check_alike(case, *models.values())
    row = data.x_test[:1].copy()
    timed = {"theirs": _timed(models[0], row), "ours": _timed(models[1], row)}
    calls = interleave(timed, effort)
    theirs, ours = seconds.mean(axis=0)
    their_score, our_score = scores.mean(axis=0)
    return Comparison(
        case.name, (theirs, ours), (their_score, our_score), (calls["theirs"], calls["ours"])
    )


def check_alike(case: Case, *models: Estimator) -> None:
    """Raise AssertionError unless both trained float32 networks of one size for all epochs."""
    for model in models:
        sizes = tuple(coefs.shape[1] for coefs in model.coefs_[:-1])
        dtypes = {coefs.dtype for coefs in model.coefs_}
        done = (sizes, dtypes, model.n_iter_)
        expected = (case.hidden, {np.dtype(np.float32)}, case.epochs)
        if done != expected:
            raise AssertionError(f"{type(model).__module__}: {done} instead of {expected}")


def _timed(model: Estimator, row: Array) -> Callable[[int], float]:
    def run(repeats: int) -> float:
        start = perf_counter()
        for _ in range(repeats):
            model.predict(row)
        return perf_counter() - start

    return run


def measure(effort: Effort, quick: bool = False) -> list[Comparison]:
    """Measure the cases with available tables."""
    if version("scikit-learn") is None:
        report.progress("estimators skipped: scikit-learn is not installed")
        return []
    rows = []
    context = multiprocessing.get_context("spawn")
    for case in CASES:
        if not Path(os.environ.get(case.variable, "")).exists() or case.variable not in os.environ:
            report.progress(f"{case.name} skipped: {case.variable} is not the path of the data")
            continue
        report.progress(case.name)
        with environment(settings(1)), ProcessPoolExecutor(1, mp_context=context) as process:
            rows.append(process.submit(compare, case, 1 if quick else SEEDS, effort).result())
    return rows


def show(rows: list[Comparison]) -> None:
    """Print the values of both libraries, and their ratio."""
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


def as_json(rows: list[Comparison]) -> list[dict[str, object]]:
    """Return the rows for the JSON file."""
    return [asdict(row) for row in rows]
