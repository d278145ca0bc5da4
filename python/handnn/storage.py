"""Saved networks: one safetensors file that holds the arrays and says which bricks they are of.

The file's metadata has one entry, "handnn", a JSON text:

    {"format": 1, "bricks": [{"brick": "Affine", "in": 8, "out": 64}, {"brick": "ReLU"}, ...]}

and its arrays are named as in `Network.params` and `Network.buffers`: "0.w", "0.b", "1.gamma",
"1.running_mean", ... Nothing in a file is ever executed or imported: a brick's name is looked up in
`BRICKS`, and what is not there is refused.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Any

from handnn.arrays import Array
from handnn.layers import BRICKS, Brick, Layer
from handnn.network import Network

FORMAT = 1


class FormatError(ValueError):
    """A file is not a network that this handnn can read: damaged, foreign, or of a later format."""


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write `network` to `path`, all or nothing: a reader finds the old file or the new one.

    The bytes go to a temporary file in the same folder, which then takes the name `path`. Raises
    TypeError when a layer is not one of handnn's bricks, ValueError when its arrays have been
    replaced by some that do not fit, OSError when the file cannot be written; the old file is then
    still there, and the temporary one is not.
    """
    import json

    from safetensors.numpy import save as to_bytes

    bricks, layers = [], []
    for index, layer in enumerate(network.layers):
        name = type(layer).__name__
        if not isinstance(layer, Layer) or BRICKS.get(name) is not type(layer):
            raise TypeError(
                f"Network.save: layer {index} ({name}) is not one of handnn's bricks "
                f"({', '.join(BRICKS)}); a file cannot hold its code"
            )
        bricks.append({"brick": name, **layer.sizes, **layer.settings})
        build: Any = BRICKS[name]
        layers.append(build(**layer.params, **layer.buffers, **layer.settings))
    # Built anew, as by load, what is written fits together and lies in C order (safetensors writes
    # memory as it lies).
    built = Network(layers)
    arrays = {**built.params, **built.buffers}
    metadata = {"handnn": json.dumps({"format": FORMAT, "bricks": bricks})}
    replace_file(path, to_bytes(arrays, metadata))


def load(path: str | os.PathLike[str]) -> Network:
    """Read the network that `Network.save` wrote to `path`.

    NaN and Inf are weights like any other. No more memory is taken than the arrays that are really
    in the file need. Raises FormatError (a ValueError) when the file is not such a network, OSError
    when it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = os.fspath(path)
    open(path, "rb").close()  # a folder or a locked file is told in Python's own words
    try:
        with safe_open(path, framework="np") as file:
            return Network(_read_layers(file))
    except (SafetensorError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not a network saved by handnn: {error}") from error


def _read_layers(file: Any) -> list[Brick]:
    """Return the bricks that a file of safetensors describes, each built from its own arrays."""
    import inspect

    layers: list[Brick] = []
    unread = set(file.keys())
    for index, entry in enumerate(_read_architecture(file.metadata() or {})):
        name = entry.pop("brick", None)
        if name not in BRICKS:
            raise ValueError(f"layer {index} is {name!r:.50}, not one of {', '.join(BRICKS)}")
        # What a brick is built from are its settings, which the entry holds, and its arrays.
        parameters = inspect.signature(BRICKS[name]).parameters
        keys = [f"{index}.{p}" for p in parameters if p not in entry]
        build: Any = BRICKS[name]
        layer = build(
            **{p: entry[p] if p in entry else _read_array(file, f"{index}.{p}") for p in parameters}
        )
        if {**layer.sizes, **layer.settings} != entry:
            raise ValueError(f"layer {index} is {layer}, but is described as {entry!s:.50}")
        layers.append(layer)
        unread.difference_update(keys)
    if unread:
        raise ValueError(f"no layer has an array {min(unread)!r:.50}")
    return layers


def _read_architecture(metadata: dict[str, str]) -> list[dict[str, Any]]:
    """Return the list of bricks in a file's metadata."""
    import json

    if "handnn" not in metadata:
        raise ValueError("its metadata has no entry 'handnn'")
    architecture = json.loads(metadata["handnn"])
    if not isinstance(architecture, dict) or "format" not in architecture:
        raise ValueError("its metadata names no format")
    if architecture["format"] != FORMAT:
        raise ValueError(
            f"its format is {architecture['format']!r:.50}, and this handnn reads only {FORMAT}"
        )
    bricks = architecture.get("bricks")
    if not (isinstance(bricks, list) and all(isinstance(entry, dict) for entry in bricks)):
        raise ValueError("its metadata has no list of bricks")
    return bricks


def _read_array(file: Any, key: str) -> Array:
    """Return the array `key` of a file of safetensors."""
    dtype = file.get_slice(key).get_dtype()
    if dtype not in ("F32", "F64"):
        raise ValueError(f"its array {key} is {dtype}, not F32 or F64")
    array: Array = file.get_tensor(key)
    return array


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Give the file `path` the contents `data`, at once and for good, or leave it as it was."""
    place = os.path.realpath(path)
    if os.path.exists(place) and not os.path.isfile(place):
        kind = errno.EISDIR if os.path.isdir(place) else errno.EINVAL
        raise OSError(kind, "not a regular file, and left alone", os.fspath(path))
    folder = os.path.dirname(place)
    temporary = os.path.join(folder, f".handnn-{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(place):
            os.chmod(temporary, os.stat(place).st_mode)
        os.replace(temporary, place)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.remove(temporary)
        if isinstance(error, OSError) and error.errno:  # under the name that the caller knows
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise
    with suppress(OSError, AttributeError):  # its entry too, where a folder can be opened
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
