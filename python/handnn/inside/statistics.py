"""layer_statistics: what activations, gradients and params are like, brick by brick."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array
from handnn.inside.step import BrickStep, short_name, watch
from handnn.inside.warnings import warnings_of
from handnn.losses import Loss
from handnn.network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN = 0.01
"""How near to its bounds a brick is saturated, as a share of the distance between them."""


class ParamStatistics(NamedTuple):
    """The Euclidean norms of a param and of its gradient, and the second over the first."""

    norm: float
    gradient_norm: float | None
    ratio: float | None
    """None without a gradient, and for a param of zeros."""


class BrickStatistics(NamedTuple):
    """What one brick gave, over all rows and columns, and what gradient came back to it."""

    place: str
    name: str
    mean: float
    std: float
    rms: float
    zeros: float
    """The share of its outputs that are exactly 0."""
    units: int
    """How many columns it gives."""
    dead: int | None
    """How many of them are 0 on all rows, though what came in was not; None where that is no fault:
    of bricks that do not work entry by entry."""
    saturated: float | None
    """The share of a Sigmoid's or Tanh's outputs that are within 1 % of their bounds, of a
    Softmax's rows that have an output above 0.99; None for other bricks."""
    not_finite: int
    """How many of its outputs are NaN or infinite; they count in no mean."""
    gradient_norm: float | None
    """The Euclidean norm of dout, the gradient of the loss with respect to its outputs."""
    params: dict[str, ParamStatistics]


def layer_statistics(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    loss: Loss | None = None,
    *,
    sample_weight: ArrayLike | None = None,
) -> LayerStatistics:
    """Return what activations, gradients and params are like, brick by brick, with warnings.

    x (N, I), y (N, O) or whatever targets the loss takes. With y all is as in a step of training on
    these rows, with the loss, MSELoss() when it is None, and their sample_weight (N,), if given, as
    `Trainer.fit` has it: for the gradients, not for means and shares. Without y all is as in
    prediction, and nothing is said of gradients. Take some hundred rows: of a few, many a unit is 0
    by chance.

    Works on copies: network and loss are left as they are, to the bit. Raises what `trace` does.
    """
    step = watch("layer_statistics", network, x, y, loss, None, sample_weight)
    bricks = [_of_brick(brick) for layer in step.layers for brick in layer.walk()]
    return LayerStatistics(len(step.x), bricks, warnings_of(step.x, bricks))


class LayerStatistics:
    """What `layer_statistics` found: `print` shows tables, `plot` a picture.

    layers: a `BrickStatistics` for each brick, those in a Residual behind it. warnings: what looks
    wrong, in words.
    """

    def __init__(self, rows: int, layers: list[BrickStatistics], warnings: list[str]) -> None:
        self.rows = rows
        self.layers = layers
        self.warnings = warnings

    @property
    def params(self) -> dict[str, ParamStatistics]:
        """Those of all params, by the names of `Network.params`."""
        return {
            f"{layer.place}.{name}": param
            for layer in self.layers
            for name, param in layer.params.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as dicts, lists, numbers and strings."""
        layers = [
            {**layer._asdict(), "params": {n: p._asdict() for n, p in layer.params.items()}}
            for layer in self.layers
        ]
        return {"rows": self.rows, "layers": layers, "warnings": list(self.warnings)}

    def plot(self, figure: Figure | None = None) -> Figure:
        """Draw them over the bricks, into `figure` or a new one, and return it.

        Raises ImportError when matplotlib is not installed.
        """
        if figure is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError:
                raise ImportError(
                    "LayerStatistics.plot needs matplotlib: pip install matplotlib"
                ) from None
            figure = plt.figure(figsize=(11, 8), layout="constrained")
        from handnn.inside.picture import draw

        draw(self, figure)
        return figure

    def __str__(self) -> str:
        """Show a table of the bricks, one of the params, and the warnings."""
        heads = ["layer", "brick", "mean", "std", "zeros", "dead", "saturated", "gradient"]
        rows = [heads]
        for a in self.layers:
            dead = "" if a.dead is None else f"{a.dead}/{a.units}"
            numbers = [_number(a.mean), _number(a.std), _percent(a.zeros), dead]
            rows.append(
                [
                    a.place,
                    short_name(a.name),
                    *numbers,
                    _percent(a.saturated),
                    _number(a.gradient_norm),
                ]
            )
        lines = [*_table(rows), ""]
        if self.params:
            rows = [["", "param", "norm", "gradient", "ratio"]]
            for name, param in self.params.items():
                rows.append(["", name, *map(_number, param)])
            lines += [*_table(rows), ""]
        return "\n".join([*lines, *(self.warnings or ["no warnings"])])

    def __repr__(self) -> str:
        """Tell the number of bricks, rows and warnings."""
        counts = {"brick": len(self.layers), "row": self.rows, "warning": len(self.warnings)}
        parts = [f"{count:,} {name}{'s' * (count != 1)}" for name, count in counts.items()]
        return f"LayerStatistics({', '.join(parts)})"


def _of_brick(brick: BrickStep) -> BrickStatistics:
    assert brick.x is not None and brick.out is not None
    out = brick.out.astype(np.float64)
    finite = out[np.isfinite(out)]
    with np.errstate(all="ignore"):
        mean = float(finite.mean()) if finite.size else math.nan
        std = float(finite.std()) if finite.size else math.nan
        rms = float(np.sqrt(np.square(finite).mean())) if finite.size else math.nan
    return BrickStatistics(
        brick.place,
        brick.name,
        mean,
        std,
        rms,
        float((out == 0).mean()) if out.size else 0.0,
        out.shape[-1] if out.ndim else 1,
        _dead(brick, brick.x, out),
        _saturated(brick, out),
        int(out.size - finite.size),
        None if brick.dout is None else norm(brick.dout),
        {name: _of_param(array, brick.grads.get(name)) for name, array in brick.params.items()},
    )


def _of_param(param: Array, gradient: Array | None) -> ParamStatistics:
    length = norm(param)
    if gradient is None:
        return ParamStatistics(length, None, None)
    steepness = norm(gradient)
    return ParamStatistics(length, steepness, steepness / length if length else None)


def norm(array: Array) -> float:
    """Return the Euclidean norm, in float64, so that float32 does not overflow on the way."""
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.square(array, dtype=np.float64).sum()))


def _dead(brick: BrickStep, x: Array, out: Array) -> int | None:
    if brick.is_entrywise is False or out.ndim != 2 or out.shape != x.shape:
        return None
    return int(((out == 0).all(axis=0) & (x != 0).any(axis=0)).sum())


def _saturated(brick: BrickStep, out: Array) -> float | None:
    if brick.bounds is None or not out.size:
        return None
    low, high = brick.bounds
    margin = MARGIN * (high - low)
    if brick.is_entrywise:
        return float(((out < low + margin) | (out > high - margin)).mean())
    return float((out.max(axis=-1) > high - margin).mean())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _table(rows: list[list[str]]) -> list[str]:
    """Return the lines of a table: its first two columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:2], widths, strict=False)]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines
