"""Draw tile.png and halves.png: the tiles of a product, and how threads share a step.

python docs/pictures/draw_engine.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from draw_bricks import BACKWARD, FORWARD, PAPER, PLATE, draw_arrow, draw_text, shade
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

INK = "#4a4a45"
BLUE, ORANGE = "#2f7ec2", "#d98a1f"
PALE = "#dcd8cd"

Color = str | tuple[float, float, float]


def new_card(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty card; a unit is 10 pixels, and y grows downwards like matrix rows."""
    figure = Figure(figsize=(width / 10, height / 10), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    style = "round,pad=0,rounding_size=2"
    card = FancyBboxPatch((0.4, 0.4), width - 0.8, height - 0.8, boxstyle=style)
    card.set(facecolor=PAPER, edgecolor="#d9d3c4", linewidth=1, zorder=0)
    axes.add_patch(card)
    return figure, axes


def draw_plate(
    axes: Axes,
    corner: tuple[float, float],
    rows: int,
    columns: int,
    color_of: Callable[[int, int], str],
    pitch: float = 1.5,
) -> None:
    """Draw a matrix from above, one stud per entry."""
    left, top = corner
    for studs in (False, True):
        patches: list[Rectangle | Circle] = []
        fills: list[Color] = []
        for row in range(rows):
            for column in range(columns):
                color, x, y = color_of(row, column), left + column * pitch, top + row * pitch
                if studs:
                    middle = (x + pitch / 2, y + pitch / 2)
                    patches.append(Circle(middle, 0.31 * pitch))
                    fills.append(shade(color, 1.25))
                else:
                    patches.append(Rectangle((x, y), pitch, pitch))
                    fills.append(color)
        edges = [shade(color, 0.9) for color in fills] if studs else fills
        style = {"facecolors": fills, "edgecolors": edges, "linewidths": 0.6}
        axes.add_collection(PatchCollection(patches, zorder=5 + studs, **style))
    frame = Rectangle(corner, columns * pitch, rows * pitch)
    frame.set(facecolor="none", edgecolor=INK, linewidth=1, zorder=8)
    axes.add_patch(frame)


def draw_frame(axes: Axes, corner: tuple[float, float], width: float, height: float) -> None:
    frame = Rectangle(corner, width, height)
    frame.set(facecolor="none", edgecolor=INK, linewidth=2.2, zorder=9)
    axes.add_patch(frame)


def draw_tile(path: Path) -> None:
    """Draw the register tile of AVX-512 in float32: 14 rows of two vectors of 16."""
    rows, lanes, depth, k, pitch = 14, 16, 13, 9, 1.3
    figure, axes = new_card(108, 53)
    a_left, gap, top = 4.0, 2.6, 6.5
    out_left = a_left + depth * pitch + gap
    out_top = top + depth * pitch + gap
    width = 2 * lanes * pitch

    def color_of_a(row: int, column: int) -> str:
        return PALE if row >= rows else ORANGE if column == k else PLATE

    def color_of_b(row: int, column: int) -> str:
        return PALE if column >= 2 * lanes else BLUE if row == k else PLATE

    def color_of_out(row: int, column: int) -> str:
        return PALE if row >= rows or column >= 2 * lanes else "#c8403a"

    draw_plate(axes, (a_left, out_top), rows + 4, depth, color_of_a, pitch)
    draw_plate(axes, (out_left, top), depth, 2 * lanes + 6, color_of_b, pitch)
    draw_plate(axes, (out_left, out_top), rows + 4, 2 * lanes + 6, color_of_out, pitch)

    k_left, k_top = a_left + k * pitch, top + k * pitch
    draw_frame(axes, (k_left, out_top), pitch, rows * pitch)
    for vector in range(2):
        left = out_left + vector * lanes * pitch
        draw_frame(axes, (left, k_top), lanes * pitch, pitch)
        draw_frame(axes, (left, out_top), lanes * pitch, rows * pitch)
        draw_text(axes, (left + lanes * pitch / 2, top - 2), f"vector {vector}", INK)

    name = {"size": 15, "weight": "bold"}
    draw_text(axes, (a_left, out_top - 2), "x (N, I)", INK, ha="left", **name)
    draw_text(axes, (k_left + pitch / 2, out_top - 2), "k", "#a8660f", **name)
    draw_text(axes, (out_left - 1.4, top + 1.3), "w (I, O)", INK, ha="right", **name)
    draw_text(axes, (out_left - 1.4, k_top + pitch / 2), "k", FORWARD, ha="right", **name)
    middle = (out_left + width / 2, out_top + rows * pitch / 2)
    draw_text(axes, middle, "a tile of out (N, O)\n14 rows × 2 vectors", "white", **name)
    axes.texts[-1].set_bbox({"facecolor": "#9c2f2a", "edgecolor": "none", "pad": 7})

    left = out_left + (2 * lanes + 6) * pitch + 2.8
    lines = [
        (top + 0.7, "for every k", INK, name),
        (top + 4.4, "read 2 vectors of w", FORWARD, {}),
        (top + 7.6, "broadcast 14 numbers of x,", "#a8660f", {}),
        (top + 9.8, "one after the other", "#a8660f", {}),
        (top + 13, "14 × 2 = 28 fused", BACKWARD, {}),
        (top + 15.2, "multiply-adds", BACKWARD, {}),
        (out_top + 2, "in registers", INK, name),
        (out_top + 5.7, "28  sums", BACKWARD, {}),
        (out_top + 8.5, "  2  vectors of w", FORWARD, {}),
        (out_top + 11.3, "  1  broadcast", "#a8660f", {}),
        (out_top + 15, "31  of the 32 there are", INK, {"weight": "bold"}),
    ]
    for y, text, color, options in lines:
        draw_text(axes, (left, y), text, color, ha="left", **{"size": 13, **options})
    figure.savefig(path, transparent=True, metadata={"Software": None})


def draw_halves(path: Path) -> None:
    """Draw a step of Affine 4→6, ReLU, Affine 6→2 on two threads."""
    figure, axes = new_card(120, 38)
    pitch, count, top = 1.5, 8, 13.0
    bottom = top + count * pitch
    threads = (BLUE, ORANGE)
    name_style = {"size": 14, "weight": "bold", "va": "baseline"}
    shape_style = {"va": "baseline"}

    def by_row(rows: int) -> Callable[[int, int], str]:
        return lambda row, column: threads[row >= rows / 2]

    def by_column(columns: int) -> Callable[[int, int], str]:
        return lambda row, column: threads[column >= columns / 2]

    def by_none(row: int, column: int) -> str:
        return PLATE

    def heading(left: float, text: str, more: str) -> None:
        draw_text(axes, (left, 4), text, INK, ha="left", size=16, weight="bold")
        draw_text(axes, (left, 7.6), more, INK, ha="left")

    heading(3, "first half: by rows", "every thread takes its rows through all bricks and back")
    left = 3.0
    stops = [
        ("x", 4, FORWARD),
        ("out", 6, FORWARD),
        ("pre", 2, FORWARD),
        ("dout", 2, BACKWARD),
        ("dout", 6, BACKWARD),
    ]
    for index, (name, columns, color) in enumerate(stops):
        draw_plate(axes, (left, top), count, columns, by_row(count), pitch)
        width = columns * pitch
        draw_text(axes, (left + width / 2, bottom + 2.6), name, color, **name_style)
        draw_text(axes, (left + width / 2, bottom + 5), f"(N, {columns})", color, **shape_style)
        if index + 1 < len(stops):
            for band, thread in enumerate(threads):
                y = top + count * pitch * (0.25 + 0.5 * band)
                draw_arrow(axes, (left + width + 0.5, y), (left + width + 3.3, y), thread)
        left += width + 3.8

    meeting = left - 0.6
    left = meeting + 3.4
    heading(
        left,
        "second half: by weights",
        "every thread takes its rows of every w, over the whole batch",
    )
    for name, inputs, outputs in (("x", 4, 6), ("out", 6, 2)):
        draw_plate(axes, (left, top), count, inputs, by_column(inputs), pitch)
        middle = left + inputs * pitch / 2
        draw_text(axes, (middle, bottom + 2.6), name, INK, **name_style)
        draw_text(axes, (middle, bottom + 5), "transposed", INK, **shape_style)
        left += inputs * pitch + 1.2
        draw_text(axes, (left + 0.3, top + count * pitch / 2), "·", INK, size=20, weight="bold")
        left += 1.8
        draw_plate(axes, (left, top), count, outputs, by_none, pitch)
        middle = left + outputs * pitch / 2
        draw_text(axes, (middle, bottom + 2.6), "dout", INK, **name_style)
        left += outputs * pitch
        w_top = top + (count - inputs) / 2 * pitch
        for band, thread in enumerate(threads):
            y = w_top + inputs * pitch * (0.25 + 0.5 * band)
            draw_arrow(axes, (left + 0.5, y), (left + 3.1, y), thread)
        left += 3.5
        draw_plate(axes, (left, w_top), inputs, outputs, by_row(inputs), pitch)
        middle = left + outputs * pitch / 2
        draw_text(axes, (middle, bottom + 2.6), "w", INK, **name_style)
        draw_text(axes, (middle, bottom + 5), f"({inputs}, {outputs})", INK, **shape_style)
        left += outputs * pitch + 4.5
    for x in (meeting, 117.2):
        axes.plot([x, x], [3, bottom + 6], color=INK, lw=1.6, ls=(0, (4, 3)), zorder=4)

    y = 35
    for x, color, text in (
        (3, BLUE, "thread 0"),
        (15, ORANGE, "thread 1"),
        (27, PLATE, "read by both"),
    ):
        draw_plate(axes, (x, y - pitch / 2), 1, 1, lambda row, column, color=color: color, pitch)
        draw_text(axes, (x + 2.3, y), text, INK, ha="left")
    axes.plot([42, 45], [y, y], color=INK, lw=1.6, ls=(0, (4, 3)))
    draw_text(axes, (46, y), "all threads meet", INK, ha="left")
    figure.savefig(path, transparent=True, metadata={"Software": None})


if __name__ == "__main__":
    draw_tile(Path(__file__).with_name("tile.png"))
    draw_halves(Path(__file__).with_name("halves.png"))
