"""Results: the rows of a training, and the model that came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handnn.tables import TableModel
from handnn.training.history import History

if TYPE_CHECKING:
    from polars import DataFrame, Series

Rows = NDArray[np.int64]


@dataclass
class Split:
    """Rows to train on, and rows to score with; for each the place in the file."""

    x_train: DataFrame
    y_train: Series
    x_test: DataFrame
    y_test: Series
    test_places: Rows


@dataclass
class Trained:
    """A model, and how it came to be."""

    model: TableModel
    histories: list[History]
    n_train: int
    split: Split
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
