"""Predictions against actual values: a scatter plot, or a confusion matrix with ROC curves."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np
from numpy.typing import NDArray

from handnn import charts
from handnn.files.report.html import table
from handnn.files.report.table_scores import Values
from handnn.tables import Target

MAX_DOTS = 1_500
MAX_CLASSES = 20
"""The largest number of classes in the confusion matrix."""

MAX_CURVE_POINTS = 300

Indices = NDArray[np.int64]


def answers_section(target: Target, name: str, measured: Values, answers: Values) -> str:
    """Return HTML that compares predictions with actual values, the arguments of `score`."""
    if target.classes is None:
        return _scatter(name, measured, answers)
    labels = [f"{label!s:.30}" for label in target.classes.tolist()]
    truth = measured.astype(np.int64)
    drawn = [1] if len(labels) == 2 else range(min(len(labels), len(charts.COLORS)))
    return "\n".join(
        [_confusion(labels, truth, answers.argmax(axis=1)), _roc(labels, drawn, truth, answers)]
    )


def _scatter(name: str, measured: Values, answers: Values) -> str:
    low = float(min(measured.min(), answers.min()))
    high = float(max(measured.max(), answers.max()))
    axes = charts.Axes((low, high), (low, high), (f"actual {name:.40}", "predicted"))
    shown = np.linspace(0, len(measured) - 1, min(MAX_DOTS, len(measured))).astype(int)
    points = zip(measured[shown].tolist(), answers[shown].tolist(), strict=True)
    axes.dots(points, charts.COLORS[0])
    axes.curve([(low, low), (high, high)], "#666", "5 4")
    some = f" ({len(shown):,} of {len(measured):,})" if len(shown) < len(measured) else ""
    text = f"One dot for each held-out row{some}. On the line, the prediction is exact."
    return f"<p>{text}</p>" + axes.svg(text)


def _confusion(labels: list[str], truth: Indices, chosen: Indices) -> str:
    most_frequent = np.bincount(truth, minlength=len(labels)).argsort()[::-1][:MAX_CLASSES]
    kept = sorted(most_frequent.tolist())
    rows = []
    for true_class in kept:
        is_true = truth == true_class
        counts = [int(np.sum(is_true & (chosen == guess))) for guess in kept]
        rows.append([labels[true_class], *(f"{count:,}" for count in counts)])
    caption = "Held-out rows by actual class (rows) and predicted class (columns)"
    if len(kept) < len(labels):
        caption += f"; the {len(kept)} most frequent of {len(labels)} classes"
    return table(caption, ["", *(labels[k] for k in kept)], rows)


def _roc(labels: list[str], classes: Iterable[int], truth: Indices, answers: Values) -> str:
    axes = charts.Axes((0.0, 1.0), (0.0, 1.0), ("false positive rate", "true positive rate"))
    axes.curve([(0, 0), (1, 1)], "#666", "5 4")
    drawn = {}
    for place, color in zip(classes, charts.COLORS, strict=False):
        is_class = (truth == place)[np.argsort(-answers[:, place], kind="stable")]
        if is_class.all() or not is_class.any():
            continue
        hits = is_class.cumsum() / is_class.sum()
        false_alarms = (~is_class).cumsum() / (~is_class).sum()
        kept = np.linspace(0, len(hits) - 1, min(MAX_CURVE_POINTS, len(hits))).astype(int)
        points = zip(false_alarms[kept].tolist(), hits[kept].tolist(), strict=True)
        axes.curve([(0.0, 0.0), *points], color)
        drawn[labels[place]] = color
    if not drawn:
        return "<p>All held-out rows are of one class, so there is no ROC curve.</p>"
    axes.add("".join(_legend(drawn)))
    return "<p>The ROC curve of each class against the others:</p>" + axes.svg(
        f"ROC curves of {', '.join(drawn)}"
    )


def _legend(colors: dict[str, str]) -> list[str]:
    """Return names in the lower right corner, which ROC curves leave free."""
    bottom = charts.HEIGHT - charts.BOTTOM - 12
    return [
        f'<text x="{charts.WIDTH - charts.RIGHT - 8}" y="{bottom - 17 * line}" text-anchor="end" '
        f'style="fill: {color}">{escape(name)}</text>'
        for line, (name, color) in enumerate(colors.items())
    ]
