"""L-BFGS: an epoch is an iteration with all rows, and training ends at a tolerance."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from handnn import LBFGS, Adam, Affine, MSELoss, Network, Trainer, mlp, reference
from handnn.datasets import load_concrete
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits
from tests.own_bricks import Counting, Scale

scipy_optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])

EXACT = {"tol_gradient": 1e-13, "tol_loss": 0}


def rows(dtype="float64", count=40):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 3)).astype(dtype)
    return x, (np.sin(2 * x[:, :1]) * x[:, 1:2]).astype(dtype)


def trainer(optimizer=None, dtype="float64", at=None, **options):
    """Return a Trainer of a network that ends in a Counting, which records every forward."""
    layers = [*mlp([3, 6, 1], "tanh", rng=0, dtype=dtype).layers, Counting(at)]
    return Trainer(Network(layers), MSELoss(), optimizer or LBFGS(), **options)


def copied(params):
    return {name: array.copy() for name, array in params.items()}


def assert_same_params(actual, expected):
    assert list(actual) == list(expected)
    for name in expected:
        assert_same_bits(actual[name], expected[name], name)


def after(epochs):
    """Return the params after a number of iterations."""
    one = trainer()
    if epochs:
        one.fit(*rows(), epochs=epochs, batch_size=40)
    return one.network.params


def test_by_hand():
    """w² from 4: a step of length 1 to 3; there H = 1 / (8 - 6), and 3 - 6/2 is the minimum."""
    params, seen = {"w": np.array([4.0])}, []
    optimizer = LBFGS()
    optimizer.minimize(
        params,
        lambda: (float(params["w"][0] ** 2), {"w": 2 * params["w"]}),
        10,
        lambda losses: seen.append((losses[0][0], params["w"][0])),
    )
    np.testing.assert_allclose(seen, [(16, 3), (9, 0)], atol=1e-12)
    assert optimizer.converged and optimizer.message.startswith("no entry of the gradient")
    assert abs(optimizer.final_loss) < 1e-12  # the History has 16 and 9


def test_solves_least_squares():
    x, _ = rows()
    y = np.random.default_rng(1).normal(size=(40, 2))
    network, optimizer = mlp([3, 2], rng=0, dtype="float64"), LBFGS(**EXACT)
    Trainer(network, MSELoss(), optimizer).fit(x, y, epochs=200, batch_size=40)
    expected = np.linalg.lstsq(np.column_stack([x, np.ones(40)]), y, rcond=None)[0]
    np.testing.assert_allclose(network.params["0.w"], expected[:3], rtol=0, atol=1e-8)
    np.testing.assert_allclose(network.params["0.b"], expected[3], rtol=0, atol=1e-8)


@pytest.mark.parametrize("decay_all", [False, True])
def test_solves_weighted_ridge_regression(decay_all):
    """The gradient of Σ u·(x·w - y)²/N + decay/2·Σ w² is 2·xᵀ·u·(x·w - y)/N + decay·w."""
    x, y = rows()
    weight = np.random.default_rng(1).uniform(0, 3, 40)
    network = mlp([3, 1], rng=0, dtype="float64")
    optimizer = LBFGS(**EXACT, weight_decay=0.5, decay_all=decay_all)
    trainer = Trainer(network, MSELoss(), optimizer)
    history = trainer.fit(x, y, epochs=200, batch_size=40, sample_weight=weight)
    columns = np.column_stack([x, np.ones(40)])
    scaled = 2 * columns.T * weight / 40
    decay = np.diag([0.5, 0.5, 0.5, 0.5 if decay_all else 0])
    expected = np.linalg.solve(scaled @ columns + decay, scaled @ y)[:, 0]
    np.testing.assert_allclose(network.params["0.w"][:, 0], expected[:3], rtol=0, atol=1e-8)
    np.testing.assert_allclose(network.params["0.b"], expected[3:], rtol=0, atol=1e-8)
    loss = reference.mse_loss_forward(network.predict(x), y, sample_weight=weight)
    assert history.train_loss[-1] == pytest.approx(loss, rel=1e-6), "without the decay"


def test_takes_the_steps_of_scipy():
    """SciPy is called with the same problem in plain NumPy."""
    x, y = rows()
    one = trainer(LBFGS(history=4))
    shapes = [array.shape for array in one.network.params.values()]
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])

    def split(vector):
        return [
            part.reshape(shape)
            for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)
        ]

    def value_and_gradient(vector):
        w1, b1, w2, b2 = split(vector)
        hidden = np.tanh(x @ w1 + b1)
        error = hidden @ w2 + b2 - y
        dout = 2 * error / len(x)
        dhidden = dout @ w2.T * (1 - hidden**2)
        grads = [x.T @ dhidden, dhidden.sum(0), hidden.T @ dout, dout.sum(0)]
        return (error**2).mean(), np.concatenate([grad.ravel() for grad in grads])

    start = np.concatenate([array.ravel() for array in one.network.params.values()])
    result = scipy_optimize.minimize(
        value_and_gradient, start, jac=True, method="L-BFGS-B",
        options={"maxiter": 20, "maxcor": 4, "gtol": 0, "ftol": 0},
    )  # fmt: skip
    one.fit(x, y, epochs=20, batch_size=40)
    for ours, theirs in zip(one.network.params.values(), split(result.x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


@both_dtypes
def test_reaches_a_lower_loss_on_concrete_than_adam(dtype):
    data = load_concrete()
    x = (data.x - data.x.mean(0)) / data.x.std(0)
    y = (data.y - data.y.mean()) / data.y.std()
    losses = []
    for optimizer, epochs in ((LBFGS(), 150), (Adam(0.01), 600)):
        network = mlp([8, 16, 1], "tanh", rng=0, dtype=dtype)
        one = Trainer(network, MSELoss(), optimizer)
        losses.append(one.fit(x, y, epochs=epochs, batch_size=len(x)).train_loss[-1])
    assert losses[0] < 0.9 * losses[1]


def test_history_has_the_loss_before_each_iteration():
    x, y = rows()
    seen = [copied(trainer().network.params)]
    one = trainer(callbacks=[lambda t: seen.append(copied(t.network.params))])
    history = one.fit(x, y, epochs=30, batch_size=40)
    assert len(history) == len(history.epoch_seconds) == 30 == len(seen) - 1
    assert len(one.network.layers[-1].batches) > 31, "no line search looked twice"
    expected = []
    for params in seen[:-1]:
        for name, array in one.network.params.items():
            array[...] = params[name]
        expected.append(MSELoss().forward(one.network.predict(x), y))
    assert history.train_loss == expected
    assert expected == sorted(expected, reverse=True)
    assert all(seconds >= 0 for seconds in history.epoch_seconds)
    assert (one.optimizer.message, one.optimizer.converged) == ("all epochs are done", False)


@both_dtypes
def test_the_same_seed_gives_the_same_bits(dtype):
    runs = []
    for _ in range(2):
        one = trainer(dtype=dtype, rng=3)
        history = one.fit(*rows(dtype), epochs=20, batch_size=40, validation=0.2)
        runs.append((one.network.params, history.train_loss, history.validation_loss))
    assert_same_params(runs[0][0], runs[1][0])
    assert runs[0][1:] == runs[1][1:]


def test_every_fit_starts_without_memory():
    x, y = rows()
    one = trainer()
    one.fit(x, y, epochs=5, batch_size=40)
    other = Trainer(copy.deepcopy(one.network), MSELoss(), LBFGS())
    for each in (one, other):
        each.fit(x, y, epochs=5, batch_size=40)
    assert_same_params(one.network.params, other.network.params)
    assert any((array != one.network.params[name]).any() for name, array in after(10).items())


@both_dtypes
def test_updates_params_in_place_and_gives_scipy_float64(dtype, monkeypatch):
    real, vectors = scipy_optimize.minimize, []

    def minimize(function, start, **options):
        vectors.append(start)
        return real(function, start, **options)

    monkeypatch.setattr(scipy_optimize, "minimize", minimize)
    x, y = rows(dtype)
    one = trainer(dtype=dtype)
    before = one.network.params
    history = one.fit(x, y, epochs=60, batch_size=40)
    assert [vector.dtype for vector in vectors] == [np.float64]
    for name, array in one.network.params.items():
        assert array is before[name] and array.dtype == dtype
    assert history.train_loss[-1] < 0.1 * history.train_loss[0]
    eps = float(np.finfo(dtype).eps)
    last = reference.mse_loss_forward(one.network.predict(x).astype(float), y.astype(float))
    assert last <= history.train_loss[-1] * (1 + 40 * eps)


def test_trains_user_defined_bricks():
    x, y = rows()
    network = Network([Scale(3), Affine.random(3, 1, rng=0, dtype="float64")])
    history = Trainer(network, MSELoss(), LBFGS()).fit(x, y[:, 0], epochs=9, batch_size=40)
    assert history.train_loss[-1] < history.train_loss[0]
    assert not np.array_equal(network.params["0.factor"], Scale(3).params["factor"])


def test_trains_in_training_mode():
    class Mode(Counting):
        training = False

        def forward(self, x):
            modes.append(self.training)
            return x

    modes = []
    network = Network([Affine.random(3, 1, rng=0, dtype="float64"), Mode()])
    Trainer(network, MSELoss(), LBFGS()).fit(*rows(), epochs=3, batch_size=40, validation=rows())
    assert modes[:2] == [True, True] and modes.count(False) == 3
    assert network.layers[1].training is False


# ---- termination ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tol_gradient": 1e-3, "tol_loss": 0}, "no entry of the gradient is above"),
        ({"tol_gradient": 0, "tol_loss": 1e-3}, "the loss no longer falls by more than"),
    ],
    ids=["gradient", "loss"],
)
def test_ends_early_when_a_tolerance_is_met(settings, message):
    one = trainer(LBFGS(**settings))
    history = one.fit(*rows(), epochs=500, batch_size=40)
    assert 1 < len(history) < 500
    assert one.optimizer.converged
    assert one.optimizer.message.startswith(message)


def test_a_fit_that_starts_at_the_minimum_has_no_iterations():
    x, y = rows()
    network = mlp([3, 1], rng=0, dtype="float64")
    one = Trainer(network, MSELoss(), LBFGS(tol_gradient=1e-5, tol_loss=0))
    one.fit(x, y, epochs=100, batch_size=40)
    before = copied(network.params)
    history = one.fit(x, y, epochs=100, batch_size=40)
    assert len(history) == 0 and one.history is history
    assert one.optimizer.converged
    assert_same_params(network.params, before)


def test_a_failed_line_search_ends_training_without_an_error():
    class Uphill(MSELoss):
        def backward(self, dout=1.0):
            return -super().backward(dout)

    network = mlp([3, 6, 1], rng=0, dtype="float64")
    before = copied(network.params)
    one = Trainer(network, Uphill(), LBFGS())
    history = one.fit(*rows(), epochs=9, batch_size=40)
    assert len(history) < 9
    assert "line search found no lower loss" in one.optimizer.message
    assert not one.optimizer.converged
    assert_same_params(network.params, before)


def test_callbacks_end_training():
    epochs = []

    def callback(t):
        epochs.append(len(t.history))
        return len(t.history) == 3

    one = trainer(callbacks=[callback])
    history = one.fit(*rows(), epochs=50, batch_size=40)
    assert len(history) == 3 and epochs == [1, 2, 3]
    assert one.optimizer.message == "a callback ended training" and not one.optimizer.converged
    assert_same_params(one.network.params, after(3))


@pytest.mark.parametrize("evaluation", [1, 2, 3, 4, 9, 16, 17, 18, 19, 27, 30])
def test_an_interrupt_leaves_the_last_complete_iteration(evaluation):
    def interrupt(batch):
        if batch == evaluation:
            raise KeyboardInterrupt

    one = trainer(at=interrupt)
    with pytest.raises(KeyboardInterrupt):
        one.fit(*rows(), epochs=50, batch_size=40)
    history = one.history
    assert len(history) == len(history.train_loss) == len(history.epoch_seconds) < evaluation
    assert_same_params(one.network.params, after(len(history)))
    assert one.optimizer.message == "interrupted" and not one.optimizer.converged


def test_an_error_in_a_callback_leaves_a_complete_iteration():
    def callback(t):
        if len(t.history) == 4:
            raise ZeroDivisionError

    one = trainer(callbacks=[callback])
    with pytest.raises(ZeroDivisionError):
        one.fit(*rows(), epochs=50, batch_size=40, validation=rows())
    assert len(one.history) == len(one.history.validation_loss) == 4
    assert_same_params(one.network.params, after(4))


def test_a_stop_iteration_of_a_callback_is_raised():
    """SciPy would take it as a request to end, and swallow it."""
    error = StopIteration("of an iterator in the callback")

    def callback(trainer):
        raise error

    one = trainer(callbacks=[callback])
    with pytest.raises(StopIteration) as raised:
        one.fit(*rows(), epochs=9, batch_size=40)
    assert raised.value is error
    assert one.optimizer.message == "interrupted" and len(one.history) == 1
    whole = trainer()
    whole.fit(*rows(), epochs=1, batch_size=40)
    assert_same_params(one.network.params, whole.network.params)


def test_progress_shows_iterations_and_the_loss(capsys):
    trainer(progress=True).fit(*rows(), epochs=5, batch_size=40)
    shown = capsys.readouterr().err
    assert "5/5" in shown and "loss" in shown


# ---- rows ----------------------------------------------------------------------------------------


def test_validation_is_measured_after_every_iteration():
    x, y = rows()
    held = rows(count=9)
    one = trainer()
    history = one.fit(x, y, epochs=5, batch_size=40, validation=held)
    assert len(history) == len(history.validation_loss) == 5
    assert history.validation_loss[-1] == MSELoss().forward(one.network.predict(held[0]), held[1])
    assert_same_params(one.network.params, after(5))


def test_one_batch_holds_all_rows_in_order():
    x, y = rows()
    brick = Counting()
    network = Network([brick, *mlp([3, 1], rng=0, dtype="float64").layers])
    Trainer(network, MSELoss(), LBFGS()).fit(x, y, epochs=3, batch_size=10**9)
    assert len(brick.batches) >= 4
    for batch in brick.batches:
        assert_same_bits(batch, x)


def test_batch_size_may_exceed_the_rows_left_by_validation():
    history = trainer(rng=0).fit(*rows(), epochs=3, batch_size=40, validation=0.25)
    assert len(history.validation_loss) == 3


def test_max_evaluations_limits_the_evaluations():
    """Training ends after the iteration that exhausts them."""
    optimizer = LBFGS(max_evaluations=6)
    seen = []
    one = trainer(optimizer, at=seen.append)
    history = one.fit(*rows(), epochs=50, batch_size=40)
    assert optimizer.is_used_up and not optimizer.converged
    assert optimizer.message == "all evaluations of the loss are done"
    assert 1 <= len(history) <= 6 < 50
    assert 6 < len(seen) <= 6 + 20  # SciPy ends its line search first, after at most 20 steps
    assert "max_evaluations=6" in repr(optimizer)
    enough = LBFGS(max_evaluations=1000)
    trainer(enough).fit(*rows(), epochs=3, batch_size=40)
    assert enough.is_used_up and enough.message == "all epochs are done"
    with pytest.raises(ValueError, match="max_evaluations must be at least 1"):
        LBFGS(max_evaluations=0)


@pytest.mark.parametrize("epochs", [1, 7, 500])
def test_final_loss_is_the_loss_of_the_network(epochs):
    x, y = rows()
    one = trainer(optimizer := LBFGS(weight_decay=0.01))
    one.fit(x, y, epochs=epochs, batch_size=40)
    assert optimizer.final_loss == MSELoss().forward(one.network.predict(x), y)
