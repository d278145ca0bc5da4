"""Rare labels: categories of few rows that tell nothing, which share one row of their Embedding.

An Embedding has parameters for each label. Where most labels have one or two rows, such as the
addresses of houses, networks memorize the targets by them and learn less from the other columns.
But two rows of a label may also tell much about a third. The rows themselves show which: where
labels matter, rows with the same label have similar residuals of a linear fit to the numbers. With
the correlation r of such pairs, the best estimate of a label's effect is the mean residual of its n
rows, multiplied by s / (1 + s) where

    s = n·r / (1 - r)

(Fisher 1925, "Statistical Methods for Research Workers", chapter 7, on the intraclass correlation,
here of ranks; Robinson 1991, "That BLUP is a Good Thing".) Labels of up to five rows whose s is at
most `MAX_SIGNAL` have the same code during training, and the same row of the Embedding afterwards.

In a column of names, too few labels have several rows to determine r. But then hardly any new row
has a label of one row: a share of about 2·n2 / N, if n2 labels have two of N rows. (Good 1953, "The
Population Frequencies of Species".) So labels of one row share a code, too; with a row of their own
in the Embedding, networks could only memorize them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers.embedding import code_columns
from handnn.losses import facts_of
from handnn.network import Network
from handnn.tables.category import CategoryColumn
from handnn.tables.cells import Floats
from handnn.tables.columns import Columns
from handnn.tables.least_squares import MAX_NUMBERS, Descent, Design
from handnn.tables.networks import NetworkInput
from handnn.training.trainer import Trainer

MAX_ROWS = 5
"""The largest number of rows of a rare label."""

MIN_LABELS = 10
"""Fewer labels of two to five rows do not determine a correlation; fewer rare ones do no harm."""

MAX_SIGNAL = 0.5
"""The largest s of a label that tells nothing. On tables made with known effects, networks that
learn each label score better from about here on: early stopping shrinks effects, too.
"""

N_STEPS = 30
"""The number of steps of the linear fit."""

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class RareLabels:
    """The labels of each column of categories that share a code.

    Attributes:
        shared: the column of codes in x (N, I), and the codes of its labels; the first one is used.
        n_in: I.
    """

    shared: list[tuple[int, Codes]]
    n_in: int

    @classmethod
    def learn(cls, columns: NetworkInput, x: Array, y: Array, trainer: Trainer) -> RareLabels:
        """Find the rare labels of `columns` in the inputs x (N, I) and encoded targets y of rows.

        trainer: that of a network of a bag. None are found unless `columns` has Embeddings.
        """
        if not isinstance(columns, Columns) or columns.categories != "embedding":
            return cls([], x.shape[1])
        n = sum(isinstance(column, CategoryColumn) for column in columns.columns)
        first = columns.n_in - n
        rare = [(place, _rare(x[:, place])) for place in range(first, columns.n_in)]
        rare = [(place, codes) for place, codes in rare if len(codes) >= MIN_LABELS]
        if not rare or x.size > MAX_NUMBERS:
            return cls([], columns.n_in)
        target = y.reshape(len(y), -1).astype(np.float64)
        if facts_of(trainer.loss).link == "softmax":
            target = (target == np.arange(trainer.network.sizes["out"])).astype(np.float64)
        ranks = _ranks(_residual(x[:, :first].astype(np.float64), target))
        found = [(place, _useless(x[:, place], codes, ranks)) for place, codes in rare]
        return cls([one for one in found if len(one[1]) > 1], columns.n_in)

    def transform(self, x: Array) -> Array:
        """Return x (N, I) with the shared codes."""
        out = x.copy() if self.shared else x
        for place, codes in self.shared:
            out[np.isin(x[:, place], codes), place] = codes[0]
        return out

    def settle(self, networks: Iterable[Network]) -> None:
        """Copy the shared row of each Embedding, so that networks predict for x as it was."""
        for network in networks:
            bricks = code_columns(network.layers, self.n_in)
            for place, codes in self.shared:
                w = bricks[place].w
                w[codes] = w[codes[0]]


def _rare(codes: Array) -> Codes:
    """Return the codes of up to `MAX_ROWS` rows."""
    counts = np.bincount(codes.astype(np.int64))
    return np.flatnonzero((counts > 0) & (counts <= MAX_ROWS))


def _useless(column: Array, rare: Codes, ranks: Floats) -> Codes:
    """Return the rare codes of a column (N,) whose rows do not tell the targets of new rows.

    ranks: (N, O) those of the residuals.
    """
    codes = column.astype(np.int64)
    counts = np.bincount(codes)
    several = rare[counts[rare] > 1]
    if len(several) < MIN_LABELS:
        alone: Codes = rare[counts[rare] == 1]
        return alone
    own = np.isin(codes, several)
    squares, sums = (ranks[own] ** 2).sum(), np.zeros((len(counts), ranks.shape[1]))
    np.add.at(sums, codes[own], ranks[own])
    products = (sums**2).sum() - squares
    n_pairs = (counts[several] * (counts[several] - 1)).sum()
    mean_square = squares / counts[several].sum()
    correlation = products / n_pairs / mean_square if squares > 0 else 0.0
    found: Codes = rare[counts[rare] * correlation <= MAX_SIGNAL * (1 - correlation)]
    return found


def _ranks(residual: Floats) -> Floats:
    """Return the ranks of each column (N,), evenly spaced with mean 0; equal values share one."""
    ranks = np.empty_like(residual)
    for column, out in zip(residual.T, ranks.T, strict=True):
        _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
        out[:] = ((counts.cumsum() - (counts + 1) / 2) / (len(column) - 1) - 0.5)[place]
    return ranks


def _residual(x: Floats, y: Floats) -> Floats:
    """Return the residual (N, O) of a linear fit of y to x (N, I)."""
    theta = np.zeros((1 + x.shape[1], y.shape[1]))
    theta[0] = y.mean(axis=0)
    fit = Descent(theta, Design(x), y, np.ones((len(x), 1)))
    for _ in range(N_STEPS):
        fit.step()
    return fit.residual
