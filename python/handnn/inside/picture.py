"""The plot of a network's statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handnn.inside.brick_statistics import BrickStatistics, ParamStatistics
from handnn.inside.records import short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(
    layers: Sequence[BrickStatistics], params: Mapping[str, ParamStatistics], figure: Figure
) -> None:
    """Draw outputs and shares, and below them the norms of gradients, if there are any."""
    names = [f"{layer.place} {short_name(layer.name)}" for layer in layers]
    has_gradients = layers[-1].gradient_norm is not None
    axes = figure.subplots(2 if has_gradients else 1, 2, squeeze=False)

    outputs, shares = axes[0]
    places = np.arange(len(layers))
    outputs.errorbar(
        places,
        [layer.mean for layer in layers],
        [layer.std for layer in layers],
        fmt="o",
        capsize=4,
    )
    outputs.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    outputs.set_title("outputs: mean ± standard deviation")
    _name(outputs, names)

    _bars(
        shares,
        names,
        {
            "exactly 0": [100 * layer.zeros for layer in layers],
            "dead units": [100 * (layer.dead or 0) / max(1, layer.units) for layer in layers],
            "saturated": [100 * (layer.saturated or 0.0) for layer in layers],
        },
    )
    shares.set_title("share of the outputs, and of the units, in %")
    shares.set_ylim(0, 105)
    if not has_gradients:
        return

    gradients, norms_of_params = axes[1]
    norms = _positive([layer.gradient_norm for layer in layers])
    gradients.plot(places, norms, "o-")
    gradients.set_title("norm of the gradient at the output of each")
    _name(gradients, names)
    _logarithmic(gradients, norms)

    lengths = _positive([param.norm for param in params.values()])
    gradient_norms = _positive([param.gradient_norm for param in params.values()])
    _bars(norms_of_params, list(params), {"param": lengths, "gradient": gradient_norms})
    norms_of_params.set_title("norms of params and of their gradients")
    _logarithmic(norms_of_params, np.concatenate([lengths, gradient_norms]))


def _bars(
    ax: Axes, names: list[str], series: Mapping[str, Sequence[float] | NDArray[np.float64]]
) -> None:
    """Draw a group of bars for each name, with one bar per series."""
    width = 0.8 / len(series)
    for index, (label, values) in enumerate(series.items()):
        offset = (index - (len(series) - 1) / 2) * width
        ax.bar(np.arange(len(names)) + offset, values, width, label=label)
    ax.legend()
    _name(ax, names)


def _name(ax: Axes, names: list[str]) -> None:
    ax.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")


def _positive(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Return the values with NaN, which is not drawn, in place of those that are not positive."""
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    return np.where(np.isfinite(numbers) & (numbers > 0), numbers, np.nan)


def _logarithmic(ax: Axes, values: NDArray[np.float64]) -> None:
    if np.isfinite(values).any():
        ax.set_yscale("log")
