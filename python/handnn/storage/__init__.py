"""Saved networks: one safetensors file that holds the arrays and says which bricks they are of.

The file's metadata has one entry, "handnn", a JSON text:

    {"format": 1, "bricks": [{"brick": "Affine", "in": 8, "out": 64}, {"brick": "ReLU"}, ...]}

and its arrays are named as in `Network.params` and `Network.buffers`: "0.w", "0.b", "2.w", ... With
"names": "torch" beside the format they are named and shaped as PyTorch's: see `torch_names`. A
brick that is made of bricks lists them: {"brick": "Residual", "block": [{"brick": "Affine", ...},
...]}. Nothing in a file is ever executed or imported: a brick's name is looked up in `BRICKS`, and
what is not there is refused.

What holds several networks has "networks", a list of such lists, instead of "bricks", and says in
"model" what it is: "ensemble" or "table". The arrays of its network 3 are named "3.0.w", "3.0.b".
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, TypeVar

import numpy as np

from handnn.arrays import Array
from handnn.layers import BRICKS, BatchNorm, Brick, Layer
from handnn.layers.residual import DEEPEST, Residual
from handnn.layers.sequence import walk
from handnn.network import Network
from handnn.storage.names import COUNTER, TORCH_NAMES, is_turned, state_dict

T = TypeVar("T")

FORMAT = 1
NAMES = ("handnn", "torch")

LONGEST_HEADER = 2**21
"""Bytes of a file before its arrays, enough for ten thousand of them. Parsed, they take up to 30
times as much memory, which a file that is not ours must not choose."""


class FormatError(ValueError):
    """A file is not a network that this handnn can read: damaged, foreign, or of a later format."""


def save(network: Network, path: str | os.PathLike[str], names: str = "handnn") -> None:
    """Write `network` to `path`, all or nothing: a reader finds the old file or the new one.

    names: whose names and shapes the arrays have in the file, "handnn" or "torch"; `load` reads
    both. The bytes go to a temporary file in the same folder, which then takes the name `path`.
    Raises TypeError when a layer is not one of handnn's bricks or `path` is no path, ValueError for
    other names or when its arrays have been replaced by some that do not fit, OSError when the file
    cannot be written; the old file is then still there, and the temporary one is not.
    """
    path = as_path(path, "Network.save: path")
    check_names(names, "Network.save")
    arrays, description = contents(network, "Network.save", names)
    write_arrays(path, arrays, {"handnn": description})


def contents(network: Network, where: str, names: str = "handnn") -> tuple[dict[str, Array], str]:
    """Return the arrays of a network and the description of its bricks, as a file holds them."""
    bricks, arrays = describe(network, where, names)
    return arrays, _text({"bricks": bricks, **({"names": names} if names == "torch" else {})})


def describe(
    network: Network, where: str, names: str = "handnn"
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what a file says of a network's bricks, and their arrays, as `names` has them."""
    for place, layer in walk(network.layers):
        name = type(layer).__name__
        if not isinstance(layer, Layer) or BRICKS.get(name) is not type(layer):
            raise TypeError(
                f"{where}: layer {place} ({name}) is not one of handnn's bricks "
                f"({', '.join(BRICKS)}); a file cannot hold its code"
            )
    bricks = [_described(layer) for layer in network.layers]
    # Built anew, as by load, what is written fits together and lies in C order (safetensors writes
    # memory as it lies).
    rebuilt = Network(map(_rebuilt, network.layers))
    if names == "torch":
        return bricks, state_dict(rebuilt.layers)
    return bricks, {**rebuilt.params, **rebuilt.buffers}


def describe_all(
    networks: Sequence[Network], where: str
) -> tuple[list[list[dict[str, Any]]], dict[str, Array]]:
    """Return the same of several networks; the arrays of number 3 are named "3.0.w", "3.0.b"."""
    described: list[list[dict[str, Any]]] = []
    arrays: dict[str, Array] = {}
    for place, network in enumerate(networks):
        bricks, of_network = describe(network, f"{where}: network {place}")
        described.append(bricks)
        arrays.update({f"{place}.{name}": array for name, array in of_network.items()})
    return described, arrays


def write(
    path: str | os.PathLike[str], arrays: dict[str, Any], architecture: dict[str, Any]
) -> None:
    """Write arrays, and what they are, to the file `path`, all or nothing."""
    write_arrays(path, arrays, {"handnn": _text(architecture)})


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: dict[str, str]
) -> None:
    """Write a safetensors file, all or nothing."""
    from safetensors.numpy import save as to_bytes

    data = to_bytes(dict(arrays), metadata)
    if int.from_bytes(data[:8], "little") > LONGEST_HEADER:
        raise ValueError(f"{os.fspath(path)} would need a header above {LONGEST_HEADER} bytes")
    replace_file(path, data)


def _text(architecture: dict[str, Any]) -> str:
    import json

    return json.dumps({"format": FORMAT, **architecture})


def load(path: str | os.PathLike[str]) -> Network:
    """Read the network that `Network.save` wrote to `path`.

    NaN and Inf are weights like any other. No more memory is taken than the arrays that are really
    in the file need. Raises FormatError (a ValueError) when the file is not such a network, OSError
    when it cannot be read.
    """
    return read(path, _read_network, "a network", "handnn.load")


def read(path: str | os.PathLike[str], build: Callable[[Any], T], what: str, where: str) -> T:
    """Return what `build` makes of a file of safetensors; FormatError when it is no such file."""
    with opened(as_path(path, f"{where}: path"), f"is not {what} saved by handnn") as file:
        if "training" in (file.metadata() or {}):
            raise ValueError("it is a checkpoint, which Trainer.resume reads")
        return build(file)


@contextmanager
def opened(path: str | os.PathLike[str], fault: str, where: str = "") -> Iterator[Any]:
    """Open a safetensors file; whatever is wrong with it is a FormatError that names the fault."""
    from safetensors import SafetensorError, safe_open

    path = os.fspath(path)
    with open(path, "rb") as raw:  # a folder or a locked file is told in Python's own words
        length = int.from_bytes(raw.read(8), "little")
    try:
        if length > LONGEST_HEADER:
            raise ValueError(f"its header is {length} bytes long")
        with safe_open(path, framework="np") as file:
            yield file
    except (SafetensorError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{where}{path} {fault}: {error}") from error


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


def check_names(names: object, where: str) -> None:
    """Raise ValueError unless these are names that arrays can have in a file."""
    if not (isinstance(names, str) and names in NAMES):
        raise ValueError(f"{where}: names must be 'handnn' or 'torch', but is {names!r}")


class ArraysOfFile:
    """The arrays of a file of safetensors, by our names, each to be taken once.

    keys: of those that belong to the bricks, all with the prefix when None; prefix: what stands
    before their names in the file, when it holds more than one network.
    """

    def __init__(
        self, file: Any, names: str, *, prefix: str = "", keys: Iterable[str] | None = None
    ) -> None:
        self._file = file
        self._is_torch = names == "torch"
        self._prefix = prefix
        found = file.keys() if keys is None else keys
        self._unread = {key for key in found if key.startswith(prefix)}

    def take(self, brick: str, place: str, name: str) -> Array:
        """Return the array `name` of a brick, in our shape; ValueError when there is none."""
        key = f"{self._prefix}{place}.{name}"
        if self._is_torch:
            key = f"{place}.{TORCH_NAMES.get(brick, {}).get(name, name)}"
            if brick == BatchNorm.__name__:
                self._unread.discard(f"{place}.{COUNTER}")
        array = read_array(self._file, key)
        self._unread.discard(key)
        if self._is_torch and is_turned(brick, name):
            array = np.ascontiguousarray(array.T)
        return array

    def check_all_taken(self) -> None:
        """Raise ValueError when the file has an array that belongs to no layer."""
        if self._unread:
            raise ValueError(f"no layer has an array {min(self._unread)!r:.50}")


def _read_network(file: Any) -> Network:
    """Return the network that a file of safetensors describes."""
    return Network(read_bricks(file, file.keys()))


def read_bricks(file: Any, keys: Iterable[str]) -> list[Brick]:
    """Return the bricks that a file of safetensors describes, of its arrays with these keys."""
    architecture = read_architecture(file.metadata() or {})
    check_names(architecture.get("names", "handnn"), "its metadata")
    arrays = ArraysOfFile(file, architecture.get("names", "handnn"), keys=keys)
    return read_layers(arrays, architecture.get("bricks"))


def read_layers(arrays: ArraysOfFile, bricks: object) -> list[Brick]:
    """Return the bricks that a file describes, each built from its own arrays; they take all."""
    if not (isinstance(bricks, list) and all(isinstance(entry, dict) for entry in bricks)):
        raise ValueError("its metadata has no list of bricks")
    layers = [_read_layer(arrays, entry, str(index)) for index, entry in enumerate(bricks)]
    arrays.check_all_taken()
    return layers


def read_all(file: Any, described: object) -> list[Network]:
    """Return the networks that `describe_all` described, of all arrays of the file."""
    if not (isinstance(described, list) and described):
        raise ValueError("its metadata has no list of networks")
    prefixes = [f"{place}." for place in range(len(described))]
    for key in file.keys():  # noqa: SIM118 - it is no dict
        if not key.startswith(tuple(prefixes)):
            raise ValueError(f"no network has an array {key!r:.50}")
    return [
        Network(read_layers(ArraysOfFile(file, "handnn", prefix=prefix), bricks))
        for prefix, bricks in zip(prefixes, described, strict=True)
    ]


def _read_layer(arrays: ArraysOfFile, entry: object, place: str) -> Brick:
    """Return the brick that `entry` describes, of the arrays that it takes."""
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
            built_from[parameter] = _read_block(arrays, entry, place)
        elif parameter in entry:
            built_from[parameter] = entry[parameter]
        else:
            built_from[parameter] = arrays.take(name, place, parameter)
    build: Any = BRICKS[name]
    layer: Brick = build(**built_from)
    if _described(layer) != entry:
        raise ValueError(f"layer {place} is {layer}, but is described as {entry!s:.50}")
    return layer


def _read_block(arrays: ArraysOfFile, entry: dict[str, Any], place: str) -> list[Brick]:
    """Return the bricks in the brick that `entry` describes."""
    if place.count(".") >= DEEPEST:
        raise ValueError(f"its bricks are nested more than {DEEPEST} deep")
    block = entry.get("block")
    if not isinstance(block, list):
        raise ValueError(f"layer {place} has no list of bricks")
    return [_read_layer(arrays, inner, f"{place}.{index}") for index, inner in enumerate(block)]


READERS = {
    "network": "handnn.load",
    "ensemble": "handnn.Ensemble.load",
    "table": "handnn.TableModel.load",
}
"""What reads each kind of model."""


def read_architecture(metadata: Mapping[str, str], model: str = "network") -> dict[str, Any]:
    """Return what a file's metadata says of a model; ValueError when it is of another kind."""
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
    found = architecture.get("model", "network")
    if found != model:
        reader = READERS.get(found) if isinstance(found, str) else None
        raise ValueError(f"it is read by {reader}" if reader else f"its model is {found!s:.50}")
    return architecture


def read_array(file: Any, key: str) -> Array:
    """Return the array `key` of a file of safetensors."""
    dtype = file.get_slice(key).get_dtype()
    if dtype not in ("F32", "F64"):
        raise ValueError(f"its array {key} is {dtype}, not F32 or F64")
    array: Array = file.get_tensor(key)
    return array


def as_path(path: object, name: str) -> str:
    """Return a path as a str; TypeError when it is none, or of bytes, or a file's number."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str or os.PathLike, but is {path!r}")
    return text


def place_of(path: str | os.PathLike[str]) -> str:
    """Return where the file `path` is or will be; OSError when something else is there."""
    place = os.path.realpath(path)
    if os.path.exists(place) and not os.path.isfile(place):
        kind = errno.EISDIR if os.path.isdir(place) else errno.EINVAL
        raise OSError(kind, "not a regular file, and left alone", os.fspath(path))
    return place


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Give the file `path` the contents `data`, at once and for good, or leave it as it was."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file to be written, which takes the name `path` at once and for good when all is well.

    Else `path` is left as it was, and the file is gone. Raises OSError, for `path`, when it cannot
    be written, or is something else than a file.
    """
    place = place_of(path)
    folder = os.path.dirname(place)
    temporary = os.path.join(folder, f".handnn-{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(place):
            os.chmod(temporary, os.stat(place).st_mode)
        os.replace(temporary, place)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.remove(temporary)
        names = (None, temporary)  # not that of another file, read in the meantime
        if isinstance(error, OSError) and error.errno and error.filename in names:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise
    with suppress(OSError, AttributeError):  # its entry too, where a folder can be opened
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
