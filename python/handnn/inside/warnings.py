"""Warnings about the statistics of a network, as sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from handnn.arrays import Array
from handnn.inside.brick_statistics import BrickStatistics
from handnn.inside.records import short_name

MAX_SATURATED = 0.5
"""The largest share of saturated outputs without a warning."""

MAX_GROWTH = 1000.0
"""The largest ratio between the outputs, or gradients, at the two ends of a network."""

MAX_RATIO = 100.0
"""The largest ratio of gradient norm to param norm: above it, lr = 0.01 would replace the param."""


def warnings_of(x: Array, bricks: Sequence[BrickStatistics]) -> list[str]:
    """Return the warnings: about single bricks, then about outputs and gradients across bricks."""
    return [*_of_bricks(bricks), *_of_outputs(x, bricks), *_of_gradients(bricks)]


def _of_bricks(bricks: Sequence[BrickStatistics]) -> Iterator[str]:
    for brick in bricks:
        where = f"layer {brick.place} ({short_name(brick.name)})"
        if brick.not_finite:
            yield f"{where}: {brick.not_finite:,} of its outputs are NaN or infinite"
        if brick.dead:
            verb = "is" if brick.dead == 1 else "are"
            yield f"{where}: {brick.dead} of {brick.units} units {verb} 0 on all rows"
        # Saturation is fine in the last brick, where it means a confident classifier.
        if brick is not bricks[-1] and (brick.saturated or 0.0) > MAX_SATURATED:
            yield f"{where}: {100 * (brick.saturated or 0.0):.0f} % of its outputs are saturated"
        for name, param in brick.params.items():
            place = f"{brick.place}.{name}"
            if param.gradient_norm is not None and not math.isfinite(param.gradient_norm):
                yield f"{where}: the gradient of {place} is not finite"
            elif param.ratio is not None and param.ratio > MAX_RATIO:
                times = f"{param.ratio:.3g} times"
                yield f"{where}: the gradient of {place} has {times} the norm of {place}"


def _of_outputs(x: Array, bricks: Sequence[BrickStatistics]) -> Iterator[str]:
    with np.errstate(all="ignore"):
        size = float(np.sqrt(np.square(x, dtype=np.float64).mean()))
    for brick in bricks:
        if size > 0 and brick.rms > MAX_GROWTH * size:
            yield (
                f"outputs explode: those of layer {brick.place} ({short_name(brick.name)}) are "
                f"{brick.rms / size:,.0f} times as large as x"
            )
            return


def _of_gradients(bricks: Sequence[BrickStatistics]) -> Iterator[str]:
    first, last = bricks[0], [brick for brick in bricks if "." not in brick.place][-1]
    if not (first.gradient_norm is not None and last.gradient_norm):
        return
    growth = first.gradient_norm / last.gradient_norm
    if growth > MAX_GROWTH or growth < 1 / MAX_GROWTH:
        yield (
            f"gradients {'explode' if growth > 1 else 'vanish'}: their norm goes from "
            f"{last.gradient_norm:.3g} after layer {last.place} to {first.gradient_norm:.3g} "
            f"after layer {first.place}"
        )
