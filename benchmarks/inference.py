"""Predictions of 1 and of 1,024 rows by four networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from benchmarks import report, verify
from benchmarks.field import OURS, Result, field, labels
from benchmarks.peers import Contestant
from benchmarks.problems import PROBLEMS, Array, Problem
from benchmarks.timing import Effort

ROWS = (1, 1024)


@dataclass(frozen=True)
class Row:
    """Seconds per call for one network and number of rows."""

    network: str
    rows: int
    result: Result


def expected(problem: Problem, rows: int, contestant: Contestant) -> tuple[list[Array], float]:
    """Return the expected prediction and the tolerance."""
    return verify.predicted(problem, rows)


def measure(contestants: list[Contestant], threads: int, effort: Effort) -> list[Row]:
    """Verify and time the predictions."""
    with field(contestants, lambda contestant: contestant.predictor, threads) as contest:
        return [
            Row(
                problem.name,
                rows,
                contest.compare(problem, effort, partial(expected, problem, rows), 1, rows),
            )
            for rows in ROWS
            for problem in PROBLEMS[:4]
        ]


def show(rows: list[Row], threads: int) -> None:
    """Print the times, then the ratios."""
    entrants = labels([row.result for row in rows])
    where = "one pinned thread" if threads == 1 else f"{threads} threads"
    report.table(
        f"Prediction: µs per call, {where}",
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
        f"Prediction: time divided by handnn's, {where}",
        ["network", "rows", *peers],
        [
            [row.network, f"{row.rows:,}", *(report.times(row.result.ratio(k)) for k in peers)]
            for row in rows
        ],
    )


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """Return the rows as JSON values."""
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
