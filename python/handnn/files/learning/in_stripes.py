"""Train on blocks of a file, which may be larger than memory and is dealt into stripes.

A first pass collects facts about the columns: means, deviations and categories of all training
rows, and the quantiles of a sample of them. Each later pass is an epoch, which reads the file again
or takes the encoded rows from memory, with the same bits. Rows fill a buffer, the networks are
trained on it in random order, and the next rows replace them. So rows are shuffled within a buffer
only: a file that is sorted by its target should be shuffled first. Networks do not stop early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handnn.arrays import Array
from handnn.files.errors import Option, Remedy, TableError
from handnn.files.learning.columns_of_facts import columns_of, target_of
from handnn.files.learning.hold_out import HeldOut
from handnn.files.learning.settings import Gaps, Log, TrainingSettings, check_size
from handnn.files.learning.split import LabeledRows, Split, check_row_count
from handnn.files.learning.stripes import ONE_STRIPE, Stripes
from handnn.files.learning.survey import Survey, typed_rows
from handnn.files.learning.trained import Trained, TrainingRun
from handnn.files.reading.block import Block, Places
from handnn.files.reading.cells import drop
from handnn.files.reading.csv_checks import counted
from handnn.files.reading.memory import release_memory
from handnn.losses.loss import as_column
from handnn.progress import progress_bar
from handnn.tables import Columns, TableModel, Target
from handnn.tables.fitting import calibrated, check_storable
from handnn.tables.networks import build_network, build_optimizer
from handnn.tables.recipe import STREAM_BUFFER, VALIDATION_SHARE, Recipe, stream_recipe
from handnn.training.history import Epoch, History
from handnn.training.trainer import Trainer

if TYPE_CHECKING:
    from polars import DataFrame

MAX_VALIDATION_ROWS = 20_000
"""The largest number of rows kept to compute the validation loss."""

MAX_SAMPLE_ROWS = 20_000
"""The largest number of training rows kept for the baselines."""


def train_in_stripes(
    survey: Survey,
    settings: TrainingSettings,
    gaps: Gaps,
    *,
    progress: bool,
    log: Log,
    stripes: Stripes,
    streams: bool,
) -> Trained:
    """Train on the file of a survey; TableError when it has too few rows.

    gaps: the strings that mean a missing value, as for `Columns.learn`. stripes: of the file, and
    the ranks that train each network together; each reads its own stripes. streams: whether to read
    the file again for each epoch instead of keeping the encoded rows.
    """
    n_rows = survey.target.n_values
    how = "read again for each epoch" if streams else f"in {counted(stripes.n, 'stripe')}"
    log(f"{n_rows:,} rows, {how}; {survey.described()}")
    for note in survey.notes:
        log(note)
    check_row_count(n_rows)
    began = perf_counter()
    columns, target = columns_of(survey, gaps), target_of(survey, settings.loss)
    check_storable(columns, target)
    stream = RowStream(survey, settings, columns, target, stripes, keeps_rows=not streams)
    recipe = settings.applied_to(stream_recipe(n_rows, len(survey.kinds)))
    check_size(recipe, survey.kinds)
    trainers = _new_trainers(recipe, columns, target, n_rows, settings.seed)
    for trainer in trainers:
        trainer.comm, trainer.deadline = stripes.sharding.comm, stripes.sharding.deadline
    with progress_bar(shows=progress, total=recipe.epochs * n_rows, unit="row", scales=True) as bar:
        advance = (lambda n: None) if bar is None else bar.update
        histories, n_train = _train(trainers, stream, recipe, advance, log)
    networks = [trainer.network for trainer in trainers]
    for network in networks:
        columns.settle(network)
    x, y = stream.validation()
    fold = np.zeros(len(x), np.int64)  # no network has learned from these rows
    temperature, held_out = calibrated(networks, x, y.astype(np.float64), fold, None, target)
    if temperature != 1:
        log(f"probabilities scaled on held-out rows: temperature {temperature:.3g}")
    model = TableModel(networks, columns, target, held_out)
    split, seconds = stream.split(), perf_counter() - began
    run = TrainingRun(
        histories, split.test, n_train=n_train, keeps_best_epoch=False, seconds=seconds
    )
    return Trained(model, run, split)


def _train(
    trainers: list[Trainer],
    stream: RowStream,
    recipe: Recipe,
    advance: Callable[[int], object],
    log: Log,
) -> tuple[list[History], int]:
    """Train for all epochs; return the history of each trainer, and the number of rows.

    advance: is called with the number of rows after each buffer.
    """
    histories = [History() for _ in trainers]
    for number in range(recipe.epochs):
        start = perf_counter()
        totals, n_train = np.zeros(len(trainers)), 0
        for x, y in stream.buffers(keeps=number == 0):
            for place, trainer in enumerate(trainers):
                history = trainer.fit(x, y, epochs=1, batch_size=recipe.batch_size)
                totals[place] += history.train_loss[0] * len(x)
            n_train += len(x)
            advance(len(x))
        if not n_train:
            raise TableError("no rows are left to train on: too many are held out")
        seconds = (perf_counter() - start) / len(trainers)
        for history, trainer, total in zip(histories, trainers, totals, strict=True):
            loss = stream.validation_loss(trainer)
            history.extend([Epoch(float(total / n_train), loss, seconds)])
        if (number + 1) % max(1, recipe.epochs // 10) == 0:
            log(f"epoch {number + 1} of {recipe.epochs}: {histories[0]}")
    return histories, n_train


def _new_trainers(
    recipe: Recipe, columns: Columns, target: Target, n_rows: int, seed: int
) -> list[Trainer]:
    """Return a trainer for each network; they share a random generator."""
    rng = np.random.default_rng(seed)
    n_steps = recipe.epochs * (n_rows // recipe.batch_size + n_rows // STREAM_BUFFER + 1)
    trainers = []
    for _ in range(recipe.n_networks):
        network = build_network(recipe, columns, target.n_out, rng)
        optimizer = build_optimizer(recipe, n_steps)
        trainers.append(Trainer(network, target.loss(), optimizer, rng=rng, shards=recipe.shards))
    return trainers


class OtherRows(NamedTuple):
    """The rows of a block that are kept for scores, baselines and validation."""

    test: tuple[DataFrame, Places]
    sample: tuple[DataFrame, Places]
    validation: tuple[Array, Array]


class RowStream:
    """The rows of a file in buffers, except the rows kept for scores and validation.

    keeps_rows: whether later epochs take the buffers from memory.
    """

    def __init__(
        self,
        survey: Survey,
        settings: TrainingSettings,
        columns: Columns,
        target: Target,
        stripes: Stripes = ONE_STRIPE,
        *,
        keeps_rows: bool = False,
    ) -> None:
        self._kept: list[tuple[Array, Array]] | None = [] if keeps_rows else None
        self._survey, self._stripes = survey, stripes
        self._columns, self._target = columns, target
        self._held_out = HeldOut(settings.target, settings.hold_out, settings.seed)
        n_rows = survey.target.n_values + survey.target.n_gaps
        self._test_share = self._held_out.share_of(n_rows)
        self._validation_share = min(VALIDATION_SHARE, MAX_VALIDATION_ROWS / n_rows)
        self._sample_share = min(1.0, MAX_SAMPLE_ROWS / n_rows)
        self._test: list[tuple[DataFrame, Places]] = []
        self._sample: list[tuple[DataFrame, Places]] = []
        self._validation: list[tuple[Array, Array]] = []

    def buffers(self, *, keeps: bool) -> Iterator[tuple[Array, Array]]:
        """Yield x and y of the training rows; keeps: whether to keep the other rows."""
        if self._kept:
            yield from self._kept
            return
        for buffer in self._read_buffers(keeps=keeps):
            if self._kept is not None:
                self._kept.append(buffer)
            yield buffer

    def _read_buffers(self, *, keeps: bool) -> Iterator[tuple[Array, Array]]:
        parts: list[tuple[Array, Array]] = []
        size = 0
        names = [*self._survey.all_kinds]
        blocks = self._survey.source.blocks(names=names, deal=self._stripes.deal)
        for rows, others in self._stripes.results(blocks, partial(self._read, keeps=keeps)):
            if others is not None:
                self._test.append(others.test)
                self._sample.append(others.sample)
                self._validation.append(others.validation)
            parts.append(rows)
            size += len(rows[0])
            if size >= STREAM_BUFFER:
                yield _concatenated(parts)
                parts, size = [], 0
                release_memory()
        if size:
            yield _concatenated(parts)

    def validation_loss(self, trainer: Trainer) -> float | None:
        """Return the loss of a network on the validation rows; None without any."""
        x, y = self.validation()
        if len(x) == 0:
            return None
        pre = trainer.network.predict(x)
        return float(trainer.loss.forward(pre, as_column(y.astype(pre.dtype), pre)))

    def validation(self) -> tuple[Array, Array]:
        """Return x and y of the validation rows."""
        return _concatenated(self._validation)

    def split(self) -> Split:
        """Return a sample of the training rows, and the rows that score the model."""
        train, test = self._labeled(self._sample), self._labeled(self._test)
        if len(train) == 0 or len(test) == 0:
            raise TableError("no rows are left to score the model", Remedy(Option.HOLD_OUT))
        return Split(train, test)

    def _read(self, block: Block, keeps: bool) -> tuple[tuple[Array, Array], OtherRows | None]:
        """Return x and y of the training rows of a block, and its other rows if they are kept."""
        column = block.frame.get_column(self._survey.target.name)
        has_target = ~self._survey.source.cells(column).missing.to_numpy()
        draws = self._held_out.draws(block.number, block)[has_target]
        frame, places = typed_rows(self._survey, block)
        is_test = draws < self._test_share
        is_validation = ~is_test & (draws < self._test_share + self._validation_share)
        is_train = ~is_test & ~is_validation
        rows = self._arrays(frame.filter(is_train))
        if not keeps:
            return rows, None
        is_sampled = is_train & (draws > 1 - self._sample_share)
        return rows, OtherRows(
            (frame.filter(is_test), places[is_test]),
            (frame.filter(is_sampled), places[is_sampled]),
            self._arrays(frame.filter(is_validation)),
        )

    def _labeled(self, parts: list[tuple[DataFrame, Places]]) -> LabeledRows:
        import polars as pl

        name = self._survey.target.name
        frame = pl.concat([frame for frame, _ in parts])
        places = np.concatenate([places for _, places in parts])
        return LabeledRows(drop(frame, name), frame.get_column(name), places)

    def _arrays(self, frame: DataFrame) -> tuple[Array, Array]:
        """Return rows as float32 inputs and targets of the networks."""
        name = self._survey.target.name
        if len(frame) == 0:
            width = 1 if self._target.classes is not None else self._target.n_out
            return np.empty((0, self._columns.n_in), np.float32), np.empty((0, width), np.float32)
        x = self._columns.transform(drop(frame, name), "float32")
        return x, self._target.encode(frame.get_column(name)).astype(np.float32)


def _concatenated(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    x, y = zip(*parts, strict=True)
    return np.concatenate(x), np.concatenate(y)
