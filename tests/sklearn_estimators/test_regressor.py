"""MLPRegressor: its losses, inputs, validation, and attributes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn.exceptions import ConvergenceWarning, NotFittedError

from handnn import losses
from handnn.sklearn import AS_SCIKIT_LEARN, MLPRegressor
from handnn.sklearn.monitoring import ProgressMonitor
from tests.bounds import assert_same_bits
from tests.sklearn_estimators.fits import NOISY, SIGNAL, X, Y, fitted


def test_learns_columns_and_targets_far_from_1():
    assert fitted(max_iter=100, early_stopping=False).score(X, Y) > 0.98


def test_does_not_learn_them_without_scaling():
    settings = {**AS_SCIKIT_LEARN, "max_iter": 60, "random_state": 0}
    with pytest.warns(ConvergenceWarning):
        assert MLPRegressor(**settings).fit(X, Y).score(X, Y) < 0.5


def test_a_single_row_gets_the_same_bits():
    model = fitted(dtype="float32")
    every = model.predict(X)
    assert every.dtype == np.float64
    for row in range(20):
        assert_same_bits(model.predict(X[row : row + 1]), every[row : row + 1])


@pytest.mark.parametrize(
    "rows",
    [X.astype(np.float32), np.asfortranarray(X), X[::-1][::-1], X.tolist(), X.astype(object)],
    ids=["float32", "fortran", "strides", "list", "object"],
)
def test_fast_and_validated_input_agree(rows):
    model = fitted()
    np.testing.assert_allclose(model.predict(rows), model.predict(X), rtol=1e-3)


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_rejects_infinities(bad):
    row = X[:1].copy()
    row[0, 1] = bad
    with pytest.raises(ValueError, match="infinity"):
        fitted(max_iter=1).predict(row)


def test_invalid_input_raises_scikit_learns_errors():
    with pytest.raises(NotFittedError):
        MLPRegressor().predict(X)
    model = fitted(max_iter=1)
    with pytest.raises(ValueError, match="X has 2 features, but MLPRegressor is expecting 3"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="Expected 2D array"):
        model.predict(X[0])
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        model.predict(X[:0])
    with pytest.raises(ValueError, match="Complex"):
        model.predict(X.astype(complex))


@pytest.mark.parametrize("scale", [True, False])
def test_an_unexpected_gap_becomes_the_mean(scale):
    model = fitted(scale=scale)
    row = X[:2].copy()
    row[0, 0] = np.nan
    filled = row.copy()
    filled[0, 0] = np.mean(X[:, 0])
    np.testing.assert_allclose(model.predict(row), model.predict(filled))


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        ("squared_error", losses.MSELoss),
        ("absolute_error", losses.MAE),
        ("huber", losses.Huber),
        ("quantile", losses.Quantile),
        ("gaussian", losses.GaussianNLL),
        (losses.Huber(0.3), losses.Huber),
    ],
    ids=str,
)
def test_losses(loss, kind):
    model = fitted(NOISY, loss=loss)
    assert isinstance(model._target.loss, kind)
    assert model.score(X, Y) > 0.8


def test_does_not_modify_the_loss_object():
    loss = losses.Huber(0.3)
    fitted(loss=loss, max_iter=2)
    assert loss.pre is None and loss.y_true is None


class CubeLoss:
    """A custom loss that only defines forward and backward: the mean of |pre - y|³."""

    def forward(self, pre, y_true):
        self.error = pre - y_true
        return float(np.mean(np.abs(self.error) ** 3))

    def backward(self):
        return 3 * self.error * np.abs(self.error) / self.error.size


def test_custom_loss():
    assert fitted(loss=CubeLoss(), max_iter=100, n_ensemble=2).score(X, Y) > 0.8


def test_poisson_predicts_rates():
    rates = np.exp(X[:, 0])
    counts = np.random.default_rng(0).poisson(rates)
    model = fitted(counts, loss="poisson")
    assert (model.predict(X) > 0).all()
    assert np.corrcoef(model.predict(X), rates)[0, 1] > 0.8
    assert model.out_activation_ == "exp"


@pytest.mark.parametrize("outputs", [1, 2])
def test_quantiles(outputs):
    y = np.stack([NOISY, -NOISY], axis=1)[:, :outputs]
    y = y[:, 0] if outputs == 1 else y
    model = fitted(y, loss=losses.Quantile((0.9, 0.1, 0.5)), max_iter=100)
    found = model.predict_quantiles(X)
    assert found.shape == ((300, 3) if outputs == 1 else (300, 2, 3))
    assert (found[..., 0] >= found[..., 2]).all() and (found[..., 2] >= found[..., 1]).all()
    for place, share in enumerate((0.9, 0.1, 0.5)):
        below = (y <= found[..., place]).mean()
        assert abs(below - share) < 0.08
    assert_same_bits(model.predict_quantiles(X, 0.1)[..., 0], found[..., 1])
    with pytest.raises(ValueError, match="quantiles must be among"):
        model.predict_quantiles(X, [0.2])
    with pytest.raises(TypeError, match="quantiles must be numbers"):
        model.predict_quantiles(X, "half")


def test_quantiles_of_a_normal_distribution():
    model = fitted(NOISY, loss="gaussian", max_iter=100, early_stopping=False)
    low, mean, high = model.predict_quantiles(X).T
    np.testing.assert_allclose(mean, model.predict(X))
    is_between = (low < NOISY) & (high > NOISY)
    assert 0.68 < is_between.mean() < 0.92
    deviation = (high - low) / 2 / 1.2815515655446004
    higher = model.predict_quantiles(X, [0.8413447460685429])[:, 0]
    np.testing.assert_allclose(higher, mean + deviation)
    with pytest.raises(ValueError, match="between 0 and 1"):
        model.predict_quantiles(X, [1.0])


def test_predict_quantiles_rejects_other_losses():
    with pytest.raises(ValueError, match="needs loss='quantile' or 'gaussian'"):
        fitted(max_iter=1).predict_quantiles(X)


def test_several_outputs():
    y = np.stack([Y, 3 * SIGNAL], axis=1)
    model = fitted(y, max_iter=100)
    assert model.predict(X).shape == (300, 2)
    assert model.score(X, y) > 0.95
    assert model.n_outputs_ == 2


def test_returns_to_the_best_epoch_on_validation_rows():
    settings = {"max_iter": 40, "learning_rate": "constant", "learning_rate_init": 0.05}
    settings |= {"n_iter_no_change": 1000, "weight_decay": 0}
    train, held = slice(0, 200), slice(200, None)
    models = {}
    for restores in (True, False):
        model = MLPRegressor(random_state=0, restore_best=restores, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X[train], NOISY[train], validation_data=(X[held], NOISY[held]))
        models[restores] = model
    curve = models[True].validation_curve_
    assert len(curve) == 40 and curve == models[False].validation_curve_
    assert np.argmin(curve) < 39
    of_model = {}
    for restores, model in models.items():
        scaled = NOISY[train].std()
        of_model[restores] = ((model.predict(X[held]) - NOISY[held]) ** 2).mean() / scaled**2 / 2
    np.testing.assert_allclose(of_model[True], min(curve), rtol=1e-6)
    np.testing.assert_allclose(of_model[False], curve[-1], rtol=1e-6)


def test_weights_of_validation_rows():
    weight = np.r_[np.ones(50), np.zeros(50)]
    curves = []
    for given in ((X[200:250], Y[200:250]), (X[200:], Y[200:], weight)):
        model = MLPRegressor(random_state=0, max_iter=3)
        curves.append(model.fit(X[:200], Y[:200], validation_data=given).validation_curve_)
    np.testing.assert_allclose(curves[0], curves[1])


def test_early_stopping():
    model = fitted(NOISY, early_stopping=True, max_iter=500)
    assert model.n_iter_ < 500
    assert len(model.validation_scores_) == model.n_iter_ == len(model.validation_curve_)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ is None
    with pytest.raises(ValueError, match="validation set is too small"):
        MLPRegressor(early_stopping=True).fit(X[:5], Y[:5])


@pytest.mark.parametrize("loss", ["quantile", "gaussian", "poisson", "huber"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_early_stopping_scores_equal_score(loss, outputs):
    y = np.stack([NOISY - NOISY.min(), 3 * (Y - Y.min())], axis=1) / 1e5
    y = y if outputs == 2 else y[:, 0]
    with pytest.warns(ConvergenceWarning):
        model = fitted(y, loss=loss, early_stopping=True, max_iter=20, n_iter_no_change=99)
    x, encoded = model._inputs.transform(X, "float64"), model._encode(y)
    score = model._target.score(encoded, model.networks_[0].predict(x))
    assert score == pytest.approx(model.score(X, y), abs=1e-9)
    assert len(model.validation_scores_) == model.n_iter_


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_rows_are_validated_without_warnings(dtype):
    rows = np.full((2, 3), np.finfo(dtype).max / 2, dtype)
    assert np.isfinite(fitted(max_iter=1).predict(rows)).all()


def test_weights_equal_repetitions_and_zeros_absence():
    weight = np.arange(60) % 4
    settings = {"random_state": 0, "batch_size": 1000, "dropout": 0, "early_stopping": False}
    alone = MLPRegressor(**settings).fit(X[:60], Y[:60], weight)
    repeated = MLPRegressor(**settings)
    repeated.fit(X[:60].repeat(weight, axis=0), Y[:60].repeat(weight))
    np.testing.assert_allclose(alone.predict(X), repeated.predict(X), rtol=1e-6)
    with pytest.raises(ValueError, match="zero"):
        MLPRegressor().fit(X, Y, np.zeros(300))
    with pytest.raises(ValueError, match="Negative"):
        MLPRegressor().fit(X, Y, -np.ones(300))


def test_ensemble_predicts_the_mean():
    model = fitted(NOISY, n_ensemble=3, max_iter=10, n_jobs=2)
    assert len(model.networks_) == len(model.histories_) == 3
    x = model._inputs.transform(X, "float64")
    every = [n.predict(x) * NOISY.std() + NOISY.mean() for n in model.networks_]
    assert not np.allclose(every[0], every[1])
    np.testing.assert_allclose(model.predict(X), np.mean(every, axis=0)[:, 0], rtol=1e-9)
    one_by_one = fitted(NOISY, n_ensemble=3, max_iter=10)
    assert_same_bits(model.predict(X), one_by_one.predict(X))


@pytest.mark.parametrize("networks", [1, 2])
@pytest.mark.parametrize("jobs", [None, 2])
def test_ctrl_c_keeps_trained_weights(networks, jobs, monkeypatch):
    def third(self, trainer):
        if len(trainer.history) == 3:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(ProgressMonitor, "__call__", third)
    settings = {"schedule": "constant", "early_stopping": False, "random_state": 0}
    model = MLPRegressor(n_ensemble=networks, n_jobs=jobs, **settings)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, Y)
    epochs = list(map(len, model.histories_))  # the others may have fewer
    assert max(epochs) == 3 and min(epochs) > 0 and model.n_iter_ == epochs[0]
    assert len(model.networks_) == len(epochs) <= networks
    assert np.isfinite(model.predict(X)).all()
