"""A chart of the training steps: one panel per network, one bar per library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.field import OURS
from benchmarks.problems import PROBLEMS
from benchmarks.report import micro
from benchmarks.steps import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, ACCENT, BAR = "#1f2430", "#6b7280", "#d9480f", "#c3cad6"
MAX_RATIO = 8.0  # longer bars are cut off


def families(row: Row) -> list[tuple[str, float]]:
    """Return the seconds per step of each library in its fastest configuration, fastest first."""
    groups = {
        "handnn": [OURS],
        "NumPy": ["NumPy", "NumPy, forced BLAS"],
        "PyTorch eager": ["PyTorch eager", "PyTorch foreach"],
        "PyTorch compiled": ["PyTorch compiled"],
        "JAX": ["JAX jit", "JAX scan"],
        "scikit-learn": ["scikit-learn"],
    }
    seconds = row.result.seconds
    best = {
        name: min(seconds[label] for label in labels if label in seconds)
        for name, labels in groups.items()
        if any(label in seconds for label in labels)
    }
    return sorted(best.items(), key=lambda item: item[1])


def panel(ax: Axes, row: Row) -> None:
    """Draw the bars of one network."""
    bars = families(row)
    ours = row.result.seconds[OURS]
    for place, (name, seconds) in enumerate(bars):
        is_ours = name == OURS
        length = min(seconds / ours, MAX_RATIO)
        ax.barh(place, length, height=0.68, color=ACCENT if is_ours else BAR)
        ratio = "" if is_ours else f"   {seconds / ours:.1f}×"
        cut = seconds / ours > MAX_RATIO
        inside = length > 0.7 * MAX_RATIO  # no space is left beside the bar
        ax.text(
            length - 0.12 if inside else length + 0.12,
            place,
            f"{micro(seconds)} µs{ratio}{'  ▸' if cut else ''}",
            ha="right" if inside else "left",
            va="center",
            fontsize=9,
            color=INK,
            fontweight="bold" if is_ours else "normal",
        )
    ax.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=9.5, color=INK)
    for label in ax.get_yticklabels():
        if label.get_text() == OURS:
            label.set_fontweight("bold")
            label.set_color(ACCENT)
    ax.invert_yaxis()
    ax.set_xlim(0, MAX_RATIO * 1.02)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    problem = row.problem
    ax.set_title(problem.name, loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=17)
    about = f"{problem.activation}, batch of {problem.batch}"
    ax.text(0, 1.03, about, transform=ax.transAxes, fontsize=9, color=QUIET)


def draw(rows: list[Row], path: str, machine: str) -> None:
    """Write the chart to `path`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 2, figsize=(11, 9.2))
    plain = [row for row in rows if row.problem in PROBLEMS]
    for ax, row in zip(axes.flat, plain, strict=True):
        panel(ax, row)
    figure.suptitle(
        "One training step: forward, mean squared error, backward, gradient descent",
        x=0.02,
        y=0.985,
        ha="left",
        fontsize=15,
        fontweight="bold",
        color=INK,
    )
    figure.text(0.02, 0.945, f"float32, shorter is better; {machine}", fontsize=10, color=QUIET)
    figure.tight_layout(rect=(0.01, 0.01, 0.99, 0.965), h_pad=2.2, w_pad=2.5)
    figure.savefig(path, dpi=150, facecolor="white")
    plt.close(figure)
