"""Rows to train on, to measure and to look at: checked, cast, held out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from handnn import engine
from handnn.arrays import Array, as_float
from handnn.layers.embedding import check_codes, code_columns
from handnn.losses import LOSSES, KernelLoss, Loss
from handnn.network import Network

Rows = tuple[Array, ...]
"""x, y and, if there are any, the weights: arrays with one row for each sample."""


def as_rows(
    where: str,
    network: Network,
    loss: Loss,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> Rows:
    """Return x and y, and the weights if there are any, checked and cast: see `checked`."""
    given = {"x": x, "y": y}
    if sample_weight is not None:
        given["sample_weight"] = sample_weight
    return tuple(checked(where, network, loss, given).values())


def checked(
    where: str, network: Network, loss: Loss, given: Mapping[str, ArrayLike]
) -> dict[str, Array]:
    """Return x, and y and sample_weight if they are given, in the dtype of the network.

    Raises TypeError for what is no number; ValueError for no rows, unequal numbers of them, columns
    or codes that do not fit the bricks, targets that do not fit a loss of handnn's, and weights
    that are negative or not finite.
    """
    rows = {n: as_float(array, network.dtype, f"{where}: {n}") for n, array in given.items()}
    x = rows["x"]
    for name, array in rows.items():
        if array.ndim == 0:
            raise ValueError(f"{where}: {name} must have rows, but is a single number")
        if len(array) != len(x):
            raise ValueError(f"{where}: x has {len(x)} rows but {name} has {len(array)}")
    if len(x) == 0:
        raise ValueError(f"{where}: x has no rows")
    n_in, n_out = map(network.sizes.get, ("in", "out"))
    if n_in is not None and x.shape[1:] != (n_in,):
        raise ValueError(f"{where}: x must have shape ({len(x)}, {n_in}), but has {x.shape}")
    if "y" in rows and n_out is not None and type(loss) in LOSSES:
        engine.check_targets(cast(KernelLoss, loss), rows["y"], n_out, where)
    if x.ndim == 2:
        for column, brick in code_columns(network.layers, x.shape[1]).items():
            check_codes(where, x, column, brick)
    if "sample_weight" in rows:
        weights = rows["sample_weight"]
        if weights.ndim > 1 or not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError(f"{where}: sample_weight must be (N,), finite and not negative")
    return rows


def check_weighed(where: str, rows: Rows) -> None:
    """Raise ValueError when no row has any weight: there is no mean of what is measured on them."""
    if len(rows) == 3 and not rows[2].any():
        raise ValueError(f"{where}: all {len(rows[0])} rows to measure have sample_weight 0")


def hold_out(
    rows: Rows,
    validation: object,
    rng: np.random.Generator,
    as_held: Callable[..., Rows],
) -> tuple[Rows, Rows | None]:
    """Return the rows to train on and those to validate with, as `Trainer.fit` was asked to.

    ``as_held(where, x, y, sample_weight)`` checks rows that are given as such.
    """
    where = "Trainer.fit: validation"
    if validation is None:
        return rows, None
    if isinstance(validation, Real):
        count = len(rows[0])
        held_out = round(float(validation) * count) if 0 < cast(float, validation) < 1 else 0
        if not 0 < held_out < count:
            raise ValueError(
                f"{where} must leave rows on both sides, but is {validation} of {count} rows"
            )
        order = rng.permutation(count)
        train = np.sort(order[held_out:])
        rows, held = tuple(a[train] for a in rows), tuple(a[order[:held_out]] for a in rows)
    elif isinstance(validation, Sequence) and len(validation) in (2, 3):
        held = as_held(where, *validation)
        for name, ours, theirs in zip("xy", rows, held, strict=False):
            if math.prod(ours.shape[1:]) != math.prod(theirs.shape[1:]):
                raise ValueError(f"{where}: {name} is {theirs.shape} beside {name} {ours.shape}")
    else:
        raise TypeError(f"{where} must be (x, y), (x, y, sample_weight) or a fraction of the rows")
    check_weighed(where, held)
    return rows, held
