"""Moments: blocks of values, weights, and columns that are constant."""

from __future__ import annotations

import numpy as np
import pytest

from handnn.tables.moments import RunningMoments, check_finite, deviations, means


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_running_moments_do_not_depend_on_the_blocks(size):
    values = np.random.default_rng(0).normal(1e6, 3, 500)
    moments = RunningMoments()
    for first in range(0, 500, size):
        moments.add(values[first : first + size])
        moments.add(values[:0])
    assert moments.n == 500
    assert moments.mean == pytest.approx(values.mean(), rel=1e-14)
    assert np.sqrt(moments.square / 500) == pytest.approx(values.std(), rel=1e-9)


def test_weights_equal_repetitions():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(50, 3)), rng.integers(1, 4, 50)
    repeated = x.repeat(weight, axis=0)
    mean = means(x, weight.astype(float))
    np.testing.assert_allclose(mean, repeated.mean(axis=0))
    np.testing.assert_allclose(deviations(x, mean, weight.astype(float)), repeated.std(axis=0))


def test_constant_columns_have_deviation_1():
    x = np.full((9, 2), [0.1, 0.0])
    assert deviations(x, means(x, None), None).tolist() == [1, 1]


def test_names_a_column_that_overflows():
    x = np.array([[1.0, 1e308], [2.0, -1e308]])
    mean = means(x, None)
    with pytest.raises(ValueError, match="X has numbers too large to be scaled, in column 1"):
        check_finite(mean, deviations(x, mean, None), "X")
