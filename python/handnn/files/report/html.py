"""The report of a training: one HTML page that needs no other file, no script and no network."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn import charts
from handnn.files.report.importance import WorstRow, permutation_importance, worst_rows
from handnn.files.report.table_scores import answers_of, measured_of
from handnn.files.train import Result
from handnn.inside.page import document

MOST_DOTS = 1_500
MOST_CLASSES = 20
MOST_BARS = 30

WORDS = {
    "rmse": "root of the mean squared error",
    "mae": "mean absolute error",
    "r2": "R², the share of the variance that is explained",
    "accuracy": "share of right answers",
    "balanced_accuracy": "share of right answers of each class, averaged",
    "auc": "area under the ROC curve",
    "log_loss": "mean of -log of the probability of the truth",
}

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff }
main { max-width: 60rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.6rem; line-height: 1.25 }
h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 2px solid #999 }
p { max-width: 46rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem }
caption { text-align: left; padding-bottom: .3rem; white-space: nowrap }
th, td { padding: .2rem .7rem; border: 1px solid #ccc; text-align: right }
th { font-weight: 600; background: #f4f4f4 }
th[scope=row] { text-align: left }
tr.ours td { font-weight: 600 }
div.wide { overflow-x: auto }
svg { max-width: 100%; height: auto }
svg text { font: 13px system-ui, sans-serif; fill: #1b1b1b }
pre { background: #f4f4f4; padding: .8rem; white-space: pre-wrap; overflow-wrap: anywhere }
"""


def report(result: Result, command: Sequence[str], seed: int) -> str:
    """Return the whole page; `command` is what trains the same model again."""
    trained, notes = result.trained, result.notes
    target, rows = trained.model.target, notes.story["rows"]
    title = f"{notes.target}, predicted from {notes.story['file']}"
    test = trained.split
    rng = np.random.default_rng(seed)
    importance = permutation_importance(trained.model, test.x_test, test.y_test, rng)
    measured = measured_of(target, test.y_test)
    answers = answers_of(trained.model, test.x_test).astype(np.float64)
    worst = worst_rows(trained.model, test.x_test, test.y_test, test.test_places)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>A {target.task} model, trained on {rows['trained']:,} rows and scored on "
        f"{rows['held_out']:,} others, drawn at random, that it has never seen.</p>",
        _section("Score", _scores(result)),
        _section("Learning curve", _learning(result)),
        _section("Predicted and measured", _answers(target, notes.target, measured, answers)),
        _section("What it looks at", _importance(target.task, importance)),
        _section("Worst rows", _worst(worst, notes.story["place"], target.task)),
        _section("Columns", f"<pre>{escape(trained.model.columns.summary())}</pre>"),
        _section("How to reproduce", _reproduce(result, command)),
    ]
    inner = "\n".join(parts)
    return document(title, STYLE, f"<main>\n{inner}\n</main>")


def _section(title: str, inner: str) -> str:
    name = title.lower().replace(" ", "-")
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{inner}\n</section>'


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]], ours: str | None = None
) -> str:
    """Return a table; the first cell of each row is its heading."""
    cells = "".join(f'<th scope="col">{escape(str(cell))}</th>' for cell in head)
    label = escape(caption)
    lines = [f'<div class="wide" role="region" aria-label="{label}" tabindex="0">']
    lines.append(f"<table><caption>{label}</caption>")
    lines.append(f"<thead><tr>{cells}</tr></thead><tbody>")
    for first, *rest in rows:
        inner = "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        kind = ' class="ours"' if first == ours else ""
        lines.append(f'<tr{kind}><th scope="row">{escape(str(first))}</th>{inner}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _scores(result: Result) -> str:
    found = {**result.baselines, "this model": result.scores}
    names = list(result.scores)
    rows = [[name, *(_number(of[score]) for score in names)] for name, of in found.items()]
    meaning = "; ".join(f"{name}: {WORDS[name]}" for name in names)
    return table("On the held-out rows", ["", *names], rows, "this model") + f"<p>{meaning}.</p>"


def _learning(result: Result) -> str:
    histories = result.trained.histories
    groups: dict[str, list[Any]] = {"training rows": [h.train_loss for h in histories]}
    held = [h.validation_loss for h in histories]
    if any(held):
        groups["rows held out by each network"] = held
    told = f"The loss of {len(histories)} networks over the epochs"
    last = max(len(h) for h in histories)
    described = f"{told}, on a logarithmic scale; the longest has {last} epochs"
    after = "; it keeps the weights of its best epoch" if any(held) else ""
    return f"<p>{told}, one line each{after}.</p>" + charts.curves(
        groups, ("epoch", "loss"), described
    )


def _answers(
    target: Any, name: str, measured: NDArray[np.float64], answers: NDArray[np.float64]
) -> str:
    if target.classes is None:
        return _scatter(name, measured, answers)
    labels = [f"{label!s:.30}" for label in target.classes.tolist()]
    parts = [_confusion(labels, measured.astype(int), answers.argmax(axis=1))]
    yes_or_no = [1] if len(labels) == 2 else range(min(len(labels), len(charts.COLOURS)))
    parts.append(_roc(labels, yes_or_no, measured, answers))
    return "\n".join(parts)


def _scatter(name: str, measured: NDArray[np.float64], answers: NDArray[np.float64]) -> str:
    low = float(min(measured.min(), answers.min()))
    high = float(max(measured.max(), answers.max()))
    axes = charts.Axes((low, high), (low, high), (f"measured {name:.40}", "predicted"))
    shown = np.linspace(0, len(measured) - 1, min(MOST_DOTS, len(measured))).astype(int)
    axes.dots(
        zip(measured[shown].tolist(), answers[shown].tolist(), strict=True), charts.COLOURS[0]
    )
    axes.curve([(low, low), (high, high)], "#666", "5 4")
    few = f"; {len(shown):,} of {len(measured):,} rows" if len(shown) < len(measured) else ""
    told = f"A dot for each held-out row{few}. On the line, the prediction is what was measured."
    return f"<p>{told}</p>" + axes.svg(told)


def _confusion(labels: list[str], measured: NDArray[Any], chosen: NDArray[Any]) -> str:
    most = np.bincount(measured, minlength=len(labels)).argsort()[::-1][:MOST_CLASSES]
    kept = sorted(most.tolist())
    rows = []
    for truth in kept:
        counts = [int(np.sum((measured == truth) & (chosen == guess))) for guess in kept]
        rows.append([labels[truth], *(f"{count:,}" for count in counts)])
    caption = "Held-out rows: what was measured, by row, and what was predicted, by column"
    if len(kept) < len(labels):
        caption += f"; the {len(kept)} most frequent of {len(labels)} classes"
    return table(caption, ["", *(labels[k] for k in kept)], rows)


def _roc(
    labels: list[str], classes: Iterable[int], measured: NDArray[Any], answers: NDArray[Any]
) -> str:
    """Draw for each class how many of it are found, by how many others are taken for it."""
    names = ("share of the others that are taken for it", "share that is found")
    axes = charts.Axes((0.0, 1.0), (0.0, 1.0), names)
    axes.curve([(0, 0), (1, 1)], "#666", "5 4")
    shown = {}
    for place, colour in zip(classes, charts.COLOURS, strict=False):
        is_it = (measured == place)[np.argsort(-answers[:, place], kind="stable")]
        if is_it.all() or not is_it.any():
            continue
        found, false = is_it.cumsum() / is_it.sum(), (~is_it).cumsum() / (~is_it).sum()
        kept = np.linspace(0, len(found) - 1, min(300, len(found))).astype(int)
        points = zip(false[kept].tolist(), found[kept].tolist(), strict=True)
        axes.curve([(0.0, 0.0), *points], colour)
        shown[labels[place]] = colour
    if not shown:
        return "<p>The held-out rows are all of one class, so there is no ROC curve.</p>"
    axes.add("".join(_legend(shown)))
    return "<p>The ROC curve of each class against the others:</p>" + axes.svg(
        f"ROC curves of {', '.join(shown)}"
    )


def _legend(shown: dict[str, str]) -> list[str]:
    """Return names in the lower right corner, where a ROC curve leaves room."""
    bottom = charts.HEIGHT - charts.BOTTOM - 12
    return [
        f'<text x="{charts.WIDTH - charts.RIGHT - 8}" y="{bottom - 17 * row}" text-anchor="end" '
        f'style="fill: {colour}">{escape(name)}</text>'
        for row, (name, colour) in enumerate(shown.items())
    ]


def _importance(task: str, importance: dict[str, float]) -> str:
    error = "RMSE" if task == "regression" else "log loss"
    shown = dict(list(importance.items())[:MOST_BARS])
    few = f" The {MOST_BARS} highest of {len(importance)}." if len(shown) < len(importance) else ""
    told = f"By how much the {error} rises when a column of the held-out rows is shuffled."
    note = "Columns that tell the same share it, so each alone may look unimportant."
    return f"<p>{told} {note}{few}</p>" + charts.bars(shown, told)


def _worst(worst: list[WorstRow], place: str, task: str) -> str:
    head = [place, "measured", "predicted", "error" if task == "regression" else "-log p(truth)"]
    head += list(worst[0].cells)
    rows = [
        [
            row.place,
            _cell(row.measured),
            _cell(row.predicted),
            _number(row.error),
            *map(_cell, row.cells.values()),
        ]
        for row in worst
    ]
    return table("The held-out rows that are predicted worst", head, rows)


def _reproduce(result: Result, command: Sequence[str]) -> str:
    story = result.notes.story
    line = " ".join(map(shlex.quote, command))
    return (
        f"<pre># handnn {escape(story['handnn'])}\n{escape(line)}</pre>"
        f"<p>The file had {story['bytes']:,} bytes, SHA-256 <code>{story['sha256']}</code>. The "
        "same handnn, file and options give the same model, on any number of threads.</p>"
    )


def _number(value: float) -> str:
    return charts.number(value) if np.isfinite(value) else "–"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float | np.floating):
        return _number(float(value))
    return f"{value!s:.60}"
