"""Tables as passed to estimators: which of them need `Columns`, and how rows are selected."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from handnn.arrays import Array
from handnn.tables.cells import MISSING_TYPES, AnyArray, Mask

TableRows: TypeAlias = object
"""The rows of X: an array, a frame, or a list of rows."""


def select(rows: TableRows, chosen: Mask) -> TableRows:
    """Return the chosen rows of an array, a frame or a list."""
    frame: Any = rows
    if hasattr(rows, "iloc"):
        return frame.iloc[np.flatnonzero(chosen)]
    if hasattr(rows, "filter") and hasattr(rows, "columns"):  # a polars frame
        return frame.filter(chosen)
    if isinstance(rows, list | tuple):
        return [row for row, is_chosen in zip(rows, chosen, strict=True) if is_chosen]
    return frame[chosen]


def needs_columns(X: object) -> bool:
    """Return whether X holds text or categories, so that it cannot be an array of numbers."""
    if hasattr(X, "dtypes") and hasattr(X, "columns"):  # a frame of pandas or polars
        return any(not _is_number(dtype) for dtype in X.dtypes)
    if isinstance(X, list | tuple):
        try:
            X = np.asarray(X)
        except ValueError:
            return False  # rows of different lengths, which scikit-learn rejects
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in tuple("OUS"):
        return False
    try:
        np.asarray(X, np.float64)
    except ValueError:
        return True
    except TypeError:  # pandas.NA, or an object that is not a cell
        return any(type(cell).__name__ in MISSING_TYPES for cell in np.ravel(X).tolist())
    return False


def _is_number(dtype: object) -> bool:
    if hasattr(dtype, "is_numeric"):  # a polars dtype; bools become 0 and 1, as in pandas
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    return getattr(dtype, "kind", "O") in tuple("iufbc") and str(dtype) != "category"


def unmasked(X: object) -> object:
    """Return X with NaN in place of masked entries, whose values scikit-learn would read."""
    if isinstance(X, np.ma.MaskedArray):
        is_text = X.dtype.kind in "OUS"
        filled: AnyArray = X.astype(object if is_text else np.result_type(X.dtype, np.float32))
        return np.ma.filled(filled, np.nan)
    return X


def has_gaps(x: Array) -> bool:
    """Return whether an array holds NaN."""
    with np.errstate(all="ignore"):
        return bool(np.isnan(x.sum())) and bool(np.isnan(x).any())
