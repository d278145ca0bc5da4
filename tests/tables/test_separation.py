"""Groups and times: no group on both sides of a split, no network that learns from the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handnn.tables.bagging import draw_folds, rows_outside
from handnn.tables.fitting import fit_table
from handnn.tables.recipe import default_recipe
from handnn.tables.separation import INDEPENDENT, Separation


def random_groups(seed, n_rows=300, n_groups=40):
    return np.random.default_rng(seed).integers(0, n_groups, n_rows)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_held_out_groups_are_whole_and_about_the_share(seed, share):
    groups = random_groups(seed)
    chosen = Separation.of_groups(groups).held_out(share, None, np.random.default_rng(seed))
    assert not set(groups[chosen]) & set(groups[~chosen])
    assert chosen.mean() == pytest.approx(share, abs=0.02)


def test_each_group_may_be_held_out():
    separation = Separation.of_groups(np.arange(200) // 5)
    counts = sum(
        separation.held_out(0.25, None, np.random.default_rng(seed)) for seed in range(300)
    )
    assert abs(counts / 300 - 0.25).max() < 0.11  # four standard deviations


def test_one_large_group_and_small_ones():
    groups = np.repeat([0, 1, 2], [90, 5, 5])
    chosen = Separation.of_groups(groups).held_out(0.1, None, np.random.default_rng(0))
    assert set(groups[chosen]) == {1, 2}
    chosen = Separation.of_groups([0] * 50 + [1] * 50).held_out(0.1, None)
    assert chosen.sum() == 50


def test_a_class_of_one_group_is_kept_to_learn_from():
    groups, classes = np.arange(40) // 4, (np.arange(40) < 4).astype(int)
    for seed in range(20):
        separation = Separation.of_groups(groups)
        assert not separation.held_out(0.5, classes, np.random.default_rng(seed))[:4].any()
    with pytest.raises(ValueError, match="each group has all rows of a class"):
        Separation.of_groups(groups).held_out(0.2, groups)


def test_groups_need_two_values():
    with pytest.raises(ValueError, match="two different values"):
        Separation.of_groups(["a", "a"])


@pytest.mark.parametrize("seed", range(5))
def test_folds_of_groups_are_whole_and_even(seed):
    groups = random_groups(seed, 800, 120)
    rng = np.random.default_rng(seed)
    classes = (rng.random(800) < 0.2).astype(float)
    fold = Separation.of_groups(groups).folds(800, 8, classes, rng)
    for group in set(groups.tolist()):
        assert len(set(fold[groups == group])) == 1
    assert np.bincount(fold).tolist() == pytest.approx([100] * 8, abs=6)
    assert np.bincount(fold, classes) == pytest.approx([classes.sum() / 8] * 8, abs=4)


def test_there_are_at_most_as_many_folds_as_groups():
    fold = Separation.of_groups([0, 0, 1, 1, 2]).folds(
        5, 8, np.array([0.0, 0, 1, 1, 2]), None or np.random.default_rng(0)
    )
    assert sorted(set(fold.tolist())) == [0, 1, 2]


def test_the_latest_rows_are_held_out():
    times = np.random.default_rng(0).permutation(50).astype(float)
    chosen = Separation(times=times).held_out(0.2, None)
    assert chosen.sum() == 10 and times[chosen].min() > times[~chosen].max()


@pytest.mark.parametrize(("share", "count"), [(0.2, 4), (0.5, 4), (0.55, 7), (0.9, 7)])
def test_rows_of_equal_time_are_on_one_side(share, count):
    times = np.array([1.0, 1, 1, 2, 2, 2, 3, 3, 3, 3])
    chosen = Separation(times=times).held_out(share, None)
    assert chosen.sum() == count
    with pytest.raises(ValueError, match="same time"):
        Separation(times=np.ones(5)).held_out(share, None)


def test_networks_learn_from_the_past():
    times = np.random.default_rng(1).permutation(200).astype(float)
    separation = Separation(times=times)
    fold = separation.folds(200, 4, None, np.random.default_rng(0))
    assert np.bincount(fold + 1).tolist() == [100, 25, 25, 25, 25]
    for place, rows in enumerate(rows_outside(fold, 6, is_ordered=True)):
        assert len(rows) == 100 + 25 * (place % 4)
        assert times[rows].max() < times[fold == place % 4].min()


@pytest.mark.parametrize("times", [[1.0] * 9 + [2.0], [1.0] + [2.0] * 9, [1.0, 2.0] * 5])
def test_folds_of_few_times(times):
    fold = Separation(times=np.array(times)).folds(10, 8, None, np.random.default_rng(0))
    learned = rows_outside(fold, 8, is_ordered=True)
    assert all(0 < len(rows) < 10 for rows in learned)
    with pytest.raises(ValueError, match="same time"):
        Separation(times=np.ones(10)).folds(10, 8, None, np.random.default_rng(0))


def test_independent_rows_have_the_folds_of_draw_folds():
    fold = INDEPENDENT.folds(50, 5, None, np.random.default_rng(3))
    assert fold.tolist() == draw_folds(50, 5, None, np.random.default_rng(3)).tolist()


def test_the_errors_of_a_bag_are_those_of_other_groups():
    # Within a group y is constant and x identifies the group, so other rows of the group reveal y.
    rng = np.random.default_rng(0)
    groups = np.arange(160) // 4
    x = np.repeat(rng.normal(size=(40, 3)), 4, axis=0)
    y = np.repeat(rng.normal(size=40), 4)
    recipe = replace(default_recipe(160), epochs=60)
    halves = {}
    for name, separation in (("rows", INDEPENDENT), ("groups", Separation.of_groups(groups))):
        model = fit_table(x, y, recipe, separation=separation, rng=0).model
        low, high = model.predict_interval(x[:1], 0.9)[0]
        halves[name] = (high - low) / 2
    assert halves["groups"] > 1.3 * halves["rows"]


def test_fit_table_in_the_order_of_time():
    times = np.random.default_rng(0).permutation(120).astype(float)
    x = np.stack([times, times % 7], axis=1)
    recipe = replace(default_recipe(120), epochs=3)
    model = fit_table(x, x[:, 1], recipe, separation=Separation(times=times), rng=0).model
    assert model.held_out.n_rows == 60  # the later half
