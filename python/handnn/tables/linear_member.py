"""A linear network beside each network of a bag: the linear path.

Deep networks approximate a straight line with many bent pieces and overfit the noise around it. So
for each network of a bag there is one without hidden layers, trained on the same rows. With the
bins of `tables.bins` it is an additive model: a sum of a piecewise linear function of each column.
The bag consists of the first networks, the linear ones, or both, whichever has the lowest loss on
the rows that the networks hold out.
(Wide and deep: Cheng et al. 2016. Selection by held-out rows: Caruana et al. 2004, "Ensemble
Selection from Libraries of Models".)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from handnn.arrays import Array
from handnn.losses import Loss
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.tables.bagging import Folds
from handnn.tables.intervals import held_out_outputs
from handnn.tables.recipe import Recipe

RecipeT = TypeVar("RecipeT", bound=Recipe)

LR_FACTOR = 2.0
"""The learning rate of a linear network, relative to that of the others."""

WEIGHT_DECAY = 0.01
"""A linear network has few weights, which need less of it."""


def members_of(recipe: RecipeT) -> list[RecipeT]:
    """Return the recipe, and that of its linear networks if it has any."""
    if not (recipe.has_linear and recipe.n_folds):
        return [recipe]
    linear = replace(
        recipe,
        hidden=(),
        activations=(),
        dropouts=(),
        batch_norm=False,
        lr=LR_FACTOR * recipe.lr,
        weight_decay=min(recipe.weight_decay, WEIGHT_DECAY),
    )
    return [recipe, linear]


def chosen_networks(
    networks: Sequence[Network], recipe: Recipe, loss: Loss, x: Array, y: Array, fold: Folds
) -> list[Network]:
    """Return the first, all, or the linear networks: those with the lowest loss on held-out rows.

    networks: those of `members_of(recipe)`, one after another. x, y: the rows as they are trained
    on.
    """
    first = list(networks[: recipe.n_networks])
    if len(networks) == len(first):
        return first
    rows, deep = held_out_outputs(first, x, fold)
    _, linear = held_out_outputs(networks[len(first) :], x, fold)
    target = as_column(y[rows].astype(deep.dtype), deep)
    choices = [first, list(networks), list(networks[len(first) :])]
    outputs = [deep, (deep + linear) / 2, linear]
    losses = [loss.forward(output, target) for output in outputs]
    return choices[int(np.argmin(losses))]
