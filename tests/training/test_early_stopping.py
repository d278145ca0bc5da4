"""EarlyStopping: the end of training, restored weights, and invalid arguments."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import (
    SGD,
    Affine,
    BatchNorm,
    BCEWithLogits,
    EarlyStopping,
    MSELoss,
    Network,
    Trainer,
    mlp,
)
from handnn.training.history import Epoch
from tests.bounds import assert_same_bits


def watched(stopping, values, name="loss", more=None):
    """Return the epoch after which it stops, given these values; None if it does not."""
    array = np.zeros(1)
    for number, value in enumerate(values, 1):
        array[0] = number
        epoch = Epoch(value, None, 0.0, {} if name == "loss" else {name: value})
        if stopping.watch(number, epoch, {"w": array}, {} if name == "loss" else {name: more}):
            return number
    return None


def test_example_by_hand():
    """The best value is 2 in epoch 3. The next two values do not improve on it."""
    stopping = EarlyStopping(patience=2)
    assert watched(stopping, [4, 3, 2, 2, 2.5, 1]) == 5
    assert (stopping.best, stopping.best_epoch) == (2, 3)
    assert stopping.best_arrays["w"].tolist() == [3]
    array = np.zeros(1)
    stopping.restore({"w": array})
    assert array.tolist() == [3]


def test_min_delta():
    assert watched(EarlyStopping(2, min_delta=0.5), [4, 3.5, 3.5, 1]) == 3
    assert watched(EarlyStopping(2, min_delta=0.25), [4, 3.5, 3.5, 1]) is None


def test_growth_waits_longer_for_a_late_epoch():
    """1 epoch and 1.5 for each epoch up to the best one: 2 + 1 + 3, and 1 + 1 + 1.5."""
    assert watched(EarlyStopping(1, growth=1.5), [4, 3, *[5] * 9]) == 6
    assert watched(EarlyStopping(1, growth=1.5), [3, *[5] * 9]) == 4


def test_direction_of_metrics():
    assert watched(EarlyStopping(1, monitor="auc"), [0.5, 0.75, 0.7], "auc", True) == 3
    assert watched(EarlyStopping(1, monitor="mae"), [0.5, 0.25, 0.3], "mae", False) == 3
    own = EarlyStopping(1, monitor="own", higher_is_better=True)
    assert watched(own, [0.5, 0.75, 0.7], "own", None) == 3


def test_nan_is_never_an_improvement():
    stopping = EarlyStopping(2, monitor="auc")
    assert watched(stopping, [np.nan, 0.5, np.nan, np.nan], "auc", True) == 4
    assert stopping.best == 0.5
    stopping.start()
    assert stopping.best is None and stopping.best_arrays == {}
    assert watched(stopping, [np.nan, np.nan], "auc", True) == 2
    stopping.restore({"w": np.zeros(1)})


def problem(engine="auto", **options):
    """Return a trainer that overfits noise, so that its validation loss increases again."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    y = (x[:, 0] + 2 * rng.normal(size=40)).astype(np.float32)
    layers = [Affine.random(4, 32, rng=rng), BatchNorm.new(32), Affine.random(32, 1, rng=rng)]
    trainer = Trainer(Network(layers), MSELoss(), SGD(0.05), engine=engine, rng=1, **options)
    return trainer, (x[:20], y[:20]), (x[20:], y[20:])


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_fit_stops_and_restores_the_best_epoch(engine):
    trainer, rows, held = problem(engine)
    stopping = EarlyStopping(patience=4)
    history = trainer.fit(*rows, epochs=200, batch_size=5, validation=held, early_stopping=stopping)
    best = int(np.argmin(history.validation_loss)) + 1
    assert stopping.best_epoch == best and len(history) == best + 4 < 200
    assert stopping.best == min(history.validation_loss)

    other, rows, held = problem(engine)
    other.fit(*rows, epochs=best, batch_size=5, validation=held)
    for ours, theirs in (
        (trainer.network.params, other.network.params),
        (trainer.network.buffers, other.network.buffers),
    ):
        for name, array in ours.items():
            assert_same_bits(array, theirs[name], name)


def test_restores_the_best_epoch_without_stopping_unless_disabled():
    for restores in (True, False):
        trainer, rows, held = problem()
        stopping = EarlyStopping(patience=50, restore_best=restores)
        history = trainer.fit(
            *rows, epochs=40, batch_size=5, validation=held, early_stopping=stopping
        )
        assert len(history) == 40 and stopping.best_epoch < 40
        pre = trainer.network.predict(held[0])
        value = MSELoss().forward(pre, held[1])
        assert value == (stopping.best if restores else history.validation_loss[-1])


def test_restore_after_an_error():
    def fail(t):
        if len(t.history) == 30:
            raise ZeroDivisionError

    trainer, rows, held = problem(callbacks=[fail])
    stopping = EarlyStopping(patience=50)
    with pytest.raises(ZeroDivisionError):
        trainer.fit(*rows, epochs=40, batch_size=5, validation=held, early_stopping=stopping)
    network = trainer.network
    stopping.restore({**network.params, **network.buffers})
    assert MSELoss().forward(network.predict(held[0]), held[1]) == stopping.best


def test_each_fit_starts_over():
    trainer, rows, held = problem()
    stopping = EarlyStopping(patience=2)
    for _ in range(2):
        trainer.fit(*rows, epochs=30, batch_size=5, validation=held, early_stopping=stopping)
    assert stopping.best_epoch <= len(trainer.history)


def test_monitors_the_training_loss_without_validation():
    trainer, rows, _ = problem()
    trainer.optimizer.lr = 0.0
    trainer.network.layers.pop(1)
    stopping = EarlyStopping(patience=3)
    assert (
        len(trainer.fit(*rows, epochs=30, batch_size=20, shuffle=False, early_stopping=stopping))
        == 4
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"monitor": "accuracy"}, "must be one of loss, train_loss, auc, own"),
        ({"monitor": "validation_loss"}, "must be one of"),
        ({"monitor": "own"}, "own is a function, so higher_is_better"),
        ({"monitor": "auc", "higher_is_better": False}, "must be True for auc"),
        ({"monitor": "loss", "higher_is_better": True}, "must be False for loss"),
    ],
)
def test_rejects_unmeasured_monitors_before_training(options, message):
    trainer = Trainer(mlp([1, 1], rng=0), BCEWithLogits(), SGD(0.1), rng=0)
    before = trainer.network.params["0.w"].copy()
    with pytest.raises(ValueError, match=message):
        trainer.fit(
            [[1.0], [0.0]], [1, 0], epochs=1, batch_size=1,
            metrics=["auc", own], early_stopping=EarlyStopping(**options),
        )  # fmt: skip
    assert (trainer.network.params["0.w"] == before).all()


def own(true, pre):
    return 0.0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"patience": 0}, ValueError),
        ({"patience": 2.5}, TypeError),
        ({"min_delta": -1}, ValueError),
        ({"min_delta": np.nan}, ValueError),
        ({"growth": -1}, ValueError),
        ({"monitor": 3}, TypeError),
        ({"restore_best": 1}, TypeError),
        ({"higher_is_better": "max"}, TypeError),
    ],
    ids=repr,
)
def test_rejects_invalid_arguments(options, error):
    with pytest.raises(error, match=next(iter(options))):
        EarlyStopping(**options)
    trainer = Trainer(mlp([1, 1], rng=0), MSELoss(), SGD(0.1), rng=0)
    with pytest.raises(TypeError, match="early_stopping"):
        trainer.fit([[1.0]], [1.0], epochs=1, batch_size=1, early_stopping=5)


def test_repr_rebuilds_it():
    shown = repr(EarlyStopping(3, 0.5, "auc"))
    assert repr(eval(shown)) == shown
