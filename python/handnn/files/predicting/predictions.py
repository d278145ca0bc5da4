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
from handnn.files.reading.columns import check_column, check_same_columns
from handnn.files.reading.csv_checks import counted
from handnn.files.reading.dialect import is_number
from handnn.files.reading.source import Source
from handnn.files.reading.values import label_counts, typed
from handnn.files.report.block_scores import BlockScores
from handnn.files.report.table_scores import Scores

if TYPE_CHECKING:
    from polars import DataFrame, Series

MAX_UNSEEN_LABELS = 1_000
"""The largest number of unseen labels of a column that are counted."""


class ModelInput:
    """The rows of a file as the input columns of a model.

    Raises TableError when a column is missing; see also `blocks`.
    """

    def __init__(self, source: Source, model: FileModel) -> None:
        self.source = source
        self.kinds = model.kinds
        self._labels = {
            name: {*map(str, model.labels(name))}
            for name, kind in self.kinds.items()
            if kind == "category"
        }
        self._unseen: dict[str, Counter[str]] = {name: Counter() for name in self._labels}
        self._differences = check_same_columns(source, self.kinds, model.notes.target)

    @property
    def numbers(self) -> list[str]:
        """The names of the columns of numbers."""
        return [name for name, kind in self.kinds.items() if kind == "number"]

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

    def blocks(self, *more: tuple[str, str]) -> Iterator[tuple[DataFrame, Block]]:
        """Yield the columns of the model, typed, with the block that they come from.

        more: names and kinds of further columns to yield. Raises TableError for text in a column of
        numbers, for numbers alone where training had text, and when there are no rows.
        """
        n_rows = 0
        for block in self.source.blocks():
            frame = typed(block, {**self.kinds, **dict(more)}, self.source)
            for name, labels in self._labels.items():
                self._check_labels(frame, name, labels)
            n_rows += len(block.places)
            yield frame, block
        if n_rows == 0:
            raise TableError(f"{self.source.path} has a header but no rows")

    def _check_labels(self, frame: DataFrame, name: str, labels: set[str]) -> None:
        """Count the labels absent from training; raise TableError for numbers in place of text."""
        found = label_counts(frame[name])
        unseen = {label: count for label, count in found.items() if label not in labels}
        has_only_numbers = unseen and len(unseen) == len(found) and all(map(is_number, unseen))
        if has_only_numbers and not any(map(is_number, labels)):
            raise TableError(
                f"{self.source.path}: column {name!r} holds numbers, such as "
                f"{min(unseen)!r:.40}, but in training it held text, such as {min(labels)!r:.40}"
            )
        kept = self._unseen[name]
        for label, count in unseen.items():
            is_kept = label in kept or len(kept) < MAX_UNSEEN_LABELS
            kept[label if is_kept else "others"] += count


def predictions(model: FileModel, frame: DataFrame, *, probabilities: bool) -> DataFrame:
    """Return a column "prediction", and for probabilities a column "p(label)" for each class."""
    import polars as pl

    if model.target.task == "regression":
        return pl.DataFrame({"prediction": model.predict(frame)})
    p = model.predict_proba(frame)
    columns: dict[str, NDArray[np.generic]] = {"prediction": model.target.choose(p)}
    if probabilities and model.target.classes is not None:
        for place, label in enumerate(model.target.classes.tolist()):
            columns[f"p({label})"] = p[:, place]
    return pl.DataFrame(columns)


def evaluate_file(model: FileModel, rows: ModelInput) -> tuple[Scores, int]:
    """Return the scores of a model on a file that has the target, and the number of its rows.

    Raises TableError when the file or a row does not have the target, or a row has a class that
    training did not have.
    """
    name = model.notes.target
    check_column(name, rows.source, "to compare predictions with")
    reader = TargetReader(model, rows.source)
    scores = BlockScores(model.target)
    for frame, block in rows.blocks((name, reader.kind)):
        measured = reader.read(frame[name], block)
        x = frame.drop(name)
        scores.add(measured, model.predict(x) if reader.is_number else model.predict_proba(x))
    return scores.scores(), scores.n_rows


class TargetReader:
    """Reads the target of a file, encoded as in training."""

    def __init__(self, model: FileModel, source: Source) -> None:
        self._name, self._source = model.notes.target, source
        classes = model.target.classes
        self.is_number = classes is None
        self.kind = "number" if classes is None else "category"
        self._dtype_kind = "U" if classes is None else classes.dtype.kind
        labels = [] if classes is None else map(str, classes.tolist())
        self._indices = {label: index for index, label in enumerate(labels)}

    def read(self, y: Series, block: Block) -> NDArray[np.float64]:
        """Return the values of a block, or the indices of its classes; TableError for others."""
        if y.null_count():
            where = self._where(block, int(y.is_null().arg_true()[0]))
            raise TableError(f"{where}: the target {self._name!r} has no value")
        if self.is_number:
            return y.to_numpy().astype(np.float64)
        found = [self._indices.get(self._spelled(label), -1) for label in y.to_list()]
        if -1 in found:
            row = found.index(-1)
            raise TableError(
                f"{self._where(block, row)}: training did not have the class {y[row]!r:.60} of the "
                f"target {self._name!r}"
            )
        return np.array(found, np.float64)

    def _where(self, block: Block, row: int) -> str:
        return f"{self._source.path}, {self._source.place} {int(block.places[row]):,}"

    def _spelled(self, text: str) -> str:
        """Return a label in the spelling of the classes: 1 and 1.0 are the same number."""
        if self._dtype_kind not in "if":
            return text
        try:
            value = float(text)
            number = int(value) if self._dtype_kind == "i" else value
        except (ValueError, OverflowError):
            return text
        return str(number) if number == value else text
