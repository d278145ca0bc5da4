"""Charts as inline SVG, for reports and notebooks: no dependency, one text alternative each."""

from __future__ import annotations

from handnn.charts.axes import (
    BOTTOM,
    COLOURS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axes,
    number,
    picture,
)
from handnn.charts.plots import bars, curves

__all__ = [
    "BOTTOM",
    "COLOURS",
    "HEIGHT",
    "LEFT",
    "RIGHT",
    "TOP",
    "WIDTH",
    "Axes",
    "bars",
    "curves",
    "number",
    "picture",
]
