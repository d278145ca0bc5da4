"""The two kernels of BatchNorm for batches in slices."""

from __future__ import annotations

from handnn import _core
from handnn.arrays import Array


def merged_statistics(columns: Array, more: Array, n_rows: int, n_more: int) -> Array:
    """Return the means and variances (2, O) of the columns of some rows and of others.

    columns (2, O): those of `n_rows` rows. more (2, O): those of the `n_more` others.
    """
    merged = columns.copy()
    (mean, var), (more_mean, more_var) = merged, more
    _core.batch_norm_merge(mean, var, more_mean, more_var, n_rows, n_more)
    return merged


def batch_norm_dx(
    dout: Array, x: Array, gamma: Array, statistics: Array, eps: float, grads: Array, n_rows: int
) -> Array:
    """Return the dx (N, O) of a part of a batch of `n_rows` rows.

    statistics (2, O): mean and variance of the batch. grads (2, O): its dgamma and dbeta.
    """
    (mean, var), (dgamma, dbeta) = statistics, grads
    return _core.batch_norm_dx(dout, x, gamma, (mean, var), eps, (dgamma, dbeta), n_rows)
