"""Scores of a file that need not fit into memory: block by block, what `scores.score` gives."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.files.report.table_scores import Scores, score
from handnn.tables import Target

MANY = 2**20
"""How many scores are looked up at once."""


class Running:
    """The scores of all the answers that were added.

    All of them are sums, but for auc: that keeps the probability of each row, in its own dtype.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.count = 0
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._mean = self._square = 0.0
        classes = 0 if target.classes is None else len(target.classes)
        self._rows, self._right = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
        self._no: list[NDArray[Any]] = []
        self._yes: list[NDArray[Any]] = []

    def add(self, measured: NDArray[np.float64], answers: NDArray[Any]) -> None:
        """Take some more rows, as `scores.score` takes them; answers in any dtype."""
        before, more = self.count, len(measured)
        self.count += more
        found = score(self.target, measured, answers.astype(np.float64))
        with np.errstate(over="ignore", invalid="ignore"):  # of rows far from all in training
            for name in ("mae", "accuracy", "log_loss"):
                self._sums[name] += found.get(name, 0.0) * more
            if self.target.classes is None:
                self._sums["square"] += found["rmse"] ** 2 * more
                mean = float(measured.mean())
                shift = mean - self._mean
                self._square += float(np.square(measured - mean).sum())
                self._square += shift * shift * before * more / self.count
                self._mean += shift * more / self.count
                return
        places = measured.astype(np.int64)
        classes = len(self._rows)
        self._rows += np.bincount(places, minlength=classes)
        self._right += np.bincount(places[answers.argmax(axis=1) == places], minlength=classes)
        if self.target.task == "binary":
            self._no.append(answers[places == 0, 1])
            self._yes.append(answers[places == 1, 1])

    def scores(self) -> Scores:
        """Return the scores of all rows so far; there must be one."""
        means = {name: total / self.count for name, total in self._sums.items()}
        if self.target.classes is None:
            share = means["square"] * self.count / self._square if self._square > 0 else None
            none = 1.0 if means["square"] == 0 else 0.0
            r2 = none if share is None else 1 - share
            return {"rmse": float(np.sqrt(means["square"])), "mae": means["mae"], "r2": r2}
        found = {"accuracy": means["accuracy"]}
        if self.target.task == "binary":
            found["auc"] = area(np.concatenate(self._yes), np.concatenate(self._no))
        else:
            there = self._rows > 0
            found["balanced_accuracy"] = float((self._right[there] / self._rows[there]).mean())
        return {**found, "log_loss": means["log_loss"]}


def area(yes: NDArray[Any], no: NDArray[Any]) -> float:
    """Return how often a yes has a higher score than a no, where equal ones count half.

    That is `metrics.auc`, without an order of all rows. NaN when one side has no rows.
    """
    if not (len(yes) and len(no)):
        return float("nan")
    no = np.sort(no)
    above = 0
    for first in range(0, len(yes), MANY):
        some = np.sort(yes[first : first + MANY])
        above += int(no.searchsorted(some, "left").sum() + no.searchsorted(some, "right").sum())
    return above / 2 / (len(yes) * len(no))
