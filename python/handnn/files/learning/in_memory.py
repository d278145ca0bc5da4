"""Train on a file that fits into memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from handnn.arrays import Array
from handnn.files.learning.heartbeat import heartbeat
from handnn.files.learning.separation import described_split, separation_of
from handnn.files.learning.settings import Gaps, Log, TrainingSettings, check_size
from handnn.files.learning.split import LabeledRows, Split, check_row_count, split_rows
from handnn.files.learning.survey import Survey, rows_of_file, take_rows
from handnn.files.learning.trained import Trained, TrainingRun
from handnn.files.learning.weights import weights_of
from handnn.files.reading.csv_checks import counted
from handnn.tables.fitting import Schema, fit_table
from handnn.tables.members import described, members_of
from handnn.tables.recipe import Recipe
from handnn.training.distributed.sharding import Sharding
from handnn.training.history import History
from handnn.training.many import train_many
from handnn.training.trainer import Trainer

if TYPE_CHECKING:
    from concurrent.futures import Executor


def train_in_memory(
    survey: Survey,
    settings: TrainingSettings,
    gaps: Gaps,
    *,
    progress: bool,
    log: Log,
    sharding: Sharding,
    executor: Executor | None = None,
) -> Trained:
    """Hold out rows of a file and train on the others; TableError when there are too few rows.

    gaps: the strings that mean a missing value, as for `Columns.learn`.
    executor: the workers that train the networks; None for threads.
    sharding: the ranks that train each network together.
    """
    split = _split(survey, settings)
    separation = separation_of(split.train.x, settings)
    weights = weights_of(split.train, settings, survey.task)
    split = Split(split.train.only(survey.kinds), split.test.only(survey.kinds))
    train = split.train
    how = "" if separation.is_independent else f", {described_split(settings)}"
    log(f"{len(train):,} rows to train on, {len(split.test):,} held out{how}; {survey.described()}")
    for note in survey.notes:
        log(note)
    start = perf_counter()
    schema = Schema(
        kinds=survey.kinds, gaps=gaps, task=survey.task, objective=settings.loss, is_stored=True
    )
    is_classes = schema.target(train.y).task != "regression"
    recipe = settings.recipe_for(len(train), len(survey.kinds), is_classes=is_classes)
    check_size(recipe, survey.kinds)
    text = _announced(recipe, log)
    with heartbeat(log, text, shows=not progress and executor is None):
        fitted = fit_table(
            train.x,
            train.y,
            recipe,
            schema=schema,
            rng=settings.seed,
            sample_weight=weights,
            separation=separation,
            train=partial(_train, sharding, progress=progress, executor=executor),
        )
    for number, history in enumerate(fitted.histories, 1):
        log(f"network {number} of {len(fitted.histories)}: {history}")
    if fitted.model.target.is_log:
        log("the logarithm of the target was learned: it has a lower error on held-out rows")
    if fitted.choice is not None and fitted.choice.losses:
        log(str(fitted.choice))
    if fitted.temperature != 1:
        log(f"probabilities scaled on held-out rows: temperature {fitted.temperature:.3g}")
    run = TrainingRun(
        fitted.histories,
        split.test,
        n_train=len(train),
        keeps_best_epoch=recipe.n_folds > 0,
        seconds=perf_counter() - start,
    )
    return Trained(fitted.model, run, split)


def _announced(recipe: Recipe, log: Log) -> str:
    """Log the kinds of networks that the quality "best" tries; return what training will do."""
    members = members_of(recipe)
    if recipe.has_variants:
        kinds = ", ".join(map(described, members))
        log(f"kinds of networks to try, {recipe.n_networks} of each: {kinds}")
    return f"training {counted(len(members) * recipe.n_networks, 'network')}"


def _split(survey: Survey, settings: TrainingSettings) -> Split:
    """Return the rows to train on, and those that score the model, which may be of another file."""
    frame, places = take_rows(survey)
    if not settings.test:
        rng = np.random.default_rng(settings.seed)
        separation = separation_of(frame, settings)
        return split_rows(
            frame, settings.targets, places, settings.hold_out, rng, survey.task, separation
        )
    check_row_count(len(frame))
    test = rows_of_file(survey, settings.test)
    return Split(LabeledRows.of(frame, settings.targets, places), test)


def _train(
    sharding: Sharding, trainers: Sequence[Trainer], *data: Array, **arguments: Any
) -> list[History]:
    """Call `train_many` for trainers on the ranks of a communicator."""
    for trainer in trainers:
        trainer.comm, trainer.deadline = sharding.comm, sharding.deadline
    return train_many(trainers, *data, **arguments)
