"""Views: the inputs that each kind of networks learns from, out of those of a table.

A kind may have coarse bins (`coarse`) or none (`straight`). While its networks are trained, they
take positions in place of bins (`positions`). Afterwards all networks of a bag have the same
inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from handnn.arrays import Array
from handnn.network import Network
from handnn.tables.bins import BinnedColumn
from handnn.tables.coarse import CoarseInputs
from handnn.tables.fewer_inputs import FewerInputs
from handnn.tables.positions import PositionInputs, has_many_bins
from handnn.tables.recipe import Recipe
from handnn.tables.straight import StraightInputs


class Views:
    """The inputs of the training rows for kinds of networks; those of the last kind are kept.

    binned: the columns that have bins. x: (N, I) the inputs of a table. has_positions: whether
    networks may take positions: those that are not compiled would be slower.
    """

    def __init__(self, binned: Sequence[BinnedColumn], x: Array, *, has_positions: bool) -> None:
        self._binned, self._x, self._has_positions = binned, x, has_positions
        self._n_bins: int | None = None
        self._chain: list[FewerInputs] = []
        self._inputs = x

    @contextmanager
    def training(self, member: Recipe, networks: Sequence[Network]) -> Iterator[Array]:
        """Within the context, the networks take the inputs that are returned.

        member: the kind. networks: of this kind, for the inputs of the table.
        """
        if member.is_straight:
            straight = StraightInputs(self._binned, self._x)
            plain = PositionInputs(straight.binned, keeps=False)
            try:
                with plain.networks(networks):
                    yield plain.transform(straight.transform(self._x))
            finally:
                for network in networks:
                    straight.to_bins(network)
            return
        self._change(member)
        with ExitStack() as stack:
            for inputs in self._chain:
                stack.enter_context(inputs.networks(networks))
            yield self._inputs

    def _change(self, member: Recipe) -> None:
        """Compute the inputs of a kind unless they are those of the last one."""
        if self._n_bins == member.n_bins:
            return
        self._n_bins = member.n_bins
        binned, self._chain = self._binned, []
        if member.n_bins < member.n_fine_bins:
            coarse = CoarseInputs(binned, member.n_bins)
            binned, self._chain = coarse.binned, [coarse]
        if self._has_positions and has_many_bins(binned):
            self._chain.append(PositionInputs(binned))
        self._inputs = self._x
        for inputs in self._chain:
            self._inputs = inputs.transform(self._inputs)
