"""Least squares: the last steps of linear networks of a regression, by conjugate gradients.

AdamW takes many steps where columns are nearly equal, such as two prices of a house: the squared
error hardly changes along their difference. Conjugate gradients need at most as many steps as there
are inputs. Each network continues from its weights, and all end at the step with the lowest squared
error on held-out rows, which may be the first. (CGLS: Hestenes and Stiefel 1952, section 10.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.functional import affine_backward, affine_forward
from handnn.layers import Affine
from handnn.losses import MSELoss
from handnn.network import Network
from handnn.tables.cells import Floats
from handnn.tables.moments import Weights
from handnn.training.trainer import Trainer

MAX_STEPS, PATIENCE = 100, 10
"""The largest number of steps, and of steps without a lower error."""

MAX_NUMBERS = 2**23
"""The largest number of inputs of all rows, in x or in all networks, which take 64 MB."""


class Descent:
    """Conjugate gradients of one network.

    w (I, O), b (O,): the params of its Affine. h (N, I): the inputs. y (N, O): the targets. weight
    (N, 1): those of the rows that it learns from, 0 elsewhere.
    """

    def __init__(self, w: Array, b: Array, h: Floats, y: Floats, weight: Floats) -> None:
        self._h, self._weight = h, weight
        self.w, self.b = w.astype(np.float64), b.astype(np.float64)
        self.residual = y - affine_forward(h, self.w, self.b)
        self._slopes()
        self._p, self._q = self._dw, self._db
        self._square = self._norm(self._dw, self._db)

    def step(self) -> None:
        """Take a step; none where the gradient is 0."""
        v = affine_forward(self._h, self._p, self._q)
        curvature = (self._weight * v * v).sum(axis=0)
        size = _quotient(self._square, curvature)
        self.w = self.w + size * self._p
        self.b = self.b + size * self._q
        self.residual = self.residual - size * v
        self._slopes()
        square = self._norm(self._dw, self._db)
        share = _quotient(square, self._square)
        self._p, self._q = self._dw + share * self._p, self._db + share * self._q
        self._square = square

    def _slopes(self) -> None:
        _, self._dw, self._db = affine_backward(self._weight * self.residual, self._h, self.w)

    @staticmethod
    def _norm(dw: Array, db: Array) -> Floats:
        return np.asarray((dw * dw).sum(axis=0) + db * db)


def _quotient(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def finish(
    trainers: Sequence[Trainer],
    x: Array,
    y: Array,
    rows: Sequence[NDArray[np.int64]],
    weight: Weights,
) -> None:
    """Continue the training of linear networks of a regression: see the module.

    x (N, I), y (N, O), weight (N,) or None: the inputs, encoded targets and weights of all rows.
    rows: those that each network learns from.
    """
    n_rows = len(x)
    learned = [np.isin(np.arange(n_rows), part) for part in rows]
    is_squared = type(trainers[0].loss) is MSELoss
    if not is_squared or x.size > MAX_NUMBERS or all(some.all() for some in learned):
        return
    inputs, target, n_kept = x.astype(np.float64), y.astype(np.float64), 0
    every = np.ones(n_rows) if weight is None else np.asarray(weight, np.float64)
    affines, descents = [], []
    for trainer, is_learned in zip(trainers, learned, strict=True):
        *first, last = trainer.network.layers
        assert isinstance(last, Affine)
        h = Network(first).predict(x).astype(np.float64) if first else inputs
        n_kept += h.size if first else 0
        if n_kept > MAX_NUMBERS:
            return
        affines.append(last)
        own = np.where(is_learned, every, 0.0)[:, None]
        descents.append(Descent(last.w, last.b, h, target, own))

    def loss() -> float:
        return sum(
            float((every[:, None] * one.residual**2)[~is_learned].sum())
            for one, is_learned in zip(descents, learned, strict=True)
        )

    lowest, best, waited = loss(), [(one.w, one.b) for one in descents], 0
    for _ in range(MAX_STEPS):
        for one in descents:
            one.step()
        found, waited = loss(), waited + 1
        if found < lowest:
            lowest, best, waited = found, [(one.w, one.b) for one in descents], 0
        if waited == PATIENCE:
            break
    for affine, (w, b) in zip(affines, best, strict=True):
        affine.w[...], affine.b[...] = w, b
