"""Charts as inline SVG for reports and notebooks, each with a text alternative."""

from __future__ import annotations

from handnn.charts.axes import (
    BOTTOM,
    COLORS,
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
    "COLORS",
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
