"""Columns of plain numbers, learned many at a time, have the bits of those learned one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from handnn.tables import Columns, NumberColumn
from handnn.tables.cells import read_cells
from handnn.tables.plain import MIN_COLUMNS, learn_plain
from handnn.tables.table_reader import TableReader

N_ROWS = 37


def numbers(rng):
    """Return columns of many ranges and types, some with gaps, one constant, one empty."""
    columns = {f"c{k}": rng.normal(k, 10.0**k, N_ROWS) for k in range(-8, MIN_COLUMNS)}
    columns["gap"] = np.where(np.arange(N_ROWS) % 5 == 0, np.nan, columns["c1"])
    columns |= {"same": np.full(N_ROWS, 0.1), "whole": rng.integers(-9, 9, N_ROWS)}
    columns |= {
        "long": rng.integers(0, 2**63, N_ROWS, np.uint64),
        "small": np.float32(columns["c0"]),
    }
    return columns


MAKERS = {"dict": dict, "pandas": pd.DataFrame, "polars": pl.DataFrame}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("scale", [True, False])
def test_bits(maker, scale):
    columns = numbers(np.random.default_rng(0))
    found = Columns.learn(MAKERS[maker](columns), scale=scale)
    alone = [
        NumberColumn.learn(read_cells(c, name, name, ""), "", scale=scale, is_chosen=False)
        for name, c in columns.items()
    ]
    assert list(found.columns) == alone
    rows = {name: c[:9].astype(float) for name, c in columns.items()}
    rows["c2"][3] = np.nan  # a gap in a column without gaps in training
    out = found.transform(MAKERS[maker](rows), "float64")
    for number, (column, values) in enumerate(zip(alone, rows.values(), strict=True)):
        one = column.transform(read_cells(values, "", 0, ""), "")[:, 0]
        assert np.array_equal(out[:, number], one)
    assert np.array_equal(out[:, len(alone)], np.isnan(rows["gap"]))


def test_other_columns_and_bad_cells_take_the_usual_way():
    columns = numbers(np.random.default_rng(0))
    assert learn_plain(TableReader({**columns, "x": ["a"] * N_ROWS}, ""), [0, 1], True) == {}
    learned = Columns.learn(columns)
    with pytest.raises(ValueError, match="column 'c3', row 2: inf is not finite"):
        learned.transform({**columns, "c3": np.where(np.arange(N_ROWS) == 2, np.inf, 0.0)})
    with pytest.raises(ValueError, match="column 'c3' has no value in any row"):
        Columns.learn({**columns, "c3": np.full(N_ROWS, np.nan)})
    with pytest.raises(ValueError, match="column 'c3', row 0: 1e\\+308 is too large"):
        Columns.learn({**columns, "c3": np.resize([1e308, -1e308], N_ROWS)})
