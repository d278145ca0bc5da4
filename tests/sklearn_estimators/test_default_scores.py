"""The held-out scores with default parameters that the documentation promises.

California housing takes half a minute, so by default only tests/files/test_training.py trains it.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import cross_val_score, train_test_split

from handnn.datasets import load_concrete
from handnn.sklearn import MLPClassifier, MLPRegressor
from tests.slow import SLOW

HOUSING = "HANDNN_HOUSING"


def test_concrete():
    data = load_concrete()
    scores = []
    for seed in range(5 if SLOW else 2):
        x, x_test, y, y_test = train_test_split(data.x, data.y, test_size=0.2, random_state=seed)
        scores.append(MLPRegressor(random_state=seed).fit(x, y).score(x_test, y_test))
    assert np.mean(scores) > 0.91


@pytest.mark.parametrize(("load", "least"), [(load_breast_cancer, 0.96), (load_wine, 0.94)])
def test_small_tables_with_classes(load, least):
    x, y = load(return_X_y=True)
    model = MLPClassifier(random_state=0)
    assert cross_val_score(model, x, y, cv=5 if SLOW else 3).mean() > least


@pytest.mark.skipif(HOUSING not in os.environ, reason=f"{HOUSING} does not say where the file is")
@pytest.mark.skipif(not SLOW, reason="takes half a minute: HANDNN_SLOW_TESTS is not 1")
def test_housing():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: no frames")
    table = pandas.read_csv(os.environ[HOUSING])
    y = table.pop("median_house_value") / 100_000
    x, x_test, y, y_test = train_test_split(table, y, test_size=0.2, random_state=0)
    model = MLPRegressor(random_state=0).fit(x, y)
    assert np.sqrt(np.mean((model.predict(x_test) - y_test) ** 2)) < 0.49
