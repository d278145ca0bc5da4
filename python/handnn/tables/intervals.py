"""Prediction intervals and sets with a guaranteed coverage, from the rows that a bag holds out.

Each training row is held out by at least one network of a bag, so its error can be measured with a
network that has not learned from it. Quantiles of these errors bound the error of a new row. (Split
conformal prediction: Papadopoulos et al. 2002; Lei et al. 2018. Over folds: Vovk 2015,
"Cross-conformal predictors". Scaled by predicted quantiles: Romano, Patterson and Candes 2019.
Sets: Sadinle, Lei and Wasserman 2019.)

For sets, the errors of all networks on a new row are averaged, each as the normal quantile of its
rank among the held-out errors. A mean varies less than one network's error, so the bound of one is
multiplied by the standard deviation of such a mean, which the networks' errors on the same rows
tell.

The coverage holds on average over rows from the distribution of the training rows. It is not
guaranteed for a subgroup of them, or for rows from another distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array, fraction
from handnn.losses.loss import LINKS
from handnn.network import Network
from handnn.tables import checks
from handnn.tables.bagging import Folds, holders, mean_of, mean_output
from handnn.tables.cells import Floats

MAX_ERRORS = 1_000
"""The largest number of errors kept for each output; with more rows, their quantiles are kept."""


def two_columns(pre: Array) -> Floats:
    """Return outputs (N, 1) or (N, C) in float64, with -z/2 and z/2 for one column."""
    wide = pre.astype(np.float64)
    return np.hstack([-wide / 2, wide / 2]) if wide.shape[1] == 1 else wide


def softmax(logits: Floats) -> Floats:
    """Return the probabilities (N, C) of logits."""
    return LINKS["softmax"](logits)


def probabilities_of(pre: Array) -> Floats:
    """Return the probabilities (N, C) of outputs (N, 1) or (N, C), in float64 for their tails."""
    return softmax(two_columns(pre))


@dataclass(frozen=True)
class HeldOutErrors:
    """The errors on held-out rows, which bound those on new rows.

    Attributes:
        n_rows: the number of rows.
        errors: up to 1,000 errors of each output, in ascending order. The absolute errors of a
            regression; 1 - probability of the true class, as the only output, for classes.
            A quantile of 1,000 evenly spaced ranks is exact to a thousandth of coverage.
        agreement: of the networks of a classifier: the standard deviation of the mean of their
            errors on a row, each as a standard normal quantile. 1 if all have the same errors.
        n_folds: of a classifier; networks that hold out the same fold count as one.
    """

    n_rows: int
    errors: tuple[Sequence[float], ...]
    agreement: float = 1.0
    n_folds: int = 1

    @classmethod
    def of(cls, errors: Floats) -> HeldOutErrors:
        """Keep the errors (N, O) of N rows."""
        ordered = np.sort(errors, axis=0)
        n_rows = len(ordered)
        if n_rows > MAX_ERRORS:
            places = np.ceil(np.arange(1, MAX_ERRORS + 1) * n_rows / MAX_ERRORS).astype(int) - 1
            ordered = ordered[places]
        return cls(n_rows, tuple(tuple(column) for column in ordered.T.tolist()))

    def bound(self, coverage: float, where: str) -> Floats:
        """Return the error (O,) that a new row exceeds with a probability of at most 1 - coverage.

        It is the ⌈(N + 1)·coverage⌉-th of N errors. Raises ValueError if coverage is not between 0
        and 1, or too close to 1 for N errors.
        """
        rank = self._rank(coverage, where)
        n_kept = len(self.errors[0])
        place = min(math.ceil(rank * n_kept / self.n_rows), n_kept) - 1
        return np.array([column[place] for column in self.errors])

    def set_scores(self, outputs: Sequence[Array]) -> Floats:
        """Return the score (N, C) of each class, which is in the set if it is at most `limit`.

        outputs: of all networks, (N, 1) or (N, C). The score is the mean over the folds of the
        normal quantiles of the error ``1 - probability``.
        """
        every = np.stack([probabilities_of(mean_of(s)) for s in holders(outputs, self.n_folds)])
        return np.asarray(self.normal_scores(1 - every).mean(axis=0))

    def limit(self, coverage: float, where: str) -> float:
        """Return the highest score of the classes in a set; raise what `bound` raises."""
        share = self._rank(coverage, where) / self.n_rows
        return math.inf if share == 1 else self.agreement * NormalDist().inv_cdf(share)

    def allows(self, coverage: float) -> bool:
        """Return whether there are enough rows for a coverage between 0 and 1."""
        return math.ceil((self.n_rows + 1) * coverage - 1e-9) <= self.n_rows

    def normal_scores(self, errors: Floats) -> Floats:
        """Return the standard normal quantile of each error's rank among those of the first output.

        Equal errors have the middle rank.
        """
        kept = np.array(self.errors[0])
        n_kept = len(kept)
        twice = np.searchsorted(kept, errors) + np.searchsorted(kept, errors, "right")
        levels = np.clip(np.arange(2 * n_kept + 1), 1, 2 * n_kept - 1) / (2 * n_kept)
        table: Floats = np.array([NormalDist().inv_cdf(level) for level in levels.tolist()])
        return np.asarray(table[twice])

    def _rank(self, coverage: float, where: str) -> int:
        """Return ⌈(N + 1)·coverage⌉; raise what `bound` raises."""
        share = fraction(coverage, f"{where}: coverage", is_below_one=True)
        if share <= 0:
            raise ValueError(f"{where}: coverage must be above 0, but is {coverage!r}")
        rank = max(1, math.ceil((self.n_rows + 1) * share - 1e-9))
        if rank > self.n_rows:
            n_needed = math.ceil(share / (1 - share) - 1e-9)
            raise ValueError(
                f"{where}: coverage={coverage} needs {n_needed} or more held-out rows, but there "
                f"are {self.n_rows}"
            )
        return rank

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object for `from_dict`."""
        return {
            "n_rows": self.n_rows,
            "errors": [list(column) for column in self.errors],
            "agreement": self.agreement,
            "n_folds": self.n_folds,
        }

    @classmethod
    def from_dict(cls, entry: object, n_outputs: int) -> HeldOutErrors:
        """Return the errors that `to_dict` describes; ValueError for an invalid description."""
        what = "the errors on held-out rows"
        found = checks.keys(entry, {"n_rows", "errors", "agreement", "n_folds"}, what)
        n_rows, n_folds = found["n_rows"], found["n_folds"]
        columns = [checks.numbers(one, what) for one in checks.several(found["errors"], what)]
        if type(n_rows) is not int or len(columns) != n_outputs:
            raise ValueError(f"{what} must have a number of rows and {n_outputs} outputs")
        for column in columns:
            is_sorted = all(a <= b for a, b in pairwise(column))
            if len(column) != min(n_rows, MAX_ERRORS) or not is_sorted or column[0] < 0:
                raise ValueError(
                    f"{what} must be in ascending order, {min(n_rows, MAX_ERRORS)} each"
                )
        (agreement,) = checks.numbers([found["agreement"]], what)
        if not 0 < agreement <= 1:
            raise ValueError(f"{what} must have an agreement between 0 and 1")
        if type(n_folds) is not int or n_folds < 1:
            raise ValueError(f"{what} must have a number of folds above 0")
        return cls(n_rows, tuple(columns), agreement, n_folds)


def held_out_outputs(
    networks: Sequence[Network], x: Array, fold: Folds
) -> tuple[NDArray[np.intp], Array]:
    """Return the rows that are held out, and the output (M, n_out) for each of its `holders`.

    The output is the mean over the networks that hold out the fold of the row.
    """
    several = holders(networks, int(fold.max()) + 1)
    rows = [np.flatnonzero(fold == place) for place in range(len(several))]
    if not rows:
        return np.array([], np.intp), np.empty((0, 0))
    outputs = [mean_output(some, x[part]) for some, part in zip(several, rows, strict=True)]
    return np.concatenate(rows), np.concatenate(outputs)


@dataclass(frozen=True)
class Band:
    """The predicted errors of a regression: an interval ``low - b·unit`` to ``high + b·unit``.

    b is the bound of the held-out errors ``max(low - y, y - high) / unit``.

    Attributes:
        low, high: (N, O), both the prediction, or a lower and an upper quantile.
        unit: (N, O) the size of the errors of each row: 1, or a standard deviation.
    """

    low: Floats
    high: Floats
    unit: Floats

    @classmethod
    def of_answers(cls, answers: Floats) -> Band:
        """Return the Band of predictions (N, O) with errors of equal size in all rows."""
        return cls(answers, answers, np.ones_like(answers))

    @classmethod
    def mean(cls, bands: Sequence[Band]) -> Band:
        """Return the mean of the Bands of several networks."""
        parts = ([getattr(band, name) for band in bands] for name in ("low", "high", "unit"))
        return cls(*(np.mean(part, axis=0) for part in parts))

    def errors(self, y: Floats) -> HeldOutErrors:
        """Return the errors of a network on rows that it holds out, with targets y (M, O).

        The mean of a bag has smaller errors than its networks on average, so intervals tend to be
        slightly too wide.
        """
        return HeldOutErrors.of(np.maximum(self.low - y, y - self.high) / self.unit)

    def interval(self, bound: Floats) -> Floats:
        """Return the lower and the upper ends, (N, O, 2)."""
        ends = np.stack([self.low - bound * self.unit, self.high + bound * self.unit], axis=-1)
        return np.sort(ends, axis=-1)  # quantiles of few rows may cross


def errors_of(answers: Floats, y: Floats, *, is_log: bool = False) -> HeldOutErrors:
    """Return the errors of predictions (M, O) on held-out rows with values y (M, O).

    is_log: whether to take those of the logarithms, so that errors are relative.
    """
    if is_log:
        answers, y = _logarithms(answers), _logarithms(y)
    return Band.of_answers(answers).errors(y)


def interval_of(answers: Floats, bound: Floats, *, is_log: bool = False) -> Floats:
    """Return the ends (N, O, 2) of intervals around predictions, for a bound of `errors_of`."""
    if not is_log:
        return Band.of_answers(answers).interval(bound)
    return np.asarray(np.exp(Band.of_answers(_logarithms(answers)).interval(bound)))


def _logarithms(values: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(values, np.finfo(np.float64).tiny)))
