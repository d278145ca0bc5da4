"""Temperature scaling: calibrate the probabilities of a bag of classifiers on held-out rows.

All outputs (logits) are divided by one number, the temperature T, which minimizes the log loss.
(Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks".)

A row is held out by the networks of one fold, but a new row is predicted by the mean of all, which
is less extreme than the probabilities of one fold. So a T below 1 that suits the networks of one
fold suits the mean, too, where a T above 1 need not. It is used only if all networks hold out the
same rows, or if all are linear: then the mean is about a network with the mean weights, which is
hardly less extreme. T is above 1 where columns tell little about the classes, and far below 1 where
classes do not overlap: networks stop before they are certain.

A few rows may ask for a T that others do not: if the loss is lower by z standard errors, log T is
multiplied by max(0, 1 - 1/z²), a shrinkage in the manner of James and Stein ("Estimation with
Quadratic Loss", 1961).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers import Affine, Embedding
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

N_WRONG = 0.5
"""Half of an additional row counts as misclassified. If all rows were right, T would be 0. Linear
networks that share no rows have a T above 1 only if the rows ask for it without this half.
"""

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
        logits = _held_out_logits(networks, x, fold, bag.rows)
        part = codes[bag.rows], None if weight is None else weight[bag.rows]
        found = temperature(logits, *part, is_mean=len(bag.logits) > 1)
        if found == 1 and len(bag.logits) > 1 and all(map(_is_linear, networks)):
            found = max(1.0, temperature(logits, *part, is_mean=False, n_wrong=0.0))
    if found != 1:
        for affine in affines:
            affine.w /= affine.w.dtype.type(found)
            affine.b /= affine.b.dtype.type(found)
    bag = replace(bag, logits=bag.logits / found)
    return Calibration(found, _held_out_errors(networks, x, codes, fold, bag))


def _is_linear(network: Network) -> bool:
    """Return whether a network is an Affine, behind Embeddings if there are any."""
    *first, last = network.layers
    return isinstance(last, Affine) and all(isinstance(layer, Embedding) for layer in first)


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


def _held_out_logits(
    networks: Sequence[Network], x: Array, fold: Folds, rows: NDArray[np.intp]
) -> Floats:
    """Return the logits (S, M, C) of the S networks that hold out each of the rows (M,)."""
    several = holders(networks, int(fold.max()) + 1)
    owner = fold[rows]
    found: list[Floats] = []
    for one_of_each in zip(*several, strict=True):
        parts = [(owner == place, network) for place, network in enumerate(one_of_each)]
        own = [two_columns(network.predict(x[rows[is_own]])) for is_own, network in parts]
        logits = np.empty((len(rows), own[0].shape[1]))
        for (is_own, _), part in zip(parts, own, strict=True):
            logits[is_own] = part
        found.append(logits)
    return np.stack(found)


def temperature(
    logits: Floats,
    codes: NDArray[np.int64],
    weight: Weights = None,
    *,
    is_mean: bool,
    n_wrong: float = N_WRONG,
) -> float:
    """Return the temperature: see the module. With `is_mean` it is at most 1.

    logits (S, M, C): of the S networks that hold out each row; codes, weight (M,): the classes and
    weights of the rows. is_mean: whether a new row is predicted by further networks. n_wrong: the
    number of additional rows that count as misclassified.
    """
    m, weights = np.arange(len(codes)), 1.0 if weight is None else weight
    share = n_wrong / (len(codes) + n_wrong)

    def losses_at(step: int) -> Floats:
        scaled = logits / 2.0 ** (step / STEPS_PER_OCTAVE)
        mean = softmax(scaled.reshape(-1, logits.shape[2])).reshape(logits.shape).mean(axis=0)
        of_truth, mean[m, codes] = mean[m, codes], 0
        right, wrong = (
            -np.log(np.maximum(p, MIN_PROBABILITY)) for p in (of_truth, mean.max(axis=1))
        )
        return np.asarray(((1 - share) * right + share * wrong) * weights)

    losses = {0: losses_at(0)}
    best, width = 0, MAX_STEPS // 2
    while width:
        for step in (best - width, best + width):
            if -MAX_STEPS <= step <= (0 if is_mean else MAX_STEPS) and step not in losses:
                losses[step] = losses_at(step)
        lowest = min(losses, key=lambda step: (float(losses[step].mean()), abs(step)))
        width = width // 2 if lowest == best else width
        best = lowest
    gains = losses[0] - losses[best]
    kept = 1 - (gains.std() / gains.mean()) ** 2 / len(gains) if gains.mean() > 0 else 0.0
    return float(2.0 ** (round(max(0.0, kept) * best) / STEPS_PER_OCTAVE))
