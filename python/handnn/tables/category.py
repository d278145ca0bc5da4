"""A column of categories: text, bools, or numbers that only tell kinds apart."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.tables import checks
from handnn.tables.cells import BOOLS, Cells, look_up, parse
from handnn.tables.steps import ColumnStep, OneHotEncode, OrdinalEncode

MOST_ONE_HOT = 1000
"""Of how many categories one-hot columns are made at the most."""

MANY = 20
"""Up to how many rows a column may have a different text in each of them."""


@dataclass(frozen=True)
class CategoryColumn:
    """What is learnt of a column of K categories: its labels, in order, and how often each was.

    Label k has code k; K is the code of a missing value, and K + 1 that of a label that was not
    there in training.

    Attributes:
        labels: all text, all bools, or all numbers; sorted.
        counts: in how many training rows each was.
        has_gaps: whether values were missing in training.
    """

    labels: tuple[Any, ...]
    counts: tuple[int, ...]
    has_gaps: bool

    kind = "category"

    @classmethod
    def learn(cls, column: Cells, where: str, *, chosen: bool) -> CategoryColumn:
        """Learn from a column that has at least one value.

        chosen: whether the caller called it one of categories; else a different text in each of
        more than 20 rows is a ValueError. So is text beside numbers.
        """
        if chosen and column.is_loose and column.text.any():
            values = list(map(str, column.present))
        elif column.text.any():
            odd = ~(column.text | column.missing)
            if odd.any():
                raise column.error(where, odd, "is no text, as other rows have")
            values = column.present
        else:
            values = column.present
        if not values:
            raise ValueError(f"{where}: {column.name} has no value in any row; leave it out")
        found: Counter[Any] = Counter(values)  # 3 and 3.0 are one key
        if np.inf in found or -np.inf in found:
            raise ValueError(f"{where}: {column.name} has an infinite value")
        if len(found) == len(values) > MANY and not (chosen or column.is_category):
            raise ValueError(
                f"{where}: {column.name} is different in each of its {len(values)} rows, as "
                f"{values[0]!r:.40} is; leave it out, make it a category of pandas or polars, or "
                f'say kinds={{{column.key!r}: ...}}: "category" or "number"'
            )
        labels = sorted(found)
        return cls(
            tuple(map(_builtin, labels)),
            tuple(found[label] for label in labels),
            bool(column.missing.any()),
        )

    @property
    def n_codes(self) -> int:
        """K + 2: a code for each label, one for missing values, one for unseen labels."""
        return len(self.labels) + 2

    @property
    def n_one_hot(self) -> int:
        """A column for each label, and one for missing values if there were any in training."""
        return len(self.labels) + int(self.has_gaps)

    @property
    def n_embedding(self) -> int:
        """How many numbers an Embedding gives: ``min(600, round(1.6·n_codes^0.56))``.

        (The rule of thumb of fastai, `emb_sz_rule` in its fastai/tabular/model.py.)
        """
        return min(600, round(1.6 * math.pow(self.n_codes, 0.56)))

    def codes(self, column: Cells, where: str) -> NDArray[np.int64]:
        """Return the code of every row, (N,); ValueError for another kind of value than learnt."""
        unseen = len(self.labels) + 1
        codes = {label: code for code, label in enumerate(self.labels)}
        holds_text = isinstance(self.labels[0], str)
        found = np.full(len(column.values), len(self.labels), np.int64)
        there = ~column.missing
        if holds_text:
            odd = there & ~column.text
            if odd.any():
                raise column.error(where, odd, f"is no text, as {self.labels[0]!r:.40} is")
            values = column.present
        else:
            values = self._numbers(column, where)
        found[there] = look_up(values, codes, unseen)
        return found

    def _numbers(self, column: Cells, where: str) -> list[Any]:
        """Return the values of a column whose labels are numbers or bools."""
        values = column.values
        if column.text.any():
            is_bool = isinstance(self.labels[0], bool)
            texts = column.values[column.text].tolist()
            read: list[Any] = parse(texts).tolist()
            if is_bool:
                read = [
                    BOOLS.get(text.strip().lower(), value)
                    for text, value in zip(texts, read, strict=True)
                ]
            bad = column.text.copy()
            bad[column.text] = np.isnan(np.array(read, np.float64)) | (not column.is_loose)
            if bad.any():
                expected = "True or False" if is_bool else "a number"
                raise column.error(where, bad, f"is text where {expected} is expected")
            values = column.values.copy()
            values[column.text] = read
        return values[~column.missing].tolist()  # type: ignore[no-any-return]

    def steps(self, *, one_hot: bool) -> tuple[ColumnStep, ...]:
        """Return the encoding as steps: codes, or columns of 0 and 1 with `one_hot`."""
        encode = OrdinalEncode(self.labels)
        return (encode, OneHotEncode(self.n_one_hot)) if one_hot else (encode,)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "counts": list(self.counts),
            "has_gaps": self.has_gaps,
        }

    @classmethod
    def from_dict(cls, entry: dict[str, Any]) -> CategoryColumn:
        """Return the column that `to_dict` describes; ValueError when it describes none."""
        name = "a column of categories"
        checks.keys(entry, {"kind", "labels", "counts", "has_gaps"}, name)
        labels = checks.labels(entry["labels"], f"{name}: labels")
        counts = checks.several(entry["counts"], f"{name}: counts")
        if len(labels) != len(counts) or any(type(n) is not int or n < 1 for n in counts):
            raise ValueError(f"{name}: counts must be numbers of rows, one for each label")
        if sum(counts) > 2**53:
            raise ValueError(f"{name}: counts are of more rows than there can be")
        gaps = checks.truth(entry["has_gaps"], f"{name}: has_gaps")
        return cls(tuple(labels), tuple(counts), gaps)

    def __str__(self) -> str:
        """Say what has been learnt, for people: the most frequent labels first."""
        order = sorted(range(len(self.labels)), key=lambda k: -self.counts[k])
        shown = ", ".join(f"{self.labels[k]!s:.20} ({self.counts[k]:,})" for k in order[:4])
        more = ", ..." if len(order) > 4 else ""
        return f"{len(self.labels)}: {shown}{more}" + (", with gaps" if self.has_gaps else "")


def _plain(value: float) -> float:
    """Return a number as an int if it is whole."""
    return int(value) if value.is_integer() else value


def _builtin(label: Any) -> Any:
    """Return a label as Python's own str, bool, int or float, which a file can hold."""
    if isinstance(label, str):
        return str(label)
    if isinstance(label, bool | np.bool_):
        return bool(label)
    return label if isinstance(label, int) else _plain(float(label))
