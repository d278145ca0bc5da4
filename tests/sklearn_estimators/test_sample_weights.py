"""Weights of classes, and rows of weight 0."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from handnn.sklearn import MLPClassifier
from handnn.sklearn.sample_weights import class_weights
from tests.bounds import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
Y = np.repeat(["a", "b", "c"], [60, 20, 10])


def weights(given, y=Y, weight=None, all_are_there=True):
    return class_weights(given, np.asarray(y), weight, "MLP", all_are_there=all_are_there)


def test_balanced_by_hand():
    assert weights("balanced")[[0, 60, 80]].tolist() == [90 / 180, 90 / 60, 90 / 30]
    assert weights("balanced", [0, 1], np.array([3.0, 1.0])).tolist() == [2.0, 2.0]


def test_balanced_respects_row_weights():
    """A row of weight 2 counts as two rows, a row of weight 0 as absent."""
    weight = RNG.integers(1, 4, 90)
    found = weights("balanced", weight=weight.astype(float))
    repeated = weights("balanced", Y.repeat(weight))
    firsts = np.cumsum(weight) - weight
    np.testing.assert_allclose(found, weight * repeated[firsts], rtol=1e-12)
    settings = {"class_weight": "balanced", "random_state": 0, "max_iter": 3}
    zeros = np.r_[np.ones(70), np.zeros(20)]
    models = [
        MLPClassifier(**settings).fit(X, Y, zeros),
        MLPClassifier(**settings).fit(X[:70], Y[:70]),
    ]
    assert_same_bits(models[0].predict_proba(X), models[1].predict_proba(X))


def test_multilabel():
    y = np.array([[0, 1], [0, 0], [1, 0], [0, 0]])
    of_first, of_second = np.array([2 / 3, 2 / 3, 2, 2 / 3]), np.array([2, 2 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(weights("balanced", y), of_first * of_second)
    assert weights([{1: 3}, {1: 5, 0: 2}], y).tolist() == [5, 2, 6, 2]
    with pytest.raises(ValueError, match="list of 2 dicts"):
        weights({1: 3}, y)


def test_a_class_of_weight_0_is_known_but_not_learned():
    rows = X + 3 * (Y == "b")[:, None]
    plain, without = (
        MLPClassifier(class_weight=weight, random_state=0, max_iter=20).fit(rows, Y)
        for weight in (None, {"b": 0})
    )
    assert list(without.classes_) == ["a", "b", "c"]
    assert "b" in plain.predict(rows) and "b" not in without.predict(rows)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ("heavy", ValueError, "class_weight must be None, 'balanced', a dict"),
        (5, TypeError, "class_weight must be None, 'balanced', a dict"),
        ([1, 2], TypeError, "class_weight must be None, 'balanced', a dict"),
        ([{"a": 1}], ValueError, "class_weight must be one dict"),
        ({"a": -1}, ValueError, r"class_weight\['a'\] must be finite and not negative"),
        ({"a": np.nan}, ValueError, r"class_weight\['a'\] must be finite"),
        ({"a": "x"}, TypeError, r"class_weight\['a'\] must be a number"),
        ({"A": 2}, ValueError, "class_weight has 'A', but the classes of y are"),
        ({"a": 0, "b": 0, "c": 0}, ValueError, "at least one number that is not zero"),
    ],
    ids=str,
)
def test_rejects_bad_class_weights(given, error, text):
    with pytest.raises(error, match=text):
        MLPClassifier(class_weight=given).fit(X, Y)


def test_class_weight_may_have_more_classes_than_a_fold():
    assert weights({"a": 1, "b": 2, "c": 3, "d": 4})[-1] == 3
