"""load_weights: the arrays of a file into an existing network."""

from __future__ import annotations

import os

from handnn.arrays import Array, check_type
from handnn.layers.layer import buffers_of, params_of
from handnn.layers.sequence import walk
from handnn.network import Network
from handnn.storage import BrickArrays, as_path, check_names, opened


def load_weights(network: Network, path: str | os.PathLike[str], names: str = "handnn") -> None:
    """Copy the arrays of a safetensors file into those of `network`, either all or none.

    The arrays of the network keep their identity; their shapes and dtypes must equal those in the
    file. The metadata of the file is ignored. For your own bricks, arrays are named after their
    params.

    names: "handnn" for a file of `Network.save`; "torch" for a file of
        ``safetensors.torch.save_file(sequential.state_dict(), path)``, in which the number of each
        module is the index of its brick.

    Raises:
        TypeError: If `network` is not a Network.
        ValueError: If `names` is unknown.
        FormatError: If an array is missing, superfluous or does not fit, or the file is damaged; a
            ValueError. The network is then unchanged.
        OSError: If the file cannot be read.

    Examples:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "weights.safetensors")
        >>> trained, network = handnn.mlp([2, 1], rng=0), handnn.mlp([2, 1], rng=1)
        >>> trained.save(path)
        >>> handnn.load_weights(network, path)
        >>> bool((network.params["0.w"] == trained.params["0.w"]).all())
        True
    """
    check_type(network, Network, "load_weights: network")
    path = as_path(path, "load_weights: path")
    check_names(names, "load_weights")
    with opened(path, "does not fit the network", "load_weights: ") as file:
        pairs = _pairs(network, BrickArrays(file, names))
    for array, new in pairs:
        array[...] = new


def _pairs(network: Network, arrays: BrickArrays) -> list[tuple[Array, Array]]:
    """Return each array of the network with the array of the file that replaces it."""
    found: list[tuple[Array, Array]] = []
    for place, layer in walk(network.layers):
        if getattr(layer, "block", ()):
            continue  # `walk` also yields the bricks of a block
        for name, array in {**params_of(layer), **buffers_of(layer)}.items():
            new = arrays.read(type(layer).__name__, place, name)
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
