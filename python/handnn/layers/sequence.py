"""Bricks in a row, as a Network or a Residual has them: their names, params and widths."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from handnn.arrays import Array, float_dtype
from handnn.layers.layer import Brick, Layer, buffers_of, grads_of, params_of


def walk(layers: Iterable[Brick], prefix: str = "") -> Iterator[tuple[str, Brick]]:
    """Yield the name and the brick, "0", "1", ..., and behind each the bricks in it, "1.0", ..."""
    for index, layer in enumerate(layers):
        yield f"{prefix}{index}", layer
        if isinstance(layer, Layer) and layer.block:
            yield from walk(layer.block, f"{prefix}{index}.")


def params(layers: Iterable[Brick]) -> dict[str, Array]:
    """Return the params of all layers, named "0.w", "0.b", "2.w", ...: the arrays themselves."""
    return {
        f"{index}.{name}": array
        for index, layer in enumerate(layers)
        for name, array in params_of(layer).items()
    }


def buffers(layers: Iterable[Brick]) -> dict[str, Array]:
    """Return the buffers of all layers, by the same kind of names."""
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


def dtype(layers: Iterable[Brick]) -> np.dtype[Any] | None:
    """Return the dtype of the params, None when there are none."""
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
    """Return what a message calls the brick."""
    return repr(layer) if isinstance(layer, Layer) else type(layer).__name__


def check_bricks(where: str, layers: list[Brick]) -> None:
    """Raise TypeError for what is no brick, ValueError for no brick or one in two places."""
    if not layers:
        raise ValueError(f"{where}: {'layers' if where == 'Network' else 'block'} is empty")
    for index, layer in enumerate(layers):
        if isinstance(layer, type):
            raise TypeError(
                f"{where}: layer {index} is the class {layer.__name__}; write {layer.__name__}()"
            )
        if not (hasattr(layer, "forward") and hasattr(layer, "backward")):
            raise TypeError(f"{where}: layer {index} ({name(layer)}) has no forward and backward")
        params: Any = params_of(layer)
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
    """Raise TypeError unless all params are float32 or all float64."""
    first = next(iter(params), "")
    for name, array in params.items():
        float_dtype(array.dtype, f"{where}: {name}")
        if array.dtype != params[first].dtype:
            raise TypeError(
                f"{where}: {first} is {params[first].dtype} but {name} is {array.dtype}"
            )


def sizes(where: str, layers: list[Brick]) -> dict[str, int]:
    """Return how many columns the row takes and gives, "in" and "out", as far as known."""
    found = {"in": _input_width(layers), "out": output_widths(where, layers)[-1]}
    return {end: width for end, width in found.items() if width is not None}


def growth(layers: list[Brick]) -> int | None:
    """Return how many columns more the row gives than it takes, if that is so whatever it takes."""
    grown = [layer.grows if isinstance(layer, Layer) else None for layer in layers]
    return None if None in grown else sum(filter(None, grown))


def _input_width(layers: list[Brick]) -> int | None:
    """Return how many columns the row takes: what the first brick that fixes it says."""
    for index, layer in enumerate(layers):
        grown = growth(layers[:index])
        if grown is None or not isinstance(layer, Layer):
            return None
        if "in" in layer.sizes:
            return layer.sizes["in"] - grown
    return None


def output_widths(where: str, layers: list[Brick]) -> list[int | None]:
    """Return how many columns each layer gives (None: not known), checking that they fit."""
    widths: list[int | None] = []
    width = _input_width(layers)
    for index, layer in enumerate(layers):
        sizes, grows, least = {}, None, 0
        if isinstance(layer, Layer):
            sizes, grows, least = layer.sizes, layer.grows, layer.least
        if width is not None and sizes.get("in", width) != width:
            raise ValueError(
                f"{where}: layer {index} ({name(layer)}) takes {sizes['in']} columns, "
                f"but layer {index - 1} gives {width}"
            )
        if width is not None and width < least:
            raise ValueError(
                f"{where}: layer {index} ({name(layer)}) takes at least {least} columns, "
                f"but here it would get {width}"
            )
        grown = None if width is None or grows is None else width + grows
        width = sizes.get("out", grown)
        widths.append(width)
    return widths


def astype(where: str, layer: Brick, dtype: np.dtype[Any]) -> Brick:
    """Return the brick anew, its params copied to `dtype`; TypeError when it has no such method."""
    if hasattr(layer, "astype"):
        converted: Brick = layer.astype(dtype)
        return converted
    if params_of(layer):
        raise TypeError(f"{where}.astype: {name(layer)} has params but no method astype(dtype)")
    return copy.deepcopy(layer)
