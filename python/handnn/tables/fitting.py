"""Fitting: from a table and its targets to a trained `TableModel`, by a recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from handnn import storage
from handnn.arrays import Array, check_type
from handnn.initializers import RandomSource, generator
from handnn.network import Network
from handnn.tables.bagging import BagRows, Folds, rows_outside, train_bag
from handnn.tables.beyond import continued
from handnn.tables.calibration import calibrate
from handnn.tables.cells import Floats, gap_tuple
from handnn.tables.columns import Columns
from handnn.tables.intervals import HeldOutErrors, errors_of, held_out_outputs
from handnn.tables.log_scale import chosen_log_scale
from handnn.tables.members import Choice, chosen_members, members_of
from handnn.tables.model import TableModel
from handnn.tables.moments import Weights
from handnn.tables.networks import build_network, build_optimizer
from handnn.tables.objective import SQUARED, level_of
from handnn.tables.recipe import Recipe
from handnn.tables.separation import INDEPENDENT, Separation
from handnn.tables.table_reader import TableLike
from handnn.tables.target import Target
from handnn.tables.target_values import TargetLike
from handnn.training.history import History
from handnn.training.many import train_many
from handnn.training.trainer import Trainer


@dataclass(frozen=True)
class FittedTable:
    """A trained model, the History of each network that was trained, and how the bag was made."""

    model: TableModel
    histories: list[History]
    temperature: float = 1.0
    choice: Choice | None = None


@dataclass(frozen=True, kw_only=True)
class Schema:
    """How the cells of a table and of its target are read.

    Attributes:
        kinds: overrides the kinds of columns: see `Columns.learn`.
        gaps: the strings that mean a missing value: see `Columns.learn`.
        task, objective: what the target is, and what a regression predicts: see `Target.learn`.
        is_stored: whether the model is to be saved, so that its columns must fit into a file.
    """

    kinds: Mapping[str, str] | None = None
    gaps: Iterable[str] | None = None
    task: str = "auto"
    objective: str = SQUARED
    is_stored: bool = False

    def learn(self, table: TableLike, y: TargetLike, recipe: Recipe) -> tuple[Columns, Target]:
        """Return the columns and the target that are learned from the rows.

        With `is_stored`, raises ValueError if a file cannot hold them, before any training.
        """
        gaps = gap_tuple(self.gaps, "Schema: gaps")
        columns = Columns.learn(
            table,
            kinds=self.kinds,
            scale=recipe.scale,
            n_bins=recipe.n_column_bins,
            max_bins=recipe.max_bins,
            gaps=gaps,
        )
        target = self.target(y)
        if self.is_stored:
            check_storable(columns, target)
        return columns, target

    def target(self, y: TargetLike) -> Target:
        """Return the target that is learned from the rows."""
        gaps = gap_tuple(self.gaps, "Schema: gaps")
        return Target.learn(y, self.task, gaps=gaps, objective=self.objective)


def check_storable(columns: Columns, target: Target) -> None:
    """Raise ValueError if a file cannot hold the columns and the target of a model."""
    try:
        storage.packed({"columns": columns.to_dict(), "target": target.to_dict()})
    except ValueError as error:
        raise ValueError(f"the model does not fit into a file: {error}") from None


def fit_table(
    table: TableLike,
    y: TargetLike,
    recipe: Recipe,
    *,
    schema: Schema = Schema(),
    sample_weight: ArrayLike | None = None,
    separation: Separation = INDEPENDENT,
    rng: RandomSource = None,
    train: Callable[..., list[History]] = train_many,
) -> FittedTable:
    """Learn columns and target from the training rows, and train the networks of a recipe on them.

    With `recipe.n_folds` each network holds out a different fold of the rows, so that together the
    networks learn from every row: see `bagging`.

    Parameters:
        table, y: N rows and their targets, as for `Columns.learn` and `Target.learn`.
        schema: how both are read.
        recipe: every setting of the training.
        sample_weight: (N,) the weight of each row in the loss, 1 by default.
        separation: groups or times of the rows, which keep dependent rows in one fold.
        rng: None, an int, or a Generator: draws rows, weights and the order of training.
        train: `train_many`, or a partial of it with other arguments, such as `executor`.

    Raises what `Columns.learn`, `Target.learn` and `train_many` raise.

    Examples:
        >>> from dataclasses import replace
        >>> from handnn.datasets import load_concrete
        >>> from handnn.tables.fitting import fit_table
        >>> from handnn.tables.recipe import default_recipe
        >>> data = load_concrete()
        >>> recipe = replace(default_recipe(*data.x.shape), epochs=10)
        >>> fit_table(data.x, data.y, recipe, rng=0).model.predict(data.x).shape
        (1030,)
    """
    rng = _checked(recipe, schema, separation, rng)
    columns, target = schema.learn(table, y, recipe)
    x, encoded, values = columns.transform(table, recipe.dtype), *_encoded(target, y)
    fold = separation.folds(len(x), recipe.n_folds, class_codes(target, encoded), rng)
    rows = rows_outside(fold, recipe.n_networks, is_ordered=separation.is_ordered)
    weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    train = partial(train, sample_weight=sample_weight)
    scale = chosen_log_scale(recipe, columns, x, values, fold, weight, rng, train)
    data = BagRows(columns, x, encoded if scale is None else scale.encode(values), weight)
    trainers = [
        _trainer(member, columns, target, n_steps, rng)
        for member in members_of(recipe)
        for n_steps in _n_steps(recipe, separation, len(x), rows)
    ]
    histories = train_bag(trainers, data, rows, members_of(recipe), train)
    networks = _settled(columns, trainers[: len(histories)])
    if scale is not None:
        choice, factor = scale.chosen_members(networks, recipe, x, values, fold, weight)
        target = scale.target(factor, is_flat=target.is_flat)
        encoded = target.standardize(values)
    else:
        choice = chosen_members(networks, recipe, target.loss(), x, encoded, fold)
    return _fitted(choice, columns, target, (x, encoded, fold, weight), histories)


def _settled(columns: Columns, trainers: Sequence[Trainer]) -> list[Network]:
    for trainer in trainers:
        columns.settle(trainer.network)
    return [trainer.network for trainer in trainers]


def _fitted(
    choice: Choice,
    columns: Columns,
    target: Target,
    rows: tuple[Array, Floats, Folds, Weights],
    histories: list[History],
) -> FittedTable:
    """Calibrate the chosen networks, and return them with the rest of the model."""
    temperature, held_out = calibrated(choice.networks, *rows, target)
    networks = choice.networks
    if not target.is_log:
        networks, columns = continued(choice, columns, target.loss())
    model = TableModel(networks, columns, target, held_out)
    return FittedTable(model, histories, temperature, choice)


def _checked(
    recipe: Recipe, schema: Schema, separation: Separation, rng: RandomSource
) -> np.random.Generator:
    check_type(recipe, Recipe, "fit_table: recipe")
    check_type(schema, Schema, "fit_table: schema")
    check_type(separation, Separation, "fit_table: separation")
    return generator(rng, "fit_table: rng")


def _encoded(target: Target, y: TargetLike) -> tuple[Floats, Floats]:
    """Return y encoded for training, and its values (N, O); without columns unless squared."""
    if target.task != "regression":
        encoded = target.encode(y)
        return encoded, encoded[:, :0]
    values = target.numbers(y)
    is_squared = target.objective == SQUARED
    return target.standardize(values), values if is_squared else values[:, :0]


def _n_steps(
    recipe: Recipe, separation: Separation, n_rows: int, rows: Sequence[Sized]
) -> list[int]:
    """Return the number of steps of each training: equal ones for folds of equal size."""
    if separation.is_independent:
        return [recipe.n_steps(n_rows)] * len(rows)
    return [recipe.n_steps_of(len(part)) for part in rows]


def calibrated(
    networks: Sequence[Network],
    x: Array,
    encoded: Floats,
    fold: Folds,
    weight: Weights,
    target: Target,
) -> tuple[float, HeldOutErrors | None]:
    """Scale classifiers by their temperature; return it, and the errors on held-out rows.

    x, encoded, fold: the rows in the form that the networks expect, and the networks that hold them
    out. No errors are returned without such rows, for yes-or-no targets, and for quantiles.
    """
    if not len(fold):
        return 1.0, None
    if target.classes is not None:
        found = calibrate(networks, x, encoded[:, 0].astype(np.int64), fold, weight)
        return (1.0, None) if found is None else (found.temperature, found.held_out)
    rows, outputs = held_out_outputs(networks, x, fold)
    if not len(rows) or target.task != "regression" or level_of(target.objective) is not None:
        return 1.0, None
    values = target.unstandardize(encoded[rows])
    return 1.0, errors_of(target.values(outputs), values, is_log=target.is_log)


def _trainer(
    recipe: Recipe, columns: Columns, target: Target, n_steps: int, rng: np.random.Generator
) -> Trainer:
    network = build_network(recipe, columns, target.n_out, rng)
    optimizer = build_optimizer(recipe, n_steps)
    seed = int(rng.integers(2**63))
    return Trainer(network, target.loss(), optimizer, rng=seed, shards=recipe.shards)


def class_codes(target: Target, encoded: Floats) -> Floats | None:
    """Return the class of each row (N,) by which folds are stratified; None for other tasks."""
    return None if target.classes is None else encoded[:, 0]
