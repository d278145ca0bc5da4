"""Scores of a file that is larger than memory, updated block by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from handnn.arrays import Array
from handnn.files.report.row_losses import (
    Values,
    each_target,
    has_several,
    main_metric,
    mean_loss,
    row_losses,
)
from handnn.files.report.table_scores import Scores, score
from handnn.metrics import roc_area
from handnn.tables import Target
from handnn.tables.moments import RunningMoments
from handnn.tables.objective import POISSON, level_of

MEANS = ("mae", "accuracy", "log_loss", "deviance", "pinball_loss", "share_below")
"""The scores that are means over the rows."""


class BlockScores:
    """The scores of all predictions added so far, equal to those of `score` for all rows together.

    All scores but auc are sums. For auc, the probability of each row is kept, in its own dtype.
    names: those of several targets.
    """

    def __init__(self, target: Target, names: Sequence[str] = ()) -> None:
        self.target = target
        self._names = names
        self._each: list[BlockScores] = []
        self.n_rows = 0
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._moments = RunningMoments()
        n_classes = 0 if target.classes is None else len(target.classes)
        self._n_of_class = np.zeros(n_classes, np.int64)
        self._n_right = np.zeros(n_classes, np.int64)
        self._no: list[Array] = []
        self._yes: list[Array] = []

    def add(self, measured: Values, answers: Array) -> None:
        """Add rows. measured, answers: as in `score`, answers in any dtype."""
        n_more = len(measured)
        self.n_rows += n_more
        if has_several(self.target):
            wide = answers.astype(np.float64)
            self._sums["loss"] += float(row_losses(self.target, measured, wide).sum())
            parts = list(each_target(self.target, measured, wide))
            self._each = self._each or [BlockScores(one) for one, _, _ in parts]
            for scores, (_, values, given) in zip(self._each, parts, strict=True):
                scores.add(values, given)
            return
        found = score(self.target, measured, answers.astype(np.float64))
        with np.errstate(over="ignore", invalid="ignore"):  # as in `score`
            for name in MEANS:
                self._sums[name] += found.get(name, 0.0) * n_more
            if self.target.classes is None:
                self._sums["square"] += float(((answers - measured) ** 2).sum())
                self._moments.add(measured)
                return
        classes = measured.astype(np.int64)
        n_classes = len(self._n_of_class)
        is_right = answers.argmax(axis=1) == classes
        self._n_of_class += np.bincount(classes, minlength=n_classes)
        self._n_right += np.bincount(classes[is_right], minlength=n_classes)
        if self.target.task == "binary":
            self._no.append(answers[classes == 0, 1])
            self._yes.append(answers[classes == 1, 1])

    def scores(self) -> Scores:
        """Return the scores of all rows that have been added, at least one."""
        means = {name: total / self.n_rows for name, total in self._sums.items()}
        if has_several(self.target):
            total = mean_loss(self.target, np.array([means["loss"]]))
            every = {main_metric(self.target): total}
            for name, scores in zip(self._names, self._each, strict=True):
                every |= {f"{metric} of {name}": v for metric, v in scores.scores().items()}
            return every
        if level_of(self.target.objective) is not None:
            return {name: means[name] for name in ("pinball_loss", "share_below", "mae")}
        if self.target.classes is None:
            more = {"deviance": means["deviance"]} if self.target.objective == POISSON else {}
            square = self._moments.square
            share = means["square"] * self.n_rows / square if square > 0 else None
            constant = 1.0 if means["square"] == 0 else 0.0
            r2 = constant if share is None else 1 - share
            return {**more, "rmse": float(np.sqrt(means["square"])), "mae": means["mae"], "r2": r2}
        found = {"accuracy": means["accuracy"]}
        if self.target.task == "binary":
            found["auc"] = roc_area(np.concatenate(self._yes), np.concatenate(self._no))
        else:
            occurs = self._n_of_class > 0
            recall = self._n_right[occurs] / self._n_of_class[occurs]
            found["balanced_accuracy"] = float(recall.mean())
        return {**found, "log_loss": means["log_loss"]}
