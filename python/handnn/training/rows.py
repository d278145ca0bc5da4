"""The rows of a training: checked, cast to the network's dtype, selected and held out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn import engine
from handnn.arrays import Array, as_float
from handnn.layers.embedding import check_codes, code_columns
from handnn.losses import Loss, is_ours
from handnn.network import Network

Samples = tuple[Array, ...]
"""x, y and, if given, sample_weight: arrays with the same number of rows, one per sample."""

Indices = NDArray[np.integer]
"""Row numbers."""


@dataclass
class Selection:
    """A selection of rows, which `gather` copies when training starts."""

    arrays: Samples
    chosen: Indices | None = None
    """The rows, in order, with repetitions; None selects all rows without a copy."""

    @property
    def n_rows(self) -> int:
        """The number of selected rows."""
        return len(self.arrays[0] if self.chosen is None else self.chosen)

    def take(self, indices: Indices) -> Selection:
        """Select from the selected rows."""
        return Selection(self.arrays, indices if self.chosen is None else self.chosen.take(indices))

    def gather(self) -> Samples:
        """Return the selected rows: the arrays themselves, or copies."""
        if self.chosen is None:
            return self.arrays
        # Unlike array[chosen], `take` raises MemoryError for each of its allocations that may fail.
        return tuple(array.take(self.chosen, axis=0) for array in self.arrays)

    def check_weighted(self, where: str) -> None:
        """Raise ValueError if every row has weight 0, which leaves their mean undefined."""
        if len(self.arrays) < 3:
            return
        weights = self.arrays[2] if self.chosen is None else self.arrays[2][self.chosen]
        if not weights.any():
            raise ValueError(f"{where}: sample_weight is 0 for all {self.n_rows} rows")


def select_rows(
    where: str,
    network: Network,
    loss: Loss,
    given: Mapping[str, ArrayLike],
    chosen: Indices | None = None,
) -> Selection:
    """Check and cast x, y and sample_weight (see `checked`), and select the rows `chosen`.

    Arrays that are valid as a whole are not copied here. Otherwise the error may be in rows that
    are not selected, so the selected rows are copied and checked on their own.
    """
    if chosen is None:
        return Selection(tuple(checked(where, network, loss, given).values()))
    arrays = {n: as_float(a, network.dtype, f"{where}: {n}") for n, a in given.items()}
    if len(chosen):
        try:
            return Selection(tuple(checked(where, network, loss, arrays).values()), chosen)
        except ValueError:
            pass
    selected = {name: array[chosen] for name, array in arrays.items()}
    return Selection(tuple(checked(where, network, loss, selected).values()))


def as_rows(
    where: str,
    network: Network,
    loss: Loss,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> Samples:
    """Return x, y and, if given, sample_weight, checked and cast: see `checked`."""
    return tuple(checked(where, network, loss, named(x, y, sample_weight)).values())


def named(x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> dict[str, ArrayLike]:
    """Return the arrays by name, without a sample_weight of None."""
    given = {"x": x, "y": y}
    return given if sample_weight is None else {**given, "sample_weight": sample_weight}


def checked(
    where: str, network: Network, loss: Loss, given: Mapping[str, ArrayLike]
) -> dict[str, Array]:
    """Return x, and y and sample_weight if given, in the dtype of the network.

    Raises TypeError for values that are not real numbers. Raises ValueError if x has no rows, if
    the numbers of rows differ, if columns or codes do not fit the bricks, if targets do not fit one
    of handnn's losses, or if a weight is negative or not finite.
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
    if "y" in rows and n_out is not None and is_ours(loss):
        engine.check_targets(loss, rows["y"], n_out, where)
    if x.ndim == 2:
        for column, brick in code_columns(network.layers, x.shape[1]).items():
            check_codes(where, x, column, brick)
    if "sample_weight" in rows:
        weights = rows["sample_weight"]
        if weights.ndim > 1 or not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError(f"{where}: sample_weight must be (N,), finite and not negative")
    return rows


def hold_out(
    rows: Selection,
    validation: object,
    rng: np.random.Generator,
    select: Callable[..., Selection],
) -> tuple[Selection, Selection | None]:
    """Return the rows to train on and those to validate on, as requested in `Trainer.fit`.

    validation: None; a fraction of `rows`, drawn with `rng`; (x, y) or (x, y, sample_weight), which
    ``select(where, x, y, sample_weight)`` checks; or a Selection of checked rows.
    """
    where = "Trainer.fit: validation"
    if validation is None:
        return rows, None
    if isinstance(validation, Selection):
        held_out = validation
    elif isinstance(validation, Real):
        share, count = float(validation), rows.n_rows
        n_held_out = round(share * count) if 0 < share < 1 else 0
        if not 0 < n_held_out < count:
            raise ValueError(
                f"{where} must leave rows on both sides, but is {validation} of {count} rows"
            )
        order = rng.permutation(count)
        held_out = rows.take(order[:n_held_out])
        rows = rows.take(np.sort(order[n_held_out:]))
    elif isinstance(validation, Sequence) and len(validation) in (2, 3):
        held_out = select(where, *validation)
        for name, ours, theirs in zip("xy", rows.arrays, held_out.arrays, strict=False):
            if math.prod(ours.shape[1:]) != math.prod(theirs.shape[1:]):
                shapes = f"{theirs.shape}, but that of the training rows is {ours.shape}"
                raise ValueError(f"{where}: the shape of {name} is {shapes}")
    else:
        raise TypeError(f"{where} must be (x, y), (x, y, sample_weight) or a fraction of the rows")
    held_out.check_weighted(where)
    return rows, held_out
