"""Rows that must be kept apart: those of one group, or those of the past and of the future.

If rows are dependent, scores on random held-out rows are too good: the model has seen other rows of
the same patient, or of later days. So whole groups, or the latest rows, are held out instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn.tables.bagging import Folds, draw_folds
from handnn.tables.cells import Floats, Mask

Codes = NDArray[np.int64]

Classes = NDArray[np.number] | None
"""(N,) the class of each row, or None."""

MAX_COUNTS = 20_000_000
"""The largest table of groups by classes; above it, folds balance only the sizes of groups."""


@dataclass(frozen=True)
class Separation:
    """The dependence between the rows of a table; by default, they are independent.

    Attributes:
        groups: (N,) the group of each row, from 0: its rows are on the same side of every split.
        times: (N,) the time of each row: a network learns from earlier rows than those it is
            tested on. Not together with groups.

    Examples:
        >>> from handnn.tables.separation import Separation
        >>> separation = Separation.of_groups(["a", "b", "a", "c", "b", "a"])
        >>> separation.groups.tolist()
        [0, 1, 0, 2, 1, 0]
        >>> Separation(times=np.array([3.0, 1.0, 2.0, 4.0])).held_out(0.25, None).tolist()
        [False, False, False, True]
    """

    groups: Codes | None = None
    times: Floats | None = None

    @classmethod
    def of_groups(cls, groups: ArrayLike) -> Separation:
        """Return the Separation of groups given by labels (N,); ValueError if there is only one."""
        labels, codes = np.unique(np.asarray(groups), return_inverse=True)
        if len(labels) < 2:
            raise ValueError("groups must have two different values or more")
        return cls(groups=codes.astype(np.int64).reshape(-1))

    @property
    def is_independent(self) -> bool:
        """Whether rows do not depend on each other."""
        return self.groups is None and self.times is None

    @property
    def is_ordered(self) -> bool:
        """Whether networks learn from the past only."""
        return self.times is not None

    def select(self, chosen: Mask) -> Separation:
        """Return the Separation of the chosen rows (a mask)."""
        groups = None
        if self.groups is not None:
            groups = np.unique(self.groups[chosen], return_inverse=True)[1].reshape(-1)
        return Separation(groups, None if self.times is None else self.times[chosen])

    def held_out(
        self, share: float, classes: Classes, rng: np.random.Generator | None = None
    ) -> Mask:
        """Return a mask (N,) of the rows to hold out: about this share of them, and not all.

        The latest rows, or random groups. Rows of equal time are on the same side. With `classes`
        (N,), groups with all rows of a class are not held out. rng: None draws at random. Raises
        ValueError if no row can be held out.
        """
        if self.times is not None:
            return _latest(self.times, share)
        if self.groups is None:
            raise ValueError("held_out: there are neither groups nor times")
        return _random_groups(self.groups, share, classes, np.random.default_rng(rng))

    def folds(self, n_rows: int, n_folds: int, classes: Classes, rng: np.random.Generator) -> Folds:
        """Return the fold (n_rows,) of each row; for independent rows that of `draw_folds`.

        Whole groups are assigned to folds, so that folds have about the same number of rows of each
        class; there are at most as many folds as groups. In time, the folds are consecutive parts
        of the later half of the rows; the earlier half has the fold -1.
        """
        if self.times is not None and n_folds:
            return _time_folds(self.times, n_folds)
        if self.groups is not None and n_folds:
            return _group_folds(self.groups, n_folds, classes, rng)
        return draw_folds(n_rows, n_folds, classes, rng)


INDEPENDENT = Separation()


def _first_places(times: Floats) -> Codes:
    """Return the number of rows that are earlier than each row, (N,)."""
    return np.searchsorted(np.sort(times), times).astype(np.int64)


def _latest(times: Floats, share: float) -> Mask:
    """Return the latest share of the rows; the cut is where the time changes."""
    places = _first_places(times)
    starts = np.unique(places)[1:]
    if not len(starts):
        raise ValueError("all rows have the same time, so none is later than the others")
    start = starts[np.abs(starts - (1 - share) * len(times)).argmin()]
    return np.asarray(places >= start)


def _time_folds(times: Floats, n_folds: int) -> Folds:
    places, n_rows = _first_places(times), len(times)
    start = n_rows // 2
    fold = np.where(places < start, -1, (places - start) * n_folds // (n_rows - start))
    if places.max() < start:  # the latest time takes up more than half of the rows
        if not places.max():
            raise ValueError("all rows have the same time, so none is later than the others")
        fold = np.where(places == places.max(), 0, -1)
    fold[fold >= 0] = np.unique(fold[fold >= 0], return_inverse=True)[1]  # without empty ones
    return fold.astype(np.int64)


def _random_groups(groups: Codes, share: float, classes: Classes, rng: np.random.Generator) -> Mask:
    """Return the rows of groups that are added in random order while they approach the share."""
    sizes = np.bincount(groups)
    goal, total = share * len(groups), 0
    chosen = np.zeros(len(sizes), bool)
    for group in rng.permutation(len(sizes)).tolist():
        if abs(total + sizes[group] - goal) < abs(total - goal):
            chosen[group] = True
            total += int(sizes[group])
    if not total:
        chosen[sizes.argmin()] = True
    if chosen.all():
        chosen[sizes.argmax()] = False
    is_held_out = chosen[groups]
    if classes is not None:
        lost = np.setdiff1d(classes, classes[~is_held_out])
        chosen[groups[np.isin(classes, lost)]] = False
        is_held_out = chosen[groups]
    if not is_held_out.any():
        raise ValueError("each group has all rows of a class, so none can be held out")
    return is_held_out


def _group_folds(groups: Codes, n_folds: int, classes: Classes, rng: np.random.Generator) -> Folds:
    """Assign groups to folds, the largest first, each where it increases imbalance the least."""
    n_groups = int(groups.max()) + 1
    codes = np.zeros(len(groups), np.int64)
    if classes is not None:
        codes = np.unique(classes, return_inverse=True)[1].reshape(-1)
        if n_groups * (int(codes.max()) + 1) > MAX_COUNTS:
            codes[:] = 0
    counts = np.zeros((n_groups, int(codes.max()) + 1))
    np.add.at(counts, (groups, codes), 1)
    counts = np.hstack([counts, counts.sum(axis=1, keepdims=True)])
    weights = 1 / counts.sum(axis=0)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-counts[order, -1], kind="stable")]
    loads = np.zeros((min(n_folds, n_groups), counts.shape[1]))
    fold_of = np.zeros(n_groups, np.int64)
    for group in order.tolist():  # the increase of the sum of squared loads, relative to classes
        added = counts[group]
        fold_of[group] = ((2 * loads + added) * (added * weights)).sum(axis=1).argmin()
        loads[fold_of[group]] += added
    return fold_of[groups]
