"""FileModel: a TableModel with notes on its training file and on how to read other files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from handnn import storage
from handnn.files.errors import TableError
from handnn.files.reading.dialect import Dialect
from handnn.tables import CategoryColumn, TableModel, checks
from handnn.tables.steps import Label

if TYPE_CHECKING:
    from handnn.files.learning.trained import TrainingRun

ENTRY = "file"
"""The entry of the architecture in a model file that holds the notes."""

KINDS = ("number", "category")

PlainScores = dict[str, float | None]
"""Scores by name, with None for NaN, as in JSON."""


@dataclass(frozen=True)
class ModelNotes:
    """The contents of a model file besides the model.

    Attributes:
        target: the name of the column that is predicted.
        kind: "number" or "category", the kind of that column.
        decimal, gaps: how the text of the file was read; see `Dialect`.
        story: facts about the training, for display: "handnn" (the version), "file" (its name),
            "place" ("line" or "row"), "bytes" and "sha256" of the file, "rows" ("trained" and
            "held_out"), "split" (which rows are held out), "seed", "decisions", "scores",
            "baselines", "coverage" (of intervals or sets) and "verdict".
        targets: the names of several targets, `target` first; () for a single one.
        units: the units of columns of numbers that have one, such as "%".
    """

    target: str
    kind: str
    decimal: str
    gaps: tuple[str, ...]
    story: Mapping[str, object]
    units: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()

    @property
    def target_names(self) -> tuple[str, ...]:
        """The names of all targets."""
        return self.targets or (self.target,)


class FileModel(TableModel):
    """A `TableModel` trained on a file, with its scores; `handnn.train_file` returns it.

    Attributes:
        notes: the contents of the model file besides the model.
        training: how it was trained, with the rows that were held out; None for a loaded model.

    `save` writes the file that `handnn train` writes, which `TableModel.load` reads, too.

    Examples:
        >>> import os, tempfile
        >>> from importlib.resources import files
        >>> from handnn.files import FileModel
        >>> path = files("handnn") / "data" / "concrete.csv"
        >>> target = "Concrete compressive strength"
        >>> model = handnn.train_file(path, target, epochs=5, networks=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(os.path.join(folder, "concrete.safetensors"))
        ...     loaded = FileModel.load(os.path.join(folder, "concrete.safetensors"))
        >>> loaded.scores == model.scores, loaded.notes.target
        (True, 'Concrete compressive strength')
    """

    def __init__(
        self, model: TableModel, notes: ModelNotes, training: TrainingRun | None = None
    ) -> None:
        super().__init__(model.networks, model.columns, model.target, model.held_out)
        self.notes = notes
        self.training = training

    @property
    def scores(self) -> PlainScores:
        """The scores on the rows that were held out of training, by name.

        "rmse", "mae" and "r2" for a regression; "accuracy", "auc" and "log_loss" for two classes;
        "accuracy", "balanced_accuracy" and "log_loss" for more. A score that is undefined for these
        rows is None. The dict is empty if the file has no scores.
        """
        return _scores(self.notes.story.get("scores"))

    @property
    def baselines(self) -> dict[str, PlainScores]:
        """The scores of the baselines on these rows, by the name of each baseline."""
        entry = self.notes.story.get("baselines")
        entry = entry if isinstance(entry, dict) else {}
        return {str(name): _scores(scores) for name, scores in entry.items()}

    @property
    def verdict(self) -> str:
        """The comparison with the best baseline as a sentence; "" if the file has none."""
        entry = self.notes.story.get("verdict")
        return str(entry.get("text", "")) if isinstance(entry, dict) else ""

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each input column of the model, by its name; see `tables.COLUMN_KINDS`."""
        names = self.columns.feature_names_in
        if names is None:
            raise TableError("the model was trained on columns without names")
        return {name: column.kind for name, column in zip(names, self.columns.columns, strict=True)}

    def labels(self, name: str) -> tuple[Label, ...]:
        """Return the categories of a column."""
        column = self.columns.columns[list(self.kinds).index(name)]
        return tuple(column.labels) if isinstance(column, CategoryColumn) else ()

    def dialect(self, given: Dialect) -> Dialect:
        """Return the dialect of files for this model: that of training, overridden by `given`."""
        decimal = given.decimal if given.decimal != "." else self.notes.decimal
        learned = self.columns.gaps
        gaps = (*self.notes.gaps, *(learned or ()), *given.gaps)
        has_defaults = learned is None and given.default_gaps
        return Dialect(given.delimiter, given.encoding, decimal, gaps, has_defaults)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write model and notes to `path` atomically; see `TableModel.save`."""
        path = storage.as_path(path, "FileModel.save: path")
        arrays, architecture = self.contents("FileModel.save")
        storage.write(path, arrays, {**architecture, ENTRY: asdict(self.notes)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FileModel:
        """Read the model that `save` or `handnn train` wrote to `path`.

        Raises FormatError (a ValueError) when the file is not such a model, OSError when it cannot
        be read.
        """
        if os.path.isdir(path):
            raise TableError(f"{os.fspath(path)} is a folder, not a model")
        return storage.read(path, cls.from_file, "a model of a table", "FileModel.load")

    @classmethod
    def from_file(cls, file: storage.TensorFile) -> FileModel:
        """Return the model in an open file; ValueError when the file does not hold one."""
        architecture = storage.read_description(file, "table")
        model = TableModel(*TableModel.parts_of(file, architecture))
        entry = architecture.get(ENTRY)
        if entry is None:
            raise ValueError("it was not saved by handnn train, and does not name its target")
        return cls(model, _notes(entry))


def _notes(entry: object) -> ModelNotes:
    """Return the notes that a file holds; ValueError when they are not such notes."""
    if isinstance(entry, dict):
        entry = {"units": {}, "targets": [], **entry}  # absent from files of older versions
    checks.keys(entry, set(ModelNotes.__dataclass_fields__), "the entry of handnn train")
    assert isinstance(entry, dict)
    kind = checks.word(entry["kind"], KINDS, "the kind of the target")
    decimal = checks.word(entry["decimal"], (".", ","), "the decimal point")
    gaps, target, story = entry["gaps"], entry["target"], entry["story"]
    if not (isinstance(gaps, list) and all(isinstance(gap, str) for gap in gaps)):
        raise ValueError("its gaps must be strings")
    targets = entry["targets"]
    if not (isinstance(targets, list) and all(isinstance(name, str) for name in targets)):
        raise ValueError("its targets must be names")
    if not (isinstance(target, str) and isinstance(story, dict)):
        raise ValueError("its target must be a name, and its story an object")
    units = entry["units"]
    if not (isinstance(units, dict) and all(isinstance(unit, str) for unit in units.values())):
        raise ValueError("its units must be strings")
    return ModelNotes(target, kind, decimal, tuple(gaps), story, units, tuple(targets))


def _scores(entry: object) -> PlainScores:
    """Return the scores in a story, which may come from a file that someone changed."""
    found: PlainScores = {}
    for name, value in (entry if isinstance(entry, dict) else {}).items():
        if isinstance(value, float | int | None):
            found[str(name)] = None if value is None else float(value)
    return found
