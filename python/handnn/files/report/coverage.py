"""How many rows intervals and sets cover, measured on rows that were not in training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.report.row_losses import Values
from handnn.tables import TableModel

if TYPE_CHECKING:
    from polars import DataFrame

COVERAGES = (0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Coverage:
    """What intervals or sets of a coverage cover.

    Attributes:
        asked: the coverage that was asked for.
        covered: the share of the values, or classes, that are inside.
        size: the mean width of intervals, or the mean number of classes in a set.
    """

    asked: float
    covered: float
    size: float


@dataclass
class CoverageCount:
    """Counts the rows that intervals and sets of a model cover, block by block.

    Without errors on held-out rows, or too few of them, there is nothing to count.
    """

    model: TableModel
    _n_rows: int = 0
    _covered: dict[float, float] = field(default_factory=dict)
    _sizes: dict[float, float] = field(default_factory=dict)

    def add(self, frame: DataFrame, measured: Values, answers: Values) -> None:
        """Add rows. measured, answers: as in `score`."""
        held_out = self.model.held_out
        if held_out is None:
            return
        n_rows = len(measured)
        self._n_rows += n_rows
        scores = None if self.model.target.classes is None else self.model.set_scores(frame)
        for asked in COVERAGES:
            if not held_out.allows(asked):
                continue
            if scores is not None:
                inside = scores <= held_out.limit(asked, "coverage")
                covered = inside[np.arange(n_rows), measured.astype(np.int64)]
                size = inside.sum(axis=1).mean()
            else:
                bound = held_out.bound(asked, "coverage")
                errors = abs(answers - measured)
                covered, size = errors <= bound, 2 * bound.mean()
            self._covered[asked] = self._covered.get(asked, 0.0) + float(covered.mean()) * n_rows
            self._sizes[asked] = self._sizes.get(asked, 0.0) + float(size) * n_rows

    def result(self) -> list[Coverage]:
        """Return what is covered for each of `COVERAGES` that the held-out errors allow."""
        return [
            Coverage(asked, total / self._n_rows, self._sizes[asked] / self._n_rows)
            for asked, total in self._covered.items()
        ]


def measured_coverage(
    model: TableModel, frame: DataFrame, measured: Values, answers: Values
) -> list[Coverage]:
    """Return what the intervals or sets of these rows cover; the arguments are those of `add`."""
    count = CoverageCount(model)
    count.add(frame, measured, answers)
    return count.result()


def as_entries(found: list[Coverage]) -> list[dict[str, float]]:
    """Return JSON objects."""
    return [asdict(one) for one in found]


def coverage_line(found: list[Coverage], rows: str) -> str:
    """Return a sentence: ``intervals for 80, 90, 95 % cover 81.2, 90.1, 94.8 % of ROWS``."""
    asked = ", ".join(f"{100 * one.asked:g}" for one in found)
    covered = ", ".join(f"{100 * one.covered:.1f}" for one in found)
    return f"intervals and sets for {asked} % cover {covered} % of {rows}"
