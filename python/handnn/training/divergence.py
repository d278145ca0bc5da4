"""DivergenceError: training has met a loss that is NaN or infinite, and says where and why."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from handnn.arrays import Array

LARGE = 1e4
"""Beyond this, inputs and targets are more likely to be the cause than the learning rate."""


class DivergenceError(ArithmeticError):
    """The loss has become NaN or infinite. `epoch` and `step` in it count from 1.

    `step` is None when it was the validation loss after the epoch. The params are those from
    before the step, whose update was left out.
    """

    def __init__(self, message: str, epoch: int, step: int | None) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[str, int, int | None]]:
        """Take all three along into another process."""
        return type(self), (str(self), self.epoch, self.step)


def divergence(
    loss: float,
    epoch: int,
    step: int | None,
    rows: Mapping[str, Array],
    params: Mapping[str, Array],
    optimizer: object,
) -> DivergenceError:
    """Return the error for a loss that is not finite, of these rows and with these params."""
    what, when = "loss", f"in epoch {epoch}"
    if step is None:
        what, when = "validation loss", f"after epoch {epoch}"
    else:
        when += f", step {step}"
    cause = _cause(rows, params, f"{optimizer}")
    return DivergenceError(f"Trainer.fit: the {what} is {loss} {when}: {cause}", epoch, step)


def _cause(rows: Mapping[str, Array], params: Mapping[str, Array], optimizer: str) -> str:
    for name, array in rows.items():
        wrong = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if wrong.any():
            return f"{name} has NaN or inf in {wrong.sum()} of these {len(array)} rows"
    for name, array in rows.items():
        if abs(array).max() > LARGE:
            return f"{name} has numbers up to {abs(array).max():.3g}; scale it to about 1"
    remedy = f"a smaller lr, or clip_norm=1.0, may help; the optimizer is {optimizer}"
    for name, array in params.items():
        if not np.isfinite(array).all():
            return f"{name} has NaN or inf, from the updates before or from the start; {remedy}"
    sizes = [(n, float(abs(a).max())) for n, a in params.items() if a.size]
    if not sizes:
        return "there are no params, so it comes from the bricks or from the loss"
    name, largest = max(sizes, key=lambda of: of[1])
    return f"{name} has grown up to {largest:.3g} and the outputs overflow; {remedy}"
