"""Ensemble: the mean prediction of several networks, and their spread."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn import storage
from handnn.arrays import Array, as_float, check_type, elements
from handnn.layers import ACTIVATIONS, Brick, Softmax
from handnn.network import Network


class Ensemble:
    """Average the predictions of several networks for the same problem.

        predict(x) = mean over the members
        spread(x)  = sample standard deviation: sqrt(Σ (member - mean)² / (M - 1))

    Networks with different initial weights or training rows make different errors. Their mean is
    more accurate than most of them, and tends to be least accurate where they disagree. (Hansen and
    Salamon 1990; Lakshminarayanan, Pritzel and Blundell 2017, for the spread.)

    networks: M networks with the same dtype, inputs and outputs. They are not copied, so later
    training changes the ensemble.
    activation: applied to the output of each member. For members trained on logits, "softmax" or
    "sigmoid" averages their probabilities, as is usual; None averages the logits. The activations
    of `mlp` are also accepted.

    Members are summed in float64 and in their order, so the prediction of a row has the same bits
    alone as in a batch.

    Raises:
        TypeError: If `networks` is not a list of Networks.
        ValueError: If it is empty, contains a network twice, or contains networks that differ in
            dtype, inputs or outputs; or if the activation is unknown.

    Examples:
        >>> from handnn import Affine, Network
        >>> slopes = [1.0, 2.0, 6.0]
        >>> ensemble = handnn.Ensemble([Network([Affine([[w]], [0.0])]) for w in slopes])
        >>> ensemble.predict([[2.0]])
        array([[6.]])
        >>> ensemble.predict_all([[2.0]]).ravel()
        array([ 2.,  4., 12.])
        >>> ensemble.spread([[2.0]]).round(3)
        array([[5.292]])
    """

    def __init__(self, networks: Iterable[Network], activation: str | None = None) -> None:
        if isinstance(networks, Network) or not hasattr(networks, "__iter__"):
            raise TypeError(f"Ensemble: networks must be a list of Networks, but is {networks!r}")
        self.networks = elements(networks, "Ensemble: networks")
        self.activation = activation
        _check_members(self.networks)
        end = _activation_bricks(activation)
        self._members = [Network([*network.layers, *end]) for network in self.networks]

    def predict(self, x: ArrayLike) -> Array:
        """Return the mean prediction of the members, (N, O), for the rows of x (N, I).

        Raises:
            TypeError: If x does not hold real numbers.
            ValueError: If x has another number of columns.
        """
        x = self._rows("predict", x)
        return _mean(member.predict(x) for member in self._members).astype(x.dtype)

    def predict_all(self, x: ArrayLike) -> Array:
        """Return the predictions of all members, (M, N, O), for the rows of x (N, I)."""
        x = self._rows("predict_all", x)
        return np.stack([member.predict(x) for member in self._members])

    def spread(self, x: ArrayLike) -> Array:
        """Return the standard deviation over the members, (N, O), for the rows of x (N, I).

        The divisor is M - 1, since the members are a sample of the networks that training could
        give.

        Raises:
            ValueError: If the ensemble has only one member.
        """
        if len(self) < 2:
            raise ValueError("Ensemble.spread: needs at least two members, but there is one")
        x = self._rows("spread", x)
        every = [member.predict(x).astype(np.float64) for member in self._members]
        mean = _mean(every)
        variance = _mean((one - mean) ** 2 for one in every) * (len(self) / (len(self) - 1))
        spread: Array = np.sqrt(variance).astype(x.dtype)
        return spread

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all members and the activation to one file, atomically: see `Network.save`."""
        path = storage.as_path(path, "Ensemble.save: path")
        described, arrays = storage.describe_all(
            (network.layers for network in self.networks), "Ensemble.save"
        )
        description = {"model": "ensemble", "networks": described, "activation": self.activation}
        storage.write(path, arrays, description)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ensemble:
        """Return the ensemble that `save` wrote to `path`.

        Raises:
            FormatError: If the file does not hold an ensemble; a ValueError.
            OSError: If the file cannot be read.
        """

        def build(file: storage.TensorFile) -> Ensemble:
            description = storage.read_description(file, "ensemble")
            networks = map(Network, storage.read_all(file, description.get("networks")))
            return cls(networks, description.get("activation"))

        return storage.read(path, build, "an ensemble", "Ensemble.load")

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.networks)

    def __repr__(self) -> str:
        """Return the number of members, and the first one."""
        end = "" if self.activation is None else f", activation={self.activation!r}"
        return f"Ensemble({len(self)} × {self.networks[0]}{end})"

    def _repr_html_(self) -> str:
        """Return the number of members, and the bricks of the first one, for notebooks."""
        members = "1 network" if len(self) == 1 else f"{len(self)} networks"
        end = "" if self.activation is None else f", averaged after {self.activation}"
        first = self.networks[0]._repr_html_()
        return f"<div><div>Ensemble of {members}{end}. The first:</div>{first}</div>"

    def _rows(self, method: str, x: ArrayLike) -> Array:
        """Return x in the dtype of the members; check its columns if their number is known."""
        where = f"Ensemble.{method}: x"
        rows = as_float(x, self.networks[0].dtype, where)
        columns = next((n.sizes["in"] for n in self.networks if "in" in n.sizes), None)
        if columns is not None and (rows.ndim != 2 or rows.shape[1] != columns):
            raise ValueError(f"{where} must have shape (N, {columns}), but has {rows.shape}")
        return rows


def _check_members(networks: list[Network]) -> None:
    """Raise TypeError or ValueError unless the networks can be averaged."""
    if not networks:
        raise ValueError("Ensemble: networks must have at least one Network, but is empty")
    known: dict[str, tuple[int, int]] = {}
    seen: set[int] = set()
    for place, network in enumerate(networks):
        check_type(network, Network, f"Ensemble: networks[{place}]")
        if id(network) in seen:
            raise ValueError(f"Ensemble: networks[{place}] occurs twice")
        seen.add(id(network))
        if network.dtype != networks[0].dtype:
            raise ValueError(
                f"Ensemble: networks[{place}] is {network.dtype}, but networks[0] "
                f"{networks[0].dtype}"
            )
        for side, columns in network.sizes.items():
            owner, others = known.setdefault(side, (place, columns))
            if others != columns:
                raise ValueError(
                    f"Ensemble: networks[{place}] has {columns} columns {side}, but "
                    f"networks[{owner}] {others}"
                )


def _mean(arrays: Iterable[Array]) -> NDArray[np.float64]:
    """Return the mean of arrays of one shape, added in their order."""
    total, count = np.zeros(()), 0
    for array in arrays:
        total = total + array
        count += 1
    mean: NDArray[np.float64] = total / count
    return mean


def _activation_bricks(activation: str | None) -> list[Brick]:
    """Return the bricks to append to each member: the activation, or none."""
    if activation is None:
        return []
    known: dict[str, type[Brick]] = {**ACTIVATIONS, "softmax": Softmax}
    if activation not in list(known):
        raise ValueError(
            f"Ensemble: activation must be None or one of {', '.join(known)}, but is {activation!r}"
        )
    return [known[activation]()]
