"""Axes: a frame with two scales to draw curves and points in, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import TypeAlias

from handnn.charts.style import LIGHT

WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 92, 14, 28, 46

SMALL_WIDTH, SMALL_HEIGHT, SMALL_LEFT = 250, 200, 56
"""The sizes of a small chart, whose text is as large as that of others."""

MAX_LABELS = 52
"""The largest number of characters of all labels of curves."""

COLORS = tuple(f"var(--curve-{k}, {LIGHT[f'curve-{k}']})" for k in range(5))
"""Colors of curves: the page's palette, with those for white paper as fallback."""

Coordinates: TypeAlias = Iterable[tuple[float, float]]


class Axes:
    """A frame with two labeled scales, and the elements drawn in it.

    x and y: the ranges of the scales. names: their labels. is_log: whether y is logarithmic, which
    needs positive values. counts: whether x has integers only, such as epochs. is_small: for
    several charts side by side.

    Frame, grid and text have the color of the surrounding text.
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        names: tuple[str, str],
        is_log: bool = False,
        counts: bool = False,
        *,
        is_small: bool = False,
    ) -> None:
        self._width, self._height, self._left = (
            (SMALL_WIDTH, SMALL_HEIGHT, SMALL_LEFT) if is_small else (WIDTH, HEIGHT, LEFT)
        )
        self._x, self._y = _widened(*x), _widened(*y)
        self._is_log = is_log
        self._parts: list[str] = []
        self._draw_frame(names, counts)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the position of a point in the picture."""
        if self._is_log:
            share = (math.log(y) - math.log(self._y[0])) / math.log(self._y[1] / self._y[0])
        else:
            share = (y - self._y[0]) / (self._y[1] - self._y[0])
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        return (
            self._left + across * (self._width - self._left - RIGHT),
            self._height - BOTTOM - share * (self._height - TOP - BOTTOM),
        )

    def curve(self, points: Coordinates, color: str, dashes: str = "", width: float = 1.5) -> None:
        """Draw a line through points."""
        line = " ".join("{:.1f},{:.1f}".format(*self.at(*point)) for point in points)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._parts.append(
            f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="{width}"'
            f"{dashed}/>"
        )

    def dots(self, points: Coordinates, color: str) -> None:
        """Draw a dot at each point."""
        dots = ("{:.1f} {:.1f}".format(*self.at(*point)) for point in points)
        path = "".join(f"M{dot}h0" for dot in dots)
        self._parts.append(
            f'<path d="{path}" stroke="{color}" stroke-width="5" stroke-linecap="round" '
            'stroke-opacity="0.5" fill="none"/>'
        )

    def label(self, texts: Mapping[str, str]) -> None:
        """Write strings, each in its color, above the frame at the right."""
        longest = max(4, MAX_LABELS // max(1, len(texts)))
        spans = "".join(
            f'<tspan dx="{14 if place else 0}" style="fill: {color}">'
            f"{escape(text if len(text) <= longest else text[: longest - 1] + '…')}</tspan>"
            for place, (text, color) in enumerate(texts.items())
        )
        self._parts.append(
            f'<text x="{self._width - RIGHT}" y="{TOP - 12}" text-anchor="end">{spans}</text>'
        )

    def add(self, part: str) -> None:
        """Add SVG elements."""
        self._parts.append(part)

    def svg(self, described: str) -> str:
        """Return the SVG; `described` is its text alternative."""
        return picture("".join(self._parts), self._height, described, self._width)

    def _draw_frame(self, names: tuple[str, str], counts: bool) -> None:
        for value in _ticks(*self._x, 1.0 if counts else 0.0):
            x, y = self.at(value, self._y[0])
            self._parts.append(
                f'<text x="{x:.1f}" y="{y + 17:.1f}" text-anchor="middle">{number(value)}</text>'
            )
        for value in _decades(*self._y) if self._is_log else _ticks(*self._y):
            x, y = self.at(self._x[0], value)
            self._parts.append(
                f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{self._width - RIGHT}" y2="{y:.1f}" '
                f'stroke="currentColor" stroke-opacity="0.15"/>'
                f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>'
            )
        left, bottom = self.at(self._x[0], self._y[0])
        right = self._width - RIGHT
        self._parts.append(
            f'<path d="M{left:.1f} {TOP}V{bottom:.1f}H{right}" stroke="currentColor" '
            'stroke-opacity="0.6" fill="none"/>'
            f'<text x="{(left + right) / 2:.1f}" y="{self._height - 8}" text-anchor="middle">'
            f'{escape(names[0])}</text><text transform="translate(14 {(TOP + bottom) / 2:.1f}) '
            f'rotate(-90)" text-anchor="middle">{escape(names[1])}</text>'
        )


def picture(parts: str, height: int, described: str, width: int = WIDTH) -> str:
    """Return an SVG element of full width; `described` is its text alternative."""
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(described)}" fill="currentColor" '
        f'style="max-width:100%;height:auto;overflow:visible">{parts}</svg>'
    )


def number(value: float) -> str:
    """Return a number with four significant digits, without an exponent if it is legible."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:.3g}"


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return the range, widened if its ends are equal."""
    if high > low:
        return low, high
    more = abs(low) * 0.05 or 1.0
    return (low / 1.1, high * 1.1) if low > 0 else (low - more, high + more)


def _ticks(low: float, high: float, min_step: float = 0.0) -> list[float]:
    """Return about five round numbers between low and high, at least `min_step` apart."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= min((1, 2, 5, 10), key=lambda factor: abs((high - low) / (factor * step) - 5))
    step = max(step, min_step)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between low and high, or the ends if there are few."""
    found = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        found += [factor * 10.0**power for factor in (1, 2, 5)]
    found = [value for value in found if low <= value <= high]
    if len(found) > 9:
        found = [value for value in found if f"{value:e}".startswith("1")]
    return found if len(found) > 1 else [low, high]
