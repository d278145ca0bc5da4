"""Infer the kind of a column: numbers, categories or dates; and convert cells to numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.tables.cells.column import Cells, Floats
from handnn.tables.cells.hints import ADVICE, near_number, near_numbers
from handnn.tables.cells.text import ALIASES, category_text, is_number
from handnn.tables.steps import Label

MAX_INT_LABELS = 20
"""Integers are labels if there are at most this many different ones, as in a target."""

MIN_MEAN_COUNT = 2
"""Integers are labels if each of them occurs at least this often on average."""

INTEGER = re.compile(r"[+-]?[0-9]+")
"""An integer, written without a point."""


class ColumnError(ValueError):
    """A column that cannot be learned from, with advice that fits `Columns.learn`.

    Attributes:
        problem: the message without the advice, for callers that have other options.
    """

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem + advice)
        self.problem = problem


def to_numbers(column: Cells, where: str) -> Floats:
    """Return a column as float64 (N,), NaN where a value is missing.

    Text that is a number is read, and booleans are 1 and 0. Raises ValueError, naming the row and
    its value, for other text, for dates and for infinities.
    """
    if column.values.dtype.kind in "fiub":
        found = column.values.astype(np.float64)
        if column.missing.any():
            found[column.missing] = np.nan
        infinite = np.isinf(found)
        if infinite.any():
            raise column.error(where, infinite, "is not finite")
        return found
    found = column.floats.copy()
    found[column.missing] = np.nan
    infinite = np.isinf(found)
    if infinite.any():
        row = int(infinite.argmax())
        is_large = column.text[row] or isinstance(column.values[row], int)
        raise column.error(where, infinite, "is too large" if is_large else "is not finite")
    bad = np.isnan(found) & ~column.missing
    if bad.any():
        if (bad & column.dates).any():
            raise column.error(where, bad, "is a date where numbers are expected")
        raise column.error(where, bad, f"is not a number{advice_for(column, bad)}")
    return found


def advice_for(column: Cells, bad: NDArray[np.bool_]) -> str:
    """Return advice on writing the first bad cell as a number, if it looks like one."""
    value = column.values[int(bad.argmax())]
    name = near_number(value) if isinstance(value, str) else None
    return f"; {ADVICE[name]}" if name else ""


def infer_kind(column: Cells, where: str) -> str:
    """Return "number", "category" or "date", inferred from the values of a column.

    Raises ColumnError when every value is missing, when most values are numbers or dates and some
    are not (unless they are `few_labels`), and when most values are strings that look like numbers,
    such as "15%".
    """
    present = ~column.missing
    n_present = int(present.sum())
    if n_present == 0:
        raise ColumnError(f"{where}: {column.name} has no value in any row", "; leave it out")
    if column.is_category:
        return "category"
    advice = f'; kinds={{{column.key!r}: "category"}} treats every cell as text'
    is_bool = column.bools
    if is_bool.sum() == n_present:
        return "category"
    is_date = column.dates
    reads = present & ~is_date
    if column.values.dtype == object:
        reads &= ~np.isnan(column.floats) & ~is_bool
    n_numbers = int(reads.sum())
    if n_numbers == n_present:
        return "number"
    if 2 * n_numbers >= n_present and (is_bool.any() or not few_labels(Counter(column.present))):
        odd = present & ~reads
        what = "text" if column.text[int(odd.argmax())] else "a bool or a date"
        error = column.error(where, odd, f"is {what} where other rows have numbers")
        raise ColumnError(f"{error}{advice_for(column, odd)}", advice)
    is_date = ~np.isnan(column.days) & present
    n_dates = int(is_date.sum())
    if n_dates == n_present:
        return "date"
    if 2 * n_dates >= n_present:
        error = column.error(where, present & ~is_date, "is not a date, unlike other rows")
        raise ColumnError(str(error), advice)
    check_near_numbers(column, where, n_present, n_numbers, advice)
    return "category"


def few_labels(counts: Mapping[Label, int]) -> bool:
    """Return whether numbers and text are the labels of a few categories, such as 0, 1, 2 and 3+.

    counts: how often each value occurs. The numbers are integers, there are at most 20 different
    values, each occurs twice on average, and each text at least twice, so that none is a typo.

    Examples:
        >>> from handnn.tables.cells import few_labels
        >>> few_labels({"0": 5, "1": 4, "3+": 2}), few_labels({"0": 5, "1": 4, "3+": 1})
        (True, False)
    """
    if not 0 < len(counts) <= min(MAX_INT_LABELS, sum(counts.values()) // MIN_MEAN_COUNT):
        return False
    return all(
        INTEGER.fullmatch(value) or (count > 1 and not is_number(value))
        if isinstance(value, str)
        else isinstance(value, int | np.integer) and not isinstance(value, bool)
        for value, count in counts.items()
    )


def check_near_numbers(
    column: Cells, where: str, n_present: int, n_numbers: int, advice: str
) -> None:
    """Raise ColumnError when at least half of the values are numbers or strings such as "15%".

    n_numbers: of the values that are numbers. A column without such strings is accepted.
    """
    found = near_numbers(column.values[column.text].tolist())
    if found is None:
        return
    name, first, count = found
    if 2 * (count + n_numbers) >= n_present:
        raise ColumnError(
            f"{where}: {column.name} holds {name}, such as {first!r:.40}, which are text here; "
            f"{ADVICE[name]}",
            advice,
        )


def label_codes(labels: Sequence[Label]) -> dict[str, int]:
    """Return a dict from the category text of each label, and its aliases, to the label's code.

    The aliases: `1` is `true` and `0` is `false`, unless the labels have both. Among labels with
    equal strings, which occur only in files of older versions, the first is used.
    """
    places = reversed(list(enumerate(labels)))
    found = {category_text(label): code for code, label in places}
    aliases = {ALIASES[text]: code for text, code in found.items() if text in ALIASES}
    return {**aliases, **found}


def look_up(
    values: list[str | None], codes: Mapping[str, int], otherwise: int
) -> NDArray[np.int64]:
    """Return the code of every value, `otherwise` for values without a code."""
    known: dict[str | None, int] = dict(codes.items())
    return np.fromiter(map(known.get, values, repeat(otherwise)), np.int64, len(values))


def sorted_labels(values: Iterable[Label]) -> list[Label]:
    """Return the distinct labels in ascending order; they must all be text or all be numbers."""
    distinct: Any = set(values)
    return sorted(distinct)
