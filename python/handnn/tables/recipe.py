"""The recipe: default settings for training on a table.

All defaults are defined here. The estimators, `handnn train` and `handnn.train_file`
start from `default_recipe` and replace what a user chose. `single_recipe` is for one network that
learns from all rows, `stream_recipe` for files that do not fit into memory. Each value was chosen
by scores on test rows: docs/scikit-learn.md has the measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, SupportsIndex

from handnn.arrays import whole_number
from handnn.schedules import Schedule

ColumnScale = bool | Literal["quantile"]
"""The argument `scale` of `Columns.learn`."""

HIDDEN = (128, 128)
"""Units of the hidden layers."""

ACTIVATION = "relu"

QUALITIES = ("fast", "good", "best")
"""Half of the folds and epochs; the default; and networks of further kinds: see `members`."""

PEAK_LR = 0.005
"""The highest learning rate of AdamW in a `schedules.OneCycle`, for one network."""

BAG_LR, CLASSES_BAG_LR = 0.01, 0.02
"""The highest learning rate of AdamW in a `schedules.DoublingCycles`, for bags of regressors and of
classifiers. Logits grow to several units; standardized targets do not.
"""

LINEAR_LR = 0.02
"""The highest learning rate of a linear network in a bag."""

WEIGHT_DECAY = 0.1
"""The weight decay of AdamW."""

DROPOUT = 0.1
"""The Dropout after each hidden layer, for tables of more than `MAX_FULL_BATCH_ROWS` rows."""

MAX_QUANTILE_COLUMNS = 256
"""Up to this number of columns, a table is scaled by quantiles."""

MAX_FULL_BATCH_ROWS = 64
"""Up to this number of rows, one batch holds them all."""

MAX_FLOAT64_ROWS = 1_000
"""Up to this number of rows, training one network in float64 takes no noticeable time."""

MAX_USUAL_ROWS, LARGE_BATCH_SIZE = 100_000, 500
"""Above this number of rows, batches are larger: training takes one minute instead of ten."""

N_FOLDS = 8
"""The number of folds in a bag, and of networks."""

N_FOLDS_SMALL, MAX_SMALL_ROWS = 16, 500
"""Up to this number of rows, a bag has more folds: each is small, and training is fast."""

MIN_BAG_ROWS = 2 * N_FOLDS_SMALL
"""A table of fewer rows has no folds: they would have fewer than two rows each."""

EPOCHS_SHARE, MIN_EPOCHS = 0.5, 10
"""The epochs of a network in a bag, as a share of those of a single network, and their minimum."""

CYCLE_PARTS = 15
"""The first of four `schedules.DoublingCycles` lasts a 15th of all epochs."""

PATIENCE_SHARE, MIN_PATIENCE = 0.15, 2
"""A network of a bag stops after this share of all epochs without a lower loss on its fold."""

PATIENCE_GROWTH = 1.5
"""With `schedules.DoublingCycles` it waits 1.5 times its best epoch longer: to the end of the cycle
after that of its best epoch. On noisy tables the best epoch comes early, in a short cycle.
"""

MAX_TOGETHER_ROWS = 1_600
"""Up to this number of rows, a fold says too little about the best epoch of its network, and all
networks end at one cycle: see `cycles`.
"""

MIN_BINS, N_BINS, MAX_BINS = 2, 32, 256
"""The least and the largest number of bins of a column, and the largest of all columns: see
`tables.bins`.
"""

MIN_BIN_ROWS = 64
"""There is at most one bin for this number of rows, but two for fewer: lines need them."""

FINE, MAX_FINE_ROWS = 4, 100_000
"""With quality "best", some kinds of networks have 4 times as many bins, up to this number of rows:
beyond, the expanded bins would take more than 400 MB of memory.
"""

VALIDATION_SHARE = 0.1
"""The share of a streamed file's rows on which the validation loss is computed."""

STREAM_BUFFER = 2**18
"""The number of rows of a streamed file in the shuffle buffer."""

STREAM_BATCH_SIZE = 512
"""The batch size for a streamed file that does not fit into one buffer."""

MAX_STREAMED_ROWS = 10_000_000
"""The approximate number of rows of all epochs of a streamed training."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every setting of a training on a table.

    Attributes:
        n_networks: networks to train; their predictions are averaged.
        hidden: units of each hidden layer.
        activations, dropouts: the name of the activation (a key of `layers.ACTIVATIONS`, or
            "identity") and the share of Dropout after each hidden layer; 0 is no Dropout.
        batch_norm: whether a BatchNorm precedes each activation.
        shards: the number of slices that each batch is cut into: see `Trainer`.
        init: how weights are drawn: "he" draws them as `mlp` does for the activation,
            "glorot_uniform" as scikit-learn does.
        scale: how `Columns.learn` scales columns of numbers.
        dtype: "float32" or "float64".
        batch_size, epochs: of `Trainer.fit`.
        lr: the learning rate, or the peak of the schedule.
        lr_factor: the learning rate of linear and of more regularized members, relative to `lr`.
        weight_decay: the weight decay of AdamW.
        schedule: the name of a schedule or a Schedule.
        n_folds: parts into which the training rows are divided, each held out by a network: see
            `bagging`; 0 for none.
        patience: of `EarlyStopping`, with folds.
        ends_together: whether all networks end at one cycle instead: see `cycles`.
        n_bins: the largest number of bins of a column of numbers: see `tables.bins`.
        n_fine_bins: the same for kinds of networks with fine bins: see `coarse`; 0 without them.
        has_log: whether a positive target may be learned on a logarithmic scale: see `log_scale`.
        has_linear, has_variants: whether there are also linear networks for each fold, and networks
            of further kinds: see `members`.
        is_straight: whether networks learn from numbers without curve and bins: see `straight`.
        seconds: the time in which to train networks of further kinds.
    """

    n_networks: int = 1
    hidden: tuple[int, ...] = HIDDEN
    activations: tuple[str, ...] = (ACTIVATION,) * len(HIDDEN)
    dropouts: tuple[float, ...] = (0.0,) * len(HIDDEN)
    batch_norm: bool = False
    shards: int = 1
    init: Literal["he", "glorot_uniform"] = "he"
    scale: ColumnScale = "quantile"
    dtype: str = "float32"
    batch_size: int
    epochs: int
    lr: float = PEAK_LR
    lr_factor: float = LINEAR_LR / BAG_LR
    weight_decay: float = WEIGHT_DECAY
    schedule: str | Schedule = "one_cycle"
    n_folds: int = 0
    patience: int = MIN_PATIENCE
    ends_together: bool = False
    n_bins: int = 0
    n_fine_bins: int = 0
    has_log: bool = False
    has_linear: bool = False
    has_variants: bool = False
    is_straight: bool = False
    seconds: float = math.inf

    def with_hidden(self, hidden: tuple[int, ...]) -> Recipe:
        """Return the recipe with hidden layers of these widths, otherwise like the first layer."""
        activation = self.activations[0] if self.activations else ACTIVATION
        dropout = self.dropouts[0] if self.dropouts else 0.0
        n = len(hidden)
        return replace(self, hidden=hidden, activations=(activation,) * n, dropouts=(dropout,) * n)

    @property
    def n_linear(self) -> int:
        """The number of linear networks for each fold: without bins both would be the same."""
        return (2 if self.n_bins else 1) if self.has_linear and self.n_folds else 0

    @property
    def n_column_bins(self) -> int:
        """The largest number of bins of a column of the table, which the networks share."""
        return max(self.n_bins, self.n_fine_bins)

    @property
    def max_bins(self) -> int:
        """The largest number of bins of all columns of the table."""
        return FINE * MAX_BINS if self.n_fine_bins else MAX_BINS

    def n_train(self, n_rows: int) -> int:
        """Return the most rows that a network learns from, of `n_rows` training rows."""
        return n_rows - n_rows // self.n_folds if self.n_folds else n_rows

    def n_steps(self, n_rows: int) -> int:
        """Return the number of steps in all epochs."""
        return self.n_steps_of(self.n_train(n_rows))

    def n_steps_of(self, n_train: int) -> int:
        """Return the number of steps of a network that learns from `n_train` rows."""
        return self.epochs * -(-n_train // self.batch_size)


def single_recipe(n_rows: SupportsIndex, n_columns: SupportsIndex = 1) -> Recipe:
    """Return the recipe for one network that learns from all of `n_rows` rows.

    Weight decay and Dropout regularize in place of early stopping.

    Batches hold 32 rows for small tables, up to 200 (scikit-learn's) for 20,000 rows and more, so
    that an epoch has about a hundred steps. There are 200 epochs, or fewer where they would exceed
    15,000 steps, which is 3 million rows. Above 100,000 rows, batches hold 500 and there are at
    least 10 epochs: training time is then proportional to the rows.

    Raises TypeError if a count is not an int, ValueError if it is below 1.

    Examples:
        >>> from handnn.tables.recipe import single_recipe
        >>> recipe = single_recipe(16_512, n_columns=9)
        >>> recipe.batch_size, recipe.epochs, recipe.dtype, recipe.scale
        (165, 148, 'float32', 'quantile')
    """
    n_rows = whole_number(n_rows, "single_recipe: n_rows")
    n_columns = whole_number(n_columns, "single_recipe: n_columns")
    is_small = n_rows <= MAX_FULL_BATCH_ROWS
    batch_size = n_rows if is_small else min(max(32, n_rows // 100), 200)
    steps_per_epoch = -(-n_rows // batch_size)
    epochs = min(max(20, 15_000 // steps_per_epoch), 200)
    if n_rows > MAX_USUAL_ROWS:
        batch_size, epochs = LARGE_BATCH_SIZE, max(10, 3_000_000 // n_rows)
    return Recipe(
        batch_size=batch_size,
        epochs=epochs,
        dropouts=(0.0 if is_small else DROPOUT,) * len(HIDDEN),
        scale=default_scale(n_columns),
        dtype="float64" if n_rows <= MAX_FLOAT64_ROWS else "float32",
    )


def default_recipe(
    n_rows: SupportsIndex,
    n_columns: SupportsIndex = 1,
    quality: str = "good",
    *,
    is_classes: bool = False,
) -> Recipe:
    """Return the default recipe: a bag of networks for a table of `n_rows` training rows.

    The rows are divided into folds. For each fold two networks are trained on the other rows: one
    with hidden layers and one that is linear. Each returns to its best epoch on the fold; up to
    1,600 rows, all return to the cycle that is best on all folds. One kind or both become the bag,
    as held-out rows tell. Columns of numbers have bins. With fewer than 32 rows, each network
    learns from all of them, in one batch: folds would have fewer than two rows, and a row of weight
    2 equals two rows.

    quality: "fast" has half of the folds and epochs. "best" has networks of further kinds, which
    take two to seven times as long. is_classes: whether the targets are classes, for which networks
    with hidden layers have twice the learning rate.

    Raises what `single_recipe` raises, and ValueError for another quality.

    Examples:
        >>> from handnn.tables.recipe import default_recipe
        >>> recipe = default_recipe(1_000)
        >>> recipe.n_networks, recipe.n_folds, recipe.n_train(1_000), recipe.patience
        (8, 8, 875, 16)
    """
    if type(quality) is not str or quality not in QUALITIES:
        raise ValueError(f"quality must be one of {', '.join(QUALITIES)}, not {quality!r}")
    n_rows = whole_number(n_rows, "default_recipe: n_rows")
    if n_rows < MIN_BAG_ROWS:
        return replace(single_recipe(n_rows, n_columns), n_networks=N_FOLDS)
    n_folds = N_FOLDS_SMALL if n_rows <= MAX_SMALL_ROWS else N_FOLDS
    share = EPOCHS_SHARE
    if quality == "fast":
        n_folds, share = n_folds // 2, share / 2
    single = single_recipe(n_rows - n_rows // n_folds, n_columns)
    lr = CLASSES_BAG_LR if is_classes else BAG_LR
    n_bins = default_bins(n_rows) if single.scale == "quantile" else 0
    epochs = max(min(single.epochs, MIN_EPOCHS), round(share * single.epochs))
    if epochs > CYCLE_PARTS:  # cycles end with epochs
        epochs = CYCLE_PARTS * round(epochs / CYCLE_PARTS)
    return replace(
        single,
        n_networks=n_folds,
        n_folds=n_folds,
        dtype="float32",
        epochs=epochs,
        lr=lr,
        lr_factor=LINEAR_LR / lr,
        schedule="cycles",
        patience=max(MIN_PATIENCE, round(PATIENCE_SHARE * epochs)),
        ends_together=n_rows <= MAX_TOGETHER_ROWS,
        n_bins=n_bins,
        n_fine_bins=FINE * n_bins if quality == "best" and _has_fine_bins(n_rows) else 0,
        has_log=True,
        has_linear=True,
        has_variants=quality == "best",
    )


def default_bins(n_rows: int) -> int:
    """Return the largest number of bins of each column."""
    return max(MIN_BINS, min(N_BINS, n_rows // MIN_BIN_ROWS))


def _has_fine_bins(n_rows: int) -> bool:
    return MIN_BINS * MIN_BIN_ROWS <= n_rows <= MAX_FINE_ROWS


def stream_recipe(n_rows: SupportsIndex, n_columns: SupportsIndex = 1) -> Recipe:
    """Return the recipe of `handnn train` for a file of `n_rows` rows that is streamed.

    It trains one network in float32. A file larger than `STREAM_BUFFER` rows has larger batches,
    and long files have fewer epochs, down to one.
    """
    recipe = single_recipe(n_rows, n_columns)
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
