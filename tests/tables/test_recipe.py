"""Recipes: settings for a number of rows and columns."""

from __future__ import annotations

import pytest

from handnn.tables import recipe as recipes


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs", "dtype"),
    [
        (1, 1, 200, "float64"),
        (64, 64, 200, "float64"),
        (65, 32, 200, "float64"),
        (1_000, 32, 200, "float64"),
        (1_001, 32, 200, "float32"),
        (16_512, 165, 148, "float32"),
        (60_000, 200, 50, "float32"),
        (1_000_000, 200, 20, "float32"),
    ],
)
def test_recipe(rows, batch_size, epochs, dtype):
    assert recipes.recipe(rows) == (batch_size, epochs, dtype)


def test_scale():
    assert [recipes.scale(columns) for columns in (1, 256, 257)] == ["quantile", "quantile", True]


def test_dropout():
    assert [recipes.dropout(rows) for rows in (1, 64, 65)] == [0, 0, 0.1]


@pytest.mark.parametrize("function", [recipes.recipe, recipes.dropout, recipes.scale])
def test_there_must_be_something(function):
    with pytest.raises(ValueError, match="must be at least 1"):
        function(0)
    with pytest.raises(TypeError, match="must be an int"):
        function(1.5)
