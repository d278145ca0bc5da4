"""A logarithmic scale for positive targets, where held-out rows ask for it.

Prices, costs and durations often are products: each column changes them by a factor. Then networks
learn the logarithm more easily, with errors of equal size in all rows. But it is worse for sums, so
a pilot decides: a few networks are trained briefly on either scale, and both are compared by their
squared errors on held-out rows, in the units of the target. A first pilot is shorter, and decides
alone if the difference is large.

The exponential of a mean is not the mean of exponentials. So the predictions are multiplied by a
factor for which their mean on held-out rows is that of the target. (Duan 1983, "Smearing
Estimate"; here as a ratio of means.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from handnn.arrays import Array
from handnn.layers import Affine
from handnn.losses import LossFacts, MSELoss
from handnn.network import Network
from handnn.tables.bagging import Folds, rows_outside, train_bag
from handnn.tables.cells import Floats
from handnn.tables.cycles import Train
from handnn.tables.intervals import held_out_outputs
from handnn.tables.members import Choice, chosen_members, members_of
from handnn.tables.moments import Weights, deviations, means
from handnn.tables.networks import NetworkInput, build_network, build_optimizer
from handnn.tables.objective import rates
from handnn.tables.recipe import MAX_SMALL_ROWS, Recipe
from handnn.tables.target import Target
from handnn.training.divergence import DivergenceError
from handnn.training.trainer import Trainer

MIN_RATIO = 10.0
"""The least ratio of the largest value to the smallest. Below it, a logarithm is nearly a line."""

PILOT_ROWS, PILOT_EPOCHS, MIN_PILOT_EPOCHS = 400, 1 / 3, 60
"""The number of held-out rows that suffice for the pilot, its share of all epochs, and how many are
enough if there are fewer.
"""

MAX_LOSS_RATIO = 0.95
"""The logarithm must lower the squared error by 5 %."""

FIRST_EPOCHS = 15
"""The number of epochs of the first pilot, for tables of more than `MAX_SMALL_ROWS` rows: with
fewer, the networks have learned too little by then.
"""

MIN_CLEAR_RATIO, MAX_CLEAR_RATIO = 0.75, 1.05
"""The first pilot decides if the ratio of the squared errors is outside of this range."""


@dataclass(frozen=True)
class LogScale:
    """The logarithms of a target, standardized for training.

    Attributes:
        center, spread: mean and standard deviation of the logarithms.
    """

    center: float
    spread: float

    @classmethod
    def of(cls, y: Floats, weight: Weights = None) -> LogScale | None:
        """Return the scale of values (N, 1); None for values that a logarithm does not suit.

        They must be positive, with a largest value of at least ten times the smallest, and their
        logarithms less skewed.
        """
        if y.shape[1] != 1 or not y.min() > 0 or y.max() < MIN_RATIO * y.min():
            return None
        logs = np.log(y)
        if not abs(_skewness(logs, weight)) < _skewness(y, weight):
            return None
        center = means(logs, weight)
        return cls(float(center[0]), float(deviations(logs, center, weight)[0]))

    def encode(self, y: Floats) -> Floats:
        """Return values (N, 1) encoded for training."""
        return (np.log(y) - self.center) / self.spread

    def unscale(self, networks: Sequence[Network]) -> None:
        """Multiply the last Affine of trained networks, so that they return ``log(y) - center``."""
        for network in networks:
            last = network.layers[-1]
            assert isinstance(last, Affine)
            last.w *= last.w.dtype.type(self.spread)
            last.b *= last.b.dtype.type(self.spread)

    def chosen_members(
        self,
        networks: Sequence[Network],
        recipe: Recipe,
        x: Array,
        y: Floats,
        fold: Folds,
        weight: Weights,
    ) -> tuple[Choice, float]:
        """Unscale trained networks; return those of `members.chosen_members`, and their factor.

        Members are compared in the units of y.
        """
        self.unscale(networks)
        unit = math.exp(self.center)
        loss = SquaredError(float(y.std()) / unit)
        with np.errstate(over="ignore", invalid="ignore"):  # values of more than 38 magnitudes
            choice = chosen_members(networks, recipe, loss, x, y / unit, fold)
        return choice, self.factor(choice.networks, x, y, fold, weight)

    def factor(
        self, networks: Sequence[Network], x: Array, y: Floats, fold: Folds, weight: Weights
    ) -> float:
        """Return the factor of the predictions of unscaled networks: see the module."""
        rows, outputs = held_out_outputs(networks, x, fold)
        weights = np.ones(len(rows)) if weight is None else weight[rows]
        found = weights @ y[rows, 0] / (weights @ self.values(outputs)[:, 0])
        return float(found) if np.isfinite(found) and found > 0 else 1.0

    def values(self, outputs: Array) -> Floats:
        """Return the values (N, 1) of the outputs of unscaled networks, before the factor."""
        return np.asarray(rates(outputs.astype(np.float64)) * math.exp(self.center))

    def target(self, factor: float, *, is_flat: bool = True) -> Target:
        """Return the Target whose predictions are those of unscaled networks, times the factor."""
        scale = [math.exp(self.center) * factor]
        return Target("regression", mean=[0.0], scale=scale, is_flat=is_flat, is_log=True)


class SquaredError(LossFacts):
    """The mean squared error of exponentials, ``mean(((exp(pre) - y) / unit)²)``, to compare."""

    link = "exp"
    predicts = "mean"

    def __init__(self, unit: float) -> None:
        self.unit = unit

    def forward(self, pre: Array, y: Array) -> float:
        """Return the loss of outputs (N, 1)."""
        with np.errstate(over="ignore"):
            return float(np.mean(((np.exp(pre.astype(np.float64)) - y) / self.unit) ** 2))

    def backward(self) -> Array:
        """Not needed to compare."""
        raise NotImplementedError


def chosen_log_scale(
    recipe: Recipe,
    inputs: NetworkInput,
    x: Array,
    y: Floats,
    fold: Folds,
    weight: Weights,
    rng: np.random.Generator,
    train: Train,
) -> LogScale | None:
    """Return the logarithmic scale of a target if a pilot finds it better: see the module.

    x (N, I), y (N, 1), fold (N,), weight (N,) or None: the training rows, their values, the network
    that holds each out, and their weights. train: as for `train_bag`. Nothing is drawn from rng
    where no pilot is needed.
    """
    scale = LogScale.of(y, weight) if recipe.has_log and recipe.n_folds else None
    if scale is None:
        return None
    seed = int(rng.integers(2**63))
    n_folds = int(fold.max()) + 1
    n_pilots = min(n_folds, max(2, math.ceil(PILOT_ROWS * n_folds / len(x))))
    held = np.where(fold < n_pilots, fold, -1)
    rows = rows_outside(fold, n_pilots, is_ordered=bool((fold < 0).any()))
    epochs = max(round(PILOT_EPOCHS * recipe.epochs), min(recipe.epochs, MIN_PILOT_EPOCHS))
    center = means(y, weight)
    spread = deviations(y, center, weight)

    def trained(pilot: Recipe, encoded: Floats) -> list[Network]:
        drawn = np.random.default_rng(seed)
        trainers, members = [], members_of(pilot)
        for member in members:
            for part in rows:
                network = build_network(member, inputs, 1, drawn)
                optimizer = build_optimizer(member, member.n_steps_of(len(part)))
                one = Trainer(network, MSELoss(), optimizer, rng=int(drawn.integers(2**63)))
                trainers.append(one)
        train_bag(trainers, x, encoded, rows, members, train, inputs.binned)
        return [trainer.network for trainer in trainers]

    def ratio_after(epochs: int) -> float:
        pilot = replace(recipe, n_networks=n_pilots, epochs=epochs, has_variants=False)
        scaled, logs = (y - center) / spread, scale.encode(y)
        plain = chosen_members(trained(pilot, scaled), pilot, MSELoss(), x, scaled, held).networks
        choice, factor = scale.chosen_members(trained(pilot, logs), pilot, x, y, held, weight)
        kept, outputs = held_out_outputs(plain, x, held)
        of_logs = factor * scale.values(held_out_outputs(choice.networks, x, held)[1])
        weights = None if weight is None else weight[kept]
        return loss_ratio(of_logs, outputs * spread + center, y[kept], weights)

    try:
        if len(x) > MAX_SMALL_ROWS and epochs > FIRST_EPOCHS:
            ratio = ratio_after(FIRST_EPOCHS)
            if not MIN_CLEAR_RATIO <= ratio <= MAX_CLEAR_RATIO:
                return scale if ratio < MIN_CLEAR_RATIO else None
        return scale if ratio_after(epochs) < MAX_LOSS_RATIO else None
    except DivergenceError:
        return None


def loss_ratio(of_logs: Floats, plain: Floats, y: Floats, weight: Weights = None) -> float:
    """Return the ratio of the squared errors of predictions (M, 1) from logarithms to plain ones.

    y: the held-out values. So that a low ratio is not due to a few large values, it is at least 1
    unless y is also more likely under normal errors of the logarithms. (Box and Cox 1964.)
    """
    logs = np.log(y)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # extreme values
        squares, plain_squares, log_squares = (
            np.average(errors[:, 0] ** 2, weights=weight)
            for errors in (of_logs - y, plain - y, np.log(of_logs) - logs)
        )
        gain = np.log(plain_squares) / 2 - np.log(log_squares) / 2
        ratio = float(squares / plain_squares)
    is_likelier = gain > np.average(logs[:, 0], weights=weight)
    return ratio if is_likelier else max(ratio, 1.0)


def _skewness(values: Floats, weight: Weights) -> float:
    """Return the third standardized moment of values (N, 1)."""
    center = means(values, weight)
    scaled = (values - center) / deviations(values, center, weight)
    return float(np.average(scaled[:, 0] ** 3, weights=weight))
