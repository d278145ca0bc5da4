"""The report of a training: one HTML page without other files, scripts or network access."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from handnn import charts
from handnn.charts.style import PAGE, palette
from handnn.files.learning.trained import TrainingRun
from handnn.files.model import FileModel, PlainScores
from handnn.files.report import answer_charts
from handnn.files.report.dependence import dependence_section
from handnn.files.report.html import Cell, section, table
from handnn.files.report.importance import WorstRow, permutation_importance, worst_rows
from handnn.files.report.row_losses import NAMES, main_metric
from handnn.files.report.table_scores import answers_of, measured_values
from handnn.inside.page import document
from handnn.tables import Target
from handnn.tables.objective import SQUARED

MAX_BARS = 30
"""The largest number of columns in the chart of importance."""

MAX_SCORES = 4
"""The largest number of scores in one line of the table, and of targets in one of its cells."""

MEANINGS = {
    **{name: text for name, text in NAMES.items() if name.startswith("scaled_")},
    "deviance": "mean Poisson deviance",
    "pinball_loss": "mean of the loss that the quantile minimizes",
    "share_below": "share of rows at or below the prediction",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "r2": "R², the share of the variance that is explained",
    "accuracy": "share of correct predictions",
    "balanced_accuracy": "share of correct predictions of each class, averaged",
    "auc": "area under the ROC curve",
    "log_loss": "mean of -log of the probability of the true class",
}

STYLE = f"""{palette()}{PAGE}
p.verdict {{ font-size: 1.1rem; font-weight: 600 }}
tr.ours td {{ font-weight: 600 }}
{answer_charts.STYLE}
"""


def report_page(model: FileModel, command: str) -> str:
    """Return the report of a model that has just been trained.

    command: the command that trains the same model again, shown at the end. Raises ValueError for a
    model that was loaded from a file, because its held-out rows are unknown.
    """
    run = model.training
    if run is None:
        raise ValueError("report_page: the model must come from train_file, not from a file")
    story, target, test = model.notes.story, model.target, run.held_out
    names = model.notes.target_names
    title = f"Predicting {', '.join(names)} from {story['file']}"
    importance = permutation_importance(model, test, np.random.default_rng(_integer(story["seed"])))
    measured, answers = measured_values(target, test.y), answers_of(model, test.x)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict">This model is {escape(model.verdict)}.</p>',
        f"<p>A {target.task} model{_objective(target)}, trained on {run.n_train:,} rows and scored "
        f"on {len(test):,} other rows: {escape(str(story['split']))}.</p>",
        section("Scores", _scores(model)),
        section("Learning curves", _learning_curves(run)),
        section(
            "Predicted and actual values",
            answer_charts.answers_section(target, names, measured, answers),
        ),
        *_intervals(model),
        section("Column importance", _importance(NAMES[main_metric(target)], importance)),
        section("Partial dependence", dependence_section(model, test.x, importance)),
        section(
            "Worst predictions",
            _worst(worst_rows(model, test), str(story["place"]), target.task),
        ),
        section("Columns", _decisions(story) + _lines(model.columns.summary())),
        section("How to reproduce", _reproduce(model, command)),
    ]
    inner = "\n".join(parts)
    return document(title, STYLE, f"<main>\n{inner}\n</main>")


def _scores(model: FileModel) -> str:
    methods: dict[str, PlainScores] = {**model.baselines, "this model": model.scores}
    names = list(model.scores)
    rows = [[method, *(_number(scores[n]) for n in names)] for method, scores in methods.items()]
    metrics = dict.fromkeys(
        name if name in MEANINGS else name.partition(" of ")[0] for name in names
    )
    meanings = "; ".join(f"{name}: {MEANINGS[name]}" for name in metrics)
    best = "this model" if model.verdict.startswith("better") else ""
    head = ["", *names]
    if len(names) > MAX_SCORES:  # of several targets: a line for each
        (head, *rows), best = [list(line) for line in zip(head, *rows, strict=True)], ""
    scores = table("On the held-out rows", head, rows, best)
    return f"{scores}<p>{meanings}.</p>"


def _learning_curves(run: TrainingRun) -> str:
    histories = run.histories
    groups: dict[str, Sequence[Sequence[float]]] = {
        "training rows": [history.train_loss for history in histories]
    }
    held_out = [history.validation_loss for history in histories]
    if any(held_out):
        groups["validation rows"] = held_out
    text = "The loss of each network over the epochs"
    n_epochs = max(map(len, histories))
    described = f"{text}, on a logarithmic scale; the longest training has {n_epochs} epochs"
    after = "; it keeps the weights of its best epoch" if run.keeps_best_epoch else ""
    return f"<p>{text}{after}.</p>" + charts.curves(groups, ("epoch", "loss"), described)


def _lines(text: str) -> str:
    """Return preformatted lines; a narrow page indents what it wraps."""
    lines = "".join(f"<span>{escape(line)}</span>" for line in text.splitlines())
    return f'<pre class="lines">{lines}</pre>'


def _intervals(model: FileModel) -> list[str]:
    """Return a section on what intervals or sets cover, if the model has them."""
    entries = model.notes.story.get("coverage")
    if not isinstance(entries, list) or not entries:
        return []
    is_regression = model.target.task == "regression"
    title, size = ("Intervals", "mean width") if is_regression else ("Sets", "mean size of a set")
    rows = [
        [f"{100 * e['asked']:g} %", f"{100 * e['covered']:.1f} %", _number(e["size"])]
        for e in entries
    ]
    what = "intervals hold the actual value" if is_regression else "sets hold the actual class"
    text = (
        f"How often {what}, for the coverage that is asked for. They are derived from the errors "
        "on the rows that each network held out, and apply to rows like those of the training."
    )
    return [section(title, f"<p>{text}</p>" + table(title, ["asked", "covered", size], rows))]


def _objective(target: Target) -> str:
    """Return a phrase on the objective of a regression, "" for the mean."""
    return "" if target.objective == SQUARED else f" with the loss {target.objective}"


def _importance(error: str, importance: dict[str, float]) -> str:
    shown = dict(list(importance.items())[:MAX_BARS])
    text = f"By how much the {error} rises when a column of the held-out rows is shuffled."
    note = "Columns with the same information share it, so each alone may look unimportant."
    if len(shown) < len(importance):
        note += f" The {MAX_BARS} highest of {len(importance)}."
    return f"<p>{text} {note}</p>" + charts.bars(shown, text)


def _worst(worst: list[WorstRow], place: str, task: str) -> str:
    error = "error" if task == "regression" else "-log p(true class)"
    head = [place, "actual", "predicted", error, *worst[0].cells]
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
    return table("The held-out rows with the worst predictions", head, rows)


def _decisions(story: Mapping[str, object]) -> str:
    """Return the automatic decisions about the columns, as a list."""
    decisions = story.get("decisions")
    lines = decisions if isinstance(decisions, list) else []
    items = "".join(f"<li>{escape(str(line))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _reproduce(model: FileModel, command: str) -> str:
    story = model.notes.story
    return (
        f"<pre>{escape(_without_folders(command))}</pre>"
        f"<p>The file had {_integer(story['bytes']):,} bytes and the SHA-256 <code>"
        f"{escape(str(story['sha256']))}</code>. handnn {escape(str(story['handnn']))} with this "
        "file and these options gives the same model, with any number of threads.</p>"
    )


def _without_folders(command: str) -> str:
    """Return a command with the names of files in place of absolute paths."""
    quoted = r"(?<=['\"])(?:[A-Za-z]:)?[/\\][^'\"]*[/\\](?=[^'\"/\\]+['\"])"
    plain = r"(?<![^\s=('\"])(?:[A-Za-z]:)?[/\\](?:[^\s'\"/\\]+[/\\])+"
    return re.sub(plain, "", re.sub(quoted, "", command))


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


def _number(value: float | None) -> str:
    return charts.number(value) if value is not None and np.isfinite(value) else "–"


def _cell(value: object) -> Cell:
    if value is None:
        return "–"
    if isinstance(value, tuple):
        return ", ".join(str(_cell(part)) for part in value[:MAX_SCORES])
    if isinstance(value, float | np.floating):
        return _number(float(value))
    return f"{value!s:.60}"
