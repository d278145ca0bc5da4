"""A table that must be scaled to be learned, and a regressor fitted to it."""

from __future__ import annotations

import numpy as np

from handnn.sklearn import MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3)) * [1, 100, 0.01] + [0, 5000, 7]
SIGNAL = np.sin(X[:, 0]) + (X[:, 1] - 5000) / 100
Y = 1e6 + 2e5 * SIGNAL
NOISY = Y + 1e5 * RNG.normal(size=300)


def fitted(y=Y, **settings):
    return MLPRegressor(**{"random_state": 0, "max_iter": 60, **settings}).fit(X, y)
