"""With the same settings and initial weights, training gives scikit-learn's weights."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

from handnn.sklearn import AS_SCIKIT_LEARN, MLPClassifier, MLPRegressor

ROWS, BATCH, EPOCHS = 60, 20, 6
RNG = np.random.default_rng(3)
X = RNG.normal(size=(ROWS, 4))
TARGETS = {
    "one": X[:, 0] - X[:, 1] ** 2,
    "two": np.stack([X[:, 0], 3 * X[:, 1] * X[:, 2]], axis=1),
    "yes": (X[:, 0] > 0).astype(int),
    "three": np.digitize(X[:, 1], [-0.5, 0.5]),
    "multilabel": (X[:, :3] > 0).astype(int),
}
# scikit-learn's Adam adds epsilon before the bias correction of the squares, handnn's after it. A
# small epsilon hides the difference.
EPSILON = 1e-14
TOLERANCE = 1e-7


def pair_of(target, **settings):
    kind = "MLPRegressor" if target in ("one", "two") else "MLPClassifier"
    common = {
        "hidden_layer_sizes": (8, 6),
        "batch_size": BATCH,
        "shuffle": False,
        "random_state": 0,
        "n_iter_no_change": 1000,
        "max_iter": EPOCHS,
        "warm_start": True,
        "epsilon": EPSILON,
        **settings,
    }
    theirs = getattr(neural_network, kind)(**common)
    ours = {"MLPRegressor": MLPRegressor, "MLPClassifier": MLPClassifier}[kind](
        **{**AS_SCIKIT_LEARN, **common, "dtype": "float64"}
    )
    return ours, theirs


def trained(target, weight=None, **settings):
    """Train both from scikit-learn's initial weights, taken from a fit with tiny steps."""
    ours, theirs = pair_of(target, **settings)
    rate = theirs.learning_rate_init
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for one in (ours, theirs):
            one.set_params(learning_rate_init=1e-300).fit(X, TARGETS[target], sample_weight=weight)
        pairs = [(ours.coefs_, theirs.coefs_), (ours.intercepts_, theirs.intercepts_)]
        for mine, other in pairs:
            for array, first in zip(mine, other, strict=True):
                assert array.shape == first.shape
                array[...] = first
        first = [array.copy() for array in theirs.coefs_]
        # scikit-learn's warm start continues these counts.
        theirs.t_, theirs._no_improvement_count, theirs.best_loss_ = 0, 0, np.inf
        for one in (ours, theirs):
            one.set_params(learning_rate_init=rate).fit(X, TARGETS[target], sample_weight=weight)
    assert not np.allclose(first[0], theirs.coefs_[0], atol=1e-4)
    return ours, theirs


def assert_same(ours, theirs):
    for mine, other in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(mine, other, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_solvers(target, solver, alpha):
    ours, theirs = trained(target, solver=solver, alpha=alpha, learning_rate_init=0.02)
    assert_same(ours, theirs)
    assert ours.n_outputs_ == theirs.n_outputs_
    assert ours.n_layers_ == theirs.n_layers_
    assert ours.out_activation_ == theirs.out_activation_
    assert ours.n_iter_ == theirs.n_iter_ == EPOCHS
    assert ours.t_ == theirs.t_ + EPOCHS * ROWS == 2 * EPOCHS * ROWS  # its count was reset
    if alpha == 0:
        assert len(ours.loss_curve_) == len(theirs.loss_curve_) == 2 * EPOCHS
        curves = (one.loss_curve_[EPOCHS:] for one in (ours, theirs))
        np.testing.assert_allclose(*curves, rtol=1e-6)
        np.testing.assert_allclose(ours.best_loss_, theirs.best_loss_, rtol=1e-6)
        assert ours.loss_ == ours.loss_curve_[-1]
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-6)
    if hasattr(ours, "predict_proba"):
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-7)
        log = ours.predict_log_proba(X)
        np.testing.assert_allclose(log, theirs.predict_log_proba(X), atol=1e-7)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_activations(activation):
    assert_same(*trained("one", activation=activation, solver="sgd"))


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0.0},
        {"nesterovs_momentum": False},
        {"learning_rate": "invscaling", "power_t": 0.3, "learning_rate_init": 0.1, "momentum": 0},
        {"learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 10.0, "momentum": 0.0},
    ],
    ids=str,
)
def test_rates_and_momentum(settings):
    assert_same(*trained("one", solver="sgd", **settings))


def test_weights_of_a_full_batch():
    weight = RNG.uniform(0.5, 2, ROWS)
    ours, theirs = trained("one", weight, solver="sgd", batch_size=ROWS, alpha=1.0)
    assert_same(ours, theirs)


def test_poisson():
    TARGETS["counts"] = np.random.default_rng(0).poisson(2, ROWS).astype(float)
    ours, theirs = MLPRegressor, neural_network.MLPRegressor
    common = {"loss": "poisson", "max_iter": 400, "random_state": 0, "tol": 1e-9, "alpha": 1.0}
    common |= {"solver": "lbfgs", "hidden_layer_sizes": (3,), "activation": "tanh"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mine = ours(**{**AS_SCIKIT_LEARN, **common}).fit(X, TARGETS["counts"])
        other = theirs(**common).fit(X, TARGETS["counts"])
    assert mine.out_activation_ == other.out_activation_ == "exp"
    assert (mine.predict(X) > 0).all()
    assert abs(mine.score(X, TARGETS["counts"]) - other.score(X, TARGETS["counts"])) < 0.15


def test_lbfgs_finds_the_same_minimum():
    # Without hidden layers the loss is convex, and alpha makes the minimum unique.
    settings = {"solver": "lbfgs", "activation": "identity", "alpha": 5.0, "max_iter": 3000}
    settings |= {"tol": 1e-9, "hidden_layer_sizes": (4,), "random_state": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours = MLPRegressor(**{**AS_SCIKIT_LEARN, **settings}).fit(X, TARGETS["one"])
        theirs = neural_network.MLPRegressor(**settings).fit(X, TARGETS["one"])
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-4)
    term = 5.0 / 2 / ROWS * sum(np.sum(w**2) for w in ours.coefs_)  # alpha's term
    np.testing.assert_allclose(ours.loss_ + term, theirs.loss_, rtol=1e-7)


def test_stops_without_progress_of_the_training_loss():
    settings = {"tol": 0.02, "n_iter_no_change": 3, "max_iter": 300, "solver": "sgd"}
    ours, theirs = trained("one", **settings)
    assert ours.n_iter_ == theirs.n_iter_ < 300


def test_initial_weights_have_the_same_distribution():
    y = TARGETS["one"]
    for activation, numerator in (("logistic", 2), ("relu", 6)):
        settings = {"activation": activation, "hidden_layer_sizes": (400,), "max_iter": 1}
        settings |= {"learning_rate_init": 1e-300, "random_state": 0, "n_iter_no_change": 9}
        ours = MLPRegressor(**{**AS_SCIKIT_LEARN, **settings})
        with pytest.warns(ConvergenceWarning):
            ours.fit(X, y)
        for arrays in (ours.coefs_, ours.intercepts_):
            bound = np.sqrt(numerator / (4 + 400))
            assert 0.95 * bound < abs(arrays[0]).max() <= bound
