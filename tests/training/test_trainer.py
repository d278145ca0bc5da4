"""Trainer: epochs of shuffled batches, each one forward, loss, backward, update."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, Affine, DivergenceError, MSELoss, Network, Trainer, metrics, mlp, reference
from tests.bounds import assert_same_bits
from tests.own_bricks import Counting, Halve, Scale


def data(rows=20, columns=3, outputs=1, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)).astype(dtype)
    return x, np.sin(x.sum(axis=1, keepdims=True) * np.ones(outputs)).astype(dtype)


def trainer(dtype="float32", rng=1, layers=None, **options):
    network = Network(layers) if layers else mlp([3, 8, 1], rng=0, dtype=dtype)
    return Trainer(network, MSELoss(), SGD(0.05, momentum=0.9), rng=rng, **options)


def weights(t):
    return {name: array.copy() for name, array in t.network.params.items()}


def assert_same_weights(one, other):
    assert list(one) == list(other)
    for name, array in one.items():
        assert_same_bits(array, other[name], name)


def test_one_step_by_hand():
    """w = 1, b = 0, x = 2, y = 5: the loss is 9, dw = 2·(-3)·2 = -12, db = -6."""
    network = Network([Affine([[1.0]], [0.0])])
    loss = Trainer(network, MSELoss(), SGD(0.25)).train_step([[2.0]], [[5.0]])
    assert loss == 9
    assert network.params["0.w"].tolist() == [[4]] and network.params["0.b"].tolist() == [1.5]


def test_loss_decreases():
    x, y = data(200)
    history = trainer().fit(x, y, epochs=60, batch_size=20)
    assert history.train_loss[-1] < 0.1 * history.train_loss[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [20, 22, 3])
def test_an_epoch_equals_its_train_steps(dtype, rows):
    """Its loss is the mean of the batch losses, weighted by rows; the last batch may be short."""
    x, y = data(rows, dtype=dtype)
    fitted, stepped = trainer(dtype), trainer(dtype)
    history = fitted.fit(x, y, epochs=2, batch_size=5, shuffle=False)
    expected = []
    for _ in range(2):
        losses, sizes = [], []
        for start in range(0, rows, 5):
            batch = slice(start, start + 5)
            losses.append(stepped.train_step(x[batch], y[batch]))
            sizes.append(len(x[batch]))
        expected.append(np.dot(losses, sizes) / rows)
    assert_same_weights(weights(fitted), weights(stepped))
    np.testing.assert_allclose(history.train_loss, expected, rtol=2 * rows * np.finfo(float).eps)


def test_each_epoch_has_its_own_order():
    brick = Counting()
    x = np.arange(22.0)[:, None]
    trainer(layers=[brick, Affine([[0.1]], [0.0])]).fit(x, x, epochs=3, batch_size=5)
    assert [len(batch) for batch in brick.batches] == [5, 5, 5, 5, 2] * 3
    orders = [np.concatenate(brick.batches[k : k + 5]).ravel().tolist() for k in (0, 5, 10)]
    for order in orders:
        assert sorted(order) == x.ravel().tolist()
    assert len({tuple(order) for order in orders}) == 3
    assert all(order != sorted(order) for order in orders)


def test_targets_stay_with_their_rows():
    """y is an exact function of x, so the loss is 0 in any order of the pairs."""
    x = np.arange(30.0)[:, None]
    t = trainer(layers=[Affine([[2.0]], [1.0])])
    assert t.fit(x, 2 * x + 1, epochs=2, batch_size=7).train_loss == [0, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_bits(dtype):
    x, y = data(37, dtype=dtype)
    runs = []
    for rng in (3, np.random.default_rng(3), 4):
        t = trainer(dtype, rng=rng)
        history = t.fit(x, y, epochs=3, batch_size=8, validation=0.2)
        runs.append((weights(t), history.train_loss, history.validation_loss))
    assert_same_weights(runs[0][0], runs[1][0])
    assert runs[0][1:] == runs[1][1:]
    assert runs[0][1] != runs[2][1]


def test_global_random_state_is_unchanged():
    before = np.random.get_state()[1].copy()
    trainer(rng=None).fit(*data(), epochs=2, batch_size=7, validation=0.25)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_auto_and_bricks_agree():
    x, y = data(23)
    results = []
    for engine in ("auto", "bricks"):
        t = trainer(engine=engine)
        t.fit(x, y, epochs=2, batch_size=6)
        results.append(weights(t))
    assert_same_weights(*results)


@pytest.mark.parametrize("engine", ["", "Bricks", "gpu", None, 1], ids=str)
def test_rejects_unknown_engines(engine):
    with pytest.raises(ValueError, match="engine"):
        trainer(engine=engine)


def test_history_has_an_entry_for_each_epoch():
    x, y = data()
    t = trainer()
    history = t.fit(x, y, epochs=3, batch_size=7)
    assert len(history) == len(history.train_loss) == len(history.epoch_seconds) == 3
    assert history.validation_loss == []
    assert all(seconds >= 0 for seconds in history.epoch_seconds)
    assert all(type(loss) is float for loss in history.train_loss)
    assert t.history is history


def test_validation_pair():
    x, y = data(30)
    t = trainer()
    held_x, held_y = data(9, seed=5)
    plain = trainer()
    plain.fit(x, y, epochs=2, batch_size=7)
    history = t.fit(x, y, epochs=2, batch_size=7, validation=(held_x, held_y))
    assert_same_weights(weights(t), weights(plain))
    assert len(history.validation_loss) == 2
    expected = reference.mse_loss_forward(
        t.network.predict(held_x).astype(np.float64), held_y.astype(np.float64)
    )
    eps = float(np.finfo(np.float32).eps)
    assert history.validation_loss[-1] == pytest.approx(expected, rel=4 * eps)


def test_weighted_validation_rows():
    x, y = data(30)
    held_x, held_y = data(9, seed=5)
    weight = np.arange(9.0)
    history = trainer().fit(
        x, y, epochs=2, batch_size=7, validation=(held_x, held_y, weight), metrics="rmse"
    )
    t = trainer()
    t.fit(x, y, epochs=2, batch_size=7)
    expected = t.loss.forward(t.network.predict(held_x), held_y, weight)
    assert history.validation_loss[-1] == expected
    of_metric = metrics.rmse(held_y, t.network.predict(held_x), weight)
    assert history.metrics["rmse"][-1] == of_metric
    with pytest.raises(ValueError, match="not negative"):
        trainer().fit(x, y, epochs=1, batch_size=7, validation=(held_x, held_y, -weight))


@pytest.mark.parametrize(("fraction", "held"), [(0.25, 5), (0.5, 10), (0.1, 2)])
def test_validation_fraction(fraction, held):
    brick = Counting()
    x = np.arange(20.0)[:, None]
    t = trainer(layers=[brick, Affine([[0.0]], [0.0])])
    history = t.fit(x, x, epochs=3, batch_size=20, validation=fraction)
    assert len(history.validation_loss) == 3
    trained, validated = brick.batches[0::2], brick.batches[1::2]
    assert {len(batch) for batch in trained} == {20 - held}
    assert {len(batch) for batch in validated} == {held}
    for k in range(3):
        assert sorted(trained[k].ravel()) == sorted(trained[0].ravel())
        assert sorted(validated[k].ravel()) == sorted(validated[0].ravel())
        both = np.concatenate([trained[k], validated[k]])
        assert sorted(both.ravel()) == x.ravel().tolist()
    assert sorted(validated[0].ravel()) != x.ravel()[-held:].tolist(), "not just the last rows"


def test_sample_weights_apply_to_loss_and_gradient():
    x, y = data(6, dtype="float64")
    weight = np.array([0, 1, 2, 0.5, 1, 3])
    w, b = np.ones((3, 1)), np.zeros(1)
    t = Trainer(Network([Affine(w.copy(), b.copy())]), MSELoss(), SGD(0.1))
    loss = t.train_step(x, y, sample_weight=weight)
    pre = reference.affine_forward(x, w, b)
    assert loss == pytest.approx(
        reference.mse_loss_forward(pre, y, sample_weight=weight), rel=12 * np.finfo(float).eps
    )
    dout = reference.mse_loss_backward(pre, y, sample_weight=weight)
    _, dw, db = reference.affine_backward(dout, x, w)
    np.testing.assert_allclose(t.network.params["0.w"], w - 0.1 * dw, rtol=1e-14)
    np.testing.assert_allclose(t.network.params["0.b"], b - 0.1 * db, rtol=1e-14, atol=1e-16)


def test_sample_weights_are_shuffled_with_their_rows():
    """Rows of weight 0 have wrong targets: the loss is 0 only if the weights follow the rows."""
    x = np.arange(30.0)[:, None]
    y, weight = 2 * x + 1, np.ones(30)
    y[::3], weight[::3] = 1e6, 0
    t = trainer(layers=[Affine([[2.0]], [1.0])])
    history = t.fit(x, y, epochs=2, batch_size=7, sample_weight=weight)
    assert history.train_loss == [0, 0]
    assert weights(t)["0.w"].tolist() == [[2]]


def test_flat_targets_for_one_output():
    x, y = data(23)
    one, other = trainer(), trainer()
    one.fit(x, y, epochs=2, batch_size=6)
    other.fit(x, y.ravel(), epochs=2, batch_size=6, validation=(x, y.ravel()))
    assert_same_weights(weights(one), weights(other))


def test_data_is_cast_and_not_modified():
    x, y = data(23, dtype="float64")
    x_before, y_before = x.copy(), y.copy()
    one, other = trainer(), trainer()
    one.fit(x, y, epochs=2, batch_size=6)
    other.fit(x.astype(np.float32), y.astype(np.float32), epochs=2, batch_size=6)
    assert_same_weights(weights(one), weights(other))
    assert_same_bits(x, x_before)
    assert_same_bits(y, y_before)


def test_accepts_lists_and_integers():
    t = trainer(layers=[Affine([[1.0], [1.0]], [0.0])])
    t.fit([[1, 2], [3, 4]], [3, 7], epochs=1, batch_size=2)
    assert t.history.train_loss == [0]


def test_user_bricks():
    x, _ = data(60, dtype="float64")
    y = x @ [[1.0], [-2.0], [0.5]] + 1
    layers = [Scale(3), Affine.random(3, 1, rng=0, dtype="float64"), Halve()]
    t = trainer("float64", layers=layers)
    before = weights(t)
    history = t.fit(x, y, epochs=30, batch_size=10)
    assert history.train_loss[-1] < 0.1 * history.train_loss[0]
    assert all(not np.array_equal(before[name], after) for name, after in weights(t).items())


def test_user_loss_and_optimizer():
    class HalfSquare:
        def forward(self, pre, y_true):
            self.error = pre - y_true
            return float((self.error**2).sum() / 2)

        def backward(self, dout=1.0):
            return self.error * dout

    class SignDescent:
        def step(self, params, grads):
            for name, param in params.items():
                param -= 0.25 * np.sign(grads[name])

    network = Network([Affine([[1.0]], [0.0])])
    history = Trainer(network, HalfSquare(), SignDescent()).fit(
        [[2.0]], [[5.0]], epochs=2, batch_size=1
    )
    assert history.train_loss == [4.5, 2.25**2 / 2]
    assert network.params["0.w"].tolist() == [[1.5]]


def test_callbacks_run_in_order_and_can_end_training():
    seen = []

    def first(t):
        seen.append(("first", len(t.history)))

    def second(t):
        seen.append(("second", len(t.history)))
        return len(t.history) == 2

    def third(t):
        seen.append(("third", len(t.history)))

    x, y = data()
    history = trainer(callbacks=[first, second, third]).fit(x, y, epochs=5, batch_size=7)
    assert len(history) == 2
    names = ["first", "second", "third"]
    assert seen == [(name, epoch) for epoch in (1, 2) for name in names]


def test_only_true_from_a_callback_ends_training():
    x, y = data()
    history = trainer(callbacks=[lambda t: None, lambda t: False]).fit(x, y, epochs=3, batch_size=7)
    assert len(history) == 3


def test_interrupt_between_epochs():
    def interrupt(t):
        if len(t.history) == 2:
            raise KeyboardInterrupt

    x, y = data()
    t, other = trainer(callbacks=[interrupt]), trainer()
    with pytest.raises(KeyboardInterrupt):
        t.fit(x, y, epochs=5, batch_size=7, validation=(x, y))
    other.fit(x, y, epochs=2, batch_size=7)
    assert_same_weights(weights(t), weights(other))
    history = t.history
    assert len(history) == len(history.validation_loss) == len(history.epoch_seconds) == 2


def test_interrupt_within_an_epoch():
    """The sixth backward is interrupted, with three batches per epoch: five steps, one epoch."""

    def interrupt(batch):
        if batch == 6:
            raise KeyboardInterrupt

    x, y = data(21, dtype="float64")
    made = [Affine.random(3, 1, rng=0, dtype="float64") for _ in range(2)]
    t, stepped = trainer(layers=[Counting(interrupt), made[0]]), trainer(layers=[made[1]])
    with pytest.raises(KeyboardInterrupt):
        t.fit(x, y, epochs=5, batch_size=7, shuffle=False)
    for k in (0, 7, 14, 0, 7):
        stepped.train_step(x[k : k + 7], y[k : k + 7])
    assert_same_bits(made[0].w, made[1].w)
    assert_same_bits(made[0].b, made[1].b)
    history = t.history
    assert len(history) == len(history.train_loss) == len(history.epoch_seconds) == 1


def test_training_continues_after_an_interrupt():
    t = trainer(callbacks=[lambda t: (_ for _ in ()).throw(KeyboardInterrupt)])
    x, y = data()
    with pytest.raises(KeyboardInterrupt):
        t.fit(x, y, epochs=5, batch_size=7)
    t.callbacks = ()
    assert len(t.fit(x, y, epochs=2, batch_size=7)) == 2


def test_nonfinite_loss_ends_training():
    x, y = data(dtype="float64")
    y[10] = np.nan
    t, other = trainer("float64"), trainer("float64")
    with pytest.raises(DivergenceError, match="the loss is nan in epoch 1, step 2: y has NaN"):
        t.fit(x, y, epochs=1, batch_size=7, shuffle=False)
    other.train_step(x[:7], y[:7])
    assert_same_weights(weights(t), weights(other))
    assert len(t.history) == 0


def test_progress_shows_epochs_and_the_loss(capsys):
    history = trainer(progress=True).fit(*data(), epochs=3, batch_size=7)
    shown = capsys.readouterr().err
    assert "3/3" in shown and "loss" in shown
    assert len(history) == 3


def test_no_progress_is_silent(capsys):
    trainer().fit(*data(), epochs=3, batch_size=7)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
