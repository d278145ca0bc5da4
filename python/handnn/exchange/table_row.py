"""The row that an exported model of a table takes, and what its numbers are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handnn.layers import Sigmoid, Softmax
from handnn.network import Network
from handnn.tables import CategoryColumn, NumberColumn, TableModel


class TableRow:
    """What is in a row, and in the answer to it: numbers first, then categories.

    Attributes:
        target: what is predicted, for people.
        numbers, categories: the columns by their names, each kind in the order of the table.
        texts, codes: the categories whose labels are text, and those whose labels are numbers.
        gaps: the places of the numbers that have an indicator.
    """

    def __init__(self, model: TableModel, target: str = "") -> None:
        columns = model.columns.columns
        names = model.columns.feature_names_in or [f"column {k}" for k in range(len(columns))]
        self.model = model
        self.target = target or "the target"
        self.names = list(names)
        pairs = list(zip(names, columns, strict=True))
        self.numbers = {n: c for n, c in pairs if isinstance(c, NumberColumn)}
        self.categories = {n: c for n, c in pairs if isinstance(c, CategoryColumn)}
        self.gaps = [k for k, c in enumerate(self.numbers.values()) if c.has_gaps]

    @property
    def texts(self) -> dict[str, CategoryColumn]:
        """The columns of categories whose labels are text."""
        return {n: c for n, c in self.categories.items() if isinstance(c.labels[0], str)}

    @property
    def codes(self) -> dict[str, CategoryColumn]:
        """The columns of categories whose labels are numbers or bools."""
        return {n: c for n, c in self.categories.items() if n not in self.texts}

    @property
    def is_one_hot(self) -> bool:
        """Whether categories are columns of 0 and 1, and not codes for Embeddings."""
        return self.model.columns.categories == "one-hot"

    @property
    def outputs(self) -> list[str]:
        """What each of the numbers is that come out."""
        target = self.model.target
        if target.classes is not None:
            return [f"p({label})" for label in target.classes.tolist()]
        names = [self.target]
        if target.n_out > 1:
            names = [f"{self.target} {place}" for place in range(target.n_out)]
        return [f"p({name})" for name in names] if target.task == "multilabel" else names

    def settings(self, name: str) -> Any:
        """Return a setting of each number: "median", "mean" or "scale", float64."""
        return np.array([getattr(column, name) for column in self.numbers.values()], np.float64)

    def answering(self, network: Network) -> list[Any]:
        """Return the bricks of a network, and one more that makes probabilities of its logits.

        Not for two classes: there each of the two is a sigmoid of its own.
        """
        more: dict[str, list[Any]] = {"multiclass": [Softmax()], "multilabel": [Sigmoid()]}
        return [*network.layers, *more.get(self.model.target.task, [])]


def shown(labels: Sequence[Any], most: int = 500) -> str:
    """Return labels with their codes, for people: those that `most` letters have room for."""
    words: list[str] = []
    for code, label in enumerate(labels):
        words.append(f"{code} {label!s:.30}")
        if sum(map(len, words)) > most:
            return ", ".join([*words, "..."])
    return ", ".join(words)
