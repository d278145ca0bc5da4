"""Predictions of 1 to 4,096 rows, in float32 and float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import report, verify
from benchmarks.field import OURS, Result, field, labels
from benchmarks.peers import Contestant
from benchmarks.problems import PROBLEMS, ZOO, Array, Problem
from benchmarks.timing import Effort

ROWS = (1, 16, 256, 1024, 4096)


@dataclass(frozen=True)
class Row:
    """Seconds per call for one network and number of rows."""

    network: str
    dtype: str
    rows: int
    result: Result


def expected(problem: Problem, rows: int, contestant: Contestant) -> tuple[list[Array], float]:
    """Return the expected prediction and the tolerance."""
    return verify.predicted(problem, rows)


def problems() -> Iterator[Problem]:
    """Yield the networks, in float32 and then in float64."""
    for problem in (*PROBLEMS[:4], *ZOO):
        yield problem
        yield replace(problem, dtype="float64")


def measure(contestants: list[Contestant], threads: int, effort: Effort) -> list[Row]:
    """Verify and time the predictions."""
    with field(contestants, lambda contestant: contestant.predictor, threads) as contest:
        return [
            Row(
                problem.name,
                problem.dtype,
                rows,
                contest.compare(problem, effort, partial(expected, problem, rows), 1, rows),
            )
            for problem in problems()
            for rows in ROWS
        ]


def show(rows: list[Row], threads: int) -> None:
    """Print the times, then the ratios."""
    entrants = labels([row.result for row in rows])
    where = "one pinned thread" if threads == 1 else f"{threads} threads"
    report.table(
        f"Prediction: µs per call, {where}",
        ["network", "dtype", "rows", *entrants],
        [
            [
                row.network,
                row.dtype,
                f"{row.rows:,}",
                *(report.micro(row.result.seconds.get(k)) for k in entrants),
            ]
            for row in rows
        ],
    )
    peers = [label for label in entrants if label != OURS]
    report.table(
        f"Prediction: time divided by handnn's, {where}",
        ["network", "dtype", "rows", *peers],
        [
            [
                row.network,
                row.dtype,
                f"{row.rows:,}",
                *(report.times(row.result.ratio(k)) for k in peers),
            ]
            for row in rows
        ],
    )


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """Return the rows as JSON values."""
    return [
        {
            "network": row.network,
            "dtype": row.dtype,
            "rows": row.rows,
            "seconds": row.result.seconds,
            "ratio": {label: row.result.ratio(label) for label in row.result.seconds},
            "error_over_tolerance": row.result.errors,
        }
        for row in rows
    ]
