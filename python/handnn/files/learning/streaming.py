"""Training on a file that is larger than memory: it is read once for each epoch, and never kept.

The first pass counts what the columns hold (`facts`). From that come means, deviations and
categories, of all rows but those held out, and medians and quantiles, of a sample of them. Each
further pass is an epoch: rows go into a buffer, the networks train on it in a random order, and the
next rows replace them. So a row only ever changes places with those of its buffer: a file that is
sorted by the target should be shuffled first. No network stops early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.files.learning.facts import Learnt
from handnn.files.learning.hold_out import HeldOut
from handnn.files.learning.in_memory import FEWEST_ROWS, new_network, new_optimizer
from handnn.files.learning.result import Split, Trained
from handnn.files.learning.settings import Say, Settings
from handnn.files.learning.survey import Plan
from handnn.files.reading.csv_file import Block
from handnn.files.reading.memory import give_back
from handnn.files.reading.text import TableError
from handnn.files.reading.values import BOOLS, typed
from handnn.losses.loss import as_column
from handnn.progress import progress_bar
from handnn.tables import CategoryColumn, Columns, NumberColumn, TableModel, Target
from handnn.tables import recipe as recipes
from handnn.tables.number import normal_levels
from handnn.tables.recipe import ColumnScale
from handnn.training.history import Epoch, History
from handnn.training.trainer import Trainer

if TYPE_CHECKING:
    from polars import DataFrame

BUFFER = 2**18
"""Rows that are shuffled among each other."""

BATCH_SIZE = 512
ROWS_SEEN = 10_000_000
"""How many rows all epochs together have, about, when nobody chooses their number."""

MOST_VALIDATION, MOST_SAMPLE = 20_000, 20_000
"""Rows that are kept, beside those that score the model: to watch it, and for the baselines."""


def train_stream(
    planned: Plan, settings: Settings, *, progress: bool = False, say: Say = lambda words: None
) -> Trained:
    """Train on the file of a plan; TableError when it has too few rows."""
    start = perf_counter()
    fact = planned.target
    n_rows = fact.n_values
    if n_rows < FEWEST_ROWS:
        raise TableError(f"there are only {n_rows} rows to learn from; {FEWEST_ROWS} is the least")
    columns, target = columns_of(planned), target_of(planned, settings)
    stream = Stream(planned, settings, columns, target, n_rows + fact.n_gaps)
    rng = np.random.default_rng(settings.seed)
    recipe = recipes.recipe(n_rows)
    usual_size = BATCH_SIZE if n_rows > BUFFER else recipe.batch_size
    batch_size = settings.batch_size or usual_size
    usual = max(1, min(recipe.epochs, ROWS_SEEN // n_rows))
    epochs = settings.epochs or usual
    steps = epochs * (n_rows // batch_size + n_rows // BUFFER + 1)
    trainers = []
    for _ in range(settings.networks or 1):
        network = new_network(columns, target, settings.hidden, n_rows, rng, "float32")
        optimizer = new_optimizer(steps, settings)
        trainers.append(Trainer(network, target.loss(), optimizer, rng=rng))
    histories = [History() for _ in trainers]
    with progress_bar(shows=progress, total=epochs * n_rows, unit="row", scales=True) as bar:
        for number in range(epochs):
            began = perf_counter()
            totals, count = np.zeros(len(trainers)), 0
            for x, y in stream.buffers(keeps=number == 0):
                for place, trainer in enumerate(trainers):
                    done = trainer.fit(x, y, epochs=1, batch_size=batch_size)
                    totals[place] += done.train_loss[0] * len(x)
                count += len(x)
                if bar is not None:
                    bar.update(len(x))
            seconds = (perf_counter() - began) / len(trainers)
            for history, trainer, total in zip(histories, trainers, totals, strict=True):
                loss = stream.validation_loss(trainer)
                history.extend([Epoch(float(total / count), loss, seconds)])
            if (number + 1) % max(1, epochs // 10) == 0:
                say(f"epoch {number + 1} of {epochs}: {histories[0]}")
    model = TableModel([trainer.network for trainer in trainers], columns, target)
    n_train = count
    return Trained(model, histories, n_train, stream.split(), perf_counter() - start)


class Stream:
    """The rows of a file in buffers, less those that are kept to score and to watch."""

    def __init__(
        self, planned: Plan, settings: Settings, columns: Columns, target: Target, n_rows: int
    ) -> None:
        self.planned, self.settings = planned, settings
        self.columns, self.target = columns, target
        self._held_out = HeldOut(settings.target, settings.share, settings.seed)
        self._test_share = self._held_out.share_of(n_rows)
        self._validation_share = min(0.1, MOST_VALIDATION / n_rows)
        self._sample_share = min(1.0, MOST_SAMPLE / n_rows)
        self._kinds = {**planned.kinds, settings.target: planned.target_kind}
        self._test: list[tuple[DataFrame, NDArray[np.int64]]] = []
        self._sample: list[DataFrame] = []
        self._validation: list[tuple[Array, Array]] = []

    def buffers(self, keeps: bool) -> Iterator[tuple[Array, Array]]:
        """Yield x and y of the training rows; `keeps`: those of the others, which are kept, too."""
        parts: list[tuple[Array, Array]] = []
        size = 0
        for number, block in enumerate(self.planned.source.blocks()):
            frame, there = self._typed(block)
            places, drawn = block.places[there], self._held_out.drawn(number, block)[there]
            is_test = drawn < self._test_share
            is_validation = ~is_test & (drawn < self._test_share + self._validation_share)
            is_train = ~is_test & ~is_validation
            if keeps:
                self._test.append((frame.filter(is_test), places[is_test]))
                self._validation.append(self._arrays(frame.filter(is_validation)))
                is_sampled = is_train & (drawn > 1 - self._sample_share)
                self._sample.append(frame.filter(is_sampled))
            parts.append(self._arrays(frame.filter(is_train)))
            size += len(parts[-1][0])
            if size >= BUFFER:
                yield _joined(parts)
                parts, size = [], 0
                give_back()
        if size:
            yield _joined(parts)

    def validation_loss(self, trainer: Trainer) -> float | None:
        """Return the loss on the rows that are kept for that."""
        x, y = _joined(self._validation)
        if len(x) == 0:
            return None
        pre = trainer.network.predict(x)
        return float(trainer.loss.forward(pre, as_column(y.astype(pre.dtype), pre)))

    def split(self) -> Split:
        """Return the rows that score the model, and a sample of those it was trained on."""
        import polars as pl

        name = self.settings.target
        test = pl.concat([frame for frame, _ in self._test])
        places = np.concatenate([places for _, places in self._test])
        sample = pl.concat(self._sample)
        if len(test) == 0 or len(sample) == 0:
            raise TableError("no rows are left to score the model; --hold-out takes more of them")
        return Split(sample.drop(name), sample[name], test.drop(name), test[name], places)

    def _typed(self, block: Block) -> tuple[DataFrame, NDArray[np.bool_]]:
        """Return the rows that have a target, and which ones of the block they are."""
        import polars as pl

        name = self.settings.target
        frame = typed(block, self._kinds, self.planned.source)
        if self._kinds[name] == "number" and self.planned.target.is_whole:
            frame = frame.with_columns(pl.col(name).cast(pl.Int64))
        there = frame[name].is_not_null()
        return frame.filter(there), there.to_numpy()

    def _arrays(self, frame: DataFrame) -> tuple[Array, Array]:
        name = self.settings.target
        if len(frame) == 0:
            width = 1 if self.target.classes is not None else self.target.n_out
            return np.empty((0, self.columns.n_in), np.float32), np.empty((0, width), np.float32)
        x = self.columns.transform(frame.drop(name), "float32")
        return x, self.target.encode(frame[name]).astype(np.float32)


def _joined(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    x, y = zip(*parts, strict=True)
    return np.concatenate(x), np.concatenate(y)


def columns_of(planned: Plan) -> Columns:
    """Return what was learnt of the columns while they were counted."""
    path, scale = planned.source.path, recipes.scale(len(planned.kinds))
    columns: list[NumberColumn | CategoryColumn] = []
    for name, kind in planned.kinds.items():
        learnt = planned.facts[name].learnt
        labels = labels_of(learnt.labels)
        if not (learnt.n_numbers if kind == "number" else labels):
            raise TableError(
                f"{path}: column {name!r} has no value in the rows that are not held out; "
                f"--ignore {name} leaves it out"
            )
        if kind == "number":
            columns.append(number_column(learnt, scale))
        else:
            counts = tuple(labels[label] for label in sorted(labels))
            columns.append(CategoryColumn(tuple(sorted(labels)), counts, learnt.n_gaps > 0))
    return Columns(columns, planned.kinds)


def labels_of(counted: Mapping[str, int]) -> dict[str, int]:
    """Return the categories of a column as `typed` writes them, and how often each is there."""
    found: dict[str, int] = {}
    for label, count in counted.items():
        label = BOOLS.get(label, label)
        found[label] = found.get(label, 0) + count
    return found


def number_column(learnt: Learnt, scale: ColumnScale) -> NumberColumn:
    """Return what `NumberColumn.learn` would, quantiles and what follows of a sample.

    Mean and deviation are those after the gaps have been filled with the median.
    """
    median = filled = float(np.median(learnt.sample))
    there, mean, square = learnt.n_numbers, learnt.mean, learnt.square
    knots, levels = normal_levels(learnt.sample) if scale == "quantile" else ((), ())
    if knots:
        values = np.interp(learnt.sample, knots, levels)
        filled = float(np.interp(median, knots, levels))
        mean, square = float(values.mean()), float(values.var()) * there
    count = there + learnt.n_gaps
    whole = (there * mean + learnt.n_gaps * filled) / count
    square += there * (mean - whole) ** 2 + learnt.n_gaps * (filled - whole) ** 2
    deviation = float(np.sqrt(square / count)) or 1.0
    return NumberColumn(median, whole, deviation, learnt.n_gaps > 0, False, knots, levels)


def target_of(planned: Plan, settings: Settings) -> Target:
    """Return what was learnt of the target while it was counted."""
    fact, task = planned.target, settings.task
    if planned.target_kind == "category":
        return Target.learn(np.array([*labels_of(fact.labels)] * 2, object), task)
    is_of_classes = task in ("binary", "multiclass")
    if task == "auto" and fact.is_whole and fact.is_counted:
        values = np.array([int(label) for label in fact.labels] * 2)
        found = Target.learn(values, "auto") if len(fact.labels) * 2 <= fact.n_values else None
        if found is not None and found.task != "regression":
            return found
    if is_of_classes:
        if not fact.is_counted:
            raise TableError(f"the target {fact.name!r} has too many numbers to be classes")
        kind: Any = int if fact.is_whole else float
        return Target.learn(np.array([kind(label) for label in fact.labels]), task)
    if not fact.learnt.n_numbers:
        raise TableError(f"the target {fact.name!r} has no value in the rows that are not held out")
    column = number_column(fact.learnt, True)
    return Target("regression", mean=[column.mean], scale=[column.scale])
