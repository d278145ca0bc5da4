"""A sequence of bricks, as in a Network or a Residual: names, params, widths and checks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn, Protocol, TypeGuard, cast

import numpy as np

from handnn.arrays import Array, float_dtype
from handnn.layers.embedding import Embedding
from handnn.layers.layer import Brick, Layer, buffers_of, grads_of, params_of


def walk(layers: Iterable[Brick], prefix: str = "") -> Iterator[tuple[str, Brick]]:
    """Yield the place and the brick, "0", "1", ..., each followed by its inner ones, "1.0", ..."""
    return _walk(layers, prefix, lambda layer: layer.block)


def params(layers: Sequence[Brick]) -> dict[str, Array]:
    """Return the params of all layers, named "0.w", "0.b", "2.w", ...; not copies."""
    return {f"{place}.{n}": array for place, a in _own(layers) for n, array in params_of(a).items()}


def buffers(layers: Sequence[Brick]) -> dict[str, Array]:
    """Return the buffers of all layers, named "1.running_mean", ...; not copies."""
    return {f"{place}.{n}": a for place, b in _own(layers) for n, a in buffers_of(b).items()}


def grads(layers: Sequence[Brick]) -> dict[str, Array | None]:
    """Return the gradients of the last `backward`, by the names of `params`."""
    return {f"{place}.{n}": grad for place, a in _own(layers) for n, grad in grads_of(a).items()}


def dtype(layers: Sequence[Brick]) -> np.dtype[np.floating] | None:
    """Return the dtype of the params; None without params."""
    for layer in layers:
        for array in params_of(layer).values():
            return array.dtype
    return None


class Container(Layer):
    """Base class of a brick that consists of others, in `block`.

    Attributes:
        first: The first param of the block when the brick was made, by name; {} without params.
    """

    first: Mapping[str, Array] = {}

    @property
    def params(self) -> dict[str, Array]:
        """The params of the block, named "0.w", "2.b", ...; not copies."""
        return params(self.block)

    @property
    def buffers(self) -> dict[str, Array]:
        """The buffers of the block, named "1.running_mean", ...; not copies."""
        return buffers(self.block)

    @property
    def grads(self) -> dict[str, Array | None]:
        """The gradients of the last `backward`, by the names of `params`."""
        return grads(self.block)


def _walk(
    layers: Iterable[Brick], prefix: str, inner_of: Callable[[Layer], Sequence[Brick]]
) -> Iterator[tuple[str, Brick]]:
    """Yield places and bricks depth first, in time independent of the depth."""
    waiting = [(prefix, enumerate(layers))]
    while waiting:
        prefix, rest = waiting[-1]
        for index, layer in rest:
            place = f"{prefix}{index}"
            yield place, layer
            if isinstance(layer, Layer):
                inner = inner_of(layer)
                if inner:
                    waiting.append((f"{place}.", enumerate(inner)))
                    break
        else:
            waiting.pop()


def _own(layers: Sequence[Brick]) -> Iterable[tuple[str | int, Brick]]:
    """Return the place and the brick of every brick with arrays of its own."""
    if _has_blocks(layers):
        return _own_in_blocks(layers)
    return enumerate(layers)  # in a sixth of the time, which is noticeable in `train_step`


def _has_blocks(layers: Sequence[Brick]) -> bool:
    for layer in layers:  # noqa: SIM110  any(...) takes twice as long, noticeable in `train_step`
        if isinstance(layer, Layer) and layer.block:
            return True
    return False


def _own_in_blocks(layers: Sequence[Brick]) -> Iterator[tuple[str, Brick]]:
    for place, layer in _walk(layers, "", _transparent_block):
        if not (isinstance(layer, Layer) and _transparent_block(layer)):
            yield place, layer


def _transparent_block(layer: Layer) -> Sequence[Brick]:
    """Return the block of a brick if the brick's arrays are exactly those of the block; else ()."""
    kind = type(layer)
    if layer.block and all(
        getattr(kind, name) is getattr(Container, name) for name in ("params", "buffers", "grads")
    ):
        return layer.block
    return ()


def train(layers: Iterable[Brick], training: bool) -> None:
    """Set the attribute `training` of every layer that has one; a Residual passes it on."""
    for layer in layers:
        if hasattr(layer, "training"):
            layer.training = training


class BrickWithMode(Protocol):
    """A brick with a training mode and a prediction mode."""

    training: bool


def with_mode(layers: Sequence[Brick]) -> list[BrickWithMode]:
    """Return the bricks that have the attribute `training`, including those within a Residual."""
    if _has_blocks(layers):
        return [layer for _, layer in walk(layers) if _has_mode(layer)]
    return [layer for layer in layers if _has_mode(layer)]


def _has_mode(layer: Brick) -> TypeGuard[BrickWithMode]:
    return hasattr(layer, "training")


def name(layer: Brick) -> str:
    """Return the name of a brick for messages: its repr if it is handnn's, else its class."""
    return repr(layer) if isinstance(layer, Layer) else type(layer).__name__


def result(returned: object, where: str, index: int, layer: Brick) -> Array:
    """Return the result of a brick; raise TypeError, naming the brick, if it is not an array."""
    if type(returned) is np.ndarray:
        return returned
    if not hasattr(returned, "shape"):
        raise TypeError(f"{where}: layer {index} ({name(layer)}) returned {returned!r:.50}")
    return cast(Array, returned)


def check_bricks(where: str, layers: list[Brick]) -> None:
    """Check that `layers` are distinct bricks, at least one.

    Raises:
        TypeError: If an element is not a brick, or its params are not a dict of arrays.
        ValueError: If `layers` is empty or contains one brick twice.
    """
    if not layers:
        raise ValueError(f"{where}: {'layers' if where == 'Network' else 'block'} is empty")
    for index, layer in enumerate(layers):
        if isinstance(layer, type):
            raise TypeError(
                f"{where}: layer {index} is the class {layer.__name__}; write {layer.__name__}()"
            )
        if hasattr(layer, "predicts"):  # a LossFacts, which cannot be imported here
            raise TypeError(
                f"{where}: layer {index} is the loss {layer!r}; leave it out of the list and pass "
                "it to Trainer(network, loss, optimizer)"
            )
        if not (hasattr(layer, "forward") and hasattr(layer, "backward")):
            raise TypeError(f"{where}: layer {index} ({name(layer)}) has no forward and backward")
        inner = _transparent_block(layer) if isinstance(layer, Layer) else ()
        params: object = {} if inner else params_of(layer)  # a block has been checked by its brick
        if not (isinstance(params, dict) and all(hasattr(a, "dtype") for a in params.values())):
            raise TypeError(
                f"{where}: the params of layer {index} ({name(layer)}) must be a dict of arrays"
            )
    seen: set[int] = set()
    waiting = [iter(layers)]
    while waiting:
        for layer in waiting[-1]:
            if id(layer) in seen:
                _raise_repeated(where, layers)
            seen.add(id(layer))
            if isinstance(layer, Layer) and layer.block:
                waiting.append(iter(layer.block))
                break
        else:
            waiting.pop()


def _raise_repeated(where: str, layers: list[Brick]) -> NoReturn:
    """Raise the ValueError that names the two places of one brick."""
    places: dict[int, str] = {}
    for place, layer in walk(layers):
        if places.setdefault(id(layer), place) != place:
            raise ValueError(
                f"{where}: layers {places[id(layer)]} and {place} are one {name(layer)} object; "
                "each place needs its own"
            )
    raise AssertionError("no brick occurs twice")


def first_params(layers: Iterable[Brick]) -> dict[str, Array]:
    """Return the params of all layers; of a brick that contains others, only the first param.

    Its constructor has checked that the others have the same dtype.
    """
    found: dict[str, Array] = {}
    for index, layer in enumerate(layers):
        arrays = layer.first if isinstance(layer, Container) else params_of(layer)
        found.update({f"{index}.{name}": array for name, array in arrays.items()})
    return found


def check_dtypes(where: str, params: dict[str, Array]) -> None:
    """Raise TypeError unless all params are float32 or all are float64."""
    first = next(iter(params), "")
    for name, array in params.items():
        float_dtype(array.dtype, f"{where}: {name}")
        if array.dtype != params[first].dtype:
            raise TypeError(
                f"{where}: {first} is {params[first].dtype} but {name} is {array.dtype}"
            )


def sizes(where: str, layers: list[Brick]) -> dict[str, int]:
    """Return the input and output widths, "in" and "out", where the layers fix them."""
    found = {"in": _input_width(layers), "out": output_widths(where, layers)[-1]}
    return {end: width for end, width in found.items() if width is not None}


def width_change(layers: list[Brick]) -> int | None:
    """Return output width minus input width, if constant; else None."""
    changes = [layer.width_change if isinstance(layer, Layer) else None for layer in layers]
    return None if None in changes else sum(filter(None, changes))


def _input_width(layers: list[Brick]) -> int | None:
    """Return the input width, as derived from the first brick that fixes its own."""
    total_change = 0
    for layer in layers:
        if not isinstance(layer, Layer):
            return None
        if "in" in layer.sizes:
            return layer.sizes["in"] - total_change
        change = layer.width_change
        if change is None:
            return None
        total_change += change
    return None


def output_widths(where: str, layers: list[Brick]) -> list[int | None]:
    """Return the output width of each layer, None if unknown.

    Raises:
        ValueError: If a layer does not accept the width of the one before it, or an Embedding
            would read its codes from the vectors of another one.
    """
    widths: list[int | None] = []
    width = _input_width(layers)
    n_left: int | None = None  # the input columns not yet read by a series of Embeddings
    for index, layer in enumerate(layers):
        sizes, change, min_columns = {}, None, 0
        if isinstance(layer, Layer):
            sizes, change, min_columns = layer.sizes, layer.width_change, layer.min_columns
        if width is not None and sizes.get("in", width) != width:
            raise ValueError(
                f"{where}: layer {index} ({name(layer)}) expects {sizes['in']} columns, "
                f"but layer {index - 1} returns {width}"
            )
        if width is not None and width < min_columns:
            raise ValueError(
                f"{where}: layer {index} ({name(layer)}) expects at least {min_columns} columns, "
                f"but here it would get {width}"
            )
        if isinstance(layer, Embedding):
            n_left = width if n_left is None else n_left - 1
            if n_left is not None and layer.column >= n_left:
                raise ValueError(
                    f"{where}: layer {index} ({name(layer)}) would read its codes from the vectors "
                    f"of an Embedding before it; of its columns, only the first {n_left} are inputs"
                )
        else:
            n_left = None
        changed = None if width is None or change is None else width + change
        width = sizes.get("out", changed)
        widths.append(width)
    return widths


def astype(where: str, layer: Brick, dtype: np.dtype[np.floating]) -> Brick:
    """Return a copy of the brick with its params in `dtype`.

    Raises:
        TypeError: If a brick has params but not the method `astype`.
    """
    if hasattr(layer, "astype"):
        converted: Brick = layer.astype(dtype)
        return converted
    if params_of(layer):
        raise TypeError(f"{where}.astype: {name(layer)} has params but no method astype(dtype)")
    return copy.deepcopy(layer)
