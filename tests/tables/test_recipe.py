"""The recipe: default settings by the number of rows and columns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handnn.tables.recipe import (
    STREAM_BUFFER,
    default_recipe,
    default_scale,
    single_recipe,
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
        (100_000, 200, 30, "float32"),
        (235_000, 500, 12, "float32"),
        (1_000_000, 500, 10, "float32"),
    ],
)
def test_single_recipe(rows, batch_size, epochs, dtype):
    recipe = single_recipe(rows)
    assert (recipe.batch_size, recipe.epochs, recipe.dtype) == (batch_size, epochs, dtype)
    assert (recipe.n_networks, recipe.n_folds) == (1, 0)
    assert recipe.dropouts == ((0.1, 0.1) if rows > 64 else (0, 0))


def test_default_scale():
    expected = ["quantile", "quantile", True]
    assert [default_scale(columns) for columns in (1, 256, 257)] == expected
    assert [default_recipe(9, columns).scale for columns in (1, 256, 257)] == expected


@pytest.mark.parametrize(
    ("rows", "n_folds", "batch_size", "epochs", "patience"),
    [
        (32, 16, 30, 105, 16),
        (65, 16, 61, 105, 16),
        (500, 16, 32, 105, 16),
        (501, 8, 32, 105, 16),
        (20_000, 8, 175, 75, 11),
        (1_000_000, 8, 500, 10, 2),
    ],
)
def test_default_recipe_has_a_network_for_each_fold(rows, n_folds, batch_size, epochs, patience):
    recipe = default_recipe(rows)
    assert (recipe.n_networks, recipe.n_folds, recipe.dtype) == (n_folds, n_folds, "float32")
    assert (recipe.batch_size, recipe.epochs, recipe.patience) == (batch_size, epochs, patience)


@pytest.mark.parametrize("rows", [1, 2, 31])
def test_few_rows_are_learned_by_every_network(rows):
    assert default_recipe(rows) == replace(single_recipe(rows), n_networks=8)


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [(100, 32, 200), (STREAM_BUFFER, 500, 11), (STREAM_BUFFER + 1, 512, 11), (10**8, 512, 1)],
)
def test_stream_recipe_has_larger_batches_and_fewer_epochs(rows, batch_size, epochs):
    recipe = stream_recipe(rows)
    assert (recipe.n_networks, recipe.dtype) == (1, "float32")
    assert (recipe.batch_size, recipe.epochs) == (batch_size, epochs)


def test_with_hidden_keeps_activation_and_dropout():
    recipe = default_recipe(100).with_hidden((8, 4, 2))
    assert recipe.hidden == (8, 4, 2)
    assert recipe.activations == ("relu",) * 3 and recipe.dropouts == (0.1,) * 3


@pytest.mark.parametrize("function", [single_recipe, default_recipe, default_scale, stream_recipe])
def test_rejects_invalid_counts(function):
    with pytest.raises(ValueError, match="must be at least 1"):
        function(0)
    with pytest.raises(TypeError, match="must be an int"):
        function(1.5)
