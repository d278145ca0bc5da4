"""TableModel: networks with their input columns and their target, in one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from handnn import engine, storage
from handnn.arrays import Array, check_type, elements
from handnn.network import Network
from handnn.tables.cells import AnyArray, Floats
from handnn.tables.columns import Columns
from handnn.tables.interval_outputs import with_ends
from handnn.tables.intervals import HeldOutErrors, interval_of
from handnn.tables.model_html import model_html
from handnn.tables.table_reader import TableLike
from handnn.tables.target import Target

ModelParts = tuple[list[Network], Columns, Target, HeldOutErrors | None]
"""The arguments of a TableModel."""


class TableModel:
    """One or more trained networks that predict the target of a table.

    Parameters:
        networks: a Network, or several for the same columns and target. Their predictions are
            averaged: values of a regression, probabilities of classes. They are kept, not copied,
            and their embeddings of labels absent from training are set (see `Columns.settle`).
        columns: encodes a table as the networks' input.
        target: decodes the networks' output to predictions.
        held_out: the errors on held-out rows, which `predict_interval` and `predict_set` need.

    All networks have one dtype, float32 or float64. Probabilities also have this dtype; values of a
    regression are float64.

    Raises TypeError if a part has another type or the networks differ in dtype, and ValueError
    without networks or if a network has another number of input or output columns.

    Examples:
        >>> table = {"size": [45, 60, 80, 52], "town": ["Ulm", "Bonn", "Ulm", "Bonn"]}
        >>> columns = handnn.Columns.learn(table)
        >>> target = handnn.Target.learn([520.0, 790.0, 1060.0, 650.0])
        >>> layers = [*columns.first_layers(0), *handnn.mlp([columns.n_after, 8, 1], rng=0).layers]
        >>> model = handnn.TableModel(handnn.Network(layers), columns, target)
        >>> model.predict({"size": [64], "town": ["Mainz"]}).shape
        (1,)
    """

    def __init__(
        self,
        networks: Network | Iterable[Network],
        columns: Columns,
        target: Target,
        held_out: HeldOutErrors | None = None,
    ) -> None:
        found = (
            (networks,)
            if isinstance(networks, Network)
            else (tuple(elements(networks, "TableModel: networks")))
        )
        self.networks: tuple[Network, ...] = found
        self.columns = columns
        self.target = target
        self.held_out = held_out
        self._bag: engine.ForwardAll | None = None
        for name, part, kind in (("columns", columns, Columns), ("target", target, Target)):
            check_type(part, kind, f"TableModel: {name}")
        if not found:
            raise ValueError("TableModel: there must be at least one network")
        for place, network in enumerate(found):
            check_type(network, Network, f"TableModel: network {place}")
            if network.dtype != found[0].dtype:
                raise TypeError(
                    f"TableModel: network 0 is {found[0].dtype} but network {place} is "
                    f"{network.dtype}"
                )
            self._check_widths(network, place)
        for network in found:
            columns.settle(network)

    def _check_widths(self, network: Network, place: int) -> None:
        """Raise ValueError if the network does not fit the columns or the target."""
        sizes = network.sizes
        if sizes.get("in", self.columns.n_in) != self.columns.n_in:
            raise ValueError(
                f"TableModel: network {place} expects {sizes['in']} columns, but the columns have "
                f"{self.columns.n_in}"
            )
        if sizes.get("out", self.target.n_out) != self.target.n_out:
            raise ValueError(
                f"TableModel: network {place} returns {sizes['out']} columns, but the target has "
                f"{self.target.n_out}"
            )

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The dtype of the networks: float32 or float64."""
        return self.networks[0].dtype

    def predict(self, table: TableLike) -> AnyArray:
        """Return the prediction for every row: values, or labels as they were in training.

        The table may also be a list of rows that are dicts, or one such dict. Other columns with
        names, such as the target, are ignored. (N,) if y was (N,) in training, else (N, O). Raises
        what `Columns.transform` raises for a table that does not fit the columns.
        """
        if self.target.task == "regression":
            return _mean(self._values(table))
        return self.target.choose(self.predict_proba(table))

    def predict_proba(self, table: TableLike) -> Array:
        """Return the probabilities of the classes (N, K), or of yes (N, O).

        See `Target.probabilities`. Raises ValueError for a regression, and what `predict` raises.
        """
        if self.target.task == "regression":
            raise ValueError("TableModel.predict_proba: a regression has no probabilities")
        probabilities: Array = _mean(self._probabilities(table)).astype(self.dtype, copy=False)
        return probabilities

    def predict_interval(self, table: TableLike, coverage: float = 0.9) -> Floats:
        """Return an interval for every row that contains its value with probability `coverage`.

        (N, 2), or (N, O, 2) for several outputs: the prediction minus and plus one error, so all
        intervals are equally wide; for a target with a logarithmic scale, the prediction divided by
        and times one factor. See `tables.intervals` for what is guaranteed. Raises ValueError
        if the model is not a regression, has no errors on held-out rows (`fit_table` and
        `train_file` measure them), or has too few for this coverage.

        Examples:
            >>> from handnn.tables.fitting import fit_table
            >>> from handnn.tables.recipe import default_recipe
            >>> x = np.linspace(0, 1, 100)[:, None]
            >>> y = x[:, 0] + np.random.default_rng(0).normal(0, 0.1, 100)
            >>> model = fit_table(x, y, default_recipe(100), rng=0).model
            >>> low, high = model.predict_interval([[0.5]], coverage=0.8)[0]
            >>> bool(low < 0.5 < high)
            True
        """
        where = "TableModel.predict_interval"
        if self.target.task != "regression":
            raise ValueError(
                f"{where} needs a regression, but the target has classes; see predict_set"
            )
        bound = self._held_out(where).bound(coverage, where)
        answers = np.asarray(self.predict(table), np.float64)
        answers = answers.reshape(len(answers), -1)
        ends = interval_of(answers, bound, is_log=self.target.is_log)
        return ends[:, 0] if self.target.is_flat else ends

    def predict_set(self, table: TableLike, coverage: float = 0.9) -> NDArray[np.bool_]:
        """Return a set of classes for every row that contains its class with probability
        `coverage`.

        (N, K), True for the classes in the set, in the order of `target.classes`. A set may be
        empty where no class is likely enough. Raises ValueError if the target has no classes, and
        where `predict_interval` does.

        Examples:
            >>> from handnn.tables.fitting import fit_table
            >>> from handnn.tables.recipe import default_recipe
            >>> x = np.linspace(0, 1, 100)[:, None]
            >>> y = np.where(x[:, 0] > 0.5, "high", "low")
            >>> model = fit_table(x, y, default_recipe(100), rng=0).model
            >>> model.predict_set([[0.9], [0.1]]).tolist()
            [[True, False], [False, True]]
        """
        where = "TableModel.predict_set"
        if self.target.classes is None:
            raise ValueError(f"{where} needs a classifier, but the task is {self.target.task}")
        limit = self._held_out(where).limit(coverage, where)
        return np.asarray(self.set_scores(table) <= limit)

    def set_scores(self, table: TableLike) -> Floats:
        """Return a score (N, K) of each class, lower for more likely ones: see `HeldOutErrors`.

        A class is in a set if its score is at most `held_out.limit`. Raises what `predict_set`
        raises.
        """
        return self._held_out("TableModel.set_scores").set_scores(self._outputs(table))

    def with_interval(self, coverage: float = 0.9) -> TableModel:
        """Return a model that predicts three values for each: the value and its interval.

        Its predictions are (N, 3·O), for each value the value itself, the lower and the upper end
        that `predict_interval` gives. `to_c`, `to_onnx` and `to_torch` export it like any model.
        Raises what `predict_interval` raises, and ValueError if networks do not end with an Affine.

        Examples:
            >>> from handnn.tables.fitting import fit_table
            >>> from handnn.tables.recipe import default_recipe
            >>> x = np.linspace(0, 1, 100)[:, None]
            >>> model = fit_table(x, x[:, 0], default_recipe(100), rng=0).model
            >>> value, low, high = model.with_interval(0.8).predict([[0.5]])[0]
            >>> bool(np.allclose([low, high], model.predict_interval([[0.5]], 0.8)))
            True
        """
        where = "TableModel.with_interval"
        if self.target.task != "regression":
            raise ValueError(f"{where} needs a regression; sets of classes are not constants")
        bound = self._held_out(where).bound(coverage, where)
        networks, target = with_ends(self.networks, self.target, bound)
        return TableModel(networks, self.columns, target)

    def _held_out(self, where: str) -> HeldOutErrors:
        if self.held_out is None:
            raise ValueError(
                f"{where}: the model has no errors on held-out rows, which a bag of networks "
                "measures: with at least 32 rows, not streamed, and not for quantiles"
            )
        return self.held_out

    def spread(self, table: TableLike) -> Array:
        """Return the standard deviation of the networks' predictions for every row.

        It has the units and shape of `predict` for a regression, of `predict_proba` for classes. A
        large spread shows where the training rows determine the prediction poorly; it is not an
        error bar. Raises ValueError if there is only one network.

        Examples:
            >>> columns = handnn.Columns.learn({"size": [45.0, 60.0]})
            >>> target = handnn.Target.learn([520.0, 790.0])
            >>> networks = [handnn.mlp([1, 4, 1], rng=seed) for seed in (0, 1)]
            >>> handnn.TableModel(networks, columns, target).spread({"size": [50.0]}).shape
            (1,)
        """
        if len(self.networks) < 2:
            raise ValueError("TableModel.spread: the model must have two networks or more")
        is_regression = self.target.task == "regression"
        answers = self._values(table) if is_regression else self._probabilities(table)
        kind = np.float64 if is_regression else self.dtype
        squares = (answers - _mean(answers)) ** 2  # np.std adds in another order for one row
        deviations: Array = np.sqrt(_mean(squares)).astype(kind)
        return deviations

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the networks, columns and target to a safetensors file, atomically.

        `load` reads it. Raises what `Network.save` raises.
        """
        path = storage.as_path(path, "TableModel.save: path")
        storage.write(path, *self.contents("TableModel.save"))

    def contents(self, where: str) -> tuple[storage.FileArrays, dict[str, object]]:
        """Return the arrays and the architecture that `save` writes.

        A caller with more to save adds entries to the architecture and writes both in one go with
        `storage.write`. Raises what `save` raises, with `where` as a prefix of the message.
        """
        layers = (network.layers for network in self.networks)
        described, arrays = storage.describe_all(layers, where)
        contents: dict[str, object] = {
            "model": "table",
            "networks": described,
            "columns": self.columns.to_dict(),
            "target": self.target.to_dict(),
        }
        if self.held_out is not None:
            contents["held_out"] = self.held_out.to_dict()
        return arrays, contents

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """Read the model that `save` wrote to `path`; nothing in a file is ever executed.

        Takes no more memory than the arrays in the file need. Raises FormatError (a ValueError) if
        the file does not hold a TableModel, OSError if it cannot be read.
        """
        return storage.read(path, cls.from_file, "a model of a table", "TableModel.load")

    @classmethod
    def from_file(cls, file: storage.TensorFile) -> TableModel:
        """Return the model in an open file; ValueError if the file does not hold one."""
        return cls(*cls.parts_of(file, storage.read_description(file, "table")))

    @staticmethod
    def parts_of(file: storage.TensorFile, architecture: Mapping[str, object]) -> ModelParts:
        """Return the arguments of a TableModel in an open file; ValueError if it has none.

        architecture: as `storage.read_description` returns it.
        """
        columns = Columns.from_dict(architecture.get("columns"))
        target = Target.from_dict(architecture.get("target"))
        networks = storage.read_all(file, architecture.get("networks"))
        entry = architecture.get("held_out")  # files of older versions do not have it
        n_errors = 1 if target.classes is not None else target.n_out
        held_out = None if entry is None else HeldOutErrors.from_dict(entry, n_errors)
        return list(map(Network, networks)), columns, target, held_out

    def summary(self) -> str:
        """Return the columns, the target and the first network as text."""
        count = len(self.networks)
        heading = "1 network:" if count == 1 else f"{count} networks, averaged; the first one:"
        parts = [self.columns.summary(), repr(self.target), heading, self.networks[0].summary()]
        return "\n".join(parts)

    def __repr__(self) -> str:
        """Return the networks, the columns and the target in short."""
        count = len(self.networks)
        networks = repr(self.networks[0]) if count == 1 else f"{count} x {self.networks[0]}"
        return f"TableModel({networks}, {self.columns}, {self.target})"

    def _repr_html_(self) -> str:
        """Return `summary` as HTML, for notebooks."""
        return model_html(self.columns, self.target, self.networks)

    def _outputs(self, table: TableLike) -> list[Array]:
        return list(self._stacked_outputs(table))

    def _stacked_outputs(self, table: TableLike) -> Array:
        """Return the outputs (K, N, n_out) of all networks."""
        x = self.columns.transform(table, self.dtype, ignores_others=True)
        bag = self._bag
        layers = [network.layers for network in self.networks]
        if bag is None or not bag.is_of(layers):
            if any(map(engine.obstacle, layers)):
                return np.stack([network.predict(x) for network in self.networks])
            bag = self._bag = engine.ForwardAll(layers)
        outputs = bag.predict(x)
        if outputs is None:  # an array was resized or reshaped in place
            self._bag = None
            return self._stacked_outputs(table)
        return outputs

    def _values(self, table: TableLike) -> Array:
        """Return the values (K, N) or (K, N, O) of all networks."""
        return self._answers(self.target.decode, table)

    def _probabilities(self, table: TableLike) -> Array:
        """Return the probabilities (K, N, C) of all networks."""
        return self._answers(self.target.probabilities, table)

    def _answers(self, decode: Callable[[Array], Array], table: TableLike) -> Array:
        outputs = self._stacked_outputs(table)
        answers = decode(outputs.reshape(-1, outputs.shape[2]))
        return answers.reshape(len(outputs), -1, *answers.shape[1:])


def _mean(answers: Array) -> Array:
    """Return the mean of the networks' answers (K, N, ...), in float64 if there are several."""
    if len(answers) == 1:
        only: Array = answers[0]
        return only
    if len(answers[0]) == 1:
        total = np.add.accumulate(answers, axis=0, dtype=np.float64)[-1]
    else:  # np.mean adds in another order when there is only one row
        total = answers[0].astype(np.float64)
        for answer in answers[1:]:
            total += answer
    return np.asarray(total / len(answers))
