"""The held-out scores with default parameters that the documentation promises.

Those on California housing: tests/files/test_training.py, which trains the same model.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import cross_val_score, train_test_split

from handnn.datasets import load_concrete
from handnn.sklearn import MLPClassifier, MLPRegressor


def test_concrete():
    data = load_concrete()
    scores = []
    for seed in range(2):
        x, x_test, y, y_test = train_test_split(data.x, data.y, test_size=0.2, random_state=seed)
        scores.append(MLPRegressor(random_state=seed).fit(x, y).score(x_test, y_test))
    assert np.mean(scores) > 0.91


@pytest.mark.parametrize(("load", "least"), [(load_breast_cancer, 0.96), (load_wine, 0.94)])
def test_small_tables_with_classes(load, least):
    x, y = load(return_X_y=True)
    assert cross_val_score(MLPClassifier(random_state=0), x, y, cv=3).mean() > least
