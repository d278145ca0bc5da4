"""A column of numbers: its gaps filled with the median, then brought to mean 0 and deviation 1."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from handnn.tables import checks
from handnn.tables.cells import Cells, Numbers, numbers


@dataclass(frozen=True)
class NumberColumn:
    """What is learnt of a column of numbers: ``out = (x - mean) / scale``, x the median in a gap.

    Attributes:
        median: of the values that are there.
        mean, scale: mean and standard deviation, after filling; 0 and 1 without scaling, and scale
            is 1 when all values are the same.
        has_gaps: whether values were missing in training; then there is a column more, 1 in a row
            whose value is missing and 0 in the others.
        reads_text: whether text that reads as a number is taken for one in any table.
    """

    median: float
    mean: float
    scale: float
    has_gaps: bool
    reads_text: bool = False

    kind = "number"

    @classmethod
    def learn(cls, column: Cells, where: str, *, scale: bool, reads_text: bool) -> NumberColumn:
        """Learn from a column that has at least one value; ValueError when it has a bad cell."""
        values = numbers(column, where, reads_text or column.is_loose)
        gaps = column.missing
        there = values[~gaps]
        if len(there) == 0:
            raise ValueError(f"{where}: {column.name} has no value in any row; leave it out")
        with np.errstate(over="ignore", invalid="ignore"):
            median = float(np.median(there))
            values[gaps] = median
            mean, deviation = (float(values.mean()), float(values.std())) if scale else (0.0, 1.0)
        if not np.isfinite([median, mean, deviation]).all():
            largest = abs(values) == abs(values).max()
            raise column.error(where, largest, "is too large to be scaled")
        if values.min() == values.max() or deviation == 0:
            mean, deviation = (median if scale else 0.0), 1.0
        return cls(median, mean, deviation, bool(gaps.any()), reads_text)

    def transform(self, column: Cells, where: str) -> Numbers:
        """Return the filled and scaled numbers, float64 (N,)."""
        values = numbers(column, where, self.reads_text or column.is_loose)
        values[column.missing] = self.median
        with np.errstate(over="ignore"):
            values -= self.mean
            values /= self.scale
        return values

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_dict(cls, entry: dict[str, Any]) -> NumberColumn:
        """Return the column that `to_dict` describes; ValueError when it describes none."""
        name = "a column of numbers"
        checks.keys(entry, {"kind", *cls.__dataclass_fields__}, name)
        scale = checks.number(entry["scale"], f"{name}: scale")
        if scale <= 0:
            raise ValueError(f"{name}: scale must be above 0, but is {scale}")
        return cls(
            checks.number(entry["median"], f"{name}: median"),
            checks.number(entry["mean"], f"{name}: mean"),
            scale,
            checks.truth(entry["has_gaps"], f"{name}: has_gaps"),
            checks.truth(entry["reads_text"], f"{name}: reads_text"),
        )

    def __str__(self) -> str:
        """Say what has been learnt, for people."""
        text = f"median {self.median:.4g}, mean {self.mean:.4g}, scale {self.scale:.4g}"
        return text + (", with gaps" if self.has_gaps else "")
