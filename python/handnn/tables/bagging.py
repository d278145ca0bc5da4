"""Bagging: the average of networks that each hold out a different fold of the training rows.

Each network returns to its best epoch on its fold, or, where folds are small, all return to the
cycle that is best on the folds together: see `cycles`. Every row is held out by some networks;
their predictions for it are its out-of-fold predictions.
(Breiman 1996, "Bagging Predictors"; with folds in place of bootstrap samples: Parmanto, Munro and
Doyle 1996.)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.network import Network
from handnn.tables import least_squares
from handnn.tables.cycles import Train, train_in_cycles
from handnn.tables.moments import Weights
from handnn.tables.networks import NetworkInput
from handnn.tables.rare_labels import RareLabels
from handnn.tables.recipe import PATIENCE_GROWTH, Recipe
from handnn.tables.views import Views
from handnn.training.early_stopping import EarlyStopping
from handnn.training.history import History
from handnn.training.trainer import Trainer

Folds = NDArray[np.int64]
"""(N,) the fold of each row, from 0; -1 for rows that no network holds out."""


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

    is_ordered: whether folds are in chronological order; a network then learns from earlier ones.
    """
    n_folds = int(fold.max()) + 1
    if not n_folds:
        return [np.arange(len(fold))] * n_networks
    if is_ordered:
        return [np.flatnonzero(fold < place % n_folds) for place in range(n_networks)]
    return [np.flatnonzero(fold != place % n_folds) for place in range(n_networks)]


Item = TypeVar("Item")


def holders(networks: Sequence[Item], n_folds: int) -> list[Sequence[Item]]:
    """Return for each fold the networks that hold it out (or their outputs), for `rows_outside`.

    If folds differ in their number of networks, only the first ones of each are returned.
    """
    if n_folds and len(networks) % n_folds == 0:
        return [networks[place::n_folds] for place in range(n_folds)]
    return [[network] for network in networks[:n_folds]]


def mean_output(networks: Sequence[Network], x: Array) -> Array:
    """Return the mean of the networks' outputs for x."""
    return mean_of([network.predict(x) for network in networks])


def mean_of(outputs: Sequence[Array]) -> Array:
    """Return the mean of the outputs of several networks."""
    return outputs[0] if len(outputs) == 1 else np.mean(outputs, axis=0)


@dataclass(frozen=True)
class BagRows:
    """The rows that a bag learns from.

    Attributes:
        columns: the encoder of x.
        x, y: (N, I), (N, O) as they are trained on.
        weight: (N,) or None.
    """

    columns: NetworkInput
    x: Array
    y: Array
    weight: Weights = None


def train_bag(
    trainers: Sequence[Trainer],
    data: BagRows,
    rows: Sequence[NDArray[np.int64]],
    members: Sequence[Recipe],
    train: Train,
    *,
    restores: bool = True,
    finishes: bool | None = None,
) -> list[History]:
    """Train the networks of a bag, and return the History of each.

    trainers: those of the members, one after another. The recipe and its linear members train at
    once, further ones in turn. Those of `Recipe.has_variants` are left out, so that there are fewer
    Histories, if another one as long as the longest would exceed `Recipe.seconds`. rows: from
    `rows_outside`, for each network of a member. members: from `members.members_of`. train:
    `train_many` with the arguments that are not those of the recipe. restores: whether networks
    return to their best epoch or cycle. finishes: whether `least_squares` finishes linear networks
    of a regression; None if they are restored.

    Rare labels that tell nothing share a row of their Embedding: see `rare_labels`.
    """
    rare = RareLabels.learn(data.columns, data.x, data.y, trainers[0])
    try:
        pooled = replace(data, x=rare.transform(data.x))
        finishes = restores if finishes is None else finishes
        return _trained(trainers, pooled, rows, members, train, restores, finishes)
    finally:
        rare.settle([trainer.network for trainer in trainers])


def _trained(
    trainers: Sequence[Trainer],
    data: BagRows,
    rows: Sequence[NDArray[np.int64]],
    members: Sequence[Recipe],
    train: Train,
    restores: bool,
    finishes: bool,
) -> list[History]:
    """Train the networks of a bag on encoded rows, with `train_bag`'s arguments."""
    began, n, recipe = perf_counter(), len(rows), members[0]
    first = n * (1 + recipe.n_linear)
    histories: list[History] = []
    is_compiled = all(trainer.is_compiled for trainer in trainers[::n])  # others are like these
    views = Views(data.columns.binned, data.x, has_positions=is_compiled)
    longest = 0.0
    for at in [0, *range(first, len(trainers), n)]:
        start = perf_counter()
        if at and start - began + longest > recipe.seconds:
            break
        part = trainers[at : at + n] if at else trainers[:first]
        with ExitStack() as stack:
            inputs: list[Array] = []
            for place in range(0, len(part), n):
                networks = [trainer.network for trainer in part[place : place + n]]
                view = views.training(members[(at + place) // n], networks)
                inputs += [stack.enter_context(view)] * n
            histories += _train_at_once(part, inputs, data.y, rows, recipe, train, restores)
            for place in range(0, len(part), n) if finishes else ():
                if _is_plain(members[(at + place) // n]):
                    some = part[place : place + n]
                    least_squares.finish(some, inputs[place], data.y, rows, data.weight)
        longest = max(longest, perf_counter() - start)
    return histories


def _is_plain(member: Recipe) -> bool:
    """Return whether a member is linear in the numbers as they are."""
    return bool(member.n_folds) and not member.hidden and (member.is_straight or not member.n_bins)


def _train_at_once(
    trainers: Sequence[Trainer],
    inputs: Sequence[Array],
    y: Array,
    rows: Sequence[NDArray[np.int64]],
    recipe: Recipe,
    train: Train,
    restores: bool,
) -> list[History]:
    """Train the networks of one member or more. inputs: the x of each."""
    n = len(rows)
    rows = [*rows] * (len(trainers) // n)
    train = partial(train, batch_size=recipe.batch_size)
    if recipe.n_folds and recipe.schedule == "cycles" and recipe.ends_together:
        return train_in_cycles(
            trainers, n, inputs, y,
            rows=rows, epochs=recipe.epochs, train=train, restores=restores,
        )  # fmt: skip
    if recipe.n_folds:
        growth = PATIENCE_GROWTH if recipe.schedule == "cycles" else 0.0
        stopping = EarlyStopping(recipe.patience, restore_best=restores, growth=growth)
        train = partial(train, validation="rest", early_stopping=stopping)
    each = [{"x": x} for x in inputs]
    return train(trainers, y=y, each=each, rows=rows, epochs=recipe.epochs)
