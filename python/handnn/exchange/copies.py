"""A validated copy of a network for export; every brick must be handnn's own."""

from __future__ import annotations

from collections.abc import Collection

from handnn.arrays import check_type
from handnn.layers import is_ours
from handnn.layers.sequence import walk
from handnn.network import Network


def copy_of_ours(network: Network, where: str, library: str, known: Collection[str]) -> Network:
    """Return a copy of a network for `library`, each layer in its mode (training or prediction).

    known: the bricks that have a counterpart in `library`. Raises TypeError when `network` is not a
    Network or has another brick, and ValueError when an array has been replaced by one that does
    not fit.
    """
    check_type(network, Network, f"{where}: network")
    for place, layer in walk(network.layers):
        name = type(layer).__name__
        if not is_ours(layer) or name not in known:
            raise TypeError(
                f"{where}: layer {place} ({name}) cannot be exported to {library}; handnn's own "
                f"{', '.join(sorted(known))} can"
            )
    copy = network.astype(network.dtype)
    for (_, old), (_, new) in zip(walk(network.layers), walk(copy.layers), strict=True):
        if is_ours(old) and is_ours(new):
            new.training = old.training
    return copy
