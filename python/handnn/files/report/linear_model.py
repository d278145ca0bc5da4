"""Least squares on a table, the baseline that a network should beat."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handnn.tables import CategoryColumn, Columns, NumberColumn

if TYPE_CHECKING:
    from polars import DataFrame

Matrix = NDArray[np.float64]

MAX_LABELS = 50
"""The largest number of categories of a column, the most frequent ones, that get an indicator."""

RIDGE = 1e-6
"""Added to the diagonal for each row, so that the system is solvable with dependent columns."""


def linear_designs(columns: Columns, x: DataFrame, test: DataFrame) -> tuple[Matrix, Matrix]:
    """Return the standardized columns of training rows x, and of test rows.

    Numbers are not scaled by quantiles. The last column is constant.
    """
    plain = [
        replace(column, mean=0.0, scale=1.0, knots=(), levels=())
        if isinstance(column, NumberColumn)
        else column
        for column in columns.columns
    ]
    unscaled = Columns(plain, columns.feature_names_in, columns.categories)
    train = _design(unscaled, x)
    mean: Matrix = train.mean(axis=0)
    deviation: Matrix = train.std(axis=0)
    deviation[deviation == 0] = 1

    def standardized(design: Matrix) -> Matrix:
        return np.column_stack([(design - mean) / deviation, np.ones(len(design))])

    return standardized(train), standardized(_design(unscaled, test))


def solve_least_squares(design: Matrix, y: Matrix) -> Matrix:
    """Return the coefficients (I, O) of least squares for a design (N, I) and targets (N, O).

    The last column of the design is constant, and its coefficient is not shrunk: the other columns
    are centered in the training rows, so it is the mean of y. With more columns than rows, the
    system of N equations has the same solution: ``X'(XX' + λI)⁻¹y = (X'X + λI)⁻¹X'y``.
    """
    mean = y.mean(axis=0)
    x, centered = design[:, :-1], y - mean
    n_rows, n_columns = x.shape
    if n_columns > n_rows:
        gram = x @ x.T
        gram[np.diag_indices_from(gram)] += RIDGE * n_rows
        coefficients = x.T @ np.linalg.solve(gram, centered)
    else:
        gram = x.T @ x
        gram[np.diag_indices_from(gram)] += RIDGE * n_rows
        coefficients = np.linalg.solve(gram, x.T @ centered)
    return np.asarray(np.vstack([coefficients, mean]), np.float64)


def _design(columns: Columns, x: DataFrame) -> Matrix:
    """Return a table as numbers, with indicators in place of the codes of categories."""
    given = np.asarray(columns.transform(x, "float64"), np.float64)
    categories = [c for c in columns.columns if isinstance(c, CategoryColumn)]
    if columns.categories != "embedding" or not categories:
        return given
    n_codes = len(categories)
    parts = [given[:, : given.shape[1] - n_codes]]
    for code, category in zip(given[:, -n_codes:].T, categories, strict=True):
        most_frequent = np.argsort(category.counts)[::-1][:MAX_LABELS]
        parts.append((code[:, None] == most_frequent).astype(np.float64))
    return np.column_stack(parts)
