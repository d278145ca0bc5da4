"""The loss curve of a History as inline SVG, for notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from handnn.charts import RIGHT, TOP, WIDTH, Axes

MAX_POINTS = 500
"""The largest number of points of a curve, about the width of a chart in pixels."""

LOG_RATIO = 50
"""The axis is logarithmic if the ratio of the largest loss to the smallest exceeds this."""

LEGEND_WIDTH = 120
"""The width of an entry of the legend."""

LINE = "currentColor"
VALIDATION_DASHES = "6 3"


def loss_curve(
    train_loss: Sequence[float], validation_loss: Sequence[float], described: str
) -> str:
    """Return an SVG with the training loss, and the validation loss dashed, over the epochs.

    Lines and text have the color of the surrounding text, so the chart suits light and dark pages.
    `described` is its text alternative. Losses that are not finite are left out. Without any finite
    loss, the result is empty.
    """
    values = [value for value in (*train_loss, *validation_loss) if math.isfinite(value)]
    if not values:
        return ""
    low, high = min(values), max(values)
    is_log = low > 0 and high > LOG_RATIO * low
    epochs = (1, max(2, len(train_loss)))
    axes = Axes(epochs, (low, high), ("epoch", "loss"), is_log=is_log, counts=True)
    curves = {"training": (train_loss, ""), "validation": (validation_loss, VALIDATION_DASHES)}
    for place, (name, (losses, dashes)) in enumerate(curves.items()):
        points = [point for point in enumerate(losses, 1) if math.isfinite(point[1])]
        if not points:
            continue
        stride = -(-len(points) // MAX_POINTS)
        points = [*points[:-1:stride], points[-1]]
        if len(points) == 1:
            axes.dots(points, LINE)
        axes.curve(points, LINE, dashes)
        _add_legend(axes, place, name, dashes)
    return axes.svg(described)


def _add_legend(axes: Axes, place: int, name: str, dashes: str) -> None:
    """Add a sample of a line, with its name, above the frame at the right."""
    y, right = TOP - 16, WIDTH - RIGHT - LEGEND_WIDTH * (1 - place)
    axes.add(
        f'<path d="M{right - 30} {y}h30" stroke="{LINE}" stroke-width="1.5" fill="none" '
        f'stroke-dasharray="{dashes or "none"}"/>'
        f'<text x="{right - 38}" y="{y + 4}" text-anchor="end">{name}</text>'
    )
