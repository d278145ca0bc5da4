"""A sequence of bricks, as in a Network or a Residual: names, params, widths and checks."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import numpy as np

from handnn.arrays import Array, float_dtype
from handnn.layers.layer import Brick, Layer, buffers_of, grads_of, params_of


def walk(layers: Iterable[Brick], prefix: str = "") -> Iterator[tuple[str, Brick]]:
    """Yield the place and the brick, "0", "1", ..., each followed by its inner ones, "1.0", ..."""
    for index, layer in enumerate(layers):
        yield f"{prefix}{index}", layer
        if isinstance(layer, Layer) and layer.block:
            yield from walk(layer.block, f"{prefix}{index}.")


def params(layers: Iterable[Brick]) -> dict[str, Array]:
    """Return the params of all layers, named "0.w", "0.b", "2.w", ...; not copies."""
    return {
        f"{index}.{name}": array
        for index, layer in enumerate(layers)
        for name, array in params_of(layer).items()
    }


def buffers(layers: Iterable[Brick]) -> dict[str, Array]:
    """Return the buffers of all layers, named "1.running_mean", ...; not copies."""
    return {
        f"{index}.{name}": array
        for index, layer in enumerate(layers)
        for name, array in buffers_of(layer).items()
    }


def grads(layers: Iterable[Brick]) -> dict[str, Array | None]:
    """Return the gradients of the last `backward`, by the names of `params`."""
    return {
        f"{index}.{name}": array
        for index, layer in enumerate(layers)
        for name, array in grads_of(layer).items()
    }


def dtype(layers: Iterable[Brick]) -> np.dtype[np.floating] | None:
    """Return the dtype of the params; None without params."""
    for layer in layers:
        for array in params_of(layer).values():
            return array.dtype
    return None


def train(layers: Iterable[Brick], training: bool) -> None:
    """Set the attribute `training` of every layer that has one; a Residual passes it on."""
    for layer in layers:
        if hasattr(layer, "training"):
            layer.training = training


def name(layer: Brick) -> str:
    """Return the name of a brick for messages: its repr if it is handnn's, else its class."""
    return repr(layer) if isinstance(layer, Layer) else type(layer).__name__


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
        if not (hasattr(layer, "forward") and hasattr(layer, "backward")):
            raise TypeError(f"{where}: layer {index} ({name(layer)}) has no forward and backward")
        params: object = params_of(layer)
        if not (isinstance(params, dict) and all(hasattr(a, "dtype") for a in params.values())):
            raise TypeError(
                f"{where}: the params of layer {index} ({name(layer)}) must be a dict of arrays"
            )
    places: dict[int, str] = {}
    for place, layer in walk(layers):
        if places.setdefault(id(layer), place) != place:
            raise ValueError(
                f"{where}: layers {places[id(layer)]} and {place} are one {name(layer)} object; "
                "each place needs its own"
            )


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
        ValueError: If a layer does not accept the width of the one before it.
    """
    widths: list[int | None] = []
    width = _input_width(layers)
    for index, layer in enumerate(layers):
        sizes, change, min_columns = {}, None, 0
        if isinstance(layer, Layer):
            sizes, change, min_columns = layer.sizes, layer.width_change, layer.min_columns
        if width is not None and sizes.get("in", width) != width:
            raise ValueError(
                f"{where}: layer {index} ({name(layer)}) takes {sizes['in']} columns, "
                f"but layer {index - 1} gives {width}"
            )
        if width is not None and width < min_columns:
            raise ValueError(
                f"{where}: layer {index} ({name(layer)}) takes at least {min_columns} columns, "
                f"but here it would get {width}"
            )
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
