"""The picture of a step: bricks side by side, arrows forward above and backward below."""

from __future__ import annotations

from html import escape

from handnn.charts.style import LIGHT
from handnn.inside.excerpt import number
from handnn.inside.records import NetworkStep, short_name

LETTER = 7.6
"""The approximate width of a letter in pixels."""

TOP, BOX, BOTTOM = 34, 40, 118
"""The top and height of the boxes, and the height of the picture."""

MAX_SHRUNK = 1400
"""The width below which a page may shrink the picture; a wider one would be too small to read."""


def flow(step: NetworkStep, prefix: str) -> str:
    """Return the picture as SVG, with a description in words; `prefix` begins its ids."""
    boxes = [(short_name(brick.name), _shape(brick.out)) for brick in step.layers]
    is_training = step.loss is not None
    if step.loss is not None:
        boxes.append((short_name(step.loss.name), number(step.loss.value)))
    drawn: list[str] = []
    before = _shape(step.x)
    x = 8.0
    described = [f"x {before}"]
    for index, (name, after) in enumerate(boxes):
        is_last = is_training and index == len(boxes) - 1
        gap = _width(before) + 14
        drawn += _arrows(x, x + gap, before, is_training)
        x += gap
        width = _width(name) + 10
        fill = _color("loss-box" if is_last else "box")
        drawn.append(
            f'<rect x="{x:.0f}" y="{TOP}" width="{width:.0f}" height="{BOX}" rx="5" fill="{fill}" '
            f'stroke="{_color("soft")}"/><text x="{x + width / 2:.0f}" y="{TOP + BOX / 2 + 5:.0f}" '
            f'text-anchor="middle">{escape(name)}</text>'
        )
        x += width
        described.append(f"{name} returns {after}")
        before = after
    gap = _width(before) + 14
    drawn += _arrows(x, x + gap, before, False)
    x += gap
    description = f"Forward: {', then '.join(described)}."
    if is_training:
        description += (
            " Backward, gradients of the same shapes go from the loss to the first brick."
        )
    kind = ' class="short"' if x < MAX_SHRUNK else ""
    return (
        f'<svg{kind} role="img" aria-labelledby="{prefix}flow {prefix}flow-words" '
        f'width="{x + 8:.0f}" '
        f'height="{BOTTOM}" viewBox="0 0 {x + 8:.0f} {BOTTOM}" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{prefix}flow">The bricks of the network in a row</title>'
        f'<desc id="{prefix}flow-words">{escape(description)}</desc>{"".join(drawn)}</svg>'
    )


def _arrows(start: float, end: float, shape: str, is_training: bool) -> list[str]:
    """Return the arrow forward, labeled with a shape, and in training the arrow backward."""
    middle = (start + end) / 2
    high, low = TOP + 12, TOP + BOX - 10
    drawn = [
        f'<text x="{middle:.0f}" y="{TOP - 8}" text-anchor="middle">{escape(shape)}</text>',
        _arrow(start + 3, end - 3, high, _color("low")),
    ]
    if is_training:
        drawn.append(_arrow(end - 3, start + 3, low, _color("high")))
        drawn.append(
            f'<text x="{middle:.0f}" y="{TOP + BOX + 20}" text-anchor="middle">gradient</text>'
        )
    return drawn


def _arrow(start: float, end: float, y: float, color: str) -> str:
    back = 8 if end > start else -8
    return (
        f'<path d="M{start:.0f} {y:.0f}H{end - back / 2:.0f}" stroke="{color}" stroke-width="2"/>'
        f'<path d="M{end:.0f} {y:.0f}l{-back} -5v10z" fill="{color}"/>'
    )


def _color(name: str) -> str:
    """Return a color of the page's palette, with the color for white paper as fallback."""
    return f"var(--{name}, {LIGHT[name]})"


def _shape(array: object) -> str:
    shape: tuple[int, ...] = getattr(array, "shape", ())
    return " × ".join(map(str, shape))


def _width(text: str) -> float:
    return max(len(text), 8) * LETTER
