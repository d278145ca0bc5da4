"""Ensemble: several networks that answer together, and by how much they disagree."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn import storage
from handnn.arrays import Array, as_float
from handnn.layers import ACTIVATIONS, Brick, Softmax
from handnn.network import Network


class Ensemble:
    """Networks for one and the same problem: their mean prediction, and its spread.

        predict(x) = mean of predict_all(x) over the members
        spread(x)  = their standard deviation, as a sample: sqrt(Σ (member - mean)² / (M - 1))

    M members, which must agree in columns and dtype, as far as they fix them. Networks that differ
    in their first weights or rows err in different places, so their mean errs less than most of
    them, and where they disagree is where it errs most. (Hansen and Salamon 1990; Lakshminarayanan,
    Pritzel and Blundell 2017, for the spread.)

    activation: what the output of every member goes through before anything else. For members that
    were trained on logits, "softmax" or "sigmoid" averages their probabilities, which is the usual
    way, where None averages the logits. Any activation of `mlp` will do.

    `networks` are the members themselves, not copies: what they learn later counts. Sums over the
    members are in float64 and in their order, so a row has the same bits alone and among others.

    Raises TypeError when a member is no Network, ValueError when there is none, one is there twice,
    they do not agree, or the activation is not known.
    """

    def __init__(self, networks: Iterable[Network], activation: str | None = None) -> None:
        if isinstance(networks, Network) or not hasattr(networks, "__iter__"):
            raise TypeError(f"Ensemble: networks must be a list of Networks, but is {networks!r}")
        self.networks = list(networks)
        self.activation = activation
        if not self.networks:
            raise ValueError("Ensemble: networks must have at least one Network, but is empty")
        for place, network in enumerate(self.networks):
            if not isinstance(network, Network):
                raise TypeError(
                    f"Ensemble: networks[{place}] must be a Network, but is a "
                    f"{type(network).__name__}"
                )
            if any(network is other for other in self.networks[:place]):
                raise ValueError(f"Ensemble: networks[{place}] is there twice")
        first = self.networks[0]
        fixed: dict[str, tuple[int, int]] = {}
        for place, network in enumerate(self.networks):
            if network.dtype != first.dtype:
                raise ValueError(
                    f"Ensemble: networks[{place}] is {network.dtype}, but networks[0] {first.dtype}"
                )
            for side, columns in network.sizes.items():
                owner, others = fixed.setdefault(side, (place, columns))
                if others != columns:
                    raise ValueError(
                        f"Ensemble: networks[{place}] has {columns} columns {side}, but "
                        f"networks[{owner}] {others}"
                    )
        self._members = [Network([*network.layers, *_end(activation)]) for network in self.networks]

    def predict(self, x: ArrayLike) -> Array:
        """Return the mean of what the members predict for the rows of x: (N, O)."""
        x = self._rows("predict", x)
        return _mean(member.predict(x) for member in self._members).astype(x.dtype)

    def predict_all(self, x: ArrayLike) -> Array:
        """Return what each member predicts for the rows of x, in their order: (M, N, O)."""
        x = self._rows("predict_all", x)
        return np.stack([member.predict(x) for member in self._members])

    def spread(self, x: ArrayLike) -> Array:
        """Return the standard deviation of what the members predict for the rows of x: (N, O).

        It divides by M - 1, for the members are a sample of the networks that training gives.
        Raises ValueError when there is one member only.
        """
        if len(self) < 2:
            raise ValueError("Ensemble.spread: there must be two members or more, but is one")
        x = self._rows("spread", x)
        every = [member.predict(x).astype(np.float64) for member in self._members]
        mean = _mean(every)
        variance = _mean((one - mean) ** 2 for one in every) * (len(self) / (len(self) - 1))
        spread: Array = np.sqrt(variance).astype(x.dtype)
        return spread

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all members and the activation to one file, all or nothing: see `storage.save`."""
        path = storage.as_path(path, "Ensemble.save: path")
        described, arrays = storage.describe_all(
            (network.layers for network in self.networks), "Ensemble.save"
        )
        description = {"model": "ensemble", "networks": described, "activation": self.activation}
        storage.write(path, arrays, description)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ensemble:
        """Read what `save` wrote; raises FormatError and OSError as `handnn.load` does."""

        def build(file: storage.TensorFile) -> Ensemble:
            description = storage.read_architecture(file.metadata, "ensemble")
            networks = map(Network, storage.read_all(file, description.get("networks")))
            return cls(networks, description.get("activation"))

        return storage.read(path, build, "an ensemble", "Ensemble.load")

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.networks)

    def __repr__(self) -> str:
        """Tell how many members there are, and what the first is."""
        end = "" if self.activation is None else f", activation={self.activation!r}"
        return f"Ensemble({len(self)} × {self.networks[0]}{end})"

    def _rows(self, method: str, x: ArrayLike) -> Array:
        """Return x, cast once for all members, and checked as far as they fix its columns."""
        where = f"Ensemble.{method}: x"
        rows = as_float(x, self.networks[0].dtype, where)
        columns = next((n.sizes["in"] for n in self.networks if "in" in n.sizes), None)
        if columns is not None and (rows.ndim != 2 or rows.shape[1] != columns):
            raise ValueError(f"{where} must have shape (N, {columns}), but has {rows.shape}")
        return rows


def _mean(arrays: Iterable[Array]) -> NDArray[np.float64]:
    """Return the mean of arrays of one shape, added up one after the other."""
    total, count = np.zeros(()), 0
    for array in arrays:
        total = total + array
        count += 1
    mean: NDArray[np.float64] = total / count
    return mean


def _end(activation: str | None) -> list[Brick]:
    """Return the brick behind every member, if there is one."""
    if activation is None:
        return []
    known: dict[str, type[Brick]] = {**ACTIVATIONS, "softmax": Softmax}
    if activation not in list(known):
        raise ValueError(
            f"Ensemble: activation must be None or one of {', '.join(known)}, but is {activation!r}"
        )
    return [known[activation]()]
