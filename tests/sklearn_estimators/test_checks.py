"""All of scikit-learn's own estimator checks."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn.utils.estimator_checks import parametrize_with_checks

from handnn.sklearn import MLPClassifier, MLPRegressor
from tests.slow import SLOW

# The default of sixteen networks on small tables takes eight times as long as two.
SETTINGS = {} if SLOW else {"n_ensemble": 2}


@parametrize_with_checks([MLPRegressor(**SETTINGS), MLPClassifier(**SETTINGS)])
def test_check(estimator, check):
    check(estimator)
