"""The interface of a brick, and the base classes of handnn's own bricks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn.arrays import Array, as_float, float_dtype, in_own_lines

Setting: TypeAlias = float | str | tuple[int, ...]
"""The value of a setting: a number, a word, or several whole numbers."""


class Brick(Protocol):
    """Any object with `forward` and `backward`, whether handnn's own or yours.

    A brick that learns also has `params` and `grads`, dicts from names to arrays. The arrays in
    `params` are the brick's own, so that an optimizer can update them in place.
    """

    def forward(self, x: Array, /) -> Array:
        """Return out, and keep what `backward` needs."""
        ...

    def backward(self, dout: Array, /) -> Array:
        """Return dx for the x of the last `forward`, and keep the gradients of the params."""
        ...


class Layer:
    """Base class of handnn's own bricks.

    Params, buffers and settings are constructor arguments:
    ``type(layer)(**layer.params, **layer.buffers, **layer.settings)`` builds an equal brick.
    """

    kept: ClassVar[tuple[str, ...]] = ()
    """The attributes set by `forward` and `backward`; None before them and after a compiled fit."""

    bounds: ClassVar[tuple[float, float] | None] = None
    """Output bounds of a saturating activation, else None."""

    min_rows: ClassVar[int] = 1
    """The smallest batch that the brick can train on."""

    training: bool = True
    """Whether `forward` is in training mode, for bricks with two modes; see `Network.train`."""

    block: Sequence[Brick] = ()
    """The inner bricks of a brick that contains others."""

    def forward(self, x: ArrayLike, /) -> Array:
        """Return out, and keep what `backward` needs."""
        raise NotImplementedError

    def backward(self, dout: ArrayLike, /) -> Array:
        """Return dx for the x of the last `forward`, and keep the gradients of the params."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """The compiled engine's name for the brick; "" if the engine does not have it."""
        return ""

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formulas of out, of dx, and of the gradient of each param, for `handnn.trace`."""
        return ()

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The constructor arguments that are not arrays, by name."""
        return {}

    @property
    def params(self) -> dict[str, Array]:
        """The learned arrays by name; the brick's own, not copies."""
        return {}

    @property
    def numbers(self) -> Mapping[str, float | tuple[int, ...]]:
        """The numbers that the compiled engine takes, by name, validated."""
        return {}

    @property
    def grads(self) -> dict[str, Array | None]:
        """The gradients of the last `backward`, by the names of `params`; None before it."""
        return {}

    @property
    def buffers(self) -> dict[str, Array]:
        """The arrays that `forward` updates, by name; the brick's own, not copies."""
        return {}

    @property
    def sizes(self) -> dict[str, int]:
        """The input and output widths, "in" and "out", where the brick fixes them."""
        return {}

    @property
    def width_change(self) -> int | None:
        """Output width minus input width, if constant; else None."""
        return None

    @property
    def min_columns(self) -> int:
        """The smallest input width that the brick accepts."""
        return 0

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a new brick with copies of all arrays in `dtype`, float32 or float64."""
        dtype = float_dtype(dtype, f"{self}.astype: dtype")
        arrays = {**self.params, **self.buffers}
        copies = {name: in_own_lines(array, dtype) for name, array in arrays.items()}
        return type(self)(**copies, **self.settings)

    def __repr__(self) -> str:
        """Return the name, the widths and the settings: `Affine 8→64`, `ELU alpha=1.0`."""
        settings = [f"{name}={value}" for name, value in self.settings.items()]
        sizes = "→".join(map(str, self.sizes.values()))
        return " ".join(filter(None, [type(self).__name__, sizes, *settings]))


class Activation(Layer):
    """An elementwise brick: its output has the shape of its input."""

    width_change = 0

    init: ClassVar[str] = "he"
    """The initializer for the preceding weights: see `initializers.initial_weights`."""

    @property
    def number(self) -> float:
        """The scalar setting of the kernels, validated; 0 if they have none."""
        return 0.0

    @property
    def numbers(self) -> dict[str, float]:
        """Return {"setting": number}."""
        return {"setting": self.number}


def checked_columns(brick: str, **arrays: ArrayLike) -> list[Array]:
    """Return per-column arrays (O,) of one dtype, C-contiguous, aligned and writable.

    The first array determines the dtype, as in `as_float`, and O. `brick` and the argument names
    are for messages.

    Raises:
        ValueError: If an array is not one-dimensional or lengths differ.
        TypeError: If an array does not hold real numbers.
    """
    found: list[Array] = []
    for name, values in arrays.items():
        dtype = found[0].dtype if found else None
        array = writable(values, dtype, f"{brick}: {name}")
        if array.ndim != 1:
            raise ValueError(
                f"{brick}: {name} must have 1 dimension (O,), but has shape {array.shape}"
            )
        if found and array.shape != found[0].shape:
            raise ValueError(
                f"{brick}: {name} has shape {array.shape} but {next(iter(arrays))} has shape "
                f"{found[0].shape}"
            )
        found.append(array)
    return found


def writable(values: ArrayLike, dtype: DTypeLike | None, name: str) -> Array:
    """Return `as_float(values)`, copied if it is not C-contiguous, aligned and writable."""
    return np.require(as_float(values, dtype, name), requirements=["C", "A", "W"])


def matrix_shape(values: Array, name: str) -> tuple[int, int]:
    """Return the shape of a param, which may have been replaced, or raise ValueError."""
    shape: tuple[int, ...] = getattr(values, "shape", ())
    if len(shape) != 2:
        raise ValueError(f"{name} must have 2 dimensions, but has shape {shape}")
    return shape


def params_of(brick: Brick) -> dict[str, Array]:
    """Return the params of any brick; {} if it has none."""
    return getattr(brick, "params", {})


def grads_of(brick: Brick) -> dict[str, Array | None]:
    """Return the grads of any brick; {} if it has none; TypeError if they are not a dict."""
    found = getattr(brick, "grads", {})
    if not isinstance(found, dict):
        raise TypeError(f"the grads of {type(brick).__name__} must be a dict, but are {found!r}")
    return found


def buffers_of(brick: Brick) -> dict[str, Array]:
    """Return the buffers of any brick; {} if it has none."""
    return getattr(brick, "buffers", {})
