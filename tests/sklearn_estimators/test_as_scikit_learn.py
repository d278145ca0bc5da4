"""Behavior that scikit-learn's own tests of its perceptrons expect, with `AS_SCIKIT_LEARN`."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning

from handnn.sklearn import AS_SCIKIT_LEARN, MLPClassifier, MLPRegressor

RNG = np.random.default_rng(3)
X = RNG.normal(size=(90, 4))
TWO = (X[:, 0] + 0.3 * RNG.normal(size=90) > 0).astype(int)
THREE = np.arange(90) % 3


def plain(kind, **settings):
    return kind(**{**AS_SCIKIT_LEARN, "random_state": 1, **settings})


def quietly(model, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_an_int_random_state_draws_the_initial_weights_of_scikit_learn(activation):
    settings = {
        "hidden_layer_sizes": (5, 3),
        "activation": activation,
        "solver": "lbfgs",
        "max_iter": 30,
        "max_fun": 8,
        "random_state": 7,
    }
    ours = plain(MLPClassifier, **settings)
    theirs = sklearn.neural_network.MLPClassifier(**settings)
    for model in (ours, theirs):
        with pytest.warns(ConvergenceWarning):  # 8 evaluations are too few
            model.fit(X, TWO)
    assert ours.n_iter_ == theirs.n_iter_ <= 8
    for one, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_networks_of_an_ensemble_differ():
    model = quietly(plain(MLPRegressor, n_ensemble=2, max_iter=1), X, X[:, 0])
    one, two = (network.layers[0].w for network in model.networks_)
    assert (one != two).all()


@pytest.mark.parametrize("y", [TWO, THREE + 1, np.arange(90) % 4])
def test_warm_start_needs_the_same_classes(y):
    model = quietly(plain(MLPClassifier, warm_start=True, max_iter=2), X, THREE)
    quietly(model, X, THREE[::-1])
    with pytest.raises(ValueError, match=r"Previously got \[0 1 2\], `y` has \[") as error:
        model.fit(X, y)
    assert str(error.value).endswith(f"`y` has {np.unique(y)}")


def test_divergence_is_a_value_error():
    model = plain(MLPRegressor)
    large = np.finfo(np.float64).max * RNG.uniform(size=X.shape)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights") as error:
        model.fit(large, X[:, 0])
    assert isinstance(error.value, ArithmeticError)
    assert "x has numbers up to" in str(error.value)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_divergence_with_early_stopping_keeps_the_best_epoch():
    settings = {
        "hidden_layer_sizes": 100,
        "activation": "identity",
        "solver": "sgd",
        "learning_rate_init": 1,
        "max_iter": 50,
        "early_stopping": True,
    }
    rows = 4 * X + 5
    model = plain(MLPRegressor, **settings)
    with pytest.warns(ConvergenceWarning, match="loss became infinite"):
        model.fit(rows, rows[:, 0])
    assert np.isnan(model.validation_scores_[-1])
    assert model.best_validation_score_ == np.nanmax(model.validation_scores_)
    assert np.isfinite(model.predict(rows)).all()
    with pytest.raises(ValueError, match="Solver produced"):  # without a best epoch
        plain(MLPRegressor, **{**settings, "restore_best": False}).fit(rows, rows[:, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_parameters_and_predictions_have_the_dtype_of_the_rows(kind, dtype):
    rows = X.astype(dtype)
    model = quietly(plain(kind, max_iter=2), rows, TWO)
    assert {array.dtype for array in (*model.coefs_, *model.intercepts_)} == {np.dtype(dtype)}
    if kind is MLPRegressor:
        assert model.predict(rows).dtype == dtype
        assert model.predict(X).dtype == np.float64


@pytest.mark.parametrize(
    ("y", "word"), [([0, 0, 0, 1], "True"), ([0, 0, 0, 5], "5"), (["a", "a", "b", "a"], "b")]
)
def test_a_class_with_one_row_cannot_be_stratified(y, word):
    with pytest.raises(
        ValueError,
        match=r"The least populated classes in y have only 1 member.*too few members are: "
        rf"\['{word}'\]",
    ):
        plain(MLPClassifier, early_stopping=True).fit([[1, 2], [2, 3], [3, 4], [4, 5]], y)


def test_verbose_prints_the_lines_of_scikit_learn(capsys):
    settings = {"max_iter": 3, "verbose": True, "early_stopping": True, "random_state": 0}
    quietly(plain(MLPClassifier, **settings), X, TWO)
    ours = capsys.readouterr().out
    quietly(sklearn.neural_network.MLPClassifier(**settings), X, TWO)
    theirs = capsys.readouterr().out

    def words(text):
        return [line.partition("=")[0].partition(":")[0] for line in text.splitlines()]

    assert words(ours) == words(theirs)[: len(words(ours))]
    assert len(words(ours)) == 6
