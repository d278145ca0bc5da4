"""A column of categories: text, bools, or numbers that only distinguish kinds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from handnn.layers import Embedding
from handnn.tables import checks
from handnn.tables.cells import (
    Cells,
    ColumnError,
    GapWords,
    label_codes,
    look_up,
    one_code,
    sorted_labels,
)
from handnn.tables.checks import Entry
from handnn.tables.recipe import ColumnScale
from handnn.tables.steps import ColumnStep, Label, OneHotEncode, OrdinalEncode

MAX_ONE_HOT = 1000
"""The largest number of categories that are encoded as one-hot columns."""

MAX_UNIQUE_ROWS = 20
"""The largest number of rows that may all hold different strings."""


MAX_COLUMNS, MAX_NUMBERS = 2**12, 2**19
"""The largest part of an Embedding that is converted to float64 at once."""

MAX_WIDTH = 50
"""The largest width of an Embedding: wider ones took longer to train and scored no better."""


@dataclass(frozen=True)
class CategoryColumn:
    """A column of K categories as learned from its training rows.

    Label k has code k. Missing values have code K, labels absent from training have code K + 1.

    Attributes:
        labels: (K,) all text, all bools, or all numbers; ascending, and as written in the table.
        Equal numbers, such as "1" and "1.0", are one label.
        counts: (K,) the number of training rows with each label.
        has_gaps: whether values were missing in training.

    Examples:
        >>> column = handnn.Columns.learn({"town": ["Ulm", "Bonn", "Ulm"]}).columns[0]
        >>> column.labels, column.counts, column.n_codes
        (('Bonn', 'Ulm'), (1, 2), 4)
    """

    labels: Sequence[Label]
    counts: Sequence[int]
    has_gaps: bool

    kind: ClassVar[str] = "category"

    @classmethod
    def learn(
        cls, column: Cells, where: str, *, scale: ColumnScale, is_chosen: bool
    ) -> CategoryColumn:
        """Learn from a column with at least one value; `scale` applies to numbers only.

        Raises ColumnError, unless `is_chosen`, when each of more than 20 rows holds a different
        label.
        """
        column.check_finite(where)
        present = column.texts[~column.missing].tolist()
        if not present:
            raise ColumnError(f"{where}: {column.name} has no value in any row", "; leave it out")
        found = Counter(present)
        if len(found) == len(present) > MAX_UNIQUE_ROWS and not (is_chosen or column.is_category):
            raise ColumnError(
                f"{where}: {column.name} holds a different value in each of its {len(present)} "
                f"rows, such as {column.present[0]!r:.40}; leave it out, make it a category of "
                "pandas or polars",
                f', or choose with kinds={{{column.key!r}: ...}}: "category" or "number"',
            )
        written = column.written()
        counts = {label: found[text] for text, label in written.items()}
        labels = sorted_labels(counts)
        return cls(
            tuple(labels), tuple(map(counts.__getitem__, labels)), bool(column.missing.any())
        )

    @property
    def n_codes(self) -> int:
        """K + 2: a code for each label, for missing values, and for unseen labels."""
        return len(self.labels) + 2

    @property
    def n_one_hot(self) -> int:
        """One column for each label, and one for missing values if training had some."""
        return len(self.labels) + int(self.has_gaps)

    def check_one_hot(self, where: str) -> None:
        """Raise ValueError, beginning with `where`, if one-hot columns cannot hold the labels."""
        if len(self.labels) > MAX_ONE_HOT:
            raise ValueError(
                f"{where} has {len(self.labels)} categories, but one-hot columns take at most "
                f'{MAX_ONE_HOT}; write categories="embedding" or leave it out'
            )

    @property
    def n_embedding(self) -> int:
        """The width of the Embedding: ``min(50, round(1.6·n_codes^0.56))``.

        (fastai's rule of thumb, `emb_sz_rule` in fastai/tabular/model.py, with a lower limit.)
        """
        return min(MAX_WIDTH, round(1.6 * math.pow(self.n_codes, 0.56)))

    def names_one_hot(self, name: str) -> list[str]:
        """Return the names of the `n_one_hot` columns of a column named `name`."""
        return [f"{name}={label}" for label in self.labels] + [f"{name} missing"] * self.has_gaps

    @cached_property
    def _text_codes(self) -> dict[str, int]:
        return label_codes(self.labels)

    def codes(self, column: Cells, where: str) -> NDArray[np.int64]:
        """Return the code of every row, (N,): a cell is looked up by its category text.

        Labels take precedence over gap words: if "NA" was a category in training, it is not
        missing. Raises ValueError for an infinity.
        """
        column.check_finite(where)
        codes = self._text_codes
        gap = len(self.labels)
        texts: list[str | None] = column.texts.tolist()
        found = look_up(texts, codes, gap + 1)
        if column.missing.any():
            found[column.missing & (found > gap)] = gap
        return found

    def code_of_one(self, cell: object, gaps: GapWords) -> int:
        """Return the code of one cell, as `codes` does; UnusualCell where `one_code` raises it."""
        return one_code(cell, self._text_codes, len(self.labels), gaps)

    def settle(self, layer: Embedding) -> None:
        """Set the rows of codes absent from training to the weighted mean of the labels' rows."""
        count, total = len(self.labels), float(sum(self.counts))
        for first in range(0, layer.w.shape[1], MAX_COLUMNS):
            part = layer.w[:, first : first + MAX_COLUMNS]
            n_rows = MAX_NUMBERS // max(1, part.shape[1])
            sums = [
                np.array(self.counts[begin : begin + n_rows], np.float64)
                @ part[begin : min(begin + n_rows, count)].astype(np.float64)
                for begin in range(0, count, n_rows)
            ]
            part[count + self.has_gaps :] = sum(sums[1:], start=sums[0]) / total

    def steps(self, *, one_hot: bool) -> tuple[ColumnStep, ...]:
        """Return the encoding as steps: codes, or one-hot columns with `one_hot`."""
        encode = OrdinalEncode(self.labels)
        return (encode, OneHotEncode(self.n_one_hot)) if one_hot else (encode,)

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object for `from_dict`."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "counts": list(self.counts),
            "has_gaps": self.has_gaps,
        }

    @classmethod
    def from_dict(cls, entry: Entry) -> CategoryColumn:
        """Build the column that `to_dict` describes; ValueError for an invalid description."""
        name = "a column of categories"
        checks.keys(entry, {"kind", "labels", "counts", "has_gaps"}, name)
        labels = checks.labels(entry["labels"], f"{name}: labels")
        counts = checks.several(entry["counts"], f"{name}: counts")
        are_counts = all(type(n) is int and n >= 1 for n in counts)
        if not (are_counts and len(labels) == len(counts)):
            raise ValueError(f"{name}: counts must be numbers of rows, one for each label")
        if sum(counts) > 2**53:
            raise ValueError(f"{name}: the sum of counts must be at most 2**53")
        gaps = checks.truth(entry["has_gaps"], f"{name}: has_gaps")
        return cls(labels, counts, gaps)

    def __str__(self) -> str:
        """Describe the column, the most frequent labels first: ``2: Ulm (2), Bonn (1)``."""
        order = sorted(range(len(self.labels)), key=lambda k: -self.counts[k])
        shown = ", ".join(f"{self.labels[k]!s:.20} ({self.counts[k]:,})" for k in order[:4])
        more = ", ..." if len(order) > 4 else ""
        return f"{len(self.labels)}: {shown}{more}" + (", with gaps" if self.has_gaps else "")
