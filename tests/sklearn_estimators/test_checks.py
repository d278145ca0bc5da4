"""All of scikit-learn's own estimator checks."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn.utils.estimator_checks import parametrize_with_checks

from handnn.sklearn import MLPClassifier, MLPRegressor


# Two networks: the default of sixteen on small tables takes eight times as long.
@parametrize_with_checks([MLPRegressor(n_ensemble=2), MLPClassifier(n_ensemble=2)])
def test_check(estimator, check):
    check(estimator)
