"""Models with known weights, whose predictions show how a cell was interpreted."""

from __future__ import annotations

import numpy as np

from handnn import Affine, Columns, Embedding, Network, TableModel, Target
from handnn.tables import CategoryColumn, DateColumn, NumberColumn
from tests.cells.cases import Case, cases_of

MEDIAN, MARK = 7.0, 0.25
"""The number that replaces a gap, and the amount that a gap adds to the prediction."""

NUMBERS = NumberColumn(MEDIAN, 0.0, 1.0, has_gaps=True)


def texts_of(kind: str) -> list[str]:
    """Return the strings that cells of a kind of column may mean, in ascending order."""
    return sorted({str(case.meaning) for case in cases_of(kind) if case.is_text})


LABELS = texts_of("category")


def model_of(kind: str, dtype: str = "float64") -> TableModel:
    """Return a model of one column "a", which predicts what `expected` returns."""
    target = Target("regression", mean=[0.0], scale=[1.0])
    if kind == "category":
        codes = np.arange(len(LABELS) + 2, dtype=dtype)[:, None]
        column = CategoryColumn(tuple(LABELS), (1,) * len(LABELS), has_gaps=True)
        return TableModel(Network([Embedding(codes**2)]), Columns([column], ["a"]), target)
    columns = Columns([NUMBERS if kind == "number" else DateColumn(NUMBERS, ())], ["a"])
    weights = Affine(np.array([[1.0], [MARK]], dtype), np.zeros(1, dtype))
    return TableModel(Network([weights]), columns, target)


def expected(case: Case) -> float | None:
    """Return the expected prediction for a case, None for an error."""
    if case.is_error:
        return None
    if case.kind == "category":
        return float((len(LABELS) if case.is_gap else LABELS.index(str(case.meaning))) ** 2)
    return MEDIAN + MARK if case.is_gap else float(case.meaning)
