"""Rows to train on: computed, from the package, or from a file.

The scripts that the laboratory writes call `load_rows`, `read_rows` or `array_rows`; the same
arguments give the same bits.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn.arrays import Array
from handnn.datasets import load_concrete
from handnn.files.learning.settings import TrainingSettings
from handnn.files.learning.split import split_rows
from handnn.files.learning.survey import survey, take_rows
from handnn.files.model import FileModel
from handnn.files.reading.columns import check_same_columns
from handnn.files.reading.dialect import Dialect
from handnn.files.reading.excel_file import unpacked_size
from handnn.files.reading.source import Source, open_table
from handnn.losses import KernelLoss
from handnn.play.toy_rows import THRESHOLDS, TOY_SETS
from handnn.tables import Columns, Target
from handnn.tables.table_reader import TableLike
from handnn.tables.target_values import TargetLike

if TYPE_CHECKING:
    from polars import Series

__all__ = ["Rows", "array_rows", "load_rows", "read_rows"]

Indices: TypeAlias = NDArray[np.int64]

MAX_INPUTS = 256
"""The largest number of input columns."""

MAX_COLUMNS = 4 * MAX_INPUTS
"""The largest number of columns of a file; some may be left out."""

MAX_CLASSES = 20
"""The largest number of classes."""

MAX_ROWS = 100_000
"""The largest number of rows of a file."""

STRING_BYTES = 16
"""The bytes of a string in polars besides its characters."""

MAX_MIB = 256
"""The largest size of all cells of a file, and of an Excel file's parts, once unpacked."""

NOTEBOOK = "notebook"
"""The name of the data passed to `handnn.play`."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Training rows and held-out rows, encoded for a network, in float32.

    x, held_x: (N, I); y, held_y: as `Target.encode` returns them. columns is None for computed
    sets, which need no scaling. input_names: the name of each column of x.

    Examples:
        >>> from handnn.play.rows import load_rows
        >>> rows = load_rows("two moons", noise=0.1, held_out=0.2)
        >>> rows.task, rows.x.shape, rows.held_y.shape
        ('binary', (400, 2), (100, 1))
    """

    x: Array
    y: Array
    held_x: Array
    held_y: Array
    target: Target
    columns: Columns | None
    input_names: tuple[str, ...]
    target_name: str
    note: str = ""
    is_scaled: bool = True
    """Whether computed rows lie within about -1 to 1."""
    codes: Mapping[int, int] = field(default_factory=dict)
    """The columns of x that hold codes for an Embedding, each with their number."""
    is_built_in: bool = False
    """Whether the page translates the names of the columns."""

    @property
    def task(self) -> str:
        """The task: "regression", "binary" or "multiclass"."""
        return self.target.task

    @property
    def has_counts(self) -> bool:
        """Whether the targets are counts: integers that are not negative."""
        return self.task == "regression" and bool(np.all((self.y >= 0) & (self.y % 1 == 0)))

    @property
    def classes(self) -> list[str]:
        """The labels of the classes; [] for a regression."""
        return [] if self.target.classes is None else [str(c) for c in self.target.classes.tolist()]


def digits_are_installed() -> bool:
    """Return whether scikit-learn, which contains the digits, is installed."""
    return importlib.util.find_spec("sklearn") is not None


def data_names() -> list[str]:
    """Return the names that `load_rows` accepts on this machine."""
    return [*TOY_SETS, "concrete", *(["digits"] if digits_are_installed() else [])]


def load_rows(name: str, *, noise: float = 0.0, held_out: float = 0.3, seed: int = 0) -> Rows:
    """Return the rows of a set by its name, the same bits for the same arguments.

    noise: for computed sets, 0 to 0.5. held_out: the share of the rows to hold out. seed: of the
    points and the held-out rows.

    Raises:
        ValueError: If the name is unknown.
        ImportError: For the digits without scikit-learn.

    Examples:
        >>> from handnn.play.rows import load_rows
        >>> load_rows("concrete").x.shape
        (721, 8)
    """
    found = _set(name, noise, held_out, np.random.default_rng(seed))
    return replace(found, is_built_in=True)


def _set(name: str, noise: float, held_out: float, rng: np.random.Generator) -> Rows:
    if name in TOY_SETS:
        points = TOY_SETS[name](noise, rng)
        x = points.x.astype(np.float32)
        n_held = round(held_out * len(x))
        if name in ("sine", "counts"):
            target = Target("regression", mean=[0.0], scale=[1.0])
        else:
            target = Target("binary", classes=np.array([0, 1]))
        y = points.y.astype(np.float32)[:, None]
        codes = {0: len(THRESHOLDS)} if name == "categories" else {}
        names = ("category", "x") if codes else ("x₁", "x₂")[: x.shape[1]]
        return Rows(
            x[n_held:], y[n_held:], x[:n_held], y[:n_held], target, None, names, "y", codes=codes
        )  # fmt: skip
    if name == "concrete":
        data = load_concrete()
        table = dict(zip(data.feature_names, data.x.T, strict=True))
        return _from_columns(table, data.y, data.target_name, _split(len(data.y), held_out, rng))
    if name == "digits":
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        pixels = {f"pixel {i // 8}, {i % 8}": images[:, i] for i in range(images.shape[1])}
        return _from_columns(pixels, labels, "digit", _split(len(labels), held_out, rng))
    raise ValueError(f"load_rows: name must be one of {', '.join(data_names())}, but is {name!r}")


def read_rows(
    path: str | os.PathLike[str],
    target: str,
    *,
    held_out: float = 0.3,
    seed: int = 0,
    model: FileModel | None = None,
) -> Rows:
    """Return the rows of a CSV or Parquet file, read as by `handnn.train_file`.

    model: encodes the rows with its columns and its target, instead of those learned from the file.

    Raises TableError (a ValueError) when the file cannot be learned from, OSError when it cannot be
    read, ImportError without polars.

    Examples:
        >>> from importlib.resources import files
        >>> from handnn.play.rows import read_rows
        >>> path = files("handnn") / "data" / "concrete.csv"
        >>> read_rows(path, "Concrete compressive strength", held_out=0.2).held_x.shape
        (206, 8)
    """
    with _opened(path, model.dialect(Dialect()) if model else None) as source:
        _check_size(source)
        settings = TrainingSettings((target,), hold_out=held_out, seed=seed, drop_gaps=True)
        surveyed = survey(source, settings)
        frame, places = take_rows(surveyed)
        split = split_rows(frame, target, places, held_out, np.random.default_rng(seed))
        if model is None:
            columns = Columns.learn(split.train.x, kinds=surveyed.kinds)
            answer = Target.learn(split.train.y, settings.task)
        else:
            columns, answer = model.columns, model.target
            check_same_columns(source, model.kinds, (target,))
        return _encoded(
            columns,
            answer,
            (split.train.x, split.train.y),
            (split.test.x, split.test.y),
            target,
            surveyed.described(),
        )


def array_rows(
    x: ArrayLike, y: ArrayLike, loss: KernelLoss, *, held_out: float = 0.3, seed: int = 0
) -> Rows:
    """Return rows of a user's own arrays, x (N, I) and y (N,) or (N, O), as the loss takes them.

    Raises ValueError if they do not fit each other or the loss.

    Examples:
        >>> from handnn.play.rows import array_rows
        >>> rows = array_rows([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1], handnn.BCEWithLogits())
        >>> rows.task, rows.x.shape, rows.held_x.shape
        ('binary', (3, 1), (1, 1))
    """
    rows = np.array(x, np.float32)
    targets = np.array(y, np.float32)
    if rows.ndim != 2 or targets.ndim not in (1, 2) or len(rows) != len(targets) or len(rows) < 2:
        raise ValueError(
            f"play: x must be (N, I) and y (N,) or (N, O), but they are {rows.shape} and "
            f"{targets.shape}"
        )
    targets = targets.reshape(len(rows), -1)
    if not (np.isfinite(rows).all() and np.isfinite(targets).all()):
        raise ValueError("play: x and y must be finite")
    n_targets = targets.shape[1]
    if not loss.has_classes:
        target = Target("regression", mean=[0.0] * n_targets, scale=[1.0] * n_targets)
    else:
        labels = np.unique(targets).astype(int)
        if n_targets != 1 or labels.min() < 0 or not np.isin(targets, labels).all():
            raise ValueError("play: y must hold one label for each row, 0, 1, ...")
        count = int(labels.max()) + 1 if loss.takes_labels else 2
        task = "multiclass" if loss.takes_labels else "binary"
        target = Target(task, classes=np.arange(max(count, 2)), n_out=max(count, 2))
    train, test = _split(len(rows), held_out, np.random.default_rng(seed))
    names = tuple(f"x[{i}]" for i in range(rows.shape[1]))
    return Rows(rows[train], targets[train], rows[test], targets[test], target, None, names, "y",
                is_scaled=False)  # fmt: skip


@dataclass(frozen=True)
class ArrayRows:
    """The arguments of `array_rows`, checked against the widths of a network."""

    x: ArrayLike
    y: ArrayLike
    loss: KernelLoss
    sizes: Mapping[str, int]

    def __post_init__(self) -> None:
        found = self.split()
        n_in = self.sizes.get("in")
        if n_in not in (None, found.x.shape[1]):
            raise ValueError(
                f"play: x has {found.x.shape[1]} columns, not {n_in} as the network takes"
            )

    def split(self, held_out: float = 0.3, seed: int = 0) -> Rows:
        """Return the rows, with a share held out."""
        return array_rows(self.x, self.y, self.loss, held_out=held_out, seed=seed)


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the columns of a file; raises what `read_rows` raises."""
    with _opened(path) as source:
        return list(source.names)


@contextmanager
def _opened(path: str | os.PathLike[str], dialect: Dialect | None = None) -> Iterator[Source]:
    """Open a table; ValueError if it has more than `MAX_COLUMNS`, or unpacks to too much."""
    if os.path.isfile(path):
        _check_bytes(path, unpacked_size(path, MAX_MIB << 20))
    with open_table(path, dialect) as source:
        if len(source.names) > MAX_COLUMNS:
            raise ValueError(
                f"{source.path} has {len(source.names):,} columns; at most {MAX_COLUMNS:,} are "
                "supported"
            )
        yield source


def _check_size(source: Source) -> None:
    """Raise ValueError if a table has too many rows or bytes.

    A file of a few megabytes may unpack to gigabytes, so no block is kept.
    """
    n_rows = n_bytes = 0
    for block in source.blocks():
        n_rows += len(block.frame)
        n_bytes += sum(map(_size_of, block.frame.get_columns()))
        if n_rows > MAX_ROWS:
            raise ValueError(
                f"{source.path} has more than {MAX_ROWS:,} rows, the most that is supported"
            )
        _check_bytes(source.path, n_bytes)


def _size_of(column: Series) -> int:
    """Return the bytes of a column whose strings are all written out: a file may share them."""
    import polars as pl

    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return int(column.estimated_size())
    lengths = column.str.len_bytes() if column.dtype == pl.String else column.cat.len_bytes()
    return int(lengths.sum() or 0) + STRING_BYTES * len(column)


def _check_bytes(path: object, n_bytes: int) -> None:
    """Raise ValueError if a file unpacks to this many bytes, and they are too many."""
    if n_bytes > MAX_MIB << 20:
        raise ValueError(f"{path} unpacks to more than {MAX_MIB} MiB, the most that is supported")


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _split(n_rows: int, held_out: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Return the rows to train on and those to hold out, both in ascending order."""
    order = rng.permutation(n_rows)
    n_held = round(held_out * n_rows)
    return np.sort(order[n_held:]), np.sort(order[:n_held])


def _from_columns(
    table: dict[str, NDArray[np.float64]],
    y: NDArray[np.generic],
    target_name: str,
    split: tuple[Indices, Indices],
) -> Rows:
    """Return the rows of a table in memory."""
    train, test = split
    parts = [{name: column[rows] for name, column in table.items()} for rows in split]
    columns, target = Columns.learn(parts[0]), Target.learn(y[train])
    return _encoded(columns, target, (parts[0], y[train]), (parts[1], y[test]), target_name)


def _encoded(
    columns: Columns,
    target: Target,
    train: tuple[TableLike, TargetLike],
    test: tuple[TableLike, TargetLike],
    target_name: str,
    note: str = "",
) -> Rows:
    """Return tables encoded for a network."""
    if columns.n_in > MAX_INPUTS:
        raise ValueError(
            f"the table has {columns.n_in} columns; at most {MAX_INPUTS} are supported"
        )
    if target.classes is not None and len(target.classes) > MAX_CLASSES:
        n_classes = len(target.classes)
        raise ValueError(
            f"{target_name!r} has {n_classes} classes; at most {MAX_CLASSES} are supported"
        )
    return Rows(
        columns.transform(train[0]),
        target.encode(train[1]).astype(np.float32),
        columns.transform(test[0]),
        target.encode(test[1]).astype(np.float32),
        target,
        columns,
        tuple(columns.names_out),
        target_name,
        note,
    )
