"""The copy of a network that is handed on: of handnn's own bricks, checked anew."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from handnn.layers import BRICKS
from handnn.layers.sequence import walk
from handnn.network import Network


def copy_of_ours(network: Network, where: str, library: str, known: Collection[str]) -> Network:
    """Return a copy of a network that `library` can have, each layer in the mode it was in.

    known: the bricks of handnn's that `library` has something for. Raises TypeError when it is no
    Network or has another brick, and ValueError when an array has been replaced by one that does
    not fit.
    """
    if not isinstance(network, Network):
        raise TypeError(f"{where}: network must be a Network, but is a {type(network).__name__}")
    for place, layer in walk(network.layers):
        name = type(layer).__name__
        ours: Any = BRICKS.get(name)
        if ours is not type(layer) or name not in known:  # a subclass may compute something else
            raise TypeError(
                f"{where}: {library} has nothing for layer {place} ({name}); it has for handnn's "
                f"own {', '.join(sorted(known))}"
            )
    copy = network.astype(network.dtype)
    for (_, old), (_, new) in zip(walk(network.layers), walk(copy.layers), strict=True):
        brick: Any = new
        brick.training = getattr(old, "training", True)
    return copy
