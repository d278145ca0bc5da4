"""layer_statistics: statistics of activations, gradients and params, brick by brick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from handnn.arrays import check_methods
from handnn.inside.brick_statistics import BrickStatistics, ParamStatistics, statistics_of
from handnn.inside.picture import draw
from handnn.inside.records import short_name
from handnn.inside.warnings import warnings_of
from handnn.inside.watching import Watched, watch
from handnn.losses import Loss
from handnn.network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def layer_statistics(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    loss: Loss | None = None,
    *,
    sample_weight: ArrayLike | None = None,
) -> LayerStatistics:
    """Return statistics of activations, gradients and params, brick by brick, with warnings.

    network: a Network; it is copied and not changed.
    x: (N, I). Use a few hundred rows: over a few rows, many units are 0 by chance.
    y: (N, O), or the targets that the loss requires. With y, the bricks run as in a training step
        on these rows; without y they run as in prediction, and the statistics of gradients are
        None.
    loss: MSELoss() if None.
    sample_weight: (N,), as in `Trainer.fit`; it affects the gradients only.

    Raises what `trace` raises.

    Examples:
        >>> network = handnn.Network([handnn.Affine([[3.0, -4.0]], [0.0, 0.0]), handnn.ReLU()])
        >>> statistics = handnn.layer_statistics(network, [[1.0], [2.0]])
        >>> [layer.mean for layer in statistics.layers]
        [-0.75, 2.25]
        >>> statistics.warnings
        ['layer 1 (ReLU): 1 of 2 units is 0 on all rows']
    """
    given = Watched(network, x, y, loss, None, sample_weight)
    step = watch("layer_statistics", given)
    bricks = [statistics_of(brick) for layer in step.layers for brick in layer.walk()]
    return LayerStatistics(len(step.x), bricks, warnings_of(step.x, bricks))


class LayerStatistics:
    """The result of `layer_statistics`: `print` shows tables, `plot` draws a picture.

    rows: the number of rows.
    layers: a `BrickStatistics` for each brick; those inside a Residual follow it.
    warnings: sentences about possible problems.

    Examples:
        >>> network = handnn.Network([handnn.Affine([[3.0, -4.0]], [0.0, 0.0]), handnn.ReLU()])
        >>> handnn.layer_statistics(network, [[1.0], [2.0]])
        LayerStatistics(2 bricks, 2 rows, 1 warning)
    """

    def __init__(self, rows: int, layers: list[BrickStatistics], warnings: list[str]) -> None:
        self.rows = rows
        self.layers = layers
        self.warnings = warnings

    @property
    def params(self) -> dict[str, ParamStatistics]:
        """The statistics of all params, by the names of `Network.params`."""
        return {
            f"{layer.place}.{name}": param
            for layer in self.layers
            for name, param in layer.params.items()
        }

    def to_dict(self) -> dict[str, object]:
        """Return everything as dicts, lists, numbers and strings, ready for JSON."""
        layers = [
            {**layer._asdict(), "params": {n: p._asdict() for n, p in layer.params.items()}}
            for layer in self.layers
        ]
        return {"rows": self.rows, "layers": layers, "warnings": list(self.warnings)}

    def plot(self, figure: Figure | None = None) -> Figure:
        """Plot the statistics over the bricks, into `figure` or a new one, and return it.

        Raises ImportError if matplotlib is not installed, TypeError if `figure` is not a Figure.
        """
        if figure is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError:
                raise ImportError(
                    "LayerStatistics.plot needs matplotlib: pip install matplotlib"
                ) from None
            figure = plt.figure(figsize=(11, 8), layout="constrained")
        check_methods(figure, "LayerStatistics.plot: figure", "subplots")
        draw(self.layers, self.params, figure)
        return figure

    def __str__(self) -> str:
        """Show a table of the bricks, a table of the params, and the warnings."""
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
        """Show the number of bricks, rows and warnings."""
        counts = {"brick": len(self.layers), "row": self.rows, "warning": len(self.warnings)}
        parts = [f"{count:,} {name}{'s' * (count != 1)}" for name, count in counts.items()]
        return f"LayerStatistics({', '.join(parts)})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _table(rows: list[list[str]]) -> list[str]:
    """Return the lines of a table: two columns aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:2], widths, strict=False)]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines
