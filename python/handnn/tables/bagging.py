"""Bagging: the average of networks that each hold out a different fold of the training rows.

Each network stops at its best epoch on its own fold. Every row is held out by some networks;
their predictions for it are its out-of-fold predictions.
(Breiman 1996, "Bagging Predictors"; with folds in place of bootstrap samples: Parmanto, Munro and
Doyle 1996.)
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from handnn.tables.recipe import Recipe
from handnn.training.early_stopping import EarlyStopping

Folds = NDArray[np.int64]
"""(N,) the fold of each row, from 0; -1 for rows that no network holds out."""


class FoldArguments(TypedDict, total=False):
    """The arguments of `train_many` that make each network stop on the rows that it holds out."""

    validation: str
    early_stopping: EarlyStopping


def draw_folds(
    n_rows: int, n_folds: int, classes: NDArray[np.number] | None, rng: np.random.Generator
) -> Folds:
    """Return a random fold for each row, from 0 to n_folds - 1; -1 without folds.

    Folds differ by at most one row. With `classes` (N,), they also differ by at most one row of
    each class.

    Examples:
        >>> from handnn.tables.bagging import draw_folds
        >>> fold = draw_folds(6, 3, np.array([0.0, 0, 0, 1, 1, 1]), np.random.default_rng(0))
        >>> sorted(fold[:3].tolist()), sorted(fold[3:].tolist())
        ([0, 1, 2], [0, 1, 2])
    """
    order = rng.permutation(n_rows)
    fold = np.full(n_rows, -1, np.int64)
    if n_folds:
        if classes is not None:
            order = order[np.argsort(classes[order], kind="stable")]
        fold[order] = np.arange(n_rows) % n_folds
    return fold


def rows_outside(
    fold: Folds, n_networks: int, *, is_ordered: bool = False
) -> list[NDArray[np.int64]]:
    """Return the rows that each network learns from: all but those of its fold.

    is_ordered: whether folds are in the order of time; a network then learns from earlier ones.
    """
    n_folds = int(fold.max()) + 1
    if not n_folds:
        return [np.arange(len(fold))] * n_networks
    if is_ordered:
        return [np.flatnonzero(fold < place % n_folds) for place in range(n_networks)]
    return [np.flatnonzero(fold != place % n_folds) for place in range(n_networks)]


def fold_arguments(recipe: Recipe, *, restores: bool = True) -> FoldArguments:
    """Return the arguments of `train_many` for a recipe; {} if it has no folds.

    restores: whether networks return to their best epoch.
    """
    if not recipe.n_folds:
        return {}
    stopping = EarlyStopping(patience=recipe.patience, restore_best=restores)
    return {"validation": "rest", "early_stopping": stopping}
