"""How good predictions are, and how good they are without a network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.datasets import Dataset


class Score(NamedTuple):
    """How far the predictions of one method are from what was measured."""

    name: str
    rmse: float
    r2: float


def score(name: str, measured: Array, predicted: Array | float) -> Score:
    """Return RMSE = √mean((predicted - measured)²), and R² = 1 - RMSE² / variance of measured."""
    mse = np.mean((predicted - measured) ** 2)
    return Score(name, float(np.sqrt(mse)), float(1 - mse / np.var(measured)))


def baselines(data: Dataset, held_out: NDArray[np.intp]) -> list[Score]:
    """Return the held-out scores of the other rows' mean, and of least squares on them."""
    train = np.setdiff1d(np.arange(len(data.y)), held_out)
    x = np.column_stack([data.x, np.ones(len(data.x))])
    coefficients = np.linalg.lstsq(x[train], data.y[train], rcond=None)[0]
    measured = data.y[held_out]
    return [
        score("the mean", measured, float(data.y[train].mean())),
        score("least squares", measured, x[held_out] @ coefficients),
    ]
