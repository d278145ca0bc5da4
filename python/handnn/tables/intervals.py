"""Prediction intervals and sets with a guaranteed coverage, from the rows that a bag holds out.

Each row of training is held out by one network of a bag at least, so its error is an honest one:
of a network that has not learned the row. Quantiles of these errors bound the error of a new row.
(Split conformal prediction: Papadopoulos et al. 2002; Lei et al. 2018. Over folds: Vovk 2015,
"Cross-conformal predictors". Sets: Sadinle, Lei and Wasserman 2019.)

The coverage is that over all rows like those of training, on average. It does not hold for each
kind of row, or for rows from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array, fraction
from handnn.network import Network
from handnn.tables import checks
from handnn.tables.bagging import Folds
from handnn.tables.cells import Floats

MAX_ERRORS = 1_000
"""Errors that are kept of each output: quantiles, if there are more rows."""


@dataclass(frozen=True)
class HeldOutErrors:
    """The errors on held-out rows, which bound those on new rows.

    Attributes:
        n_rows: the number of rows.
        errors: for each output in ascending order, up to 1,000 of them. The absolute errors of a
            regression; 1 - probability of the true class, as the only output, for classes.
    """

    n_rows: int
    errors: tuple[tuple[float, ...], ...]

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
        """Return the error (O,) that a new row exceeds with the chance 1 - coverage at most.

        It is the ⌈(N + 1)·coverage⌉-th of N errors. Raises ValueError if coverage is not between 0
        and 1, or so close to 1 that N errors do not tell.
        """
        share = fraction(coverage, f"{where}: coverage", is_below_one=True)
        if share <= 0:
            raise ValueError(f"{where}: coverage must be above 0, but is {coverage!r}")
        rank = math.ceil((self.n_rows + 1) * share - 1e-9)
        if rank > self.n_rows:
            n_needed = math.ceil(share / (1 - share) - 1e-9)
            raise ValueError(
                f"{where}: coverage={coverage} needs {n_needed} or more held-out rows, but there "
                f"are {self.n_rows}"
            )
        n_kept = len(self.errors[0])
        place = min(math.ceil(rank * n_kept / self.n_rows), n_kept) - 1
        return np.array([column[place] for column in self.errors])

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object for `from_dict`."""
        return {"n_rows": self.n_rows, "errors": [list(column) for column in self.errors]}

    @classmethod
    def from_dict(cls, entry: object, n_outputs: int) -> HeldOutErrors:
        """Return what `to_dict` describes; ValueError for an invalid description."""
        what = "the errors on held-out rows"
        found = checks.keys(entry, {"n_rows", "errors"}, what)
        n_rows = found["n_rows"]
        columns = [checks.numbers(one, what) for one in checks.several(found["errors"], what)]
        if type(n_rows) is not int or len(columns) != n_outputs:
            raise ValueError(f"{what} must have a number of rows and {n_outputs} outputs")
        for column in columns:
            if len(column) != min(n_rows, MAX_ERRORS) or column != sorted(column) or column[0] < 0:
                raise ValueError(
                    f"{what} must be in ascending order, {min(n_rows, MAX_ERRORS)} each"
                )
        return cls(n_rows, tuple(map(tuple, columns)))


def held_out_outputs(
    networks: Sequence[Network], x: Array, fold: Folds
) -> tuple[NDArray[np.intp], Array]:
    """Return the rows that a network holds out, and the output (M, n_out) of that network for each.

    Network k holds out fold k; those beyond the last fold are not used.
    """
    n_folds = int(fold.max()) + 1
    rows = [np.flatnonzero(fold == place) for place in range(min(n_folds, len(networks)))]
    if not rows:
        return np.array([], np.intp), np.empty((0, 0))
    outputs = [network.predict(x[part]) for network, part in zip(networks, rows, strict=False)]
    return np.concatenate(rows), np.concatenate(outputs)


def regression_errors(y: Floats, answers: Floats) -> HeldOutErrors:
    """Return the absolute errors of answers (M, O), each of a network that holds out the row.

    The mean of the bag errs a little less than each of its networks, so intervals are rather too
    wide than too narrow.
    """
    return HeldOutErrors.of(np.abs(y - answers))


def class_errors(places: NDArray[np.int64], probabilities: Array) -> HeldOutErrors:
    """Return 1 - the probability (M, K) of each row's class, given its index (M,)."""
    of_truth = probabilities[np.arange(len(places)), places].astype(np.float64)
    return HeldOutErrors.of(1 - of_truth[:, None])


def interval(answers: Floats, bound: Floats) -> Floats:
    """Return the lower and the upper end, (N, 2) or (N, O, 2), of answers (N,) or (N, O)."""
    half = bound if answers.ndim == 2 else bound[0]
    return np.stack([answers - half, answers + half], axis=-1)


def label_sets(probabilities: Array, bound: Floats) -> NDArray[np.bool_]:
    """Return which classes are in the set of each row, (N, K)."""
    return np.asarray(1 - probabilities.astype(np.float64) <= bound[0])
