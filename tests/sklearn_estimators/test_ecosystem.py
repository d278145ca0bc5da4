"""Pipelines, searches in processes and threads, copies, and metadata routing."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

import joblib
import sklearn
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from handnn import losses
from handnn.sklearn import MLPClassifier, MLPRegressor
from tests.bounds import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = X[:, 0] + np.sin(2 * X[:, 1])
QUICK = {"random_state": 0, "max_iter": 30, "hidden_layer_sizes": (16,)}


def regressor(**settings):
    return MLPRegressor(**{**QUICK, **settings})


def test_pipeline():
    model = make_pipeline(StandardScaler(), regressor(max_iter=200)).fit(X, Y)
    assert model.score(X, Y) > 0.85


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search(backend):
    grid = {"hidden_layer_sizes": [(4,), (16,)], "loss": ["huber", losses.MSELoss()]}
    searches = []
    for jobs in (2, 1):
        search = GridSearchCV(regressor(), grid, cv=2, n_jobs=jobs)
        with joblib.parallel_backend(backend):
            searches.append(search.fit(X, Y))
    beside, alone = (search.cv_results_["mean_test_score"] for search in searches)
    assert_same_bits(beside, alone)
    assert searches[0].best_estimator_.score(X, Y) > 0.5


def test_cross_validation():
    model = MLPClassifier(**QUICK)
    assert cross_val_score(model, X, Y > 0, cv=3).min() > 0.7
    assert cross_validate(model, X, Y > 0, cv=2, scoring=["roc_auc", "neg_log_loss"])


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("y", [Y, Y > 0], ids=["numbers", "classes"])
def test_copies(copied, y):
    kind = MLPClassifier if y.dtype == bool else MLPRegressor
    model = kind(**QUICK, n_ensemble=2).fit(X, y)
    model.predict(X[:1])
    again = copied(model)
    assert_same_bits(again.predict(X), model.predict(X))
    again.coefs_[0][...] = 0
    assert not np.array_equal(again.predict(X), model.predict(X))


def test_joblib_file(tmp_path):
    model = regressor().partial_fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    for one in (model, again):  # as if continued in another process
        one.partial_fit(X, Y)
    assert_same_bits(again.predict(X), model.predict(X))


def test_clone_copies_exactly_the_parameters():
    model = regressor(loss=losses.Huber(2), dropout=[0.1], alpha=3, weight_decay=0).fit(X, Y)
    new = clone(model)
    assert {**new.get_params(), "loss": 0} == {**model.get_params(), "loss": 0}
    assert new.loss.delta == 2 and not hasattr(new, "networks_")
    assert not hasattr(new, "coefs_")
    assert "dropout=[0.1]" in repr(new)


def test_metadata_routing_of_weights():
    weight = RNG.uniform(0, 2, 200)
    with sklearn.config_context(enable_metadata_routing=True):
        model = regressor().set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"alpha": [0.1]}, cv=2).fit(X, Y, sample_weight=weight)
        alone = regressor(alpha=0.1).fit(X, Y, weight)
    assert_same_bits(search.best_estimator_.predict(X), alone.predict(X))


def test_inside_meta_estimators():
    assert MultiOutputRegressor(regressor()).fit(X, np.c_[Y, -Y]).predict(X).shape == (200, 2)
    around = TransformedTargetRegressor(regressor(), func=np.sinh, inverse_func=np.arcsinh)
    assert around.fit(X, Y).predict(X).shape == (200,)
    importance = permutation_importance(regressor(max_iter=60).fit(X, Y), X, Y, random_state=0)
    assert importance.importances_mean.argmin() == 2
    chosen = SelectFromModel(
        regressor(max_iter=100, early_stopping=False),
        importance_getter=lambda model: abs(model.coefs_[0]).sum(axis=1),
        max_features=2,
        threshold=-np.inf,
    ).fit(X, Y)
    assert chosen.get_support().tolist() == [True, True, False]


def test_sparse_rows():
    from scipy import sparse

    rows = np.where(abs(X) > 0.5, X, 0)
    dense = regressor().fit(rows, Y)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        model = regressor().fit(kind(rows), Y)
        assert_same_bits(model.predict(kind(rows)), dense.predict(rows))
