"""Excerpts: small arrays in full, large ones by a corner and a summary."""

from __future__ import annotations

import numpy as np
import pytest

from handnn.inside.excerpt import excerpt, number, summary, text


def test_a_small_array_is_shown_in_full():
    shown = excerpt(np.array([[0.5, -1.25], [2.0, 1e-9], [123456.0, 0.0]]))
    assert shown.rows == ["0", "1", "2"] and shown.columns == ["0", "1"]
    assert shown.cells == [["0.5", "-1.25"], ["2", "1e-09"], ["1.235e+05", "0"]]
    assert shown.summary == "" and shown.size == "3 × 2"


def test_a_large_array_is_shown_by_a_corner_and_a_summary():
    array = np.arange(100.0).reshape(10, 10) - 20
    shown = excerpt(array)
    assert shown.rows == shown.columns == ["0", "1", "2", "3", "4", "…"]
    assert shown.cells[0] == ["-20", "-19", "-18", "-17", "-16", "…"]
    assert shown.cells[-1] == ["…"] * 6
    assert shown.summary == "100 numbers, min -20, mean 29.5, max 79, 0 NaN"


@pytest.mark.parametrize("shape", [(8, 8), (9, 8), (8, 9), (1, 9), (9, 1)])
def test_up_to_eight_rows_or_columns_are_shown_in_full(shape):
    shown = excerpt(np.ones(shape))
    assert (len(shown.rows), len(shown.columns)) == tuple(n if n <= 8 else 6 for n in shape)
    assert {len(row) for row in shown.cells} == {len(shown.columns)}
    assert [len(row) for row in shown.shades] == [len(row) for row in shown.cells]
    assert bool(shown.summary) == (max(shape) > 8)


def test_shades_are_relative_to_the_largest_number_of_the_whole_array():
    array = np.zeros((20, 2))
    array[0], array[19, 1] = [1.0, -2.0], 4.0
    assert excerpt(array).shades[0] == [0.25, -0.5]
    assert excerpt(np.zeros((1, 2))).shades == [[0.0, 0.0]]
    assert excerpt(np.array([[np.inf, np.nan, 3.0]])).shades == [[0.0, 0.0, 1.0]]


def test_summary_counts_nan_and_infinity_and_ignores_them_in_the_mean():
    array = np.array([[1.0, np.nan], [np.inf, 3.0]])
    assert excerpt(array).summary == ("4 numbers, min 1, mean 2, max 3, 1 NaN, 1 infinite")
    assert summary(np.full((2, 1), np.nan)) == "2 numbers, 2 NaN"


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_empty_arrays(shape):
    shown = excerpt(np.zeros(shape))
    assert shown.summary == "no numbers" and not any(shown.cells)
    assert text("x", np.zeros(shape)) == [f"  x {shape}: no numbers"]


def test_arrays_of_zero_one_and_three_dimensions():
    assert excerpt(np.array([1.0, 2.0])).cells == [["1", "2"]]
    assert excerpt(np.array(3.0)).cells == [["3"]] and excerpt(np.array(3.0)).size == "one number"
    deep = excerpt(np.arange(8.0).reshape(2, 2, 2))
    assert deep.size == "2 × 2 × 2" and deep.cells[2] == ["4", "5"]


def test_a_mask_is_shown_as_ones_and_zeros():
    assert excerpt(np.array([[True, False]])).cells == [["1", "0"]]
    assert number(True) == "1"


def test_text_aligns_columns():
    assert text("w", np.array([[1.0, -0.25], [100.0, 2.0]])) == [
        "  w (2, 2)",
        "        1  -0.25",
        "      100      2",
    ]


def test_huge_numbers_do_not_warn():
    huge = np.full((9, 2), np.finfo(np.float64).max)
    with np.errstate(all="raise"):
        assert "max 1.798e+308" in excerpt(huge).summary
