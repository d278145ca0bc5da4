"""What looks wrong in the statistics of a network, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from handnn.arrays import Array
from handnn.inside.step import short_name

if TYPE_CHECKING:
    from handnn.inside.statistics import BrickStatistics

MOST_SATURATED = 0.5
"""The share of saturated outputs that is still thought well of."""

FOLD = 1000.0
"""How much larger or smaller outputs and gradients may become from one end to the other."""

MOST_RATIO = 100.0
"""How much longer than a param its gradient may be: then lr = 0.01 replaces it in one step."""


def warnings_of(x: Array, bricks: Sequence[BrickStatistics]) -> list[str]:
    """Return the warnings about bricks that were given x, first those about single bricks."""
    return [*_of_bricks(bricks), *_of_outputs(x, bricks), *_of_gradients(bricks)]


def _of_bricks(bricks: Sequence[BrickStatistics]) -> Iterator[str]:
    for brick in bricks:
        where = f"layer {brick.place} ({short_name(brick.name)})"
        if brick.not_finite:
            yield f"{where}: {brick.not_finite:,} of its outputs are NaN or infinite"
        if brick.dead:
            verb = "is" if brick.dead == 1 else "are"
            yield f"{where}: {brick.dead} of {brick.units} units {verb} 0 on all rows"
        # The last one may well be saturated: a classifier that is sure of itself.
        if brick is not bricks[-1] and (brick.saturated or 0.0) > MOST_SATURATED:
            yield f"{where}: {100 * (brick.saturated or 0.0):.0f} % of its outputs are saturated"
        for name, param in brick.params.items():
            place = f"{brick.place}.{name}"
            if param.gradient_norm is not None and not math.isfinite(param.gradient_norm):
                yield f"{where}: the gradient of {place} is not finite"
            elif param.ratio is not None and param.ratio > MOST_RATIO:
                yield f"{where}: the gradient of {place} is {param.ratio:.3g} times as long as it"


def _of_outputs(x: Array, bricks: Sequence[BrickStatistics]) -> Iterator[str]:
    with np.errstate(all="ignore"):
        size = float(np.sqrt(np.square(x, dtype=np.float64).mean()))
    for brick in bricks:
        if size > 0 and brick.rms > FOLD * size:
            yield (
                f"outputs explode: those of layer {brick.place} ({short_name(brick.name)}) are "
                f"{brick.rms / size:,.0f} times as large as x"
            )
            return


def _of_gradients(bricks: Sequence[BrickStatistics]) -> Iterator[str]:
    first, last = bricks[0], [brick for brick in bricks if "." not in brick.place][-1]
    if not (first.gradient_norm is not None and last.gradient_norm):
        return
    fold = first.gradient_norm / last.gradient_norm
    if fold > FOLD or fold < 1 / FOLD:
        yield (
            f"gradients {'explode' if fold > 1 else 'vanish'}: their norm goes from "
            f"{last.gradient_norm:.3g} behind layer {last.place} to {first.gradient_norm:.3g} "
            f"behind layer {first.place}"
        )
