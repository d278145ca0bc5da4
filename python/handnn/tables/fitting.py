"""Fitting: from a table and its targets to a trained `TableModel`, by a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handnn.initializers import RandomSource
from handnn.tables.columns import Columns
from handnn.tables.model import TableModel
from handnn.tables.networks import build_network, build_optimizer
from handnn.tables.recipe import Recipe
from handnn.tables.table_reader import TableLike
from handnn.tables.target import Target
from handnn.tables.target_values import TargetLike
from handnn.training.early_stopping import EarlyStopping
from handnn.training.history import History
from handnn.training.many import train_many
from handnn.training.trainer import Trainer


@dataclass(frozen=True)
class FittedTable:
    """A trained model, and the History of each of its networks."""

    model: TableModel
    histories: list[History]


def fit_table(
    table: TableLike,
    y: TargetLike,
    recipe: Recipe,
    *,
    kinds: Mapping[str, str] | None = None,
    task: str = "auto",
    gaps: Iterable[str] | None = None,
    rng: RandomSource = None,
    progress: bool = False,
) -> FittedTable:
    """Learn columns and target from the training rows, and train the networks of a recipe on them.

    With `recipe.n_validation`, each network holds out different rows and returns to its best epoch
    on them, so that the networks together are trained on every row.

    Parameters:
        table, kinds, gaps: N rows, the kinds of columns, and the texts that mean a missing value,
            as `Columns.learn` takes them.
        y, task: the targets and the task, as `Target.learn` takes them.
        recipe: every setting of the training.
        rng: None, an int, or a Generator: draws rows, weights and the order of training.
        progress: whether to show a bar.

    Raises what `Columns.learn`, `Target.learn` and `train_many` raise.

    Examples:
        >>> from dataclasses import replace
        >>> from handnn.datasets import load_concrete
        >>> from handnn.tables.fitting import fit_table
        >>> from handnn.tables.recipe import default_recipe
        >>> data = load_concrete()
        >>> recipe = replace(default_recipe(*data.x.shape), epochs=10)
        >>> fitted = fit_table(data.x, data.y, recipe, rng=0)
        >>> fitted.model.predict(data.x).shape
        (1030,)
    """
    rng = np.random.default_rng(rng)
    columns = Columns.learn(table, kinds=kinds, scale=recipe.scale, gaps=gaps)
    target = Target.learn(y, task, gaps=gaps)
    x, encoded = columns.transform(table, recipe.dtype), target.encode(y)
    rows = training_rows(len(x), recipe, rng)
    n_train = len(x) - recipe.n_validation
    n_steps = recipe.epochs * -(-n_train // recipe.batch_size)
    trainers = [_trainer(recipe, columns, target, n_steps, rng) for _ in range(recipe.n_networks)]
    stopping = EarlyStopping(patience=recipe.patience) if recipe.n_validation else None
    histories = train_many(
        trainers,
        x,
        encoded,
        rows=rows,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        validation="rest" if recipe.n_validation else None,
        early_stopping=stopping,
        progress=progress,
    )
    return FittedTable(TableModel([t.network for t in trainers], columns, target), histories)


def _trainer(
    recipe: Recipe, columns: Columns, target: Target, n_steps: int, rng: np.random.Generator
) -> Trainer:
    network = build_network(recipe, columns, target.n_out, rng)
    optimizer = build_optimizer(recipe, n_steps)
    return Trainer(network, target.loss(), optimizer, rng=int(rng.integers(2**63)))


def training_rows(n_rows: int, recipe: Recipe, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Return the rows that each network is trained on: all but `n_validation` in random order.

    The held-out rows of one network follow those of the one before, so few rows are held out twice.
    """
    order = rng.permutation(n_rows)
    n_held = recipe.n_validation
    starts = [place * n_held % max(1, n_rows - n_held) for place in range(recipe.n_networks)]
    return [np.r_[order[:start], order[start + n_held :]] for start in starts]
