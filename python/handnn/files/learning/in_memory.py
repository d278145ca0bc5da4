"""Train on a file that fits into memory."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.learning.settings import Gaps, Log, TrainingSettings, check_size
from handnn.files.learning.split import split_rows
from handnn.files.learning.survey import Survey, take_rows
from handnn.files.learning.trained import Trained, TrainingRun
from handnn.tables.fitting import fit_table
from handnn.tables.recipe import default_recipe
from handnn.training.many import train_many

if TYPE_CHECKING:
    from concurrent.futures import Executor


def train_in_memory(
    survey: Survey,
    settings: TrainingSettings,
    gaps: Gaps,
    *,
    progress: bool,
    log: Log,
    executor: Executor | None = None,
) -> Trained:
    """Hold out rows of a file and train on the others; TableError when there are too few rows.

    gaps: the strings that mean a missing value, as for `Columns.learn`.
    executor: the workers that train the networks; None for threads.
    """
    frame, places = take_rows(survey)
    rng = np.random.default_rng(settings.seed)
    split = split_rows(frame, settings.target, places, settings.hold_out, rng, survey.task)
    train = split.train
    log(f"{len(train):,} rows to train on, {len(split.test):,} held out; {survey.described()}")
    for note in survey.notes:
        log(note)
    start = perf_counter()
    recipe = settings.applied_to(default_recipe(len(train), len(survey.kinds)))
    check_size(recipe, survey.kinds)
    fitted = fit_table(
        train.x,
        train.y,
        recipe,
        kinds=survey.kinds,
        task=survey.task,
        gaps=gaps,
        rng=settings.seed,
        train=partial(train_many, progress=progress, executor=executor),
    )
    for number, history in enumerate(fitted.histories, 1):
        log(f"network {number} of {len(fitted.histories)}: {history}")
    run = TrainingRun(
        fitted.histories,
        split.test,
        n_train=len(train),
        keeps_best_epoch=recipe.n_folds > 0,
        seconds=perf_counter() - start,
    )
    return Trained(fitted.model, run, split)
