"""The verdict: the comparison of the model with the best baseline."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("polars")

from handnn import Target
from handnn.files.report.verdict import compare


def regression(noise, n_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n_rows)
    answers = {name: y + rng.normal(size=n_rows) * scale for name, scale in noise.items()}
    return compare(Target.learn(y), y, answers.pop("model"), answers)


def test_reports_the_better_model_and_the_difference():
    worse = regression({"model": 0.5, "least squares": 0.3, "the mean": 1.0})
    assert str(worse).startswith("not better than least squares on the held-out rows: RMSE 0.")
    assert f" {worse.model:.4g} against {worse.baseline:.4g} (difference " in str(worse)
    assert worse.difference == worse.model - worse.baseline > 4 * worse.standard_error
    better = regression({"model": 0.3, "least squares": 0.5, "the mean": 1.0})
    assert str(better).startswith("better than least squares")
    close = regression({"model": 0.499, "least squares": 0.5, "the mean": 1.0}, n_rows=40, seed=2)
    assert abs(close.difference) < 2 * close.standard_error
    assert str(close).startswith("not ")
    mean = regression({"model": 0.3, "least squares": 1.5, "the mean": 1.0})
    assert mean.baseline_name == "the mean"


def test_standard_error_is_the_deviation_of_the_difference():
    found = [regression({"model": 0.5, "line": 0.6}, 200, seed) for seed in range(300)]
    measured = np.std([verdict.difference for verdict in found])
    assert np.mean([verdict.standard_error for verdict in found]) == pytest.approx(measured, 0.15)


def test_classes_are_compared_by_log_loss():
    target = Target.learn(["no", "yes", "no", "yes"])
    measured = np.array([0.0, 1.0, 0.0, 1.0])
    right = np.array([[0.8, 0.2], [0.2, 0.8]] * 2)
    verdict = compare(target, measured, right, {"coin": np.full((4, 2), 0.5)})
    assert (verdict.metric, verdict.standard_error) == ("log_loss", pytest.approx(0, abs=1e-9))
    assert verdict.model == pytest.approx(-np.log(0.8))
    assert verdict.baseline == pytest.approx(np.log(2))
    entry = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert entry["text"] == str(verdict)
    assert entry["difference"] == pytest.approx(np.log(0.5 / 0.8))


def test_one_row_has_no_standard_error():
    y = np.array([1.0])
    verdict = compare(Target.learn([1.0, 2.0]), y, y, {"zero": np.zeros(1)})
    assert verdict.to_dict()["standard_error"] is None
    assert str(verdict).startswith("not clearly better than zero")
