"""The verdict on a model: a comparison with the best baseline, with its standard error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from handnn import charts
from handnn.files.report.row_losses import NAMES, Values, main_metric, mean_loss, row_losses
from handnn.tables import Target

MIN_STANDARD_ERRORS = 2.0
"""Smaller differences, in standard errors, may be due to chance."""


@dataclass(frozen=True)
class Verdict:
    """The scores of a model and of a baseline on the same held-out rows.

    Attributes:
        metric: a key of `row_losses.NAMES`, such as "rmse"; lower is better.
        model, baseline: their scores.
        baseline_name: of the better baseline.
        difference: model - baseline.
        standard_error: of the difference, over random draws of the held-out rows.
    """

    metric: str
    model: float
    baseline: float
    baseline_name: str
    difference: float
    standard_error: float

    def __str__(self) -> str:
        """Return the verdict as a sentence: ``better than least squares on the ...``."""
        beats = self.difference < 0
        is_sure = abs(self.difference) > MIN_STANDARD_ERRORS * self.standard_error
        words = ("better than" if is_sure else "not clearly better than") if beats else (
            "not better than"
        )  # fmt: skip
        name = NAMES[self.metric]
        number = charts.number
        return (
            f"{words} {self.baseline_name} on the held-out rows: {name} {number(self.model)} "
            f"against {number(self.baseline)} (difference {number(self.difference)} ± "
            f"{number(self.standard_error)})"
        )

    def to_dict(self) -> dict[str, object]:
        """Return the verdict as a JSON object, with the sentence as "text"."""
        entries = {**asdict(self), "text": str(self)}
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in entries.items()
        }


def compare(
    target: Target, measured: Values, answers: Values, baselines: Mapping[str, Values]
) -> Verdict:
    """Compare predictions with those of the best baseline; the arguments are those of `score`.

    The standard error is that of a mean of differences of paired rows. For the RMSE, a root, it
    follows from that of the mean square by the delta method: ``se / (rmse_1 + rmse_2)``.
    """
    metric = main_metric(target)
    total = partial(mean_loss, target)
    with np.errstate(over="ignore", invalid="ignore"):  # rows may be far from those in training
        ours = row_losses(target, measured, answers)
        others = {name: row_losses(target, measured, theirs) for name, theirs in baselines.items()}
        name = min(others, key=lambda name: total(others[name]))
        theirs = others[name]
        n_rows = len(ours)
        error = float(np.std(ours - theirs, ddof=1) / np.sqrt(n_rows)) if n_rows > 1 else np.inf
        if metric.endswith("rmse") and error > 0:
            error /= total(ours) + total(theirs)
        return Verdict(
            metric=metric,
            model=total(ours),
            baseline=total(theirs),
            baseline_name=name,
            difference=total(ours) - total(theirs),
            standard_error=error,
        )
