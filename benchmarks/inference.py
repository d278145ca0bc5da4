"""Predictions: one row and 1,024 rows through four networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks import report, verify
from benchmarks.field import OURS, Result, field, labels
from benchmarks.peers import Contestant
from benchmarks.problems import PROBLEMS, Array, Problem
from benchmarks.timing import Effort

ROWS = (1, 1024)


@dataclass(frozen=True)
class Row:
    """One network and number of rows: seconds a call."""

    network: str
    rows: int
    result: Result


def expected(problem: Problem, rows: int, contestant: Contestant) -> tuple[list[Array], float]:
    """Return the prediction there should be, and the tolerance."""
    return verify.predicted(problem, rows)


def measure(contestants: list[Contestant], threads: int, effort: Effort) -> list[Row]:
    """Verify and time the predictions."""
    with field(contestants, lambda contestant: contestant.predictor, threads) as racers:
        return [
            Row(
                problem.name,
                rows,
                racers.compare(problem, effort, partial(expected, problem, rows), 1, rows),
            )
            for rows in ROWS
            for problem in PROBLEMS[:4]
        ]


def show(rows: list[Row], threads: int) -> None:
    """Print the times, then the ratios."""
    entrants = labels([row.result for row in rows])
    where = "one pinned thread" if threads == 1 else f"{threads} threads"
    report.table(
        f"Prediction: µs a call, {where}",
        ["network", "rows", *entrants],
        [
            [
                row.network,
                f"{row.rows:,}",
                *(report.micro(row.result.seconds.get(k)) for k in entrants),
            ]
            for row in rows
        ],
    )
    peers = [label for label in entrants if label != OURS]
    report.table(
        f"Prediction: their time over ours, {where}",
        ["network", "rows", *peers],
        [
            [row.network, f"{row.rows:,}", *(report.times(row.result.ratio(k)) for k in peers)]
            for row in rows
        ],
    )


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the rows for the JSON file."""
    return [
        {
            "network": row.network,
            "rows": row.rows,
            "seconds": row.result.seconds,
            "ratio": {label: row.result.ratio(label) for label in row.result.seconds},
            "error_over_tolerance": row.result.errors,
        }
        for row in rows
    ]
