"""Weights from a file into a network that is there already."""

from __future__ import annotations

import os
from typing import Any

from handnn.arrays import Array
from handnn.layers.layer import buffers_of, params_of
from handnn.layers.sequence import walk
from handnn.network import Network
from handnn.storage import BrickArrays, as_path, check_names, opened


def load_weights(network: Network, path: str | os.PathLike[str], names: str = "handnn") -> None:
    """Copy the arrays of a safetensors file into those of `network`, all or none.

    names: whose names and shapes they have in the file: "handnn" for what `Network.save` writes,
    "torch" for ``safetensors.torch.save_file(sequential.state_dict(), path)``, with the network's
    places for the numbers of the modules. Whatever else the file says is not looked at. Bricks of
    your own take part under the names of their params.

    Raises FormatError (a ValueError) when an array is missing, is in excess, or has not the shape
    and dtype that the network's has, and when the file is damaged; ValueError for other names;
    TypeError when `network` is no Network; OSError when the file cannot be read.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"load_weights: network must be a Network, but is a {type(network).__name__}"
        )
    path = as_path(path, "load_weights: path")
    check_names(names, "load_weights")
    with opened(path, "does not fit the network", "load_weights: ") as file:
        pairs = _pairs(network, BrickArrays(file, names))
    for array, new in pairs:
        array[...] = new


def _pairs(network: Network, arrays: BrickArrays) -> list[tuple[Array, Array]]:
    """Return each array of the network and what it is to hold."""
    found: list[tuple[Array, Array]] = []
    for place, layer in walk(network.layers):
        ours: Any = layer
        if getattr(ours, "block", ()):
            continue  # the bricks in it come by themselves
        for name, array in {**params_of(ours), **buffers_of(ours)}.items():
            new = arrays.read(type(ours).__name__, place, name)
            if (new.shape, new.dtype) != (array.shape, array.dtype):
                raise ValueError(
                    f"{place}.{name} must be {array.dtype} {array.shape}, "
                    f"but the file's is {new.dtype} {new.shape}"
                )
            if not array.flags.writeable:
                raise ValueError(f"the network's {place}.{name} is read-only")
            found.append((array, new))
    arrays.check_all_read()
    return found
