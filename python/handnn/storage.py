"""Saved networks: one safetensors file that holds the arrays and says which bricks they are of.

The file's metadata has one entry, "handnn", a JSON text:

    {"format": 1, "bricks": [{"brick": "Affine", "in": 8, "out": 64}, {"brick": "ReLU"}, ...]}

and its arrays are named as in `Network.params` and `Network.buffers`: "0.w", "0.b", "2.w", ... A
brick that is made of bricks lists them: {"brick": "Residual", "block": [{"brick": "Affine", ...},
...]}. Nothing in a file is ever executed or imported: a brick's name is looked up in `BRICKS`, and
what is not there is refused.

An `Ensemble` has "networks", a list of such lists, instead of "bricks", and its "activation"; the
arrays of its network number 3 are named "3/0.w", "3/0.b", ...
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from handnn.arrays import Array
from handnn.layers import BRICKS, Brick, Layer
from handnn.layers.residual import DEEPEST, Residual
from handnn.layers.row import walk
from handnn.network import Network

FORMAT = 1

Built = TypeVar("Built")


class FormatError(ValueError):
    """A file is not a network that this handnn can read: damaged, foreign, or of a later format."""


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write `network` to `path`, all or nothing: a reader finds the old file or the new one.

    The bytes go to a temporary file in the same folder, which then takes the name `path`. Raises
    TypeError when a layer is not one of handnn's bricks, ValueError when its arrays have been
    replaced by some that do not fit, OSError when the file cannot be written; the old file is then
    still there, and the temporary one is not.
    """
    bricks, arrays = _contents("Network.save: ", network)
    _write(path, {"bricks": bricks}, arrays)


def save_ensemble(
    networks: Sequence[Network], settings: dict[str, Any], path: str | os.PathLike[str]
) -> None:
    """Write networks to one file, and settings as JSON has them; raises what `save` does."""
    contents = [
        _contents(f"Ensemble.save: in network {place}, ", network)
        for place, network in enumerate(networks)
    ]
    arrays = {
        f"{place}/{name}": array
        for place, (_, own) in enumerate(contents)
        for name, array in own.items()
    }
    _write(path, {"networks": [bricks for bricks, _ in contents], **settings}, arrays)


def _contents(where: str, network: Network) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """Return what a file says of a network, and its arrays."""
    for place, layer in walk(network.layers):
        name = type(layer).__name__
        if not isinstance(layer, Layer) or BRICKS.get(name) is not type(layer):
            raise TypeError(
                f"{where}layer {place} ({name}) is not one of handnn's bricks "
                f"({', '.join(BRICKS)}); a file cannot hold its code"
            )
    # Built anew, as by load, what is written fits together and lies in C order (safetensors writes
    # memory as it lies).
    rebuilt = Network(map(_rebuilt, network.layers))
    return [_described(layer) for layer in network.layers], {**rebuilt.params, **rebuilt.buffers}


def _write(
    path: str | os.PathLike[str], described: dict[str, Any], arrays: dict[str, Array]
) -> None:
    import json

    from safetensors.numpy import save as to_bytes

    metadata = {"handnn": json.dumps({"format": FORMAT, **described})}
    replace_file(path, to_bytes(arrays, metadata))


def load(path: str | os.PathLike[str]) -> Network:
    """Read the network that `Network.save` wrote to `path`.

    NaN and Inf are weights like any other. No more memory is taken than the arrays that are really
    in the file need. Raises FormatError (a ValueError) when the file is not such a network, OSError
    when it cannot be read.
    """
    return _read(path, "a network", lambda file: Network(_read_layers(file)))


def load_ensemble(
    path: str | os.PathLike[str], build: Callable[[list[Network], dict[str, Any]], Built]
) -> Built:
    """Return ``build(networks, settings)`` of what `save_ensemble` wrote; raises what `load` does.

    What build raises about the networks and settings counts as a fault of the file.
    """

    def read(file: Any) -> Built:
        described = _read_description(file.metadata() or {})
        described.pop("format")
        members = described.pop("networks", None)
        if not isinstance(members, list):
            raise ValueError("its metadata has no list of networks")
        unread = set(file.keys())
        networks = [
            Network(
                _read_layer(file, entry, f"{place}/{index}", unread)
                for index, entry in enumerate(_as_bricks(bricks))
            )
            for place, bricks in enumerate(members)
        ]
        _check_all_read(unread)
        return build(networks, described)

    return _read(path, "an Ensemble", read)


def _read(path: str | os.PathLike[str], what: str, read: Callable[[Any], Built]) -> Built:
    """Return what `read` makes of the opened file; any fault of it is a FormatError."""
    from safetensors import SafetensorError, safe_open

    path = os.fspath(path)
    open(path, "rb").close()  # a folder or a locked file is told in Python's own words
    try:
        with safe_open(path, framework="np") as file:
            return read(file)
    except (SafetensorError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not {what} saved by handnn: {error}") from error


def _described(layer: Any) -> dict[str, Any]:
    """Return what a file says of a brick besides its arrays."""
    name = type(layer).__name__
    if isinstance(layer, Residual):
        return {"brick": name, "block": [_described(inner) for inner in layer.block]}
    return {"brick": name, **layer.sizes, **layer.settings}


def _rebuilt(layer: Any) -> Any:
    """Return the same brick anew, of the same arrays."""
    if isinstance(layer, Residual):
        return Residual(map(_rebuilt, layer.block))
    return type(layer)(**layer.params, **layer.buffers, **layer.settings)


def _read_layers(file: Any) -> list[Brick]:
    """Return the bricks that a file of safetensors describes, each built from its own arrays."""
    unread = set(file.keys())
    layers = [
        _read_layer(file, entry, str(index), unread)
        for index, entry in enumerate(_read_architecture(file.metadata() or {}))
    ]
    _check_all_read(unread)
    return layers


def _check_all_read(unread: set[str]) -> None:
    if unread:
        raise ValueError(f"no layer has an array {min(unread)!r:.50}")


def _read_layer(file: Any, entry: object, place: str, unread: set[str]) -> Brick:
    """Return the brick that `entry` describes, and take its arrays out of `unread`."""
    import inspect

    if not isinstance(entry, dict):
        raise ValueError(f"layer {place} is described as {entry!s:.50}")
    name = entry.get("brick")
    if name not in BRICKS:
        raise ValueError(f"layer {place} is {name!r:.50}, not one of {', '.join(BRICKS)}")
    # What a brick is built from are its settings, which the entry holds, and its arrays.
    built_from: dict[str, Any] = {}
    for parameter in inspect.signature(BRICKS[name]).parameters:
        if parameter == "block":
            built_from[parameter] = _read_block(file, entry, place, unread)
        elif parameter in entry:
            built_from[parameter] = entry[parameter]
        else:
            built_from[parameter] = _read_array(file, f"{place}.{parameter}")
            unread.discard(f"{place}.{parameter}")
    build: Any = BRICKS[name]
    layer: Brick = build(**built_from)
    if _described(layer) != entry:
        raise ValueError(f"layer {place} is {layer}, but is described as {entry!s:.50}")
    return layer


def _read_block(file: Any, entry: dict[str, Any], place: str, unread: set[str]) -> list[Brick]:
    """Return the bricks in the brick that `entry` describes."""
    if place.count(".") >= DEEPEST:
        raise ValueError(f"its bricks are nested more than {DEEPEST} deep")
    block = entry.get("block")
    if not isinstance(block, list):
        raise ValueError(f"layer {place} has no list of bricks")
    return [
        _read_layer(file, inner, f"{place}.{index}", unread) for index, inner in enumerate(block)
    ]


def _read_architecture(metadata: dict[str, str]) -> list[dict[str, Any]]:
    """Return the list of bricks in a file's metadata."""
    described = _read_description(metadata)
    if "networks" in described:
        raise ValueError("it holds several; read it with Ensemble.load")
    return _as_bricks(described.get("bricks"))


def _as_bricks(bricks: object) -> list[dict[str, Any]]:
    if not (isinstance(bricks, list) and all(isinstance(entry, dict) for entry in bricks)):
        raise ValueError("its metadata has no list of bricks")
    return bricks


def _read_description(metadata: dict[str, str]) -> dict[str, Any]:
    """Return what a file's metadata say, of a format that can be read here."""
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
    return architecture


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
