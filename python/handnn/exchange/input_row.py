"""The input row and the outputs of an exported table model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from handnn.layers import Brick, Sigmoid, Softmax
from handnn.network import Network
from handnn.tables import TableModel
from handnn.tables.cells import GAPS, category_text, strip
from handnn.tables.steps import ColumnStep, Label, OrdinalEncode, find


@dataclass(frozen=True)
class InputColumn:
    """One column of an input row: its name, its preprocessing, and its labels if it is encoded.

    Text labels are the category strings of the labels as they are written. Numbers that the dtype
    of the networks cannot hold, such as long identifiers, become text, too.
    """

    name: str
    steps: tuple[ColumnStep, ...]
    labels: Sequence[Label] = ()

    @property
    def encode(self) -> OrdinalEncode | None:
        """The step that replaces labels by codes, if any."""
        return find(self.steps, OrdinalEncode)

    @property
    def is_text(self) -> bool:
        """Whether the column holds labels of text; else it holds numbers."""
        return self.encode is not None and self.encode.is_text


class InputRow:
    """An input row: the columns without codes, then the encoded ones, each in table order.

    Attributes:
        target: the names of the targets, for descriptions.
        names: the columns in the order of the training table.
        plain, encoded: the columns of the row.
        is_one_hot: whether codes become columns of 0 and 1, or are looked up by Embeddings.
    """

    def __init__(self, model: TableModel, target: str | Sequence[str] = "") -> None:
        names = [name for name in ([target] if isinstance(target, str) else target) if name]
        learned = model.columns
        self.model = model
        self.target = ", ".join(names) or "the target"
        self._targets = names if len(names) == model.target.n_out else [self.target]
        self.names = list(
            learned.feature_names_in or (f"column {k}" for k in range(len(learned.columns)))
        )
        self.is_one_hot = learned.categories == "one-hot"
        columns = [
            _input_column(name, column.steps(one_hot=self.is_one_hot), model.dtype)
            for name, column in zip(self.names, learned.columns, strict=True)
        ]
        self.plain = [column for column in columns if not column.encode]
        self.encoded = [column for column in columns if column.encode]

    @property
    def columns(self) -> list[InputColumn]:
        """All columns in the order of the row."""
        return [*self.plain, *self.encoded]

    @property
    def numbers(self) -> list[InputColumn]:
        """The columns that hold numbers, in the order of the row: see `InputColumn.is_text`."""
        return [column for column in self.columns if not column.is_text]

    @property
    def texts(self) -> list[InputColumn]:
        """The columns that hold text, in the order of the row."""
        return [column for column in self.columns if column.is_text]

    @property
    def outputs(self) -> list[str]:
        """The meaning of each output: the target, or the probability of a class."""
        target = self.model.target
        if target.classes is not None:
            return [f"p({label})" for label in target.classes.tolist()]
        names = self._targets
        if len(names) != target.n_out:
            names = [f"{self.target} {place}" for place in range(target.n_out)]
        return [f"p({name})" for name in names] if target.task == "multilabel" else names

    def bricks(self, network: Network) -> list[Brick]:
        """Return the bricks of a network, then the one that turns logits into probabilities.

        Binary classification needs no such brick: exporters add a sigmoid for each of its two
        probabilities.
        """
        more: dict[str, list[Brick]] = {"multiclass": [Softmax()], "multilabel": [Sigmoid()]}
        return [*network.layers, *more.get(self.model.target.task, [])]


def _input_column(
    name: str, steps: tuple[ColumnStep, ...], dtype: np.dtype[np.floating]
) -> InputColumn:
    """Return a column whose labels are category strings unless they are numbers of the dtype."""
    encode = find(steps, OrdinalEncode)
    if encode is None:
        return InputColumn(name, steps)
    labels = encode.labels
    if encode.is_text or not _are_exact(labels, dtype):
        encode = OrdinalEncode(tuple(map(category_text, labels)), tuple(map(str, labels)))
    steps = tuple(encode if isinstance(step, OrdinalEncode) else step for step in steps)
    return InputColumn(name, steps, labels)


def _are_exact(labels: Iterable[Label], dtype: np.dtype[np.floating]) -> bool:
    """Return whether all integer labels are exact, and all labels different, in the dtype."""
    numbers = [label for label in labels if not isinstance(label, str)]
    with np.errstate(over="ignore"):
        rounded = [float(dtype.type(label)) for label in numbers]
    exact = all(r == n for r, n in zip(rounded, numbers, strict=True) if isinstance(n, int))
    return exact and len(set(rounded)) == len(rounded)


def input_gaps(model: TableModel, gaps: Iterable[str] = ()) -> list[str]:
    """Return the strings that mean a missing value to an exported model, in ascending order."""
    own = GAPS if model.columns.gaps is None else model.columns.gaps
    return sorted({"", *map(strip, own), *map(strip, gaps)})


def listed(labels: Sequence[Label], max_letters: int = 500) -> str:
    """Return labels with their codes as text, truncated after `max_letters`."""
    words: list[str] = []
    for code, label in enumerate(labels):
        words.append(f"{code} {label!s:.30}")
        if sum(map(len, words)) > max_letters:
            return ", ".join([*words, "..."])
    return ", ".join(words)


def as_floats(labels: Iterable[Label]) -> list[float]:
    """Return labels that are numbers or bools as floats."""
    return [float(label) for label in labels]
