"""The loss of each row; models are compared by its mean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from handnn.tables import Target
from handnn.tables.objective import POISSON, level_of

Values = NDArray[np.float64]

NAMES = {
    "rmse": "RMSE",
    "log_loss": "log loss",
    "deviance": "Poisson deviance",
    "pinball_loss": "pinball loss",
    "scaled_rmse": "RMSE in standard deviations",
    "scaled_pinball_loss": "pinball loss in standard deviations",
}
"""The name in a sentence of each metric that models are compared by."""


def has_several(target: Target) -> bool:
    """Return whether rows have several targets, so that values are (N, O) instead of (N,)."""
    return target.task in ("regression", "multilabel") and target.n_out > 1


def main_metric(target: Target) -> str:
    """Return the metric that models are compared by, a key of `NAMES`."""
    if target.task != "regression":
        return "log_loss"
    if target.objective == POISSON:
        return "deviance"
    name = "rmse" if level_of(target.objective) is None else "pinball_loss"
    return f"scaled_{name}" if has_several(target) else name


def each_target(
    target: Target, measured: Values, answers: Values
) -> Iterator[tuple[Target, Values, Values]]:
    """Yield each of several targets as a Target of its own, with the arguments of `score`."""
    if not has_several(target):
        yield target, measured, answers
        return
    for place in range(target.n_out):
        values, given = measured[:, place], answers[:, place]
        if target.task == "multilabel":
            yield Target("binary", classes=[0, 1]), values, np.stack([1 - given, given], axis=1)
        else:
            scale, mean = target.scale[[place]], target.mean[[place]]
            one = Target("regression", mean=mean, scale=scale, objective=target.objective)
            yield one, values, given


def row_losses(target: Target, measured: Values, answers: Values) -> Values:
    """Return the loss (N,) of each row; the arguments are those of `score`.

    The squared error, the pinball loss or the Poisson deviance of a regression; for classes -log of
    the probability of the true class. For several targets it is their mean, in units of their
    scale.
    """
    if has_several(target):
        power = {"scaled_rmse": 2, "scaled_pinball_loss": 1}.get(main_metric(target), 0)
        losses = [
            row_losses(*one) / (one[0].scale ** power if power else 1)
            for one in each_target(target, measured, answers)
        ]
        return np.asarray(np.mean(losses, axis=0))
    if target.task != "regression":
        of_truth = answers[np.arange(len(answers)), measured.astype(int)]
        return np.asarray(-np.log(np.clip(of_truth, 1e-15, 1)))
    errors = measured - answers
    level = level_of(target.objective)
    if level is not None:
        return np.asarray(np.where(errors >= 0, level * errors, (level - 1) * errors))
    if target.objective == POISSON:
        rates = np.maximum(answers, np.finfo(np.float64).tiny)
        counts = np.where(measured > 0, measured, 1.0)
        return np.asarray(
            2 * (np.where(measured > 0, measured * np.log(counts / rates), 0) - errors)
        )
    return np.asarray(errors**2)


def mean_loss(target: Target, losses: Values) -> float:
    """Return the mean of the losses of rows in the units of `main_metric`: a root for squares."""
    mean = float(losses.mean())
    return float(np.sqrt(mean)) if main_metric(target).endswith("rmse") else mean
