"""The logarithmic scale of an estimator's target: see `handnn.tables.log_scale`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handnn.network import Network
from handnn.sklearn.given_rows import GivenRows
from handnn.sklearn.held_out import EncodedRows
from handnn.sklearn.jobs import JobFactory
from handnn.sklearn.targets import RegressionTarget
from handnn.sklearn.validation import Inputs
from handnn.tables.bagging import Folds
from handnn.tables.cycles import Train
from handnn.tables.log_scale import LogScale, chosen_log_scale


def on_chosen_scale(
    factory: JobFactory,
    given: GivenRows,
    inputs: Inputs,
    fold: Folds,
    rng: np.random.Generator,
    train: Train,
) -> tuple[JobFactory, LogScale | None]:
    """Return the factory of the jobs of a bag, and the scale if they learn logarithms."""
    if not (isinstance(factory.target, RegressionTarget) and factory.target.is_scaled):
        return factory, None
    x, _, weight = factory.train
    y = given.y.reshape(len(x), -1)
    scale = chosen_log_scale(factory.recipe, inputs, x, y, fold, weight, rng, train)
    if scale is not None:
        factory = replace(factory, train=factory.train._replace(y=scale.encode(y)))
    return factory, scale


def chosen_on(
    scale: LogScale,
    networks: list[Network],
    factory: JobFactory,
    given: GivenRows,
    fold: Folds,
    *,
    is_whole: bool,
) -> tuple[list[Network], RegressionTarget, EncodedRows]:
    """Return the networks of the chosen members, their target, and the rows encoded by it.

    is_whole: False if training was interrupted: all networks are returned.
    """
    x, _, weight = factory.train
    y = given.y.reshape(len(x), -1)
    if is_whole:
        recipe = factory.recipe
        choice, factor = scale.chosen_members(networks, recipe, x, y, fold, weight)
        networks = choice.networks
    else:
        scale.unscale(networks)
        factor = scale.factor(networks, x, y, fold, weight)
    assert isinstance(factory.target, RegressionTarget)
    target = factory.target.with_values(scale.target(factor, is_flat=False))
    return networks, target, factory.train._replace(y=target.encode(y))
