"""Reading: X and y in the many forms that scikit-learn takes, checked by its own rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_y,
    check_consistent_length,
    validate_data,
)

from handnn.arrays import Array
from handnn.sklearn.inputs import Inputs, Numbers, Weights, needs_columns
from handnn.tables import Columns
from handnn.tables import recipe as recipes

FLOATS = (np.float64, np.float32)
NATIVE = (np.dtype(np.float64), np.dtype(np.float32))


def read_rows(estimator: Any, X: Any, y: Any, *, reset: bool, y_numeric: bool) -> tuple[Any, Any]:
    """Return X as an array of floats, or as the table it is, and y as an array.

    With `reset` the estimator takes over names and number of the columns; without, they are
    compared. Raises what scikit-learn raises; NaN is allowed in X, infinities are not.
    """
    X = _unmasked(X)
    if not reset and isinstance(estimator._inputs, Columns):
        X = _table(estimator, X)
        y = _check_y(y, multi_output=True, y_numeric=y_numeric, estimator=estimator)
        check_consistent_length(X, y)
        return X, y
    if needs_columns(X):
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        y = _check_y(y, multi_output=True, y_numeric=y_numeric, estimator=estimator)
        check_consistent_length(X, y)
        return X, y
    x, y = validate_data(
        estimator,
        X,
        y,
        accept_sparse=["csr", "csc"],
        multi_output=True,
        y_numeric=y_numeric,
        dtype=FLOATS,
        ensure_all_finite="allow-nan",
        reset=reset,
    )
    x = _dense(x)
    if reset and _has_gaps(x) and hasattr(X, "columns"):
        return X, y
    return x, y


def learn_inputs(rows: Any, weight: Weights, p: Any, *, is_incremental: bool = False) -> Inputs:
    """Return what is learnt of the columns of the training rows.

    Where more rows are to come, "auto" is no quantiles: all that lies beyond the first rows would
    be one value.
    """
    scale: Any = p.scale if isinstance(p.scale, str) else bool(p.scale)
    if scale == "auto":
        scale = is_incremental or recipes.scale(p.n_features_in_)
    if isinstance(rows, np.ndarray) and rows.dtype in FLOATS and not _has_gaps(rows):
        scaling = scale if isinstance(scale, str) else ("standard" if scale else "none")
        return Numbers(rows, weight, scaling)
    return Columns.learn(rows, categories=p.categories, scale=scale)


def transform(estimator: Any, X: Any, dtype: Any) -> Array:
    """Return the rows of X as the networks of a fitted estimator take them."""
    inputs: Inputs = estimator._inputs
    if isinstance(inputs, Columns):
        return inputs.transform(_table(estimator, _unmasked(X)), dtype)
    # One row is taken apart here faster than scikit-learn would check it: some 50 us. A square that
    # is finite has no gap and no infinity in it. Whatever is odd goes the long way round.
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
    x = validate_data(
        estimator,
        _unmasked(X),
        accept_sparse=["csr", "csc"],
        dtype=FLOATS,
        ensure_all_finite="allow-nan",
        reset=False,
    )
    x = _dense(x)
    return inputs.transform(inputs.fill(x) if _has_gaps(x) else x, dtype)


def select(rows: Any, chosen: NDArray[np.bool_]) -> Any:
    """Return the rows of an array or a frame that are chosen."""
    if hasattr(rows, "iloc"):
        return rows.iloc[np.flatnonzero(chosen)]
    if hasattr(rows, "filter") and hasattr(rows, "columns"):  # of polars
        return rows.filter(chosen)
    if isinstance(rows, list | tuple):
        return [row for row, is_chosen in zip(rows, chosen, strict=True) if is_chosen]
    return rows[chosen]


def _table(estimator: Any, X: Any) -> Any:
    """Return X as `Columns` takes it: with names it compares the columns, without only counts."""
    if hasattr(X, "toarray"):
        X = X.toarray()
    if not hasattr(X, "columns"):
        _check_n_features(estimator, X, reset=False)
        _check_feature_names(estimator, X, reset=False)  # warns where training had names
    return X


def _unmasked(X: Any) -> Any:
    """Return X with NaN in what is masked, which scikit-learn would take for numbers."""
    if isinstance(X, np.ma.MaskedArray):
        kind = object if X.dtype.kind in "OUS" else np.result_type(X.dtype, np.float32)
        return np.ma.filled(X.astype(kind), np.nan)
    return X


def _dense(x: Any) -> Array:
    dense: Array = x.toarray(order="C") if hasattr(x, "toarray") else x
    return dense


def _has_gaps(x: Array) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.isnan(x.sum())) and bool(np.isnan(x).any())
