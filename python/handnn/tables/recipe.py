"""The recipe: default settings for training on a table.

All defaults are defined here. The estimators, `handnn train` and `handnn.train_file`
start from `default_recipe` and replace the settings that a user chose; `file_recipe` and
`stream_recipe` contain their other defaults. Each value was chosen by scores on held-out rows:
docs/scikit-learn.md has the measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, SupportsIndex

from handnn.arrays import whole_number
from handnn.schedules import Schedule

ColumnScale = bool | Literal["quantile"]
"""How `Columns.learn` scales columns of numbers."""

HIDDEN = (128, 128)
"""Units of the hidden layers."""

ACTIVATION = "relu"

PEAK_LR = 0.005
"""The highest learning rate of AdamW in a `schedules.OneCycle`."""

WEIGHT_DECAY = 0.1
"""AdamW's. It regularizes in place of early stopping, so no rows need to be held out."""

DROPOUT = 0.1
"""After each hidden layer, for tables of more than `MAX_FULL_BATCH_ROWS` rows."""

MAX_QUANTILE_COLUMNS = 256
"""Columns are scaled by quantiles up to this number of them."""

MAX_FULL_BATCH_ROWS = 64
"""Up to this number of rows, one batch holds them all."""

MAX_FLOAT64_ROWS = 1_000
"""Up to this number of rows, training in float64 takes no noticeable time."""

N_FILE_NETWORKS = 5
"""Networks that `handnn train` averages."""

MIN_VALIDATION_ROWS = 1_000
"""From this number of rows on, each network of `handnn train` holds out different rows."""

VALIDATION_SHARE = 0.1
"""The share of the training rows that each of them holds out."""

PATIENCE = 20
"""Epochs without a lower loss on these rows after which such a network stops."""

STREAM_BUFFER = 2**18
"""The number of rows of a streamed file in the shuffle buffer."""

STREAM_BATCH_SIZE = 512
"""Rows of a batch when a streamed file does not fit into one buffer."""

MAX_STREAMED_ROWS = 10_000_000
"""The approximate number of rows of all epochs of a streamed training."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every setting of a training on a table.

    Attributes:
        n_networks: networks to train; their answers are averaged.
        hidden: units of each hidden layer.
        activations, dropouts: the name of the activation (a key of `layers.ACTIVATIONS`, or
            "identity") and the share of Dropout after each hidden layer; 0 is no Dropout.
        batch_norm: whether a BatchNorm precedes each activation.
        init: how weights are drawn: "he" draws them as `mlp` does for the activation,
            "glorot_uniform" as scikit-learn does.
        scale: how `Columns.learn` scales columns of numbers.
        dtype: "float32" or "float64".
        batch_size, epochs: of `Trainer.fit`.
        lr: the learning rate, or the peak of the schedule.
        weight_decay: AdamW's.
        schedule: the name of a schedule or a Schedule.
        n_validation: rows that each network holds out of the training rows, to stop after
            `patience` epochs without a lower loss on them and to return to the best; 0 for none.
        patience: see `n_validation`.
    """

    n_networks: int = 1
    hidden: tuple[int, ...] = HIDDEN
    activations: tuple[str, ...] = (ACTIVATION,) * len(HIDDEN)
    dropouts: tuple[float, ...] = (0.0,) * len(HIDDEN)
    batch_norm: bool = False
    init: Literal["he", "glorot_uniform"] = "he"
    scale: ColumnScale = "quantile"
    dtype: str = "float32"
    batch_size: int
    epochs: int
    lr: float = PEAK_LR
    weight_decay: float = WEIGHT_DECAY
    schedule: str | Schedule = "one_cycle"
    n_validation: int = 0
    patience: int = PATIENCE

    def with_hidden(self, hidden: tuple[int, ...]) -> Recipe:
        """Return the recipe with other hidden layers, activated and dropped out like the first."""
        activation = self.activations[0] if self.activations else ACTIVATION
        dropout = self.dropouts[0] if self.dropouts else 0.0
        n = len(hidden)
        return replace(self, hidden=hidden, activations=(activation,) * n, dropouts=(dropout,) * n)


def default_recipe(n_rows: SupportsIndex, n_columns: SupportsIndex = 1) -> Recipe:
    """Return the recipe for a table of `n_rows` training rows and `n_columns` columns.

    Batches hold 32 rows for small tables, up to 200 (scikit-learn's) for 20,000 rows and more, so
    that an epoch has about a hundred steps. There are 200 epochs, or fewer where they would exceed
    15,000 steps, but at least 20.

    Raises TypeError if a count is not an int, ValueError if it is below 1.

    Examples:
        >>> from handnn.tables.recipe import default_recipe
        >>> recipe = default_recipe(16_512, n_columns=9)
        >>> recipe.batch_size, recipe.epochs, recipe.dtype, recipe.scale
        (165, 148, 'float32', 'quantile')
    """
    n_rows = whole_number(n_rows, "default_recipe: n_rows")
    n_columns = whole_number(n_columns, "default_recipe: n_columns")
    is_small = n_rows <= MAX_FULL_BATCH_ROWS
    batch_size = n_rows if is_small else min(max(32, n_rows // 100), 200)
    steps_per_epoch = -(-n_rows // batch_size)
    return Recipe(
        batch_size=batch_size,
        epochs=min(max(20, 15_000 // steps_per_epoch), 200),
        dropouts=(0.0 if is_small else DROPOUT,) * len(HIDDEN),
        scale=default_scale(n_columns),
        dtype="float64" if n_rows <= MAX_FLOAT64_ROWS else "float32",
    )


def file_recipe(n_rows: SupportsIndex, n_columns: SupportsIndex = 1) -> Recipe:
    """Return the recipe of `handnn train` for a table in memory of `n_rows` training rows.

    It averages several networks. From 1,000 rows on, each holds out a tenth of them, and is
    otherwise trained as on a table of the remaining ones; the dtype follows all rows.
    """
    n_rows = whole_number(n_rows, "file_recipe: n_rows")
    n_validation = int(n_rows * VALIDATION_SHARE) if n_rows >= MIN_VALIDATION_ROWS else 0
    return replace(
        default_recipe(n_rows - n_validation, n_columns),
        n_networks=N_FILE_NETWORKS,
        n_validation=n_validation,
        dtype=default_recipe(n_rows).dtype,
    )


def stream_recipe(n_rows: SupportsIndex, n_columns: SupportsIndex = 1) -> Recipe:
    """Return the recipe of `handnn train` for a file of `n_rows` rows that is streamed.

    It trains one network in float32. A file larger than `STREAM_BUFFER` rows has larger batches,
    and long files have fewer epochs, down to one.
    """
    recipe = default_recipe(n_rows, n_columns)
    n_rows = whole_number(n_rows, "stream_recipe: n_rows")
    return replace(
        recipe,
        dtype="float32",
        batch_size=STREAM_BATCH_SIZE if n_rows > STREAM_BUFFER else recipe.batch_size,
        epochs=max(1, min(recipe.epochs, MAX_STREAMED_ROWS // n_rows)),
    )


def default_scale(n_columns: SupportsIndex) -> ColumnScale:
    """Return the `scale` of `Columns.learn` for a table of `n_columns` columns.

    Quantiles tame the long tails that measurements have. Tables of many columns, such as images,
    get mean and standard deviation, which take less time to compute.
    """
    n_columns = whole_number(n_columns, "default_scale: n_columns")
    return "quantile" if n_columns <= MAX_QUANTILE_COLUMNS else True
