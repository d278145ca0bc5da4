"""The interpretation of cells: numbers, gaps, booleans, dates and categories; see docs/cells.md."""

from __future__ import annotations

from handnn.tables.cells.column import AnyArray, Cells, Floats, Mask, parse, read_cells
from handnn.tables.cells.dates import date_text, days_of, parse_date
from handnn.tables.cells.hints import ADVICE, near_number, near_numbers
from handnn.tables.cells.kind import (
    INTEGER,
    MAX_INT_LABELS,
    MIN_MEAN_COUNT,
    ColumnError,
    advice_for,
    check_near_numbers,
    few_labels,
    infer_kind,
    label_codes,
    look_up,
    sorted_labels,
    to_numbers,
)
from handnn.tables.cells.one import USUAL, UnusualCell, one_code, one_number
from handnn.tables.cells.series import SeriesCells, read_series
from handnn.tables.cells.text import (
    ALIASES,
    BOOLS,
    DEFAULT_GAPS,
    GAPS,
    MISSING_TYPES,
    SPACES,
    GapWords,
    category_text,
    gap_tuple,
    is_number,
    number_text,
    strip,
    text_of,
)

__all__ = [
    "ADVICE", "ALIASES", "BOOLS", "DEFAULT_GAPS", "GAPS", "INTEGER", "MAX_INT_LABELS",
    "MIN_MEAN_COUNT", "MISSING_TYPES", "SPACES", "USUAL", "AnyArray", "Cells", "ColumnError",
    "Floats", "GapWords", "Mask", "SeriesCells", "UnusualCell", "advice_for", "category_text",
    "check_near_numbers", "date_text", "days_of", "few_labels", "gap_tuple", "infer_kind",
    "is_number", "label_codes", "look_up", "near_number", "near_numbers", "number_text",
    "one_code", "one_number", "parse", "parse_date", "read_cells", "read_series",
    "sorted_labels", "strip", "text_of", "to_numbers",
]  # fmt: skip
