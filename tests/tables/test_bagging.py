"""Folds: random, of equal size, stratified by class."""

from __future__ import annotations

import numpy as np
import pytest

from handnn.tables.bagging import draw_folds, rows_outside


@pytest.mark.parametrize(("n_rows", "n_folds"), [(2, 2), (10, 3), (101, 8)])
def test_folds_differ_by_at_most_one_row(n_rows, n_folds):
    fold = draw_folds(n_rows, n_folds, None, np.random.default_rng(0))
    counts = np.bincount(fold, minlength=n_folds)
    assert counts.sum() == n_rows and counts.max() - counts.min() <= 1


def test_folds_differ_by_at_most_one_row_of_each_class():
    rng = np.random.default_rng(0)
    classes = rng.choice([0.0, 1.0, 2.0], 203, p=[0.7, 0.25, 0.05])
    fold = draw_folds(203, 8, classes, rng)
    for part in (fold, *(fold[classes == label] for label in (0, 1, 2))):
        counts = np.bincount(part, minlength=8)
        assert counts.max() - counts.min() <= 1


def test_folds_are_random():
    folds = [draw_folds(50, 5, None, np.random.default_rng(seed)) for seed in range(400)]
    assert abs(np.mean(np.stack(folds) == 0, axis=0) - 0.2).max() < 0.09


def test_each_network_learns_from_the_rows_outside_its_fold():
    fold = np.array([0, 1, 2, 0, 1])
    rows = [part.tolist() for part in rows_outside(fold, 4)]
    assert rows == [[1, 2, 4], [0, 2, 3], [0, 1, 3, 4], [1, 2, 4]]


def test_without_folds_all_rows_are_learned():
    fold = draw_folds(5, 0, None, np.random.default_rng(0))
    assert [part.tolist() for part in rows_outside(fold, 2)] == [[0, 1, 2, 3, 4]] * 2
