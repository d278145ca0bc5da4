"""Column steps: applied in NumPy they reproduce `Columns.transform`."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Columns
from handnn.tables.steps import (
    AddBins,
    AddCycles,
    Impute,
    OneHotEncode,
    OrdinalEncode,
    PiecewiseLinear,
    Standardize,
    find,
)
from tests.bounds import assert_same_bits


def applied(step, x):
    """Apply a step to a list of values or an array (N,)."""
    if isinstance(step, Impute):
        return np.where(np.isnan(x), step.median, x)
    if isinstance(step, AddBins | AddCycles):
        return x  # they are other inputs
    if isinstance(step, PiecewiseLinear):
        return np.interp(x, step.knots, step.levels)
    if isinstance(step, Standardize):
        return (x - step.mean) / step.scale
    if isinstance(step, OrdinalEncode):
        codes = {label: code for code, label in enumerate(step.labels)}
        codes[None] = len(step.labels)
        return np.array([codes.get(value, step.n_codes - 1) for value in x], float)
    assert isinstance(step, OneHotEncode)
    return (x[:, None] == np.arange(step.n_columns)).astype(float)


@pytest.mark.parametrize("categories", ["embedding", "one-hot"])
@pytest.mark.parametrize("scale", [True, False, "quantile"])
def test_steps_in_numpy_equal_transform(categories, scale):
    rng = np.random.default_rng(0)
    sizes = rng.normal(50, 9, 60)
    sizes[::7] = np.nan
    table = {
        "size": sizes,
        "rooms": rng.integers(1, 9, 60).astype(float),
        "town": [["Ulm", "Bonn", None][k] for k in rng.integers(0, 3, 60)],
        "open": [bool(k) for k in rng.integers(0, 2, 60)],
    }
    columns = Columns.learn(table, categories=categories, scale=scale)
    table = {**table, "town": ["Kiel", *table["town"][1:]]}  # a label absent from training
    plain, indicators, encoded = [], [], []
    for column, values in zip(columns.columns, table.values(), strict=True):
        steps, x = column.steps(one_hot=categories == "one-hot"), values
        impute = find(steps, Impute)
        if impute and impute.has_indicator:
            indicators.append(np.isnan(values).astype(float)[:, None])
        for step in steps:
            x = applied(step, x)
        into = encoded if find(steps, OrdinalEncode) else plain
        into.append(x.reshape(60, -1))
    expected = columns.transform(table, "float64")
    assert_same_bits(np.hstack([*plain, *indicators, *encoded]), expected)


def test_find_returns_the_first_step_of_a_type_or_none():
    steps = (Impute(1.0, False), Standardize(0.0, 2.0))
    assert find(steps, Standardize) is steps[1]
    assert find(steps, OneHotEncode) is None
