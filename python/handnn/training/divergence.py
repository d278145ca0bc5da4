"""DivergenceError: the error for a loss that is NaN or infinite, with its likely cause."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from handnn.arrays import Array
from handnn.training.parts import Parts
from handnn.training.rows import Samples

LARGE = 1e4
"""Inputs and targets beyond this are a more likely cause than the learning rate."""

UNSCALED = 10.0
"""Inputs and targets beyond this are not standardized, a likely cause of divergence."""


class DivergenceError(ArithmeticError):
    """Raised by `Trainer.fit` when a loss is NaN or infinite.

    The message names the likely cause: the rows, the params or the learning rate. The params are
    those from before the step, since its update is left out.

    Attributes:
        epoch: The epoch, counted from 1.
        step: The step within the epoch, counted from 1; None if the validation loss after the
            epoch is not finite.

    Examples:
        >>> trainer = handnn.Trainer(handnn.mlp([1, 1], rng=0), handnn.MSELoss(), handnn.SGD(0.1))
        >>> trainer.fit([[1.0], [np.nan]], [0.0, 0.0], epochs=1, batch_size=1, shuffle=False)
        Traceback (most recent call last):
        ...
        handnn.training.divergence.DivergenceError: Trainer.fit: the loss is nan in epoch 1, step 2:
        x has NaN or inf in 1 of these 1 rows
    """

    def __init__(self, message: str, epoch: int, step: int | None) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[str, int, int | None]]:
        """Support pickling with the epoch and the step."""
        return type(self), (str(self), self.epoch, self.step)


def divergence(
    parts: Parts, loss: float, rows: Samples, epoch: int, step: int | None = None
) -> DivergenceError:
    """Return the error for a loss of these rows that is not finite.

    epoch and step count from 0. A step of None stands for the validation after the epoch.
    """
    named = dict(zip(("x", "y", "sample_weight"), rows, strict=False))
    cause = _cause(named, parts.network.params, f"{parts.optimizer}")
    what, when = "validation loss", f"after epoch {epoch + 1}"
    if step is not None:
        step += 1
        what, when = "loss", f"in epoch {epoch + 1}, step {step}"
    return DivergenceError(f"Trainer.fit: the {what} is {loss} {when}: {cause}", epoch + 1, step)


def _scaling(name: str) -> str:
    """Return advice on scaling an array."""
    return f"scale it to about 1, such as by ({name} - {name}.mean(axis=0)) / {name}.std(axis=0)"


def _cause(rows: Mapping[str, Array], params: Mapping[str, Array], optimizer: str) -> str:
    """Return the likely cause, and possibly a remedy."""
    for name, array in rows.items():
        wrong = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if wrong.any():
            return f"{name} has NaN or inf in {wrong.sum()} of these {len(array)} rows"
    if not rows["y"].size:
        return "y has no columns, so the loss is the mean of no errors"
    for name, array in rows.items():
        if _largest(array) > LARGE:
            return f"{name} has numbers up to {_largest(array):.3g}; {_scaling(name)}"
    remedy = f"a smaller lr, or clip_norm=1.0, may help; the optimizer is {optimizer}"
    for name, array in rows.items():
        if name != "sample_weight" and (largest := _largest(array)) > UNSCALED:
            remedy = f"{name} has numbers up to {largest:.3g}: {_scaling(name)}; then {remedy}"
            break
    for name, array in params.items():
        if not np.isfinite(array).all():
            return f"{name} has NaN or inf, from earlier updates or from the start; {remedy}"
    sizes = [(n, _largest(a)) for n, a in params.items() if a.size]
    if not sizes:
        return "the network has no params, so the cause is a brick or the loss"
    name, largest = max(sizes, key=lambda of: of[1])
    return f"{name} has grown up to {largest:.3g} and the outputs overflow; {remedy}"


def _largest(array: Array) -> float:
    """Return the largest absolute value, 0 without elements."""
    return float(abs(array).max(initial=0))
