"""Bins of a column: inputs by which a layer becomes piecewise linear in it.

A column with the edges e_0 < e_1 < ... < e_B has B more inputs. Input b rises linearly from -1/2 at
e_b to 1/2 at e_(b+1), and is constant outside, so a weighted sum of them bends at the edges and
nowhere else. (Gorishniy, Rubachev and Babenko 2022, "On Embeddings for Numerical Features in
Tabular Deep Learning", section 3.2; here from -1/2 to 1/2, so that inputs have means near 0.)

During training they are replaced by one input: see `positions`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from handnn.arrays import Array
from handnn.tables.cells import Floats
from handnn.tables.quantiles import quantiles
from handnn.tables.recipe import MAX_BINS

Edges = Sequence[float]

MAX_BINS_EACH = 10_000
"""The largest number of bins that may be asked for, of each column."""

LARGEST = float(np.finfo(np.float32).max)
"""The largest edge of an outer bin: programs in C compute in float32."""

REACH = 10.0
"""The width of each outer bin, relative to all others together: farther out, lines end."""


@dataclass(frozen=True)
class BinnedColumn:
    """A column that has bins, in the input of a network.

    Attributes:
        place: the index of the scaled column. first: the index of its first bin; the others follow.
        edges: (B + 1,) those of the bins.
    """

    place: int
    first: int
    edges: Edges

    @property
    def bin_places(self) -> slice:
        """The indices of the bins."""
        return slice(self.first, self.first + len(self.edges) - 1)

    def values(self, x: Array) -> Floats:
        """Return the column (N,) before scaling, clipped to its edges, for inputs x (N, I)."""
        found = np.full(len(x), self.edges[0])
        for at, (low, high) in enumerate(pairwise(self.edges), self.first):
            found += (high - low) * (x[:, at].astype(np.float64) + 0.5)
        return found


def bin_edges(values: Floats, n_bins: int, weight: Floats | None = None) -> Edges:
    """Return the edges of up to `n_bins` bins with about equally many of the values (N,).

    Edges are values, from the lowest to the highest. If a value equals several quantiles, there are
    fewer bins, but at least two for three values, so that there may be a line. () if the column has
    at most two values, or if a bin is too wide for float64.

    Examples:
        >>> from handnn.tables.bins import bin_edges
        >>> bin_edges(np.arange(9.0), 4)
        (0.0, 2.0, 4.0, 6.0, 8.0)
    """
    edges = np.unique(quantiles(values, np.linspace(0, 1, n_bins + 1), weight))
    if len(edges) == 2 and n_bins > 1:
        between = np.unique(values[(values > edges[0]) & (values < edges[1])])
        edges = np.insert(edges, 1, between[len(between) // 2 : len(between) // 2 + 1])
    with np.errstate(over="ignore"):
        is_usable = len(edges) > 2 and bool(np.isfinite(np.diff(edges)).all())
    return tuple(edges.tolist()) if is_usable else ()


def outer_edges(edges: Edges) -> Edges:
    """Return edges with a bin below and one above; the same if none, or too large for float32.

    Examples:
        >>> from handnn.tables.bins import outer_edges
        >>> outer_edges((0.0, 1.0, 3.0))
        (-30.0, 0.0, 1.0, 3.0, 33.0)
    """
    if not edges:
        return edges
    first, last = edges[0], edges[-1]
    width = REACH * (last - first)
    found = (first - width, *edges, last + width)
    largest = max(abs(found[0]), abs(found[-1]))
    return found if largest <= LARGEST else edges


def thinned(
    edges: Sequence[Edges], max_bins: int = MAX_BINS, max_each: int = MAX_BINS_EACH
) -> list[Edges]:
    """Return the edges of all columns of a table, which then have at most `max_bins` bins together.

    max_each: the largest number of bins of a column.

    Columns have the same largest number of bins, as large as possible, so bins that columns with
    few values do not need are available to the others. Columns with more bins keep the first edge,
    the last one, and evenly spaced ones between them. No column has bins if each could have one.

    Examples:
        >>> from handnn.tables.bins import thinned
        >>> thinned([(0.0, 1.0, 2.0, 3.0, 4.0), (), (5.0, 6.0, 7.0)], max_bins=4)
        [(0.0, 2.0, 4.0), (), (5.0, 6.0, 7.0)]
    """
    counts = [max(0, len(some) - 1) for some in edges]
    n_bins = min(max(counts, default=0), max_each)
    while sum(min(count, n_bins) for count in counts) > max_bins:
        n_bins -= 1
    if n_bins < 2:
        return [()] * len(edges)
    return [
        some if len(some) <= n_bins + 1 else tuple(some[place] for place in _spread(count, n_bins))
        for some, count in zip(edges, counts, strict=True)
    ]


def _spread(last: int, n: int) -> list[int]:
    """Return n + 1 distinct whole numbers from 0 to `last`, evenly spaced."""
    return [(2 * place * last + n) // (2 * n) for place in range(n + 1)]


def bins(x: Array, edges: Array) -> Array:
    """Return the inputs (N, B) of a column x (N,) with edges (B + 1,), in the dtype of x.

    Examples:
        >>> from handnn.tables.bins import bins
        >>> bins(np.array([0.0, 1.0, 3.0, 9.0]), np.array([0.0, 2.0, 4.0]))
        array([[-0.5, -0.5],
               [ 0. , -0.5],
               [ 0.5,  0. ],
               [ 0.5,  0.5]])
    """
    low, high, x = edges[:-1], edges[1:], x[:, None]
    with np.errstate(all="ignore"):  # edges may round to the same number
        inside = (x - low) / (high - low)
    shares = np.where(x >= high, 1, np.where(x <= low, 0, inside))
    return np.asarray(shares - x.dtype.type(0.5), x.dtype)


def bins_of_one(number: float, edges: Edges) -> list[float]:
    """Return the inputs of one number: the row of `bins`, with the same bits.

    Examples:
        >>> from handnn.tables.bins import bins_of_one
        >>> bins_of_one(1.0, (0.0, 2.0, 4.0))
        [0.0, -0.5]
    """
    n_bins = len(edges) - 1
    at = bisect_left(edges, number) - 1  # the last edge below the number
    if at < 0:
        return [-0.5] * n_bins
    if at == n_bins or number == edges[at + 1]:
        return [0.5] * min(at + 1, n_bins) + [-0.5] * (n_bins - at - 1)
    inside = (number - edges[at]) / (edges[at + 1] - edges[at])
    return [0.5] * at + [inside - 0.5] + [-0.5] * (n_bins - at - 1)
