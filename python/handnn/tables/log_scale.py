"""A logarithmic scale for positive targets, where held-out rows ask for it.

Prices, costs and durations often are products: each column changes them by a factor. Then networks
learn the logarithm more easily, with errors of equal size in all rows. But it is worse for sums, so
a pilot decides: a few networks are trained briefly on either scale, for one cosine of the learning
rate, and both are compared by their squared errors on held-out rows, in the units of the target.

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
from handnn.tables.bagging import BagRows, Folds, rows_outside, train_bag
from handnn.tables.cells import Floats
from handnn.tables.cycles import Train
from handnn.tables.intervals import held_out_outputs
from handnn.tables.members import Choice, chosen_members, members_of
from handnn.tables.moments import Weights, deviations, means
from handnn.tables.networks import NetworkInput, build_network, build_optimizer
from handnn.tables.objective import rates
from handnn.tables.recipe import Recipe
from handnn.tables.target import Target
from handnn.training.divergence import DivergenceError
from handnn.training.trainer import Trainer

MIN_RATIO = 10.0
"""The least ratio of the largest value to the smallest. Below it, a logarithm is nearly a line."""

PILOT_ROWS, PILOT_PARTS = 400, 4
"""The number of held-out rows that suffice for the pilot, and that of parts into which it joins the
folds. Each part is held out by one network, so larger ones take less time for as many rows.
"""

PILOT_STEPS, MIN_PILOT_EPOCHS, MAX_PILOT_EPOCHS = 400, 7, 60
"""The number of steps of the pilot, and its least and largest number of epochs."""

MAX_LOSS_RATIO = 0.95
"""The logarithm must lower the squared error by 5 %."""


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
    n_parts = min(n_folds, PILOT_PARTS)
    part = np.where(fold < 0, -1, fold * n_parts // n_folds)
    n_held_out = min(n_parts, max(2, math.ceil(PILOT_ROWS * n_parts / len(x))))
    pilot = _Pilot(recipe, inputs, scale, x, y, part, weight, seed, train)
    try:
        ratio = pilot.ratio(n_held_out)
    except DivergenceError:
        return None
    return scale if ratio < MAX_LOSS_RATIO else None


@dataclass(frozen=True)
class _Pilot:
    """The pilot for a scale: the arguments of `chosen_log_scale`, with joined folds, and a seed."""

    recipe: Recipe
    inputs: NetworkInput
    scale: LogScale
    x: Array
    y: Floats
    fold: Folds
    weight: Weights
    seed: int
    train: Train

    def ratio(self, n_folds: int) -> float:
        """Train networks on either scale; return their `loss_ratio` on the first folds."""
        scale, x, y, weight = self.scale, self.x, self.y, self.weight
        epochs = min(pilot_epochs(self.recipe, len(x)), self.recipe.epochs)
        recipe = replace(
            self.recipe,
            n_networks=n_folds,
            epochs=epochs,
            patience=epochs,
            schedule="cosine",
            has_variants=False,
        )
        fold = np.where(self.fold < n_folds, self.fold, -1)
        center = means(y, weight)
        spread = deviations(y, center, weight)
        scaled = (y - center) / spread
        networks = self._trained(recipe, scaled)
        plain = chosen_members(networks, recipe, MSELoss(), x, scaled, fold).networks
        networks = self._trained(recipe, scale.encode(y))
        choice, factor = scale.chosen_members(networks, recipe, x, y, fold, weight)
        rows, outputs = held_out_outputs(plain, x, fold)
        of_logs = factor * scale.values(held_out_outputs(choice.networks, x, fold)[1])
        weights = None if weight is None else weight[rows]
        return loss_ratio(of_logs, outputs * spread + center, y[rows], weights)

    def _trained(self, recipe: Recipe, y: Floats) -> list[Network]:
        """Return the networks of all members at the end of their training."""
        drawn = np.random.default_rng(self.seed)  # the same for either scale
        n_folds, is_ordered = int(self.fold.max()) + 1, bool((self.fold < 0).any())
        rows = rows_outside(self.fold, n_folds, is_ordered=is_ordered)[: recipe.n_networks]
        trainers, members = [], members_of(recipe)
        for member in members:
            for part in rows:
                network = build_network(member, self.inputs, 1, drawn)
                optimizer = build_optimizer(member, member.n_steps_of(len(part)))
                one = Trainer(network, MSELoss(), optimizer, rng=int(drawn.integers(2**63)))
                trainers.append(one)
        data = BagRows(self.inputs, self.x, y, self.weight)
        train = self.train
        train_bag(trainers, data, rows, members, train, restores=False, finishes=True)
        return [trainer.network for trainer in trainers]


def pilot_epochs(recipe: Recipe, n_rows: int) -> int:
    """Return the number of epochs of the pilot.

    Examples:
        >>> from handnn.tables.log_scale import pilot_epochs
        >>> from handnn.tables.recipe import default_recipe
        >>> [pilot_epochs(default_recipe(n), n) for n in (100, 300, 1_000, 20_000)]
        [60, 45, 15, 7]
    """
    epochs = math.ceil(PILOT_STEPS * recipe.epochs / recipe.n_steps(n_rows))
    return min(max(epochs, MIN_PILOT_EPOCHS), MAX_PILOT_EPOCHS)


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
