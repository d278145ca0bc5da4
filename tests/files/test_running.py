"""Scores in pieces: what they are of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Target, metrics

pytest.importorskip("polars")

from handnn.files.report import block_scores as running
from handnn.files.report.block_scores import Running, area
from handnn.files.report.table_scores import score


def targets(rng, count):
    """A target of each kind, with what was measured and what is answered."""
    y = rng.normal(1e4, 3, count)
    yield Target.learn(y), y, y + rng.normal(0, 1, count)
    for labels in (["no", "yes"], ["a", "b", "c", "d"]):
        places = rng.integers(len(labels), size=count)
        p = rng.dirichlet(np.ones(len(labels)), count).round(2)  # some are equal
        yield Target.learn(np.array(labels * 3)), places.astype(np.float64), p


@pytest.mark.parametrize("size", [1, 7, 500])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_blocks_of_any_size_have_the_same_scores(kind, size):
    target, measured, answers = list(targets(np.random.default_rng(0), 500))[kind]
    found = Running(target)
    for first in range(0, 500, size):
        found.add(measured[first : first + size], answers[first : first + size])
    expected = score(target, measured, answers)
    assert list(found.scores()) == list(expected)
    assert found.scores() == pytest.approx(expected, rel=1e-9)
    assert found.count == 500


@pytest.mark.parametrize("values", [[3.0, 3.0], [3.0, 4.0]])
def test_measured_values_that_are_all_the_same(values):
    found = Running(Target.learn(np.array([1.0, 2.0])))
    for value in values:
        found.add(np.array([3.0]), np.array([value]))
    expected = metrics.r2([3.0, 3.0], values)
    assert found.scores()["r2"] == expected


def test_one_class_alone_has_no_area(monkeypatch):
    assert np.isnan(area(np.ones(3), np.ones(0)))
    monkeypatch.setattr(running, "MANY", 3)
    yes, no = np.array([3, 1, 2, 2, 5.0]), np.array([2, 0, 1, 4.0])
    expected = metrics.auc([1] * 5 + [0] * 4, [*yes, *no])
    assert area(yes, no) == pytest.approx(expected, rel=1e-15)
