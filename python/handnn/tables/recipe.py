"""Recipes: settings that make a first try on a table a good one, from the number of its rows.

What `handnn.sklearn` and the command line take where nothing else is asked for. Each was chosen by
scores on rows that were held out; docs/scikit-learn.md has the measurements.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, SupportsIndex

from handnn.arrays import whole_number

HIDDEN = (128, 128)
"""Units of the hidden layers."""

ACTIVATION = "relu"

PEAK_LR = 0.005
"""What the learning rate of AdamW rises to, and falls from, in `schedules.OneCycle`."""

WEIGHT_DECAY = 0.1
"""AdamW's. It does the work of early stopping, with no row held out."""

DROPOUT = 0.1
"""Behind each hidden layer, where a table has more than `FULL_BATCH` rows."""

MOST_QUANTILES = 256
"""Up to so many columns are each brought to a scale by their quantiles."""

FULL_BATCH = 64
"""Up to so many rows all come at once."""

SMALL = 1_000
"""Up to so many rows float64 costs nothing that anyone would notice."""


class Recipe(NamedTuple):
    """How to train on a table of so many rows."""

    batch_size: int
    epochs: int
    dtype: str


def recipe(rows: SupportsIndex) -> Recipe:
    """Return how to train on so many rows.

    Batches of 32 rows for small tables, growing to 200, scikit-learn's, for those of 20,000 rows
    and more, so that an epoch has about a hundred steps. Epochs: 200 for small tables, fewer from
    where 200 would be more than 15,000 steps, but 20 at the least.
    """
    rows = whole_number(rows, "recipe: rows")
    batch_size = rows if rows <= FULL_BATCH else min(max(32, rows // 100), 200)
    steps = -(-rows // batch_size)
    epochs = min(max(20, 15_000 // steps), 200)
    dtype = "float64" if rows <= SMALL else "float32"
    return Recipe(batch_size, epochs, dtype)


def dropout(rows: SupportsIndex) -> float:
    """Return the share that Dropout stops behind each hidden layer, for so many rows."""
    return DROPOUT if whole_number(rows, "dropout: rows") > FULL_BATCH else 0.0


def scale(columns: SupportsIndex) -> Literal[True, "quantile"]:
    """Return the `scale` of `Columns.learn` for a table of so many columns.

    Quantiles, which tame the long tails that measurements have, or for the many columns of images
    and the like mean and deviation, which are quickly found.
    """
    columns = whole_number(columns, "scale: columns")
    return "quantile" if columns <= MOST_QUANTILES else True
