"""A column of dates: the day number, and the cycles of the year, the week and the day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from handnn.tables import checks
from handnn.tables.cells import Cells, ColumnError, Floats
from handnn.tables.checks import Entry
from handnn.tables.number import NumberColumn
from handnn.tables.recipe import ColumnScale
from handnn.tables.steps import AddCycles, ColumnStep, Impute

FloatT = TypeVar("FloatT", bound=np.floating)

PERIODS = {"year": 365.2425, "week": 7.0, "day": 1.0}
"""The cycles, in days. The phases of the year, the week and the day represent the month, the
weekday and the hour.
"""

SINE = (
    6.283185307179586,
    -41.34170224039976,
    81.60524927607506,
    -76.70585975306139,
    42.058693944897655,
    -15.09464257682299,
    3.819952584848282,
    -0.7181223017785006,
    0.10422916220813984,
    -0.012031585942120627,
    0.0011309237482517963,
)
"""The coefficients of u, u³, u⁵ ... in the Taylor series of ``sin(2π·u)``."""

MIN_PERIOD = 1e-6
"""The shortest period of a cycle, in days: dates are a finite number of periods."""

MIN_CYCLES = 0.5
"""A cycle is an input if the training dates span at least this many of its periods."""


@dataclass(frozen=True)
class DateColumn:
    """A column of dates and times, as days since 1970-01-01 in UTC.

    The first input is the day number, scaled like a `NumberColumn`. Each period has two more, the
    sine and cosine of ``2π·days / period``.

    Attributes:
        trend: the scaling of the day number; its median replaces missing dates.
        periods: the periods of the cycles, in days.

    Examples:
        >>> column = handnn.Columns.learn({"day": ["2024-05-01", "2024-05-20"]}).columns[0]
        >>> column.names_out("day")
        ['day', 'day week sin', 'day week cos']
    """

    trend: NumberColumn
    periods: tuple[float, ...]

    kind: ClassVar[str] = "date"

    @classmethod
    def learn(cls, column: Cells, where: str, *, scale: ColumnScale, is_chosen: bool) -> DateColumn:
        """Learn from a column with at least one date; ValueError for a cell that is not one."""
        days = to_days(column, where)
        present = days[~column.missing]
        if len(present) == 0:
            raise ColumnError(f"{where}: {column.name} has no value in any row", "; leave it out")
        numbers = replace(column, values=days, text=np.zeros(len(days), bool))
        trend = NumberColumn.learn(numbers, where, scale=scale, is_chosen=is_chosen)
        return cls(trend, cycles_of(present))

    @property
    def has_gaps(self) -> bool:
        """Whether dates were missing in training."""
        return self.trend.has_gaps

    def names_out(self, name: str) -> list[str]:
        """Return the names of the inputs: "day", "day week sin", "day week cos"."""
        known = {period: word for word, period in PERIODS.items()}
        words = [known.get(period, f"{period:g} days") for period in self.periods]
        return [name, *(f"{name} {word} {part}" for word in words for part in ("sin", "cos"))]

    def transform(self, column: Cells, where: str) -> Floats:
        """Return the scaled day number and the cycles, float64 (N, 1 + 2·P)."""
        days = to_days(column, where)
        numbers = replace(column, values=days, text=np.zeros(len(days), bool))
        filled = np.where(column.missing, self.trend.median, days)
        return np.hstack([self.trend.transform(numbers, where), *cycles(filled, self.periods)])

    def steps(self, *, one_hot: bool) -> tuple[ColumnStep, ...]:
        """Return the preprocessing of the day number as steps, with the cycles as one of them."""
        fill, *rest = self.trend.steps(one_hot=one_hot)
        assert isinstance(fill, Impute)
        more = (AddCycles(self.periods),) if self.periods else ()
        return (fill, *more, *rest)

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object for `from_dict`."""
        return {"kind": self.kind, "trend": self.trend.to_dict(), "periods": list(self.periods)}

    @classmethod
    def from_dict(cls, entry: Entry) -> DateColumn:
        """Build the column that `to_dict` describes; ValueError for an invalid description."""
        name = "a column of dates"
        checks.keys(entry, {"kind", "trend", "periods"}, name)
        trend, periods = entry["trend"], entry["periods"]
        if not (isinstance(trend, dict) and isinstance(periods, list)):
            raise ValueError(f"{name}: trend must be an object, and periods a list")
        found = tuple(checks.number(period, f"{name}: periods") for period in periods)
        if found and min(found) < MIN_PERIOD:
            raise ValueError(f"{name}: periods must be {MIN_PERIOD} days or more")
        return cls(NumberColumn.from_dict(trend), found)

    def __str__(self) -> str:
        """Describe the column: ``from 2024-05-01 to 2024-05-20, with gaps``."""
        known = {period: word for word, period in PERIODS.items()}
        words = ", ".join(known.get(period, f"{period:g} days") for period in self.periods)
        middle = np.datetime64(int(np.floor(self.trend.median)), "D")
        text = f"median {middle}" + (f", cycles: {words}" if words else "")
        return text + (", with gaps" if self.has_gaps else "")


def cycles_of(days: Floats) -> tuple[float, ...]:
    """Return the periods that the dates span; that of the day only if the dates have times."""
    span = float(days.max() - days.min())
    has_times = bool((days % 1 != 0).any())
    return tuple(
        period
        for name, period in PERIODS.items()
        if span >= MIN_CYCLES * period and (has_times or name != "day")
    )


def to_days(column: Cells, where: str) -> Floats:
    """Return a column as days since 1970-01-01 in UTC, float64 (N,), NaN where it is missing.

    Numbers are taken as such days. Raises ValueError, naming the row, for other cells.
    """
    days = column.days.copy()
    numbers = np.isnan(days) & ~column.bools
    days[numbers] = column.floats[numbers]
    days[column.missing] = np.nan
    bad = ~np.isfinite(days) & ~column.missing
    if bad.any():
        raise column.error(where, bad, "is not a date such as 2024-05-01 or 2024-05-01 12:30")
    return days


def sine(x: NDArray[FloatT], period: float, shift: float) -> NDArray[FloatT]:
    """Return ``sin(2π·(x / period + shift))`` for 0 ≤ shift < 1, in the dtype of x.

    An odd polynomial replaces the library's sine, so that exported programs give the same bits.
    """
    turns = x / period
    turns = turns - np.floor(turns) + shift
    u = 0.5 - np.where(turns >= 1, turns - 1, turns)
    u = np.where(u > 0.25, 0.5 - u, u)
    u = np.where(u < -0.25, -0.5 - u, u)
    found = np.full_like(u, SINE[-1])
    for coefficient in SINE[-2::-1]:
        found = found * (u * u) + coefficient
    return np.asarray(u * found, x.dtype)


def cycles(days: Floats, periods: tuple[float, ...]) -> list[Floats]:
    """Return the sine and cosine (N, 1) of each period."""
    found: list[Floats] = []
    for period in periods:
        found += [sine(days, period, 0)[:, None], sine(days, period, 0.25)[:, None]]
    return found
