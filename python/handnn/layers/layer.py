"""What bricks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn.arrays import Array, as_float, float_dtype, in_own_lines


class Brick(Protocol):
    """Anything with `forward` and `backward`: handnn's own bricks, and yours.

    A brick that learns also has `params` and `grads`, dicts from a name to an array; `params` are
    the arrays themselves, so that an optimizer can change them in place.
    """

    def forward(self, x: Array, /) -> Array:
        """Return out, and keep what `backward` will need."""
        ...

    def backward(self, dout: Array, /) -> Array:
        """Return dx for the x of the last `forward`, and keep the gradients of the params."""
        ...


class Layer:
    """What handnn's own bricks have besides `forward` and `backward`.

    They are built from their params, buffers and settings:
    ``type(layer)(**layer.params, **layer.buffers, **layer.settings)`` is the same brick anew.
    """

    kept: ClassVar[tuple[str, ...]] = ()
    """The attributes that hold what the last forward and backward left."""

    bounds: ClassVar[tuple[float, float] | None] = None
    """Between what its outputs are, of a brick that squashes: near them it is saturated."""

    least_rows: ClassVar[int] = 1
    """How many rows a batch must have for training."""

    training: bool = True
    """Whether forward trains or predicts, for bricks that tell these apart; see `Network.train`."""

    def forward(self, x: ArrayLike, /) -> Array:
        """Return out, and keep what `backward` needs."""
        raise NotImplementedError

    def backward(self, dout: ArrayLike, /) -> Array:
        """Return dx for the x of the last `forward`, and keep the gradients of the params."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """What the compiled engine calls the brick; "" when it does not know it."""
        return ""

    @property
    def formulas(self) -> tuple[str, ...]:
        """What it computes: "out = ...", "dx = ...", and one of the gradient of each param.

        As in its docstring and its page; `handnn.trace` shows them.
        """
        return ()

    block: Sequence[Brick] = ()
    """The bricks in it, of a brick that is made of bricks."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the brick was built with besides its params, by name: numbers and words."""
        return {}

    @property
    def params(self) -> dict[str, Array]:
        """The arrays to be learnt, by name: the arrays themselves, not copies."""
        return {}

    @property
    def numbers(self) -> Mapping[str, float]:
        """What the compiled engine takes besides arrays, by name, checked."""
        return {}

    @property
    def grads(self) -> dict[str, Array | None]:
        """The gradients of the last `backward`, by the names of `params`; None before it."""
        return {}

    @property
    def buffers(self) -> dict[str, Array]:
        """The arrays that forward changes and nobody learns, by name: they belong to the brick."""
        return {}

    @property
    def sizes(self) -> dict[str, int]:
        """The number of columns the brick takes and gives, "in" and "out", where it fixes them."""
        return {}

    @property
    def grows(self) -> int | None:
        """How many columns more it gives than it takes, if that is so whatever it takes."""
        return None

    @property
    def least(self) -> int:
        """The fewest columns that it can take."""
        return 0

    def astype(self, dtype: DTypeLike) -> Any:
        """Return the same brick anew, its arrays copied to `dtype`: float32 or float64."""
        dtype = float_dtype(dtype, f"{self}.astype: dtype")
        build: Any = type(self)
        arrays = {**self.params, **self.buffers}
        copies = {name: in_own_lines(array, dtype) for name, array in arrays.items()}
        return build(**copies, **self.settings)

    def __repr__(self) -> str:
        """Name the brick, and its sizes and settings: `Affine 8→64`, `ELU alpha=1.0`."""
        settings = [f"{name}={value}" for name, value in self.settings.items()]
        sizes = "→".join(map(str, self.sizes.values()))
        return " ".join(filter(None, [type(self).__name__, sizes, *settings]))


class Activation(Layer):
    """A brick that works entry by entry: its output has the shape of its input."""

    grows = 0

    @property
    def number(self) -> float:
        """The one number that its kernels take besides arrays, checked; 0 for most."""
        return 0.0

    @property
    def numbers(self) -> dict[str, float]:
        """{"setting": number}."""
        return {"setting": self.number}


def checked_columns(brick: str, **arrays: ArrayLike) -> list[Array]:
    """Return the arrays (O,) of a brick that has a number for each column, writable and C-ordered.

    The first decides the dtype, as `as_float` has it, and the number of columns. Raises ValueError
    when a shape is another, TypeError when a dtype is none of real numbers.
    """
    found: list[Array] = []
    for name, values in arrays.items():
        dtype = found[0].dtype if found else None
        array = np.require(
            as_float(values, dtype, f"{brick}: {name}"), requirements=["C", "A", "W"]
        )
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


def params_of(brick: Brick) -> dict[str, Array]:
    """Return the params of any brick, {} when it has none."""
    return getattr(brick, "params", {})


def grads_of(brick: Brick) -> dict[str, Array | None]:
    """Return the grads of any brick, {} when it has none."""
    return getattr(brick, "grads", {})


def buffers_of(brick: Brick) -> dict[str, Array]:
    """Return the buffers of any brick, {} when it has none."""
    return getattr(brick, "buffers", {})
