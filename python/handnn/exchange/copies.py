"""The copy of a network that is handed on: of handnn's own bricks, checked anew."""

from __future__ import annotations

from typing import Any

from handnn.layers import BRICKS
from handnn.layers.row import walk
from handnn.network import Network


def copy_of_ours(network: Network, where: str, library: str) -> Network:
    """Return a copy of a network that `library` can have, each layer in the mode it was in.

    Raises TypeError when it is no Network or has a brick that is not one of handnn's, and
    ValueError when an array has been replaced by one that does not fit.
    """
    if not isinstance(network, Network):
        raise TypeError(f"{where}: network must be a Network, but is a {type(network).__name__}")
    for place, layer in walk(network.layers):
        name = type(layer).__name__
        known: Any = BRICKS.get(name)
        if known is not type(layer):  # a subclass may compute something else
            raise TypeError(
                f"{where}: layer {place} ({name}) is not one of handnn's bricks "
                f"({', '.join(BRICKS)}), so {library} has nothing that does the same"
            )
    copy = network.astype(network.dtype)
    for (_, ours), (_, new) in zip(walk(network.layers), walk(copy.layers), strict=True):
        brick: Any = new
        brick.training = getattr(ours, "training", True)
    return copy
