"""TableModel: networks, with the columns they take and the target they give, in one file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn import storage
from handnn.arrays import Array
from handnn.network import Network
from handnn.tables.columns import Columns
from handnn.tables.reading import TableLike
from handnn.tables.target import Target


class TableModel:
    """One or more trained networks that take a table and answer in its own words.

    networks: one Network, or several for the same columns and target, whose answers are averaged:
        values for a regression, probabilities for classes. They are kept, not copied, and their
        vectors for categories that training did not have are set (see `Columns.settle`).

    The dtype of the networks decides that of x and of the answers. Raises TypeError when a part is
    of another kind or the networks differ in dtype, ValueError when there is no network or one
    takes or gives another number of columns.
    """

    def __init__(
        self, networks: Network | Iterable[Network], columns: Columns, target: Target
    ) -> None:
        found = (networks,) if isinstance(networks, Network) else tuple(networks)
        self.networks: tuple[Network, ...] = found
        self.columns = columns
        self.target = target
        for name, part, kind in (("columns", columns, Columns), ("target", target, Target)):
            if not isinstance(part, kind):
                raise TypeError(
                    f"TableModel: {name} must be a {kind.__name__}, but is a {type(part).__name__}"
                )
        if not found:
            raise ValueError("TableModel: there must be at least one network")
        for place, network in enumerate(found):
            if not isinstance(network, Network):
                raise TypeError(
                    f"TableModel: network {place} must be a Network, but is a "
                    f"{type(network).__name__}"
                )
            if network.dtype != found[0].dtype:
                raise TypeError(
                    f"TableModel: network 0 is {found[0].dtype} but network {place} is "
                    f"{network.dtype}"
                )
            for end, width in (("in", columns.n_in), ("out", target.n_out)):
                if network.sizes.get(end, width) != width:
                    raise ValueError(
                        f"TableModel: network {place} {'takes' if end == 'in' else 'gives'} "
                        f"{network.sizes[end]} columns, but the "
                        f"{'columns' if end == 'in' else 'target'} have {width}"
                    )
        for network in found:
            columns.settle(network)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the networks: float32 or float64."""
        return self.networks[0].dtype

    def predict(self, table: TableLike) -> NDArray[Any]:
        """Return the prediction for every row: values, or labels of the type they were given in.

        (N,) when y was (N,), else (N, O). Raises what `Columns.transform` raises for a table that
        is not like the one in training.
        """
        if self.target.task == "regression":
            return self._mean(self._values(table))
        return self.target.choose(self.predict_proba(table))

    def predict_proba(self, table: TableLike) -> Array:
        """Return the probabilities (N, K) of the classes, or of yes; see `Target.probabilities`."""
        if self.target.task == "regression":
            raise ValueError("TableModel.predict_proba: a regression has no probabilities")
        return self._mean(self._probabilities(table))

    def spread(self, table: TableLike) -> Array:
        """Return how far the networks differ: the standard deviation of what `predict` averages.

        In the units and shape of the prediction for a regression, of each probability for classes.
        It tells where the training rows decide little; it is no error bar. Raises ValueError when
        there is only one network.
        """
        if len(self.networks) < 2:
            raise ValueError("TableModel.spread: there must be two networks or more")
        is_regression = self.target.task == "regression"
        answers = self._values(table) if is_regression else self._probabilities(table)
        deviations: Array = np.std(answers, axis=0, dtype=np.float64).astype(self.dtype)
        return deviations

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the networks, columns and target to `path`, all or nothing, for `load`.

        One safetensors file: see `storage.save`, and for what is raised.
        """
        path = storage.as_path(path, "TableModel.save: path")
        storage.write(path, *self.contents("TableModel.save"))

    def contents(self, where: str) -> tuple[storage.FileArrays, dict[str, object]]:
        """Return the arrays and the architecture that `save` writes.

        A caller with more to save adds entries to the architecture and writes both in one go with
        `storage.write`. Raises what `save` raises, with `where` in front of the message.
        """
        layers = (network.layers for network in self.networks)
        described, arrays = storage.describe_all(layers, where)
        return arrays, {
            "model": "table",
            "networks": described,
            "columns": self.columns.to_dict(),
            "target": self.target.to_dict(),
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """Read the model that `save` wrote to `path`; nothing in a file is ever executed.

        No more memory is taken than what is really in the file needs. Raises FormatError (a
        ValueError) when the file is no such model, OSError when it can't be read.
        """
        return storage.read(path, cls.from_file, "a model of a table", "TableModel.load")

    @classmethod
    def from_file(cls, file: storage.TensorFile) -> TableModel:
        """Return the model in an open file; ValueError when the file does not hold one."""
        architecture = storage.read_architecture(file.metadata, "table")
        columns = Columns.from_dict(architecture.get("columns"))
        target = Target.from_dict(architecture.get("target"))
        networks = storage.read_all(file, architecture.get("networks"))
        return cls(map(Network, networks), columns, target)

    def summary(self) -> str:
        """Return the columns, the target and the networks, for people to read."""
        count = len(self.networks)
        heading = "1 network:" if count == 1 else f"{count} networks, averaged; the first one:"
        parts = [self.columns.summary(), repr(self.target), heading, self.networks[0].summary()]
        return "\n".join(parts)

    def __repr__(self) -> str:
        """Name the parts."""
        count = len(self.networks)
        networks = repr(self.networks[0]) if count == 1 else f"{count} x {self.networks[0]}"
        return f"TableModel({networks}, {self.columns}, {self.target})"

    def _outputs(self, table: TableLike) -> list[Array]:
        x = self.columns.transform(table, self.dtype)
        return [network.predict(x) for network in self.networks]

    def _values(self, table: TableLike) -> list[Array]:
        return [self.target.decode(pre) for pre in self._outputs(table)]

    def _probabilities(self, table: TableLike) -> list[Array]:
        return [self.target.probabilities(pre) for pre in self._outputs(table)]

    def _mean(self, answers: list[Array]) -> Array:
        if len(answers) == 1:
            return answers[0]
        total = answers[0].astype(np.float64)
        for answer in answers[1:]:  # np.mean adds in another order when there is only one row
            total += answer
        mean: Array = (total / len(answers)).astype(self.dtype)
        return mean
