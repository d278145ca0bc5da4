"""Held-out rows: every row has the same probability, and classes keep their shares."""

from __future__ import annotations

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from handnn.files.errors import TableError  # noqa: E402
from handnn.files.learning.split import draw_rows, split_rows  # noqa: E402


def draws(y, share, task="auto", n_draws=400):
    """Return the number of seeds for which each row is held out."""
    frame = pl.DataFrame({"x": np.arange(len(y)), "y": y})
    counts = np.zeros(len(y))
    for seed in range(n_draws):
        rng = np.random.default_rng(seed)
        split = split_rows(frame, "y", np.arange(len(y)), share, rng, task)
        counts[split.test.places] += 1
        assert sorted([*split.test.places, *split.train.places]) == list(range(len(y)))
        assert split.test.y.to_list() == [y[place] for place in split.test.places]
    return counts / n_draws


def test_every_row_of_an_integer_regression_has_the_same_chance():
    # Prices: most occur once, some often.
    rng = np.random.default_rng(0)
    y = np.r_[rng.permutation(10_000)[:60] + 50, np.repeat([7, 8], 20)]
    chances = draws(y, 0.2)
    assert abs(chances - 0.2).max() < 0.08  # four standard deviations of 400 draws
    assert chances[:60].mean() == pytest.approx(0.2, abs=0.01)


def test_held_out_targets_have_the_distribution_of_the_table():
    rng = np.random.default_rng(1)
    y = np.exp(rng.normal(7, 1, 5_000)).astype(int)
    frame = pl.DataFrame({"y": y})
    split = split_rows(frame, "y", np.arange(5_000), 0.2, np.random.default_rng(0))
    assert len(split.test) == 1_000
    for part in np.linspace(0.1, 0.9, 9):
        share = np.mean(split.test.y.to_numpy() <= np.quantile(y, part))
        assert share == pytest.approx(part, abs=4 * np.sqrt(part * (1 - part) / 1_000))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_classes_keep_their_shares_and_each_row_its_chance(share):
    y = ["a"] * 37 + ["b"] * 13 + ["c"] * 4
    chances = draws(y, share)
    assert abs(chances - share).max() < 4 * np.sqrt(share * (1 - share) / 400)
    frame = pl.DataFrame({"y": y})
    for seed in range(20):
        rng = np.random.default_rng(seed)
        test = split_rows(frame, "y", np.arange(54), share, rng).test.y.to_list()
        for label in "abc":
            exact = share * y.count(label)
            assert np.floor(exact) <= test.count(label) <= np.ceil(exact)


def test_each_class_keeps_a_row_to_learn_from():
    classes = np.arange(12)
    for seed in range(20):
        chosen = draw_rows(12, 0.9, classes, np.random.default_rng(seed))
        assert chosen.sum() <= 1
    chosen = draw_rows(12, 0.9, np.repeat([0, 1, 2, 3], 3), np.random.default_rng(0))
    assert chosen.reshape(4, 3).sum(axis=1).tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("classes", [None, np.repeat([0, 1], 5)])
def test_at_least_one_row_is_held_out(classes):
    for seed in range(20):
        chosen = draw_rows(10, 0.001, classes, np.random.default_rng(seed))
        assert 1 <= chosen.sum() < 10


def test_task_determines_whether_integers_are_classes():
    y = [0] * 90 + [1] * 10
    frame = pl.DataFrame({"y": y})
    counts = {task: set() for task in ("binary", "regression")}
    for task, seen in counts.items():
        for seed in range(20):
            rng = np.random.default_rng(seed)
            seen.add(sum(split_rows(frame, "y", np.arange(100), 0.2, rng, task).test.y))
    assert counts["binary"] == {2}
    assert len(counts["regression"]) > 2


def test_too_few_rows_raise_an_error():
    with pytest.raises(TableError, match="only 9 rows"):
        split_rows(pl.DataFrame({"y": range(9)}), "y", np.arange(9), 0.2, np.random.default_rng(0))
