"""The picture of the demo: the loss curves, and predicted against measured strength."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MultipleLocator, NullFormatter

from handnn.arrays import Array
from handnn.cli.demo.concrete_scores import Score
from handnn.training.history import History

BLUE, ORANGE, GRAY = "#2f6db3", "#e07b39", "#8a8f98"


def draw_png(history: History, measured: Array, predicted: Array, score: Score) -> bytes:
    """Return the picture as PNG."""
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_losses(left, history)
    draw_predictions(right, measured, predicted)
    right.set_title(f"Held-out rows: RMSE {score.rmse:.2f} MPa, R² {score.r2:.3f}", loc="left")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="#e6e8eb", linewidth=0.8)
        ax.set_axisbelow(True)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=150)
    return png.getvalue()


def draw_losses(ax: Axes, history: History) -> None:
    """Draw both losses over the epochs, on a logarithmic scale."""
    epochs = range(1, len(history) + 1)
    marker = "o" if len(history) == 1 else None
    curves = (
        ("training rows", history.train_loss, BLUE),
        ("held-out rows", history.validation_loss, ORANGE),
    )
    for label, loss, color in curves:
        ax.plot(epochs, loss, color=color, linewidth=1.4, marker=marker, label=label)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(left=0)
    ax.set_title("Loss: mean squared error, standardized", loc="left")
    ax.set_xlabel("epoch")
    ax.legend(frameon=False)


def draw_predictions(ax: Axes, measured: Array, predicted: Array) -> None:
    """Draw a dot for each held-out row, and the line of exact predictions."""
    limits = (min(0, predicted.min() - 3), max(measured.max(), predicted.max()) + 3)
    ax.plot(limits, limits, color=GRAY, linewidth=1, linestyle="--", zorder=1)
    ax.scatter(
        measured, predicted, s=22, color=BLUE, alpha=0.65, edgecolors="white", linewidths=0.5
    )
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MultipleLocator(20))
    ax.set_xlabel("measured strength, MPa")
    ax.set_ylabel("predicted strength, MPa")
