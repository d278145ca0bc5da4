"""Trainer.fit: bad arguments are told before anything is changed."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, MSELoss, Trainer, mlp
from tests.test_trainer import assert_same_weights, data, trainer, weights

GOOD = {"epochs": 2, "batch_size": 5}
X, Y = data(10)


def assert_refused(kind, x=X, y=Y, match=None, **options):
    t = trainer()
    before, state = weights(t), repr(t.history)
    with pytest.raises(kind, match=match):
        t.fit(x, y, **{**GOOD, **options})
    assert_same_weights(weights(t), before)
    assert repr(t.history) == state
    assert all(grad is None for grad in t.network.grads.values()), "it had begun"
    assert not t.optimizer.velocities


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, np.nan], ids=repr)
def test_epochs_and_batch_size_are_positive_ints(name, value):
    assert_refused((ValueError, TypeError), match=name, **{name: value})


@pytest.mark.parametrize("value", [2, np.int64(2), np.int32(2)], ids=repr)
def test_numpys_ints_are_ints(value):
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
def test_data_that_does_not_fit_is_a_value_error(x, y):
    assert_refused(ValueError, x, y)


@pytest.mark.parametrize("kind", [complex, object, str], ids=str)
def test_data_of_no_number_is_a_type_error(kind):
    assert_refused(TypeError, X.astype(kind), Y)
    assert_refused(TypeError, X, Y.astype(kind))


@pytest.mark.parametrize(
    "validation",
    [(X,), (X, Y, Y), (X, Y[:3]), (X[:, :2], Y), (X[:0], Y[:0]), "half", (X, np.ones((10, 2)))],
    ids=["one", "three", "rows", "columns", "empty", "word", "y wide"],
)
def test_validation_data_that_does_not_fit_is_refused(validation):
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
def test_sample_weights_that_do_not_fit_are_refused(weight):
    assert_refused((ValueError, TypeError), sample_weight=weight)


def test_a_negative_weight_in_the_last_row_is_seen_before_the_first_step():
    weight = np.ones(10)
    weight[-1] = -1
    assert_refused(ValueError, sample_weight=weight, match="sample_weight")


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan, 0.0, 1.0, 2])
def test_a_fraction_that_is_none_is_a_value_error(wrong):
    trainer = Trainer(mlp([2, 1], rng=0), MSELoss(), SGD(0.1))
    with pytest.raises(ValueError, match="validation"):
        trainer.fit(np.ones((4, 2)), np.ones(4), epochs=1, batch_size=2, validation=wrong)


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_a_batch_may_be_larger_than_any_number_of_rows(engine):
    trainer = Trainer(mlp([2, 1], rng=0), MSELoss(), SGD(0.1), engine=engine)
    trainer.fit(np.ones((4, 2)), np.ones(4), epochs=1, batch_size=10**30)


def test_repr_names_the_parts():
    trainer = Trainer(mlp([2, 1], rng=0), MSELoss(), SGD(0.1))
    assert repr(trainer).startswith("Trainer(Network(Affine 2→1; 3 parameters, float32), MSELoss(")


@pytest.mark.parametrize("validation", [0.0, 1.0, -0.1, 1.5, np.nan, 0.001, 0.999])
def test_a_fraction_that_leaves_nothing_on_one_side_is_a_value_error(validation):
    assert_refused(ValueError, validation=validation)
