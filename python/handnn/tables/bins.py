"""Bins of a column: inputs by which a layer becomes piecewise linear in it.

A column with the edges e_0 < e_1 < ... < e_B has B more inputs. Input b rises linearly from -1/2 at
e_b to 1/2 at e_(b+1), and is constant outside, so a weighted sum of them bends at the edges and
nowhere else. (Gorishniy, Rubachev and Babenko 2022, "On Embeddings for Numerical Features in
Tabular Deep Learning", section 3.2; here from -1/2 to 1/2, so that inputs have means near 0.)
"""

from __future__ import annotations

import numpy as np

from handnn.arrays import Array
from handnn.tables.cells import Floats
from handnn.tables.quantiles import quantiles

MAX_BINS_EACH = 10_000
"""The largest number of bins that may be asked for, of each column."""


def bin_edges(values: Floats, n_bins: int, weight: Floats | None = None) -> tuple[float, ...]:
    """Return the edges of up to `n_bins` bins with about equally many of the values (N,).

    Edges are values, from the lowest to the highest. If a value equals several quantiles, there are
    fewer bins. () if the column has at most two values, or if a bin is too wide for float64.

    Examples:
        >>> from handnn.tables.bins import bin_edges
        >>> bin_edges(np.arange(9.0), 4)
        (0.0, 2.0, 4.0, 6.0, 8.0)
    """
    edges = np.unique(quantiles(values, np.linspace(0, 1, n_bins + 1), weight))
    with np.errstate(over="ignore"):
        is_usable = len(edges) > 2 and bool(np.isfinite(np.diff(edges)).all())
    return tuple(edges.tolist()) if is_usable else ()


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
