"""Training steps: forward, loss, backward, update."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from benchmarks import report, verify
from benchmarks.field import OURS, Result, field, labels
from benchmarks.peers import Contestant
from benchmarks.problems import LEARNING, PROBLEMS, ZOO, Array, Problem
from benchmarks.timing import Effort

VERIFIED_EPOCHS = 2


@dataclass(frozen=True)
class Row:
    """Seconds per step for one problem, and handnn's share of the peak."""

    problem: Problem
    result: Result

    @property
    def share_of_peak(self) -> float:
        """handnn's operations per second divided by the peak's."""
        peak = self.result.peak
        return self.problem.operations / self.result.seconds[OURS] / peak


def expected(problem: Problem, contestant: Contestant) -> tuple[list[Array], float]:
    """Return the expected weights and the tolerance."""
    eps_first = problem.optimizer == "adam" and contestant.adam_adds_eps_first
    return verify.trained(problem, VERIFIED_EPOCHS, eps_first)


def measure(contestants: list[Contestant], threads: int, effort: Effort) -> list[Row]:
    """Verify and time the training of all networks in PROBLEMS, LEARNING and ZOO."""
    rows = []
    with field(contestants, lambda contestant: contestant.trainer, threads) as contest:
        for problem in PROBLEMS + LEARNING + ZOO:
            wanted = partial(expected, problem)
            epochs = contest.compare(problem, effort, wanted, VERIFIED_EPOCHS)
            steps = {label: time / problem.batches for label, time in epochs.seconds.items()}
            rows.append(Row(problem, Result(steps, epochs.errors, epochs.peak)))
    return rows


def show(rows: list[Row], threads: int) -> None:
    """Print the times, then the ratios."""
    entrants = labels([row.result for row in rows])
    names = [row.problem.title for row in rows]
    where = "one pinned thread" if threads == 1 else f"{threads} threads"
    report.table(
        f"Training: µs per step; MSE and SGD unless named; {where}",
        ["network, batch", *entrants],
        [
            [name, *(report.micro(row.result.seconds.get(label)) for label in entrants)]
            for name, row in zip(names, rows, strict=True)
        ],
    )
    peers = [label for label in entrants if label != OURS]
    report.table(
        f"Training: time divided by handnn's, {where}; handnn's share of the FMA peak",
        ["network, batch", *peers, "best peer", "of peak"],
        [
            [
                name,
                *(report.times(row.result.ratio(label)) for label in peers),
                row.result.best_peer() or "-",
                report.percent(row.share_of_peak),
            ]
            for name, row in zip(names, rows, strict=True)
        ],
    )


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """Return the rows as JSON values."""
    return [
        {
            "network": row.problem.name,
            "activation": row.problem.activation,
            "batch": row.problem.batch,
            "loss": row.problem.loss,
            "optimizer": row.problem.optimizer,
            "operations": row.problem.operations,
            "fma_peak": row.result.peak,
            "share_of_peak": row.share_of_peak,
            "seconds": row.result.seconds,
            "ratio": {label: row.result.ratio(label) for label in row.result.seconds},
            "error_over_tolerance": row.result.errors,
        }
        for row in rows
    ]
