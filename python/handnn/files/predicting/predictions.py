"""Predict and evaluate a file block by block, so that it may be larger than memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handnn.files.errors import TableError
from handnn.files.model import FileModel
from handnn.files.reading.block import Block
from handnn.files.reading.cells import frame_of, is_readable
from handnn.files.reading.columns import check_column, check_same_columns
from handnn.files.reading.csv_checks import counted
from handnn.files.reading.source import Source
from handnn.files.reading.values import label_counts, typed
from handnn.files.report.block_scores import BlockScores
from handnn.files.report.coverage import Coverage, CoverageCount
from handnn.files.report.row_losses import has_several
from handnn.files.report.table_scores import Scores
from handnn.tables.cells import label_codes, look_up
from handnn.tables.objective import POISSON
from handnn.tables.steps import Label

if TYPE_CHECKING:
    from polars import DataFrame, DataType, Series

MAX_UNSEEN_LABELS = 1_000
"""The largest number of unseen labels of a column that are counted."""


class ModelInput:
    """The rows of a file as the input columns of a model.

    Raises TableError when a column is missing; see also `blocks`.
    """

    def __init__(self, source: Source, model: FileModel) -> None:
        self.source = source
        self.kinds = model.kinds
        self._units = model.notes.units
        self._labels = {
            name: {*label_codes(model.labels(name))}
            for name, kind in self.kinds.items()
            if kind == "category"
        }
        self._unseen: dict[str, Counter[str]] = {name: Counter() for name in self._labels}
        self._differences = check_same_columns(source, self.kinds, model.notes.target_names)

    @property
    def notes(self) -> list[str]:
        """Notes on harmless differences from the training file, found in the blocks so far."""
        found = list(self._differences)
        for name, labels in self._unseen.items():
            if labels:
                (label, _), *_ = labels.most_common(1)
                n_rows = counted(sum(labels.values()), "row")
                found.append(
                    f"column {name!r} has categories that training did not have in {n_rows}, such "
                    f"as {label!r:.40}"
                )
        return found

    def blocks(self, *more: str, keeps: bool = False) -> Iterator[tuple[DataFrame, Block]]:
        """Yield the columns of the model, typed, with the block that they come from.

        more: the names of other columns to keep in the blocks; keeps: whether to keep all of them.
        Raises TableError for text in a column of numbers or dates, and for a file without rows.
        """
        names = None if keeps else list(dict.fromkeys([*self.kinds, *more]))
        n_rows = 0
        for block in self.source.blocks(names=names):
            self._check_readable(block.frame)
            frame = typed(block, self.kinds, self.source, self._units)
            if self._labels:
                columns = {column.name: column for column in frame.get_columns()}
                for name, labels in self._labels.items():
                    columns[name] = self._categories(columns[name], labels)
                frame = frame_of(columns)
            n_rows += len(block.places)
            yield frame, block
        self.source.check_unchanged()
        if n_rows == 0:
            raise TableError(f"{self.source.path} has a header but no rows")

    def _check_readable(self, frame: DataFrame) -> None:
        """Raise TableError for an input column of an unsupported type."""
        types = dict(zip(frame.columns, frame.dtypes, strict=True))
        unreadable = {dtype for dtype in set(types.values()) if not is_readable(dtype)}
        for name in self.kinds if unreadable else ():
            if types[name] in unreadable:
                raise unreadable_column(self.source, name, types[name])

    def kept(self, block: Block, frame: DataFrame, *, numeric: bool) -> DataFrame:
        """Return the columns of a block unchanged.

        numeric: whether to convert the model's columns of numbers, also in a text file.
        """
        columns = {column.name: column for column in block.frame.get_columns()}
        if numeric and not self.source.is_typed:
            numbers = {column.name: column for column in frame.get_columns()}
            for name, kind in self.kinds.items():
                if kind == "number":
                    columns[name] = numbers[name]
        return frame_of(columns)

    def _categories(self, column: Series, labels: set[str]) -> Series:
        """Return the strings of categories, null for gaps, and count those absent from training.

        Labels of training take precedence over gap words.
        """
        name = column.name
        texts = self.source.cells(column).cells.texts_with(labels)
        kept = self._unseen[name]
        for label, count in label_counts(texts).items():
            if label not in labels:
                is_kept = label in kept or len(kept) < MAX_UNSEEN_LABELS
                kept[str(label) if is_kept else "others"] += count
        return texts


def unreadable_column(source: Source, name: str, dtype: DataType) -> TableError:
    """Return the error for a column of an unsupported type, such as lists or durations."""
    return TableError(f"{source.path}: column {name!r} has the type {dtype!s:.60}")


def predictions(
    model: FileModel, frame: DataFrame, *, probabilities: bool, interval: float | None = None
) -> DataFrame:
    """Return a column "prediction", and for probabilities a column "p(label)" for each class.

    Several targets have the columns "prediction of NAME" and "p(NAME)" each. interval: a
    coverage, for which there are columns "low" and "high" of a regression, or "set", a list of
    classes. Raises ValueError for a model that has no intervals.
    """
    import polars as pl

    found = _predictions(model, frame, probabilities)
    if interval is None:
        return found
    return found.with_columns(pl.Series(name, v) for name, v in _ends(model, frame, interval))


def _ends(
    model: FileModel, frame: DataFrame, coverage: float
) -> Iterator[tuple[str, NDArray[np.float64] | list[list[Label]]]]:
    """Yield the columns of intervals or sets, by name."""
    if model.target.task != "regression":
        classes = np.asarray(model.target.classes)
        sets = model.predict_set(frame, coverage)
        yield "set", [classes[inside].tolist() for inside in sets]
        return
    ends = model.predict_interval(frame, coverage)
    if not has_several(model.target):
        yield from (("low", ends[:, 0]), ("high", ends[:, 1]))
        return
    for place, name in enumerate(model.notes.target_names):
        yield f"low of {name}", ends[:, place, 0]
        yield f"high of {name}", ends[:, place, 1]


def _predictions(model: FileModel, frame: DataFrame, probabilities: bool) -> DataFrame:
    """Return the predictions, and the probabilities of classes if they are asked for."""
    import polars as pl

    if has_several(model.target):
        return pl.DataFrame(_of_several(model, frame, probabilities))
    if model.target.task == "regression":
        return pl.DataFrame({"prediction": model.predict(frame)})
    p = model.predict_proba(frame)
    columns: dict[str, NDArray[np.generic]] = {"prediction": model.target.choose(p)}
    if probabilities and model.target.classes is not None:
        for place, label in enumerate(model.target.classes.tolist()):
            columns[f"p({label})"] = p[:, place]
    return pl.DataFrame(columns)


def _of_several(
    model: FileModel, frame: DataFrame, probabilities: bool
) -> dict[str, NDArray[np.generic]]:
    """Return the predictions of several targets, and the probabilities of yes, by column."""
    names = model.notes.target_names
    if model.target.task == "regression":
        answers = model.predict(frame)
        return {f"prediction of {name}": answers[:, k] for k, name in enumerate(names)}
    p = model.predict_proba(frame)
    chosen = model.target.choose(p)
    found: dict[str, NDArray[np.generic]]
    found = {f"prediction of {name}": chosen[:, k] for k, name in enumerate(names)}
    if probabilities:
        found |= {f"p({name})": p[:, k] for k, name in enumerate(names)}
    return found


def beside(kept: DataFrame, found: DataFrame) -> DataFrame:
    """Return columns followed by predictions, which are renamed if their names are taken.

    "prediction" becomes "prediction_2", or the next number that is free.
    """
    columns = {column.name: column for column in kept.get_columns()}
    for column in found.get_columns():
        name, number = column.name, 1
        while name in columns:
            number += 1
            name = f"{column.name}_{number}"
        columns[name] = column
    return frame_of(columns)


def evaluate_file(model: FileModel, rows: ModelInput) -> tuple[Scores, int, list[Coverage]]:
    """Return the scores of a model on a file that has the target, and the number of its rows.

    The last result is what the model's intervals or sets cover.

    Raises TableError when the file or a row does not have the target, or a row has a class that
    training did not have.
    """
    names = model.notes.target_names
    for name in names:
        check_column(name, rows.source, "to compare predictions with")
    readers = [TargetReader(model, rows.source, name) for name in names]
    scores, coverage = BlockScores(model.target, names), CoverageCount(model)
    for frame, block in rows.blocks(*names):
        for name in names:
            dtype = block.frame.get_column(name).dtype
            if not is_readable(dtype):
                raise unreadable_column(rows.source, name, dtype)
        columns = [reader.read(block) for reader in readers]
        measured = np.stack(columns, axis=1) if has_several(model.target) else columns[0]
        is_regression = model.target.task == "regression"
        answers = model.predict(frame) if is_regression else model.predict_proba(frame)
        scores.add(measured, answers)
        coverage.add(frame, measured, answers.astype(np.float64))
    return scores.scores(), scores.n_rows, coverage.result()


class TargetReader:
    """Reads a target of a file, encoded as in training."""

    def __init__(self, model: FileModel, source: Source, name: str) -> None:
        self._name, self._source = name, source
        self._is_yes_or_no = model.target.task == "multilabel"
        self._is_count = model.target.objective == POISSON
        self._units = model.notes.units
        classes = model.target.classes
        self._codes = None if classes is None else label_codes(classes.tolist())

    def read(self, block: Block) -> NDArray[np.float64]:
        """Return the values of a block, or the indices of its classes; TableError for others."""
        column = block.frame.get_column(self._name)
        cells = self._source.cells(column)
        if self._codes is None:
            self._check_complete(cells.missing, block)
            found = typed(block, {self._name: "number"}, self._source, self._units)
            values = found.to_series().to_numpy()
            if self._is_yes_or_no:
                self._check(np.isin(values, (0, 1)), "is neither 0 nor 1", block)
            if self._is_count:
                self._check(values >= 0, "is below 0, and the model predicts rates", block)
            return values
        texts = cells.cells.texts_with({*self._codes})
        self._check_complete(texts.is_null(), block)
        indices = look_up(texts.to_list(), self._codes, -1)
        if -1 in indices:
            row = int((indices == -1).argmax())
            raise TableError(
                f"{self._where(block, row)}: {column[row]!r:.60} is not a class of the target "
                f"{self._name!r} in training"
            )
        return indices.astype(np.float64)

    def _check(self, is_right: NDArray[np.bool_], what: str, block: Block) -> None:
        if not is_right.all():
            row = int((~is_right).argmax())
            cell = block.frame.get_column(self._name)[row]
            raise TableError(f"{self._where(block, row)}: the target {cell!r:.60} {what}")

    def _check_complete(self, missing: Series, block: Block) -> None:
        if missing.any():
            where = self._where(block, int(missing.arg_true()[0]))
            raise TableError(f"{where}: the target {self._name!r} has no value")

    def _where(self, block: Block, row: int) -> str:
        return f"{self._source.path}, {self._source.place} {int(block.places[row]):,}"
