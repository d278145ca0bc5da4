"""Inputs of fewer columns, on which networks are trained in place of those of a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from handnn.arrays import Array
from handnn.engine import signals
from handnn.layers import Affine, Brick, Embedding
from handnn.network import Network


class FewerInputs(ABC):
    """A linear map of inputs to fewer ones, for the networks of a bag while they are trained."""

    @abstractmethod
    def transform(self, x: Array) -> Array:
        """Return the fewer inputs of x (N, I)."""

    @abstractmethod
    def _smaller(self, affine: Affine) -> Brick:
        """Return the brick that takes the fewer inputs; unless an Affine, it shares all params."""

    @abstractmethod
    def _write_back(self, affine: Affine, trained: Affine) -> None:
        """Write what the smaller Affine has learned into the one that takes all inputs."""

    @property
    @abstractmethod
    def _n_fewer(self) -> int:
        """The number of columns that `transform` saves."""

    @contextmanager
    def networks(self, networks: Sequence[Network]) -> Iterator[None]:
        """Within the context, the networks take the rows of `transform`.

        networks: any Embeddings of columns after the bins, an Affine, and any other bricks.
        """
        if not self._n_fewer:
            yield
            return
        before = [list(network.layers) for network in networks]
        try:
            for network in networks:
                self._replace(network.layers)
            yield
        finally:
            signals.held(lambda: self._restore(networks, before))

    def _replace(self, layers: list[Brick]) -> None:
        """Replace the first layers, up to the first Affine, by those that take fewer columns."""
        for place, layer in enumerate(layers):
            if isinstance(layer, Embedding):
                layers[place] = Embedding(layer.w, layer.column - self._n_fewer)
            elif isinstance(layer, Affine):
                layers[place] = self._smaller(layer)
                return

    def _restore(self, networks: Sequence[Network], before: Sequence[list[Brick]]) -> None:
        for network, layers in zip(networks, before, strict=True):
            trained, network.layers[:] = list(network.layers), layers
            for new, old in zip(trained, layers, strict=True):
                if isinstance(old, Affine) and isinstance(new, Affine) and new is not old:
                    self._write_back(old, new)
