"""The objective of a regression: whether it predicts the mean, a quantile, or the rate of counts.

An objective is a string, as in files and on the command line: "squared", "poisson", or
"quantile:0.9".
"""

from __future__ import annotations

import numpy as np

from handnn import functional
from handnn.arrays import Array
from handnn.losses import Loss, MSELoss, PoissonNLL, Quantile
from handnn.storage import brief

SQUARED, POISSON, QUANTILE = "squared", "poisson", "quantile"

FORMS = "'squared', 'poisson', or a quantile such as 'quantile:0.9'"


def checked_objective(value: object, what: str) -> str:
    """Return an objective in its canonical form; ValueError, prefixed with `what`, for others.

    Examples:
        >>> from handnn.tables.objective import checked_objective
        >>> checked_objective("quantile:0.90", "loss")
        'quantile:0.9'
    """
    if isinstance(value, str) and value in (SQUARED, POISSON):
        return value
    name, _, number = value.partition(":") if isinstance(value, str) else ("", "", "")
    try:
        level = float(number) if name == QUANTILE and "_" not in number else -1.0
    except ValueError:
        level = -1.0
    if not 0 < level < 1:
        raise ValueError(f"{what} must be {FORMS}, not {brief(value, 60)}")
    return f"{QUANTILE}:{level!r}"


def level_of(objective: str) -> float | None:
    """Return the level of a quantile, None for other objectives."""
    name, _, number = objective.partition(":")
    return float(number) if name == QUANTILE else None


def new_loss(objective: str) -> Loss:
    """Return the loss that a network minimizes."""
    level = level_of(objective)
    if level is not None:
        return Quantile([level])
    return PoissonNLL() if objective == POISSON else MSELoss()


def rates(pre: Array) -> Array:
    """Return exp(pre), computed by the kernel: the gradient of the summed loss where y is 0."""
    if not pre.size:
        return pre
    found: Array = functional.poisson_nll_backward(pre, np.zeros_like(pre), float(pre.size))
    return found
