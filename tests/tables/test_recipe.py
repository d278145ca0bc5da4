"""The recipe: default settings by the number of rows and columns."""

from __future__ import annotations

import pytest

from handnn.tables.recipe import (
    STREAM_BUFFER,
    default_recipe,
    default_scale,
    file_recipe,
    stream_recipe,
)


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
def test_default_recipe(rows, batch_size, epochs, dtype):
    recipe = default_recipe(rows)
    assert (recipe.batch_size, recipe.epochs, recipe.dtype) == (batch_size, epochs, dtype)
    assert (recipe.n_networks, recipe.n_validation) == (1, 0)
    assert recipe.dropouts == ((0.1, 0.1) if rows > 64 else (0, 0))


def test_default_scale():
    expected = ["quantile", "quantile", True]
    assert [default_scale(columns) for columns in (1, 256, 257)] == expected
    assert [default_recipe(9, columns).scale for columns in (1, 256, 257)] == expected


@pytest.mark.parametrize(
    ("rows", "n_validation", "batch_size", "epochs", "dtype"),
    [
        (999, 0, 32, 200, "float64"),
        (1_000, 100, 32, 200, "float64"),
        (2_000, 200, 32, 200, "float32"),
    ],
)
def test_file_recipe_holds_rows_out(rows, n_validation, batch_size, epochs, dtype):
    recipe = file_recipe(rows)
    assert (recipe.n_networks, recipe.n_validation) == (5, n_validation)
    assert (recipe.batch_size, recipe.epochs, recipe.dtype) == (batch_size, epochs, dtype)


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [(100, 32, 200), (STREAM_BUFFER, 200, 20), (STREAM_BUFFER + 1, 512, 20), (10**8, 512, 1)],
)
def test_stream_recipe_has_larger_batches_and_fewer_epochs(rows, batch_size, epochs):
    recipe = stream_recipe(rows)
    assert (recipe.n_networks, recipe.dtype) == (1, "float32")
    assert (recipe.batch_size, recipe.epochs) == (batch_size, epochs)


def test_with_hidden_keeps_activation_and_dropout():
    recipe = default_recipe(100).with_hidden((8, 4, 2))
    assert recipe.hidden == (8, 4, 2)
    assert recipe.activations == ("relu",) * 3 and recipe.dropouts == (0.1,) * 3


@pytest.mark.parametrize("function", [default_recipe, default_scale, file_recipe, stream_recipe])
def test_rejects_invalid_counts(function):
    with pytest.raises(ValueError, match="must be at least 1"):
        function(0)
    with pytest.raises(TypeError, match="must be an int"):
        function(1.5)
