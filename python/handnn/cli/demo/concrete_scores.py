"""Scores of predictions on the concrete data, and of two baselines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handnn import metrics
from handnn.arrays import Array
from handnn.datasets import Dataset


class Score(NamedTuple):
    """The errors of a method on the held-out rows."""

    name: str
    rmse: float
    r2: float


def score(name: str, measured: Array, predicted: Array) -> Score:
    """Return RMSE and R² of predictions; see `handnn.metrics`."""
    return Score(name, metrics.rmse(measured, predicted), metrics.r2(measured, predicted))


def baselines(data: Dataset, held_out: NDArray[np.intp]) -> list[Score]:
    """Return the scores of the training mean and of least squares on the held-out rows."""
    train = np.setdiff1d(np.arange(len(data.y)), held_out)
    x = np.column_stack([data.x, np.ones(len(data.x))])
    coefficients = np.linalg.lstsq(x[train], data.y[train], rcond=None)[0]
    measured = data.y[held_out]
    mean = np.full(len(measured), data.y[train].mean())
    return [
        score("the mean", measured, mean),
        score("least squares", measured, x[held_out] @ coefficients),
    ]
