"""Statistics of the arrays of one brick."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from handnn.arrays import Array
from handnn.inside.records import BrickStep

SATURATED = 0.01
"""An output is saturated if its distance from a bound is below this share of the range."""


class ParamStatistics(NamedTuple):
    """The Euclidean norms of a param and its gradient, and gradient_norm / norm.

    ratio: None without a gradient, and if all entries of the param are 0.
    """

    norm: float
    gradient_norm: float | None
    ratio: float | None


class BrickStatistics(NamedTuple):
    """Statistics of one brick's outputs over all rows and columns, and of its gradients.

    zeros: the share of outputs that are exactly 0.
    units: the number of output columns.
    dead: the number of columns that are 0 in every row although their inputs are not; None for
    bricks that are not elementwise.
    saturated: of Sigmoid and Tanh, the share of outputs within 1 % of their bounds; of Softmax, the
        share of rows with an output above 0.99; None for other bricks.
    not_finite: the number of outputs that are NaN or infinite; the other statistics ignore them.
    gradient_norm: the Euclidean norm of dout; None without targets.
    """

    place: str
    name: str
    mean: float
    std: float
    rms: float
    zeros: float
    units: int
    dead: int | None
    saturated: float | None
    not_finite: int
    gradient_norm: float | None
    params: dict[str, ParamStatistics]


def statistics_of(brick: BrickStep) -> BrickStatistics:
    """Return the statistics of a brick after a step."""
    assert brick.x is not None and brick.out is not None
    out = brick.out.astype(np.float64)
    finite = out[np.isfinite(out)]
    with np.errstate(all="ignore"):
        mean = float(finite.mean()) if finite.size else math.nan
        std = float(finite.std()) if finite.size else math.nan
        rms = float(np.sqrt(np.square(finite).mean())) if finite.size else math.nan
    return BrickStatistics(
        brick.place,
        brick.name,
        mean,
        std,
        rms,
        float((out == 0).mean()) if out.size else 0.0,
        out.shape[-1] if out.ndim else 1,
        _dead(brick, brick.x, out),
        _saturated(brick, out),
        int(out.size - finite.size),
        None if brick.dout is None else norm(brick.dout),
        {name: _of_param(array, brick.grads.get(name)) for name, array in brick.params.items()},
    )


def norm(array: Array) -> float:
    """Return the Euclidean norm, computed in float64 so that squares of float32 do not overflow."""
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.square(array, dtype=np.float64).sum()))


def _of_param(param: Array, gradient: Array | None) -> ParamStatistics:
    length = norm(param)
    if gradient is None:
        return ParamStatistics(length, None, None)
    gradient_norm = norm(gradient)
    return ParamStatistics(length, gradient_norm, gradient_norm / length if length else None)


def _dead(brick: BrickStep, x: Array, out: Array) -> int | None:
    if brick.is_entrywise is False or out.ndim != 2 or out.shape != x.shape:
        return None
    return int(((out == 0).all(axis=0) & (x != 0).any(axis=0)).sum())


def _saturated(brick: BrickStep, out: Array) -> float | None:
    if brick.bounds is None or not out.size:
        return None
    low, high = brick.bounds
    margin = SATURATED * (high - low)
    if brick.is_entrywise:
        return float(((out < low + margin) | (out > high - margin)).mean())
    return float((out.max(axis=-1) > high - margin).mean())
