"""Bricks in a file: describing them, and building them from a description.

The metadata of the file has an entry "handnn", a JSON text:

    {"format": 1, "bricks": [{"brick": "Affine", "in": 8, "out": 64}, {"brick": "ReLU"}, ...]}

The arrays are named as in `Network.params` and `Network.buffers`: "0.w", "0.b", "2.w", ... With
"names": "torch" in that text they are named and shaped as PyTorch's: see `storage.names`. A brick
made of bricks lists them: {"brick": "Residual", "block": [{"brick": "Affine", ...}, ...]}.

A file of several networks has "networks", a list of such lists, in place of "bricks", and a "model"
of "ensemble" or "table". The arrays of network 3 are named "3.0.w", "3.0.b".

Nothing in a file is executed or imported: the name of a brick is looked up in `BRICKS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers import BRICKS, BatchNorm, Brick, Layer, is_ours, is_public, sequence
from handnn.layers.residual import MAX_DEPTH, Residual
from handnn.storage.file import TensorFile, as_path, opened, write_arrays
from handnn.storage.header import cost_of, from_json
from handnn.storage.messages import brief
from handnn.storage.names import COUNTER, TORCH_NAMES, is_turned, state_dict
from handnn.storage.packing import PREFIX, pack, unpack

T = TypeVar("T")

FORMAT = 1
NAMES = ("handnn", "torch")

READERS = {
    "network": "handnn.load",
    "ensemble": "handnn.Ensemble.load",
    "table": "handnn.TableModel.load",
}
"""The function that reads each kind of model."""

COMPACT = frozenset({"labels", "counts", "knots", "levels", "edges", "errors", "mean", "scale"})
"""The entries of a table's description whose lists can be long: `Compact` when they are read."""

Described = dict[str, object]
"""The description of one brick in a file: its name, sizes and settings, or its block."""

FileArrays = dict[str, NDArray[np.generic]]


def save(layers: Sequence[Brick], path: str | os.PathLike[str], names: str, where: str) -> None:
    """Write bricks to the file `path`, atomically, with names as in `Network.save`."""
    path = as_path(path, f"{where}: path")
    check_names(names, where)
    arrays, description = contents(layers, where, names)
    write_arrays(path, arrays, {"handnn": description})


def write(
    path: str | os.PathLike[str], arrays: FileArrays, architecture: Mapping[str, object]
) -> None:
    """Write arrays and their architecture, atomically.

    architecture: JSON values by name. A caller may add entries; `read_description` returns them
    with the others. Long lists become arrays: see `packing`. Raises ValueError if a file cannot
    hold them; what is written can be read.
    """
    text, more = packed(architecture)
    write_arrays(path, {**arrays, **more}, {"handnn": text})


def packed(architecture: Mapping[str, object]) -> tuple[str, FileArrays]:
    """Return the text and the arrays of an architecture; ValueError if a file cannot hold them."""
    more: FileArrays = {}
    text = _text({name: pack(value, more) for name, value in architecture.items()})
    copies = {name: array.copy() for name, array in more.items()}
    _unpacked(from_json(text, "description"), copies.pop, text)
    return text, more


def _unpacked(packed: object, read: Callable[[str], NDArray[Any]], text: str) -> Any:
    """Return a description whose JSON is `text`, with its packed lists; see `unpack`."""
    return unpack(packed, read, compact=COMPACT, cost=cost_of(text))


def read(
    path: str | os.PathLike[str], build: Callable[[TensorFile], T], what: str, where: str
) -> T:
    """Open a file of bricks once, and return the result of `build`.

    what: names the kind of model in the FormatError that is raised when the file is not one.
    """
    with opened(as_path(path, f"{where}: path"), f"is not {what} saved by handnn") as file:
        if "training" in file.metadata:
            raise ValueError("it is a checkpoint, which Trainer.resume reads")
        return build(file)


def contents(layers: Sequence[Brick], where: str, names: str = "handnn") -> tuple[FileArrays, str]:
    """Return the arrays of bricks and the metadata entry "handnn" that describes them."""
    bricks, arrays = describe(layers, where, names)
    return arrays, _text({"bricks": bricks, **({"names": names} if names == "torch" else {})})


def describe(
    layers: Sequence[Brick], where: str, names: str = "handnn"
) -> tuple[list[Described], FileArrays]:
    """Return the descriptions of bricks, and their arrays, C-contiguous, under `names`.

    Raises TypeError for a brick that is not one of handnn's, ValueError when an array has been
    replaced by one that does not fit.
    """
    for place, layer in sequence.walk(layers):
        if not is_public(layer):
            raise TypeError(
                f"{where}: layer {place} ({type(layer).__name__}) is not one of handnn's bricks "
                f"({', '.join(BRICKS)}); a file cannot hold its code"
            )
    ours = [layer for layer in layers if is_ours(layer)]
    # The constructors and these checks reject everything that `load` rejects.
    rebuilt = [_rebuilt(layer) for layer in ours]
    params, buffers = sequence.params(rebuilt), sequence.buffers(rebuilt)
    sequence.check_dtypes(where, {**params, **buffers})
    sequence.output_widths(where, list(rebuilt))
    arrays: FileArrays = {**params, **buffers} if names == "handnn" else state_dict(rebuilt)
    return [_described(layer) for layer in ours], arrays


def describe_all(
    networks: Iterable[Sequence[Brick]], where: str
) -> tuple[list[list[Described]], FileArrays]:
    """Describe several networks likewise; the arrays of number 3 are named "3.0.w", "3.0.b"."""
    described: list[list[Described]] = []
    arrays: FileArrays = {}
    for place, layers in enumerate(networks):
        bricks, own = describe(layers, f"{where}: network {place}")
        described.append(bricks)
        arrays.update({f"{place}.{name}": array for name, array in own.items()})
    return described, arrays


def _text(architecture: Mapping[str, object]) -> str:
    import json

    return json.dumps({"format": FORMAT, **architecture}, allow_nan=False)


def _described(layer: Layer) -> Described:
    """Return the description of a brick, without its arrays."""
    name = type(layer).__name__
    if isinstance(layer, Residual):
        return {
            "brick": name,
            "block": [_described(inner) for inner in layer.block if is_ours(inner)],
        }
    return {"brick": name, **layer.sizes, **layer.settings}


def _rebuilt(layer: Layer) -> Layer:
    """Return a new brick of the same arrays, made C-contiguous."""
    if isinstance(layer, Residual):
        return Residual(_rebuilt(inner) for inner in layer.block if is_ours(inner))
    build: Callable[..., Layer] = type(layer)
    return build(**layer.params, **layer.buffers, **layer.settings)


def check_names(names: object, where: str) -> None:
    """Raise ValueError unless `names` is "handnn" or "torch"."""
    if not (isinstance(names, str) and names in NAMES):
        raise ValueError(f"{where}: names must be 'handnn' or 'torch', but is {names!r}")


class BrickArrays:
    """The arrays of a file under handnn's names and in its shapes, each read once.

    keys: the names that belong to the bricks, all in the file if None. prefix: the beginning of
        these names in a file of several networks.
    """

    def __init__(
        self, file: TensorFile, names: str, *, prefix: str = "", keys: Iterable[str] | None = None
    ) -> None:
        self._file = file
        self._is_torch = names == "torch"
        self._prefix = prefix
        self._unread = set(file.keys() if keys is None else keys)

    def read(self, brick: str, place: str, name: str) -> Array:
        """Return the array `name` of a brick, in handnn's shape; ValueError if it is missing."""
        key = f"{self._prefix}{place}.{name}"
        if self._is_torch:
            key = f"{place}.{TORCH_NAMES.get(brick, {}).get(name, name)}"
            if brick == BatchNorm.__name__:
                self._unread.discard(f"{place}.{COUNTER}")
        self._unread.discard(key)
        if self._is_torch and is_turned(brick, name):
            return self._file.read_transposed(key)
        return self._file.read(key)

    def check_all_read(self) -> None:
        """Raise ValueError when an array belongs to no layer."""
        if self._unread:
            raise ValueError(f"no layer has an array {min(self._unread)!r:.50}")


def read_bricks(file: TensorFile, keys: Iterable[str] | None = None) -> list[Brick]:
    """Return the bricks that a file describes.

    keys: the arrays that belong to them, all in the file if None.
    """
    architecture = read_architecture(file.metadata)
    names = architecture.get("names", "handnn")
    check_names(names, "its metadata")
    return _read_layers(BrickArrays(file, names, keys=keys), architecture.get("bricks"))


def read_all(file: TensorFile, described: object) -> list[list[Brick]]:
    """Return the bricks of every network that `describe_all` described."""
    if not (isinstance(described, list) and described):
        raise ValueError("its metadata has no list of networks")
    keys: dict[str, list[str]] = {str(place): [] for place in range(len(described))}
    for key in file.keys():  # noqa: SIM118 - it is not a dict
        network = key.partition(".")[0]
        if network == PREFIX:  # read by `read_description`
            continue
        if network not in keys:
            raise ValueError(f"no network has an array {key!r:.50}")
        keys[network].append(key)
    return [
        _read_layers(BrickArrays(file, "handnn", prefix=f"{place}.", keys=own), bricks)
        for (place, own), bricks in zip(keys.items(), described, strict=True)
    ]


def _read_layers(arrays: BrickArrays, bricks: object) -> list[Brick]:
    """Return the bricks of one network, built from all of `arrays`."""
    if not (isinstance(bricks, list) and all(isinstance(entry, dict) for entry in bricks)):
        raise ValueError("its metadata has no list of bricks")
    layers: list[Brick] = [
        _read_layer(arrays, entry, str(index)) for index, entry in enumerate(bricks)
    ]
    arrays.check_all_read()
    return layers


@cache
def _parameters(name: str) -> tuple[str, ...]:
    """Return the parameters of a brick's constructor: its arrays and its settings."""
    import inspect

    return tuple(inspect.signature(BRICKS[name]).parameters)


def _read_layer(arrays: BrickArrays, entry: object, place: str) -> Layer:
    """Return the brick that `entry` describes, built from its arrays."""
    if not isinstance(entry, dict):
        raise ValueError(f"layer {place} is described as {brief(entry)}")
    name = entry.get("brick")
    if not (isinstance(name, str) and name in BRICKS):
        raise ValueError(f"layer {place} is {brief(name)}, not one of {', '.join(BRICKS)}")
    if name == Residual.__name__:
        if set(entry) != {"brick", "block"}:
            raise ValueError(f"layer {place} is a Residual, but is described as {brief(entry)}")
        return Residual(_read_block(arrays, entry["block"], place))
    build: Callable[..., Layer] = BRICKS[name]
    layer = build(
        **{
            parameter: entry[parameter]
            if parameter in entry
            else arrays.read(name, place, parameter)
            for parameter in _parameters(name)
        }
    )
    if _described(layer) != entry:
        raise ValueError(f"layer {place} is {layer}, but is described as {brief(entry)}")
    return layer


def _read_block(arrays: BrickArrays, block: object, place: str) -> list[Brick]:
    """Return the bricks of a Residual."""
    if place.count(".") >= MAX_DEPTH:
        raise ValueError(f"its bricks are nested more than {MAX_DEPTH} deep")
    if not isinstance(block, list):
        raise ValueError(f"layer {place} has no list of bricks")
    return [_read_layer(arrays, inner, f"{place}.{index}") for index, inner in enumerate(block)]


def read_architecture(metadata: Mapping[str, str], model: str = "network") -> dict[str, Any]:
    """Return the description of a model in a file's metadata.

    Raises ValueError when the file has none, or holds another kind of model.
    """
    if "handnn" not in metadata:
        raise ValueError("its metadata has no entry 'handnn'")
    architecture = from_json(metadata["handnn"], "description")
    if not isinstance(architecture, dict) or "format" not in architecture:
        raise ValueError("its metadata does not name a format")
    if architecture["format"] != FORMAT:
        raise ValueError(
            f"its format is {brief(architecture['format'])}, and this version of handnn reads only "
            f"{FORMAT}"
        )
    found = architecture.get("model", "network")
    if found != model:
        reader = READERS.get(found) if isinstance(found, str) else None
        raise ValueError(f"it is read by {reader}" if reader else f"its model is {brief(found)}")
    return architecture


def read_description(file: TensorFile, model: str) -> dict[str, Any]:
    """Return the description of a model as `write` took it; ValueError when there is none.

    model: "table" or "ensemble". Each packed array of the file is read once.
    """
    unread = {key for key in file.keys() if key.startswith(f"{PREFIX}.")}  # noqa: SIM118

    def read(key: str) -> NDArray[Any]:
        if key not in unread:
            raise ValueError(f"its description names the array {key!r:.50} twice, or it has none")
        unread.discard(key)
        return file.read_packed(key)

    packed = read_architecture(file.metadata, model)
    found: dict[str, Any] = _unpacked(packed, read, file.metadata["handnn"])
    if unread:
        raise ValueError(f"its description does not name the array {min(unread)!r:.50}")
    return found
