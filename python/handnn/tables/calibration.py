"""Temperature scaling: calibrate the probabilities of a bag of classifiers on held-out rows.

All outputs (logits) are divided by one number, the temperature T, which minimizes the log loss.
(Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks".)

A row is held out by one network of the bag, but a new row is predicted by the mean of all, which is
less extreme than each of them. So T is chosen for the mean: on a held-out row, the other networks
are assumed to have the output of the network that holds it out, plus their deviations from each
other on this row. A T that is due to chance makes the probabilities worse. So T is 1 unless another
value is better by two standard errors, with and without the variance of a single network, and with
and without two additional misclassified rows. Of these four values, the one closest to 1 is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers import Affine
from handnn.network import Network
from handnn.tables.bagging import Folds, holders, mean_output
from handnn.tables.cells import Floats
from handnn.tables.intervals import (
    HeldOutErrors,
    held_out_outputs,
    probabilities_of,
    softmax,
    two_columns,
)
from handnn.tables.moments import Weights

MAX_ROWS, MAX_OUTPUTS = 10_000, 2_000_000
"""The largest numbers of rows, and of outputs of all networks, from which T is learned."""

STEPS_PER_OCTAVE, MAX_STEPS = 16, 32
"""T is 2**(step / 16), from 1/4 to 4: a grid, so that rounding errors do not change it."""

MIN_STANDARD_ERRORS = 2.0

N_WRONG = 2
"""Additional rows counted as misclassified. If all rows were right, the best T would be 0."""

MIN_NETWORKS, MIN_VARIANCE = 3, 0.05
"""The minimum number of networks to measure disagreement, and minimum variance of their mean."""

MIN_PROBABILITY = 1e-15


@dataclass(frozen=True)
class BagOutputs:
    """The logits of all K networks of a bag for M rows; one network holds out each row.

    Attributes:
        rows: (M,) the indices of the rows.
        owner: (M,) the network that holds out each row.
        logits: (K, M, C) in float64, C classes; those of two classes are -z/2 and z/2.
    """

    rows: NDArray[np.intp]
    owner: NDArray[np.int64]
    logits: Floats

    @classmethod
    def of(cls, networks: Sequence[Network], x: Array, fold: Folds) -> BagOutputs:
        """Predict the rows that networks hold out, or evenly spaced ones if there are many.

        Networks that hold out the same fold count as one, with their mean output.
        """
        several = holders(networks, int(fold.max()) + 1)
        rows = np.flatnonzero((fold >= 0) & (fold < len(several)))
        n_classes = max(2, networks[0].predict(x[:1]).shape[1])
        n_kept = min(len(rows), MAX_ROWS, max(1, MAX_OUTPUTS // (len(several) * n_classes)))
        rows = rows[np.linspace(0, len(rows) - 1, n_kept).astype(np.intp)] if n_kept else rows
        part = x[rows]
        logits = np.stack([two_columns(mean_output(some, part)) for some in several])
        return cls(rows, fold[rows], logits)

    @property
    def others(self) -> NDArray[np.bool_]:
        """(K, M) whether a network does not hold out a row; with a single network, all are True."""
        found = np.arange(len(self.logits))[:, None] != self.owner
        return found if len(self.logits) > 1 else np.ones_like(found)

    def for_new_rows(self, *, shrinks: bool) -> Floats:
        """Return the assumed logits (K, M, C) of the networks if none had learned from the row.

        Those of the owner, plus the deviation of each other network from the mean of the others.
        Only the entries of `others` are meaningful. The logits of one network vary more than the
        mean that they replace; `shrinks` removes this variance, as if it were equal in all rows.
        """
        every = self.logits - self.logits.mean(axis=2, keepdims=True)
        own = every[self.owner, np.arange(len(self.owner))]
        n_others = len(every) - 1
        if n_others < 2:
            return np.broadcast_to(own, every.shape)
        is_other = self.others[:, :, None]
        deviations = (every - (every * is_other).sum(axis=0) / n_others) * is_other
        noise = (deviations**2).sum() / (n_others - 1) / len(own)
        center = own.mean(axis=0)
        total = ((own - center) ** 2).sum() / len(own)
        share = max(1 - noise / total, MIN_VARIANCE) if shrinks and total > 0 else 1.0
        return np.asarray(center + share * (own - center) + deviations)


@dataclass(frozen=True)
class Calibration:
    """The result of calibrating a bag of classifiers on the rows that its networks hold out.

    Attributes:
        temperature: the number by which the outputs of all networks have been divided.
        held_out: the errors for `predict_set`.
    """

    temperature: float
    held_out: HeldOutErrors


def calibrate(
    networks: Sequence[Network],
    x: Array,
    codes: NDArray[np.int64],
    fold: Folds,
    weight: Weights = None,
    *,
    is_scaled: bool = True,
) -> Calibration | None:
    """Divide the last Affine of each network by the temperature, and measure held-out errors.

    x (N, I), codes (N,), fold (N,), weight (N,) or None: the training rows, their classes, the
    network that holds them out, and their weights. is_scaled: whether to scale; networks that do
    not end with an Affine are never scaled. None if no row is held out.
    """
    if not ((fold >= 0) & (fold < len(networks))).any():
        return None
    bag = BagOutputs.of(networks, x, fold)
    ends = [network.layers[-1] for network in networks]
    affines = [layer for layer in ends if isinstance(layer, Affine)]
    found = 1.0
    if is_scaled and len(affines) == len(networks):
        found = temperature(bag, codes[bag.rows], None if weight is None else weight[bag.rows])
    if found != 1:
        for affine in affines:
            affine.w /= affine.w.dtype.type(found)
            affine.b /= affine.b.dtype.type(found)
    bag = replace(bag, logits=bag.logits / found)
    return Calibration(found, _held_out_errors(networks, x, codes, fold, bag))


def _held_out_errors(
    networks: Sequence[Network],
    x: Array,
    codes: NDArray[np.int64],
    fold: Folds,
    bag: BagOutputs,
) -> HeldOutErrors:
    """Return 1 - probability of the class of each row, by the network that holds it out."""
    rows, outputs = held_out_outputs(networks, x, fold)
    of_truth = probabilities_of(outputs)[np.arange(len(rows)), codes[rows]]
    n_folds = int(fold.max()) + 1
    errors = replace(HeldOutErrors.of(1 - of_truth[:, None]), n_folds=n_folds)
    n_networks = len(bag.logits)
    if n_networks < MIN_NETWORKS:
        return errors
    every = np.stack([softmax(logits) for logits in bag.logits])
    scores = errors.normal_scores(1 - every[:, np.arange(len(bag.rows)), codes[bag.rows]])
    others = bag.others
    mean = (scores * others).sum(axis=0) / (n_networks - 1)
    squares = ((scores - mean) ** 2 * others).sum(axis=0) / (n_networks - 2)
    variance = 1 - float(squares.mean()) * (1 - 1 / n_networks)
    return replace(errors, agreement=math.sqrt(max(variance, MIN_VARIANCE)))


def temperature(bag: BagOutputs, codes: NDArray[np.int64], weight: Weights = None) -> float:
    """Return the temperature for rows of these classes (M,) and weights (M,): see the module."""
    weights = np.ones(len(codes)) if weight is None else weight
    found = [
        _best(bag, codes, weights, shrinks=shrinks, n_wrong=n_wrong)
        for shrinks in (False, True)
        for n_wrong in (0, N_WRONG)
    ]
    if min(found) < 0 < max(found):
        return 1.0
    return float(2.0 ** (min(found, key=abs) / STEPS_PER_OCTAVE))


def _best(
    bag: BagOutputs, codes: NDArray[np.int64], weights: Floats, *, shrinks: bool, n_wrong: int
) -> int:
    """Return the step of the lowest log loss; 0 unless it is lower by two standard errors.

    n_wrong: the number of additional rows like the others, but of the second most likely class.
    """
    share = n_wrong / (len(codes) + n_wrong)
    logits, is_other = bag.for_new_rows(shrinks=shrinks), bag.others[:, :, None]
    n_averaged = is_other.sum(axis=0)
    m = np.arange(len(codes))

    def losses(step: int) -> Floats:
        scaled = logits / 2.0 ** (step / STEPS_PER_OCTAVE)
        every = softmax(scaled.reshape(-1, logits.shape[2])).reshape(logits.shape)
        mean = (every * is_other).sum(axis=0) / n_averaged
        of_truth, mean[m, codes] = mean[m, codes], 0
        right, wrong = (
            -np.log(np.maximum(p, MIN_PROBABILITY)) for p in (of_truth, mean.max(axis=1))
        )
        return np.asarray(((1 - share) * right + share * wrong) * weights)

    known: dict[int, float] = {}
    best, width = 0, MAX_STEPS // 2
    while width:
        for step in (best, best - width, best + width):
            if abs(step) <= MAX_STEPS and step not in known:
                known[step] = float(losses(step).mean())
        lowest = min(known, key=lambda step: (known[step], abs(step)))
        width = width // 2 if lowest == best else width
        best = lowest
    gain = losses(0) - losses(best)
    error = gain.std() / np.sqrt(len(gain))
    return best if gain.mean() > MIN_STANDARD_ERRORS * error else 0
