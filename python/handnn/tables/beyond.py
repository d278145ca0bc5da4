"""Beyond the training rows: lines go on.

Inputs are constant below the smallest and above the largest value of a column, so predictions are,
too. For a line (see `straight`) this is wrong: the largest country of a table may have four times
the product of the second one, in every year. So columns get two more bins, one on each side,
`bins.REACH` times as wide as all others together. Lines give them the weights that continue the
line, other networks the weight 0. In the training rows the new bins are 1/2 and -1/2, and cancel.

Beyond, the mean of the bag has the slope of its lines: their weights there are multiplied by the
number of all networks for each line. Only the squared error has lines that go on: probabilities,
and exponentials of a line, would become too extreme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from handnn.arrays import Array
from handnn.layers import Affine, Embedding
from handnn.losses import Loss, MSELoss
from handnn.network import Network
from handnn.tables.bins import BinnedColumn, outer_edges
from handnn.tables.members import Choice

InputsT = TypeVar("InputsT", bound="BinnedInputs")


class BinnedInputs(Protocol):
    """An encoder of rows with bins: `Columns` or `DenseInput`."""

    @property
    def binned(self) -> Sequence[BinnedColumn]:
        """The columns that have bins."""
        ...

    def with_outer_bins(self: InputsT) -> InputsT:
        """Return the encoder with two more bins of each of them."""
        ...


def continued(choice: Choice, inputs: InputsT, loss: Loss) -> tuple[list[Network], InputsT]:
    """Return the networks of a bag and their inputs, with two more bins if there are lines.

    loss: that of the networks, which share all arrays with those of the choice but w of their first
    Affine.
    """
    if not choice.lines or type(loss) is not MSELoss:
        return choice.networks, inputs
    at_line = set(map(id, choice.lines))
    binned = inputs.binned
    share = len(choice.networks) / len(choice.lines)
    networks = [
        _continued(one, binned, share if id(one) in at_line else 0.0) for one in choice.networks
    ]
    return networks, inputs.with_outer_bins()


def _continued(network: Network, binned: Sequence[BinnedColumn], factor: float) -> Network:
    """Return the network with more bins; factor: of their weights, relative to their neighbors."""
    layers = list(network.layers)
    place, affine = next(
        (at, layer) for at, layer in enumerate(layers) if isinstance(layer, Affine)
    )
    rows: list[Array] = np.split(affine.w, len(affine.w))
    n_more = 0
    for column in binned:
        edges = outer_edges(column.edges)
        if len(edges) == len(column.edges):
            continue
        n_more += 2
        widths = np.diff(edges)
        first, last = column.bin_places.start, column.bin_places.stop - 1
        below = affine.w[[first]] * (factor * widths[0] / widths[1])
        above = affine.w[[last]] * (factor * widths[-1] / widths[-2])
        rows[first] = np.concatenate([below, rows[first]])
        rows[last] = np.concatenate([rows[last], above])
    layers[place] = Affine(np.concatenate(rows).astype(affine.w.dtype), affine.b)
    for at, layer in enumerate(layers[:place]):
        if isinstance(layer, Embedding):
            layers[at] = Embedding(layer.w, layer.column + n_more)
    return Network(layers)
