"""Draw bricks.png: a network of bricks, forward above and backward below.

python docs/pictures/draw_bricks.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

Point = tuple[float, float]

HEIGHT = 2.0
SLANT: Point = (0.36, 0.30)  # the displacement on the page for one step to the back
STUD_RADIUS, STUD_HEIGHT = 0.29, 0.2
PAPER = "#f6f3ec"
FORWARD, BACKWARD = "#1f6f8b", "#b5442e"
PLATE, PLATE_HEIGHT = "#9aa79b", 0.35


@dataclass
class Brick:
    """One brick: its position, its width in studs, and its text."""

    left: float
    width: int
    color: str
    name: str
    formula: str
    out: str
    dout: str
    grads: str = ""

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


BRICKS = [
    Brick(
        0,
        4,
        "#2f7ec2",
        "Affine",
        "x·w + b,  8→64",
        "out (N, 64)",
        "dout (N, 64)",
        "dw (8, 64)  db (64)",
    ),
    Brick(4, 3, "#d98a1f", "ReLU", "0 if x < 0", "out (N, 64)", "dout (N, 64)"),
    Brick(
        7,
        4,
        "#2f7ec2",
        "Affine",
        "x·w + b,  64→64",
        "out (N, 64)",
        "dout (N, 64)",
        "dw (64, 64)  db (64)",
    ),
    Brick(11, 3, "#d98a1f", "ReLU", "0 if x < 0", "out (N, 64)", "dout (N, 64)"),
    Brick(
        14,
        4,
        "#2f7ec2",
        "Affine",
        "x·w + b,  64→1",
        "pre (N, 1)",
        "dout (N, 1)",
        "dw (64, 1)  db (1)",
    ),
    Brick(18, 4, "#c8403a", "MSELoss", "mean (pre − y)²", "loss", "1.0"),
]


def shade(color: str, factor: float) -> tuple[float, float, float]:
    """Return a darker color for a factor below 1, a lighter one above."""
    towards = 0.0 if factor < 1 else 1.0
    amount = abs(1 - factor)
    red, green, blue = (part + (towards - part) * amount for part in to_rgb(color))
    return red, green, blue


def place(x: float, y: float, depth: float = 0.0) -> Point:
    """Return the position on the page of a point `depth` studs behind the front side."""
    return x + depth * SLANT[0], y + depth * SLANT[1]


def draw_stud(axes: Axes, center: Point, color: str, order: float) -> None:
    x, y = center
    size = (2 * STUD_RADIUS, 0.9 * STUD_RADIUS)
    side = shade(color, 0.78)
    axes.add_patch(Ellipse((x, y), *size, color=side, lw=0, zorder=order))
    corner = (x - STUD_RADIUS, y)
    axes.add_patch(Rectangle(corner, size[0], STUD_HEIGHT, color=side, lw=0, zorder=order))
    top = (x, y + STUD_HEIGHT)
    edge = shade(color, 0.9)
    axes.add_patch(Ellipse(top, *size, fc=shade(color, 1.22), ec=edge, lw=0.8, zorder=order))


def draw_box(
    axes: Axes, left: float, bottom: float, size: tuple[float, float, int], color: str, order: float
) -> None:
    """Draw a box with studs: front, top and right side."""
    width, height, depth = size
    top, right = bottom + height, left + width
    faces = {
        1.08: [(left, top), (right, top), place(right, top, depth), place(left, top, depth)],
        0.68: [
            (right, bottom),
            place(right, bottom, depth),
            place(right, top, depth),
            (right, top),
        ],
        1.0: [(left, bottom), (right, bottom), (right, top), (left, top)],
    }
    for factor, corners in faces.items():
        face = Polygon(corners, fc=shade(color, factor), ec=shade(color, 0.72), lw=1, zorder=order)
        axes.add_patch(face)
    for row in reversed(range(depth)):
        for column in range(int(width)):
            center = place(left + column + 0.5, top, row + 0.5)
            draw_stud(axes, center, color, order + 0.1)


def draw_brick(axes: Axes, brick: Brick, order: float) -> None:
    draw_box(axes, brick.left, 0, (brick.width, HEIGHT, 2), brick.color, order)
    for y, text, size, weight in (
        (1.3, brick.name, 17, "bold"),
        (0.62, brick.formula, 12, "normal"),
    ):
        draw_text(axes, (brick.middle, y), text, "white", size=size, weight=weight)


def draw_text(axes: Axes, center: Point, text: str, color: str, **options: Any) -> None:
    style = {"size": 12.5, "ha": "center", "va": "center", "linespacing": 1.35, **options}
    axes.text(*center, text, color=color, zorder=70, **style)


def draw_arrow(axes: Axes, start: Point, end: Point, color: str, bend: float = 0.0) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>",
            mutation_scale=17,
            lw=2.2,
            color=color,
            shrinkA=0,
            shrinkB=0,
            zorder=60,
        )
    )


def draw_flow(axes: Axes) -> None:
    """Draw the arrows: forward above the studs, backward below the plate."""
    top, bottom, gap = 2.95, -0.95, 0.16
    stops = [-1.8, *(brick.middle for brick in BRICKS), 23.8]
    forward = ["x (N, 8)", *(brick.out for brick in BRICKS)]
    backward = ["dx (N, 8)", *(brick.dout for brick in BRICKS)]
    for start, end, ahead, back in zip(stops, stops[1:], forward, backward, strict=False):
        middle = (start + end) / 2
        draw_arrow(axes, (start + gap, top), (end - gap, top), FORWARD, bend=-0.32)
        draw_text(axes, (middle, top + 0.98), ahead, FORWARD)
        draw_arrow(axes, (end - gap, bottom), (start + gap, bottom), BACKWARD, bend=-0.32)
        draw_text(axes, (middle, bottom - 0.98), back, BACKWARD)
    draw_arrow(axes, (BRICKS[-1].middle, top + 1.5), (BRICKS[-1].middle, top), FORWARD)
    draw_text(axes, (BRICKS[-1].middle, top + 1.85), "y_true (N, 1)", FORWARD)
    for brick in BRICKS:
        if brick.grads:
            draw_arrow(axes, (brick.middle, bottom), (brick.middle, bottom - 1.5), BACKWARD)
            draw_text(axes, (brick.middle, bottom - 1.87), brick.grads, BACKWARD)
    heading = {"size": 16, "weight": "bold"}
    draw_text(axes, (-2.1, top + 1.85), "forward", FORWARD, ha="left", **heading)
    draw_text(axes, (24.3, bottom - 1.87), "backward", BACKWARD, ha="right", **heading)


def draw(path: Path) -> None:
    figure = Figure(figsize=(12, 4), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-2.9, 25.1), ylim=(-3.57, 5.77))
    axes.axis("off")
    card = FancyBboxPatch((-2.8, -3.47), 27.8, 9.14, boxstyle="round,pad=0,rounding_size=0.5")
    card.set(facecolor=PAPER, edgecolor="#d9d3c4", linewidth=1, zorder=0)
    axes.add_patch(card)

    plate = place(-1, -PLATE_HEIGHT, -1)
    draw_box(axes, *plate, (24, PLATE_HEIGHT, 4), PLATE, 1)
    for order, brick in enumerate(BRICKS, start=10):
        draw_brick(axes, brick, order)
    for column in range(24):
        draw_stud(axes, place(column - 0.5, 0, -0.5), PLATE, 40)
    draw_flow(axes)
    figure.savefig(path, transparent=True, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(__file__).with_name("bricks.png"))
