"""MLPClassifier: its classes, weights and probabilities."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from handnn import losses
from handnn.sklearn import MLPClassifier
from tests.bounds import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
YES = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
THREE = np.array([10, 20, 40])[np.digitize(X[:, 0], [-0.5, 0.5])]
MULTILABEL = (X[:, :3] > 0).astype(int)


def fitted(y, **settings):
    return MLPClassifier(**{"random_state": 0, "max_iter": 60, "n_ensemble": 2, **settings}).fit(
        X, y
    )


@pytest.mark.parametrize(
    "loss",
    ["log_loss", losses.BCEWithLogits(), losses.SoftmaxCrossEntropy(label_smoothing=0.1)],
    ids=str,
)
@pytest.mark.parametrize("y", [YES, THREE, YES == "yes"], ids=["two", "three", "bools"])
def test_classes(y, loss):
    model = fitted(y, loss=loss)
    probabilities = model.predict_proba(X)
    assert list(model.classes_) == sorted(set(y.tolist()))
    assert model.score(X, y) > 0.9
    assert probabilities.shape == (300, len(model.classes_))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.predict(X).dtype == y.dtype
    assert (model.predict(X) == model.classes_[probabilities.argmax(axis=1)]).all()
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probabilities)


@pytest.mark.parametrize("kind", ["array", "sparse"])
def test_multilabel(kind):
    from scipy import sparse

    y = MULTILABEL if kind == "array" else sparse.csr_array(MULTILABEL)
    model = fitted(y)
    assert model.predict(X).shape == (300, 3) and set(np.unique(model.predict(X))) == {0, 1}
    assert (model.predict(X) == MULTILABEL).mean() > 0.9
    assert ((model.predict_proba(X) > 0.5) == model.predict(X)).all()


def test_probabilities_in_the_tails():
    model = fitted(YES, max_iter=2, early_stopping=False, n_ensemble=1)
    model.intercepts_[-1][...] = 800
    assert_same_bits(model.predict_proba(X[:1]), np.array([[0.0, 1.0]]))
    assert (model.predict(X) == "yes").all()


@pytest.mark.parametrize("weight", ["balanced", {"yes": 20, "no": 1}])
def test_class_weights_shift_the_decision_boundary(weight):
    rare = (X[:, 0] > 1.2) | (RNG.random(300) < 0.05)
    y = np.where(rare, "yes", "no")
    plain, weighted = (fitted(y, class_weight=w, max_iter=10) for w in (None, weight))
    assert (weighted.predict(X) == "yes").sum() > (plain.predict(X) == "yes").sum() + 10


def test_class_weights_equal_sample_weights():
    given = fitted(THREE, class_weight={10: 1, 20: 2, 40: 3}, max_iter=5)
    weight = THREE / 10 * (THREE < 40) + 3 * (THREE == 40)
    alike = MLPClassifier(random_state=0, max_iter=5, n_ensemble=2).fit(X, THREE, weight)
    assert_same_bits(given.predict_proba(X), alike.predict_proba(X))


def test_early_stopping_stratifies_by_class():
    y = np.r_[np.zeros(270, int), np.ones(30, int)]
    model = fitted(y, early_stopping=True, validation_fraction=0.2, max_iter=30)
    assert model.best_validation_score_ == max(model.validation_scores_) >= 0.9
    assert set(np.round(np.array(model.validation_scores_) * 60, 6) % 1) == {0}


def test_ensemble_averages_probabilities():
    model = fitted(THREE, n_ensemble=2, max_iter=4)
    x = model._inputs.transform(X, "float64")
    every = [model._target.probabilities(network.predict(x)) for network in model.networks_]
    np.testing.assert_allclose(model.predict_proba(X), np.mean(every, axis=0))
    assert (model.predict(X) == model.classes_[np.mean(every, axis=0).argmax(axis=1)]).all()


def test_partial_fit():
    model = MLPClassifier(random_state=0, learning_rate_init=0.01)
    with pytest.raises(ValueError, match="classes must be passed"):
        model.partial_fit(X, THREE)
    for first in range(0, 30, 3):
        for part in np.array_split(np.argsort(THREE, kind="stable"), 3):
            model.partial_fit(X[part], THREE[part], classes=[40, 20, 10] if first == 0 else None)
    assert list(model.classes_) == [10, 20, 40]
    with pytest.raises(ValueError, match="class 7"):
        model.partial_fit(X, np.full(300, 7))
    multilabel = MLPClassifier(random_state=0, learning_rate_init=0.01)
    for _ in range(20):
        multilabel.partial_fit(X, MULTILABEL)
    assert (multilabel.predict(X) == MULTILABEL).mean() > 0.9


def test_a_single_class():
    model = fitted(np.full(300, "only"), max_iter=2)
    assert (model.predict(X) == "only").all()
    assert model.predict_proba(X).shape == (300, 1)


def test_warm_start_rejects_other_classes():
    model = fitted(THREE, warm_start=True, max_iter=2)
    with pytest.raises(ValueError, match="same classes"):
        model.fit(X, THREE + 10)


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (X[:, 0], "Unknown label type"),
        (np.stack([THREE, THREE], axis=1), "Unknown label type"),
        (THREE[:10], "inconsistent numbers of samples"),
    ],
    ids=["numbers", "several labels", "rows"],
)
def test_rejects_bad_targets(y, text):
    with pytest.raises(ValueError, match=text):
        MLPClassifier().fit(X, y)


def test_validation_labels_must_be_known():
    with pytest.raises(ValueError, match="class 99"):
        MLPClassifier().fit(X, THREE, validation_data=(X, np.full(300, 99)))
