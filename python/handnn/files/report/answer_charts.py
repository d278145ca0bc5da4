"""Predictions against actual values: scatter plots, or a confusion matrix with ROC curves."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from handnn import charts
from handnn.files.report.row_losses import Values, each_target, has_several
from handnn.metrics import auc
from handnn.tables import Target

MAX_DOTS = 1_500
MAX_CLASSES = 20
"""The largest number of classes in the confusion matrix and of ROC curves."""

MAX_TARGETS = 6
"""The largest number of targets that are compared."""

MAX_CURVE_POINTS = 300
N_SHADES = 8
"""The number of shades of the confusion matrix."""

N_BINS = 10
"""The largest number of points of the calibration curve."""

MIN_PER_BIN = 5

Indices = NDArray[np.int64]

STYLE = """
table.matrix td { min-width: 2.6rem }
table.matrix td.edge { color: var(--soft); border-style: none }
div.small { display: flex; flex-wrap: wrap; gap: .8rem }
div.small figure { margin: 0; width: calc(50% - .4rem); max-width: 13rem }
div.half { display: grid; gap: 0 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
div.small figcaption { font-size: .9rem }
@media (max-width: 30rem) {
  table.matrix { font-size: .64rem } table.matrix th { padding: .15rem }
  table.matrix td { min-width: 0; padding: .15rem }
  div.small svg text { font-size: 14px }
}
table.matrix td { white-space: nowrap }
""" + "\n".join(
    f"table.matrix td.{kind}{k} {{ background: color-mix(in srgb, var(--{color}) {7 * k}%, "
    "var(--paper)) }"
    for k in range(1, N_SHADES + 1)
    for kind, color in (("r", "low"), ("w", "high"))
)
"""The rules of the confusion matrix and of small charts: blue is right, orange is wrong."""


def answers_section(target: Target, names: Sequence[str], measured: Values, answers: Values) -> str:
    """Return HTML that compares predictions with actual values, the arguments of `score`.

    names: those of the targets. If there are several, the first few are shown.
    """
    if has_several(target):
        parts = []
        each = each_target(target, measured, answers)
        for name, (one, *values) in zip(names, islice(each, MAX_TARGETS), strict=False):
            parts += [f"<h3>{escape(name)}</h3>", answers_section(one, [name], *values)]
        return "\n".join(parts)
    name = names[0]
    if target.classes is None:
        return _scatter(name, measured, answers) + _residuals(name, measured, answers)
    labels = [f"{label!s:.30}" for label in target.classes.tolist()]
    truth = measured.astype(np.int64)
    counts = np.bincount(truth, minlength=len(labels))
    kept = sorted(counts.argsort(kind="stable")[::-1][:MAX_CLASSES].tolist())
    return "\n".join(
        [
            _confusion(labels, kept, truth, answers.argmax(axis=1)),
            _roc(labels, [1] if len(labels) == 2 else kept, truth, answers),
            _calibration(labels, truth, answers),
        ]
    )


def _scatter(name: str, measured: Values, answers: Values) -> str:
    low = float(min(measured.min(), answers.min()))
    high = float(max(measured.max(), answers.max()))
    axes = charts.Axes((low, high), (low, high), (f"actual {name:.40}", "predicted"))
    axes.dots(_some(measured, answers), charts.COLORS[0])
    axes.curve([(low, low), (high, high)], "currentColor", "5 4")
    shown = min(MAX_DOTS, len(measured))
    some = f" ({shown:,} of {len(measured):,})" if shown < len(measured) else ""
    text = f"One dot for each held-out row{some}. On the line, the prediction is exact."
    return f"<p>{text}</p>" + axes.svg(text)


def _residuals(name: str, measured: Values, answers: Values) -> str:
    errors = answers - measured
    x = (float(answers.min()), float(answers.max()))
    y = (min(0.0, float(errors.min())), max(0.0, float(errors.max())))
    axes = charts.Axes(x, y, (f"predicted {name:.40}", "predicted - actual"))
    axes.dots(_some(answers, errors), charts.COLORS[0])
    axes.curve([(x[0], 0.0), (x[1], 0.0)], "currentColor", "5 4")
    text = "The residuals of the same rows. A trend in them is a pattern that the model has missed."
    return f"<h3>Residuals</h3><p>{text}</p>" + axes.svg(text)


def _some(x: Values, y: Values) -> list[tuple[float, float]]:
    """Return up to `MAX_DOTS` points, evenly spaced in the order of the rows."""
    shown = np.linspace(0, len(x) - 1, min(MAX_DOTS, len(x))).astype(int)
    return list(zip(x[shown].tolist(), y[shown].tolist(), strict=True))


def _confusion(labels: list[str], kept: list[int], truth: Indices, chosen: Indices) -> str:
    """Return the confusion matrix as a shaded table, with recall and precision at its edges."""
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (truth, chosen), 1)
    caption = (
        "Held-out rows by actual class (rows) and predicted class (columns); the darker a cell, "
        "the larger its share of the row: blue right, orange wrong"
    )
    if len(kept) < len(labels):
        caption += f"; the {len(kept)} most frequent of {len(labels)} classes"
    head = "".join(f'<th scope="col">{escape(labels[k])}</th>' for k in kept)
    lines = [
        '<div class="wide" role="region" aria-label="Confusion matrix" tabindex="0">'
        f'<table class="matrix"><caption>{caption}</caption><thead><tr><td class="edge"></td>{head}'
        '<th scope="col">recall, %</th></tr></thead><tbody>'
    ]
    for row in kept:
        cells = "".join(_cell(counts, row, column) for column in kept)
        lines.append(
            f'<tr><th scope="row">{escape(labels[row])}</th>{cells}'
            f'<td class="edge">{_share(counts[row, row], counts[row].sum())}</td></tr>'
        )
    precision = "".join(
        f'<td class="edge">{_share(counts[k, k], counts[:, k].sum())}</td>' for k in kept
    )
    lines.append(f'<tr><th scope="row">precision, %</th>{precision}<td class="edge"></td></tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _cell(counts: Indices, row: int, column: int) -> str:
    count = int(counts[row, column])
    shade = int(np.ceil(N_SHADES * count / max(1, counts[row].sum())))
    kind = f' class="{"r" if row == column else "w"}{shade}"' if shade else ""
    return f"<td{kind}>{count:,}</td>"


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.0f}" if of else "–"


def _roc(labels: list[str], classes: list[int], truth: Indices, answers: Values) -> str:
    """Return the ROC curve of each class against the others, as small charts if there are many."""
    drawn = []
    for place in classes:
        is_class = truth == place
        if is_class.all() or not is_class.any():
            continue
        rates = ("false positive rate", "true positive rate")
        axes = charts.Axes((0.0, 1.0), (0.0, 1.0), rates, is_small=len(classes) > 1)
        axes.curve([(0, 0), (1, 1)], "currentColor", "5 4")
        axes.curve(_roc_points(is_class, answers[:, place]), charts.COLORS[0], width=2.5)
        area = charts.number(auc(is_class.astype(int), answers[:, place]))
        drawn.append((f"{labels[place]}: area {area}", axes.svg(f"ROC curve of {labels[place]}")))
    if not drawn:
        return "<p>All held-out rows are of one class, so there is no ROC curve.</p>"
    title = "<h3>ROC curves</h3><p>The ROC curve of each class against the others:</p>"
    if len(drawn) == 1:
        return f"{title}<p>{escape(drawn[0][0])}</p>{drawn[0][1]}"
    figures = "".join(
        f"<figure><figcaption>{escape(name)}</figcaption>{picture}</figure>"
        for name, picture in drawn
    )
    return f'{title}<div class="small">{figures}</div>'


def _roc_points(is_class: NDArray[np.bool_], scores: Values) -> list[tuple[float, float]]:
    """Return the rates of false and of true positives, one point for rows of equal scores."""
    order = np.argsort(-scores, kind="stable")
    is_class, scores = is_class[order], scores[order]
    is_last = np.append(scores[1:] != scores[:-1], True)
    hits = (is_class.cumsum() / is_class.sum())[is_last]
    false_alarms = ((~is_class).cumsum() / (~is_class).sum())[is_last]
    kept = np.linspace(0, len(hits) - 1, min(MAX_CURVE_POINTS, len(hits))).astype(int)
    return [(0.0, 0.0), *zip(false_alarms[kept].tolist(), hits[kept].tolist(), strict=True)]


def _calibration(labels: list[str], truth: Indices, answers: Values) -> str:
    """Return the share of correct predictions for each level of probability."""
    if len(labels) == 2:
        given, happened = answers[:, 1], truth == 1
        names = (f"predicted probability of {labels[1]}", f"share that is {labels[1]}")
    else:
        given, happened = answers.max(axis=1), answers.argmax(axis=1) == truth
        names = ("probability of the predicted class", "share that is right")
    n_bins = min(N_BINS, len(truth) // MIN_PER_BIN)
    if n_bins < 2:
        return ""
    order = np.argsort(given, kind="stable")
    points = [
        (float(given[rows].mean()), float(happened[rows].mean()))
        for rows in np.array_split(order, n_bins)
    ]
    axes = charts.Axes((0.0, 1.0), (0.0, 1.0), names)
    axes.curve([(0, 0), (1, 1)], "currentColor", "5 4")
    axes.curve(points, charts.COLORS[0], width=2.5)
    axes.dots(points, charts.COLORS[0])
    text = (
        f"The held-out rows in {n_bins} groups of equal size, by the predicted probability. On the "
        "dashed line, the probabilities are right on average; below it, they are too high."
    )
    return f"<h3>Calibration</h3><p>{text}</p>" + axes.svg(text)
