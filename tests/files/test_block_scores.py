"""Scores computed block by block equal the scores of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Target, metrics

pytest.importorskip("polars")

from handnn.files.report.block_scores import BlockScores
from handnn.files.report.table_scores import score


def targets(rng, count):
    """Yield a target of each kind, with actual values and predictions."""
    y = rng.normal(1e4, 3, count)
    yield Target.learn(y), y, y + rng.normal(0, 1, count)
    for labels in (["no", "yes"], ["a", "b", "c", "d"]):
        places = rng.integers(len(labels), size=count)
        p = rng.dirichlet(np.ones(len(labels)), count).round(2)  # some are equal
        yield Target.learn(np.array(labels * 3)), places.astype(np.float64), p


@pytest.mark.parametrize("size", [1, 7, 500])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_scores_do_not_depend_on_the_blocks(kind, size):
    target, measured, answers = list(targets(np.random.default_rng(0), 500))[kind]
    found = BlockScores(target)
    for first in range(0, 500, size):
        found.add(measured[first : first + size], answers[first : first + size])
    expected = score(target, measured, answers)
    assert list(found.scores()) == list(expected)
    assert found.scores() == pytest.approx(expected, rel=1e-9)
    assert found.n_rows == 500


@pytest.mark.parametrize("values", [[3.0, 3.0], [3.0, 4.0]])
def test_r2_of_constant_measured_values(values):
    found = BlockScores(Target.learn(np.array([1.0, 2.0])))
    for value in values:
        found.add(np.array([3.0]), np.array([value]))
    expected = metrics.r2([3.0, 3.0], values)
    assert found.scores()["r2"] == expected
