"""Validate X and y by scikit-learn's rules."""

from __future__ import annotations

import math
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length, validate_data

from handnn.arrays import Array
from handnn.sklearn.frames import TableRows, has_gaps, needs_columns, unmasked
from handnn.tables import Columns
from handnn.tables.cells import AnyArray, ColumnError
from handnn.tables.dense import DenseInput
from handnn.tables.moments import Weights
from handnn.tables.recipe import Recipe

FLOATS = (np.float64, np.float32)
NATIVE = (np.dtype(np.float64), np.dtype(np.float32))

Inputs: TypeAlias = DenseInput | Columns
"""The encoder of rows: DenseInput for numeric arrays without gaps in training, else Columns."""


@runtime_checkable
class HasMissing(Protocol):
    """A Series of pandas."""

    name: object

    def isna(self) -> AnyArray:
        """Return a mask of the missing values."""
        ...


class HasInputs(Protocol):
    """A fitted estimator."""

    _inputs: Inputs


def check_targets(estimator: object, y: object, *, is_numeric: bool) -> AnyArray:
    """Return y as an array, (N,) or (N, Y), without missing values."""
    checked: AnyArray = check_array(
        y,
        accept_sparse="csr",
        ensure_all_finite=True,
        ensure_2d=False,
        dtype=None,
        input_name="y",
        estimator=estimator,
    )
    return checked.astype(np.float64) if is_numeric and checked.dtype == object else checked


def _check_type_of_targets(y: object) -> None:
    """Raise ValueError for dates, which scikit-learn would treat as numbers, and for pandas.NA."""
    dtype = str(getattr(y, "dtype", ""))
    if dtype.lower().startswith(("datetime", "timedelta", "period", "date", "duration")):
        raise ValueError(
            f"y holds {dtype}, dates or durations; predict a number, such as days since a date"
        )
    if isinstance(y, HasMissing) and bool(np.any(y.isna())):
        raise ValueError("Input y contains NaN.")


def read_rows(
    estimator: HasInputs, X: object, y: object, *, reset: bool, is_numeric: bool
) -> tuple[TableRows, AnyArray]:
    """Return X as an array of floats, or as the table it is, and y as an array.

    With `reset` the estimator takes over the names and number of columns; otherwise they are
    compared. Raises what scikit-learn raises; NaN is allowed in X, infinities are not.
    """
    _check_type_of_targets(y)
    X = unmasked(X)
    if not reset and isinstance(estimator._inputs, Columns):
        X = _table(estimator, X)
    elif needs_columns(X):
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    else:
        return _read_numbers(estimator, X, y, reset=reset, is_numeric=is_numeric)
    targets = check_targets(estimator, y, is_numeric=is_numeric)
    check_consistent_length(X, targets)
    return X, targets


def _read_numbers(
    estimator: HasInputs, X: object, y: object, *, reset: bool, is_numeric: bool
) -> tuple[TableRows, AnyArray]:
    """Return numeric X as an array, or unchanged if it is a frame with gaps, to keep its names."""
    x, targets = validate_data(
        estimator,
        X,
        y,
        accept_sparse=["csr", "csc"],
        multi_output=True,
        y_numeric=is_numeric,
        dtype=FLOATS,
        ensure_all_finite="allow-nan",
        reset=reset,
    )
    x = np.asarray(_dense(x))
    if reset and has_gaps(x) and hasattr(X, "columns"):
        return X, targets
    return x, targets


def learn_inputs(rows: TableRows, weight: Weights, recipe: Recipe, categories: str) -> Inputs:
    """Return the encoder learned from the training rows."""
    n_bins = recipe.n_column_bins, recipe.max_bins
    if isinstance(rows, np.ndarray) and rows.dtype in FLOATS and not has_gaps(rows):
        if recipe.scale == "quantile":
            return DenseInput(rows, weight, "quantile", *n_bins)
        return DenseInput(rows, weight, "standard" if recipe.scale else "none")
    try:
        return Columns.learn(
            rows, categories=categories, scale=recipe.scale, n_bins=n_bins[0], max_bins=n_bins[1]
        )
    except ColumnError as error:
        raise ValueError(error.problem) from None  # omit advice on arguments of Columns.learn


def transform(estimator: HasInputs, X: object, dtype: DTypeLike) -> Array:
    """Validate the rows of X and return them as network input."""
    inputs = estimator._inputs
    if isinstance(inputs, Columns):
        return inputs.transform(_table(estimator, unmasked(X)), dtype)
    # scikit-learn's validation takes 50 us, so a plain array skips it: if the sum of its squares is
    # finite, it has neither gaps nor infinities.
    if (
        type(X) is np.ndarray
        and X.dtype in NATIVE
        and X.ndim == 2
        and X.shape[1] == inputs.n_in
        and len(X) > 0
        and "feature_names_in_" not in vars(estimator)
        and math.isfinite(np.vdot(X, X))
    ):
        return inputs.transform(X, dtype)
    x: Array = np.asarray(
        _dense(
            validate_data(
                estimator,
                unmasked(X),
                accept_sparse=["csr", "csc"],
                dtype=FLOATS,
                ensure_all_finite="allow-nan",
                reset=False,
            )
        )
    )
    return inputs.transform(inputs.fill(x) if has_gaps(x) else x, dtype)


def transform_read(inputs: Inputs, rows: TableRows, dtype: DTypeLike) -> Array:
    """Return rows that `read_rows` returned as network input."""
    if isinstance(inputs, Columns):
        return inputs.transform(rows, dtype)
    x: Array = np.asarray(rows)
    if has_gaps(x):  # the encoder learned from rows without gaps
        x = inputs.fill(x)
    return inputs.transform(x, dtype)


def _table(estimator: object, X: object) -> TableRows:
    """Return X as a table for `Columns`; without names, check the number of its columns."""
    table = _dense(X)
    if not hasattr(table, "columns"):  # warns if training had names
        validate_data(estimator, table, skip_check_array=True, reset=False)
    return table


def _dense(x: object) -> TableRows:
    """Return a sparse matrix as an array, anything else unchanged."""
    return x.toarray(order="C") if hasattr(x, "toarray") else x
