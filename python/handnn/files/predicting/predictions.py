"""Predicting: a model on a file, block by block, so that it may be larger than memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from handnn.files.model import Notes, kinds_of, labels_of
from handnn.files.reading.csv_file import Block
from handnn.files.reading.dialect import is_number
from handnn.files.reading.source import Source, check_column, check_same_columns
from handnn.files.reading.text import TableError
from handnn.files.reading.values import typed
from handnn.files.report.block_scores import Running
from handnn.files.report.table_scores import Scores
from handnn.tables import TableModel

if TYPE_CHECKING:
    from polars import DataFrame


class Table:
    """The rows of a file as a model takes them.

    notes: what is odd about the file, but does no harm; complete when all blocks have been read.
    Raises TableError when a column is missing, or holds what training had not there: see `blocks`.
    """

    def __init__(self, source: Source, model: TableModel, notes: Notes) -> None:
        self.source = source
        self.kinds = kinds_of(model)
        self._labels = {
            name: {*map(str, labels_of(model, name))}
            for name, kind in self.kinds.items()
            if kind == "category"
        }
        self._unseen: dict[str, Counter[str]] = {name: Counter() for name in self._labels}
        self._differences = check_same_columns(source, self.kinds, [notes.target])

    @property
    def numbers(self) -> list[str]:
        """The names of the columns of numbers."""
        return [name for name, kind in self.kinds.items() if kind == "number"]

    @property
    def notes(self) -> list[str]:
        """What has been found so far, in words."""
        found = list(self._differences)
        for name, labels in self._unseen.items():
            if labels:
                (label, _), *_ = labels.most_common(1)
                count = sum(labels.values())
                rows = "1 row" if count == 1 else f"{count:,} rows"
                found.append(f"column {name!r} has in {rows} what training had not: {label!r:.40}")
        return found

    def blocks(self, *more: tuple[str, str]) -> Iterator[tuple[DataFrame, Block]]:
        """Yield the columns of the model, typed, with the block they are of.

        more: further columns to type, with their kinds. Raises TableError for text in a column of
        numbers, and for numbers alone where training had text.
        """
        n_rows = 0
        for block in self.source.blocks():
            frame = typed(block, {**self.kinds, **dict(more)}, self.source)
            for name, labels in self._labels.items():
                self._check(frame, name, labels)
            n_rows += len(block.places)
            yield frame, block
        if n_rows == 0:
            raise TableError(f"{self.source.path} has a header, but no rows")

    def _check(self, frame: DataFrame, name: str, labels: set[str]) -> None:
        """Note the labels that training had not; refuse numbers in the place of text."""
        counts = frame[name].drop_nulls().value_counts()
        found = dict(zip(*(column.to_list() for column in counts), strict=True))
        unseen = {label: count for label, count in found.items() if label not in labels}
        is_other = unseen and len(unseen) == len(found) and all(map(is_number, unseen))
        if is_other and not any(map(is_number, labels)):
            raise TableError(
                f"{self.source.path}: column {name!r} holds numbers, such as "
                f"{min(unseen)!r:.40}, but in training it held text, such as {min(labels)!r:.40}"
            )
        kept = self._unseen[name]
        for label, count in unseen.items():
            kept[label if label in kept or len(kept) < 1_000 else "others"] += count


def predictions(model: TableModel, frame: DataFrame, *, probabilities: bool) -> DataFrame:
    """Return the predictions for rows: one column, and one more for each class if asked for."""
    import polars as pl

    if model.target.task == "regression":
        return pl.DataFrame({"prediction": model.predict(frame)})
    p = model.predict_proba(frame)
    columns: dict[str, NDArray[Any]] = {"prediction": model.target.choose(p)}
    if probabilities and model.target.classes is not None:
        for place, label in enumerate(model.target.classes.tolist()):
            columns[f"p({label})"] = p[:, place]
    return pl.DataFrame(columns)


def evaluate(model: TableModel, notes: Notes, table: Table) -> tuple[Scores, int]:
    """Return the scores of a model on a file that has the target, and the number of rows.

    Raises TableError when the target is missing, in the file or in a row, or is of another kind.
    """
    name, target = notes.target, model.target
    check_column(name, table.source, "the target of the model")
    running = Running(target)
    known = None if target.classes is None else list(map(str, target.classes.tolist()))
    kind = "number" if known is None else "category"
    for frame, block in table.blocks((name, kind)):
        y = frame[name]
        if y.null_count():
            place = int(block.places[int(y.is_null().arg_true()[0])])
            raise TableError(
                f"{table.source.path}, {table.source.place} {place:,}: the target {name!r} has no "
                "value"
            )
        if known is None:
            measured = y.to_numpy().astype(np.float64)
        else:
            places = {label: place for place, label in enumerate(known)}
            found = [places.get(label, -1) for label in map(_label(target), y.to_list())]
            if -1 in found:
                row = found.index(-1)
                raise TableError(
                    f"{table.source.path}, {table.source.place} {int(block.places[row]):,}: "
                    f"{y[row]!r:.60} is no class of the target {name!r} that training had"
                )
            measured = np.array(found, np.float64)
        x = frame.drop(name)
        running.add(measured, model.predict(x) if known is None else model.predict_proba(x))
    return running.scores(), running.count


def _label(target: Any) -> Any:
    """Return how a label in a file reads as one of the classes: 1 and 1.0 are one number."""
    if target.classes.dtype.kind not in "if":
        return str
    convert = int if target.classes.dtype.kind == "i" else float

    def read(text: str) -> str:
        try:
            value = float(text)
            return str(convert(value)) if convert(value) == value else text
        except (ValueError, OverflowError):
            return text

    return read
