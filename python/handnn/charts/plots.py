"""Whole charts: curves over epochs, and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle

from handnn.charts.axes import COLORS, WIDTH, Axes, number, picture


def curves(
    groups: Mapping[str, Sequence[Sequence[float]]], names: tuple[str, str], described: str
) -> str:
    """Return curves over 1, 2, 3 ... on a logarithmic scale, with one color for each group.

    names: of the two axes. described: the text alternative. Values that are not positive are left
    out; without any value the result is empty.
    """
    values = [v for group in groups.values() for curve in group for v in curve if v > 0]
    if not values:
        return ""
    n_values = max(len(curve) for group in groups.values() for curve in group)
    axes = Axes((1, max(2, n_values)), (min(values), max(values)), names, is_log=True, counts=True)
    shown = {}
    for (name, group), color in zip(groups.items(), cycle(COLORS), strict=False):
        shown[name] = color
        for curve in group:
            points = [(k, v) for k, v in enumerate(curve, 1) if v > 0]
            axes.curve(points, color, width=1.1)
    axes.label(shown)
    return axes.svg(described)


def bars(lengths: Mapping[str, float], described: str) -> str:
    """Return one horizontal bar for each name, with its value; negative values have no length."""
    height, left = 22, 210
    longest = max([abs(length) for length in lengths.values()] or [0]) or 1.0
    parts = []
    for place, (name, length) in enumerate(lengths.items()):
        y = place * height
        width = max(0.0, length) / longest * (WIDTH - left - 90)
        short = name if len(name) <= 24 else name[:23] + "…"
        parts.append(
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(short)}</text>'
            f'<rect x="{left}" y="{y + 3}" width="{width:.1f}" height="{height - 7}" '
            f'fill="{COLORS[0]}"/>'
            f'<text x="{left + width + 6:.1f}" y="{y + 15}">{number(length)}</text>'
        )
    return picture("".join(parts), height * len(lengths) + 4, described)
