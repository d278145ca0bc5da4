"""The rows that the header of a table model is tested with."""

from __future__ import annotations

import numpy as np

from handnn.arrays import Array
from handnn.exchange.input_row import InputColumn, InputRow, as_floats
from handnn.tables.steps import OrdinalEncode, PiecewiseLinear, Standardize, find

N_ROWS = 8
"""The last row consists of missing values, the row before it of unseen labels."""


def drawn_rows(row: InputRow) -> Array:
    """Return random rows like those in training, with missing values and unseen labels."""
    rng = np.random.default_rng(0)
    values = np.stack([_drawn(column, rng) for column in row.columns], axis=1)
    values[-1] = np.nan
    return values


def _drawn(column: InputColumn, rng: np.random.Generator) -> Array:
    """Return random values of a column, (8,): numbers, or codes of text."""
    encode = find(column.steps, OrdinalEncode)
    if encode is not None:
        n_labels = len(encode.labels)
        codes = rng.integers(0, n_labels, N_ROWS)
        if encode.is_text:
            values = codes.astype(np.float64)
            values[-2] = n_labels + 1
            return values
        values = np.array(as_floats(encode.labels))[codes]
        values[-2] = values.max() + abs(values.max()) + 1
        return values
    curve = find(column.steps, PiecewiseLinear)
    if curve is not None:
        return rng.uniform(curve.knots[0], curve.knots[-1], N_ROWS)
    scale = find(column.steps, Standardize)
    return rng.normal(scale.mean, scale.scale, N_ROWS) if scale else rng.normal(size=N_ROWS)
