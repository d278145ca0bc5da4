"""The rows that the header of a network is tested with: given, or random."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float
from handnn.exchange.c.steps import Bins, Cycles, Fill, OneHot, RowStep, Scale
from handnn.layers import Dropout, Embedding
from handnn.layers.sequence import walk
from handnn.network import Network

N_ROWS = 8
"""The number of random rows."""

COMPUTED = "to_c: random rows cannot be generated, because codes are computed; pass rows as x"


def input_columns(network: Network, steps: Mapping[str, RowStep], x: ArrayLike | None) -> int:
    """Return the number of columns of a row before all steps; ValueError if it is not known."""
    if x is not None:
        rows = as_float(x, None, "to_c: x")
        if rows.ndim != 2 or not rows.size:
            raise ValueError(f"to_c: x must be rows (N, I), at least one, but has {rows.shape}")
        return int(rows.shape[1])
    needed = network.sizes.get("in")
    if needed is None:
        raise ValueError("to_c: no layer determines the number of columns; pass rows as x")
    # The output of a step grows with its input, so at most one count fits.
    reason = ""
    for count in range(1, needed + 2):
        made = count
        try:
            for where, step in steps.items():
                made = columns_after(step, where, made)
        except ValueError as error:
            if count <= needed:
                reason = str(error).removeprefix("to_c: ")
            continue
        if made == needed:
            return count
        if count <= needed:
            reason = f"they make {made} of {count}"
    raise ValueError(
        f"to_c: steps and scale_in do not fit the network, which expects {needed} columns: {reason}"
    )


def columns_after(step: RowStep, where: str, count: int) -> int:
    """Return the output columns of a step for `count` columns; `where` names it in errors."""
    with errors_of(where):
        return step.columns(count)


@contextmanager
def errors_of(where: str) -> Iterator[None]:
    """Prefix the message of a TypeError or ValueError with to_c and the argument."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"to_c: {where}: {error}") from error


def drawn(network: Network, steps: Iterable[RowStep], columns: int) -> Array:
    """Return random rows whose values are about standard normal at the input of the network.

    Columns of codes hold valid codes. The last row is NaN wherever NaN is filled.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ROWS, columns))
    # The column of x in each place of the row, None for a computed one.
    places: list[int | None] = list(range(columns))
    codes: dict[int, int] = {}
    fills: dict[int, float] = {}

    def take_code(place: int, count: int) -> None:
        column = places.pop(place)
        if column is None:
            raise ValueError(COMPUTED)
        codes[column] = count

    for step in steps:
        if isinstance(step, Fill):
            median = np.broadcast_to(np.asarray(step.median, np.float64), (len(places),))
            fills |= {c: m for c, m in zip(places, median.tolist(), strict=True) if c is not None}
            places += [None] * len(step.indicator)
        elif isinstance(step, Cycles):
            places += [None] * (2 * len(step.periods))
        elif isinstance(step, Bins):
            places += [None] * (len(step.edges) - 1)
        elif isinstance(step, Scale):
            mean, scale = step.arrays(len(places), np.dtype(np.float64))
            for column, m, s in zip(places, mean, scale, strict=True):
                if column is not None:
                    x[:, column] = x[:, column] * s + m
        elif isinstance(step, OneHot):
            take_code(step.column, step.count)
            places += [None] * step.count
    embeddings = [layer for _, layer in walk(network.layers) if isinstance(layer, Embedding)]
    for layer in network.layers:
        if not isinstance(layer, Embedding | Dropout):
            break
        if isinstance(layer, Embedding):
            embeddings.remove(layer)
            take_code(layer.column, len(layer.w))
            places += [None] * layer.w.shape[1]
    if embeddings:
        raise ValueError(COMPUTED)
    for column, count in codes.items():
        x[:, column] = rng.integers(0, count, N_ROWS)
    filled = [column for column, median in fills.items() if not np.isnan(median)]
    x[-1, filled] = np.nan
    return x
