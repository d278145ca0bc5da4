"""Trainer.fit rejects invalid arguments before anything is changed."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, MSELoss, Trainer, mlp
from tests.training.test_trainer import assert_same_weights, data, trainer, weights

GOOD = {"epochs": 2, "batch_size": 5}
X, Y = data(10)


def assert_refused(kind, x=X, y=Y, match=None, **options):
    t = trainer()
    before, state = weights(t), repr(t.history)
    with pytest.raises(kind, match=match):
        t.fit(x, y, **{**GOOD, **options})
    assert_same_weights(weights(t), before)
    assert repr(t.history) == state
    assert all(grad is None for grad in t.network.grads.values()), "training had begun"
    assert not t.optimizer.velocities


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, np.nan], ids=repr)
def test_rejects_invalid_epochs_and_batch_sizes(name, value):
    assert_refused((ValueError, TypeError), match=name, **{name: value})


@pytest.mark.parametrize("value", [2, np.int64(2), np.int32(2)], ids=repr)
def test_accepts_numpy_ints(value):
    assert len(trainer().fit(X, Y, epochs=value, batch_size=value)) == 2


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X, Y[:9]),
        (X[:9], Y),
        (X[:0], Y[:0]),
        (X[:, :2], Y),
        (X[:, 0], Y),
        (X[None], Y),
        (X, np.concatenate([Y, Y], axis=1)),
        (X, Y[:, 0].reshape(2, 5)),
        (X, 3.0),
    ],
    ids=["y short", "x short", "no rows", "columns", "x 1-D", "x 3-D", "y wide", "y 2x5", "y 0-D"],
)
def test_rejects_data_that_does_not_fit(x, y):
    assert_refused(ValueError, x, y)


@pytest.mark.parametrize("kind", [complex, object, str], ids=str)
def test_rejects_data_that_is_not_numeric(kind):
    assert_refused(TypeError, X.astype(kind), Y)
    assert_refused(TypeError, X, Y.astype(kind))


@pytest.mark.parametrize(
    "validation",
    [(X,), (X, Y, Y), (X, Y[:3]), (X[:, :2], Y), (X[:0], Y[:0]), "half", (X, np.ones((10, 2)))],
    ids=["one", "three", "rows", "columns", "empty", "word", "y wide"],
)
def test_rejects_invalid_validation(validation):
    assert_refused((ValueError, TypeError), validation=validation)


@pytest.mark.parametrize(
    "weight",
    [
        np.ones(9),
        np.ones((10, 1)),
        -np.ones(10),
        np.full(10, np.nan),
        np.full(10, np.inf),
        "w" * 10,
    ],
    ids=["short", "2-D", "negative", "nan", "inf", "word"],
)
def test_rejects_invalid_sample_weights(weight):
    assert_refused((ValueError, TypeError), sample_weight=weight)


def test_rejects_a_negative_weight_in_the_last_row_before_the_first_step():
    weight = np.ones(10)
    weight[-1] = -1
    assert_refused(ValueError, sample_weight=weight, match="sample_weight")


NONE = np.zeros(10)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"metrics": "r2", "sample_weight": NONE}, "metrics: sample_weight is 0 for all 10 rows"),
        (
            {"metrics": "r2", "sample_weight": np.full(10, 1e-60)},
            "metrics: sample_weight is 0 for all 10 rows",
        ),
        ({"validation": (X, Y, NONE)}, "validation: sample_weight is 0 for all 10 rows"),
        (
            {"validation": (X, Y, NONE), "metrics": "r2"},
            "validation: sample_weight is 0 for all 10 rows",
        ),
        (
            {"validation": 0.2, "sample_weight": NONE},
            "validation: sample_weight is 0 for all 2 rows",
        ),
    ],
    ids=["training", "of float32", "validation", "with metrics", "fraction"],
)
def test_rejects_unweighted_rows_to_measure_on(options, where):
    assert_refused(ValueError, match=where, **options)


def test_rejects_a_fraction_that_draws_unweighted_rows():
    """With weights 0, 0, ..., 1, 1, most seeds hold out a weighted row, but not all."""
    weight = np.repeat([0.0, 1.0], 5)
    refused = 0
    for seed in range(20):
        t = trainer(rng=seed)
        before, state = weights(t), t.rng.bit_generator.state
        try:
            t.fit(X, Y, **GOOD, validation=0.2, sample_weight=weight)
        except ValueError as error:
            assert "validation: sample_weight is 0 for all 2 rows" in str(error)
            assert_same_weights(weights(t), before)
            assert t.rng.bit_generator.state == state
            refused += 1
    assert 0 < refused < 20


def test_accepts_unweighted_training_rows():
    t = trainer()
    before = weights(t)
    t.fit(X, Y, **GOOD, sample_weight=NONE)
    assert_same_weights(weights(t), before)


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
@pytest.mark.parametrize(
    ("batch_size", "steps"),
    [(10, 2**62), (10, 2**63), (2**40, 2**40), (1, 2**60), (2**60, 1), (10**30, 10**30)],
)
def test_rejects_epochs_with_too_many_rows(engine, batch_size, steps):
    t = trainer(engine=engine)
    with pytest.raises(
        ValueError, match=f"steps_per_epoch {steps} times batch_size {batch_size} must"
    ):
        t.fit(X, Y, 1, batch_size, shuffle="replacement", steps_per_epoch=steps)
    assert len(t.fit(X, Y, 1, batch_size, steps_per_epoch=steps)) == 1


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_accepts_any_number_of_epochs(engine):
    t = trainer(engine=engine, callbacks=[lambda t: True])
    t.fit(X, Y, 10**30, 5, shuffle="replacement", steps_per_epoch=3)
    assert len(t.history) == 1


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan, 0.0, 1.0, 2])
def test_rejects_invalid_fractions(wrong):
    trainer = Trainer(mlp([2, 1], rng=0), MSELoss(), SGD(0.1))
    with pytest.raises(ValueError, match="validation"):
        trainer.fit(np.ones((4, 2)), np.ones(4), epochs=1, batch_size=2, validation=wrong)


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_accepts_any_batch_size(engine):
    trainer = Trainer(mlp([2, 1], rng=0), MSELoss(), SGD(0.1), engine=engine)
    trainer.fit(np.ones((4, 2)), np.ones(4), epochs=1, batch_size=10**30)


def test_repr():
    trainer = Trainer(mlp([2, 1], rng=0), MSELoss(), SGD(0.1))
    assert repr(trainer).startswith("Trainer(Network(Affine 2→1; 3 parameters, float32), MSELoss(")


@pytest.mark.parametrize("validation", [0.0, 1.0, -0.1, 1.5, np.nan, 0.001, 0.999])
def test_rejects_fractions_that_leave_one_side_empty(validation):
    assert_refused(ValueError, validation=validation)
