"""Training in cycles: all networks end at the cycle with the lowest loss on held-out rows."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from handnn import AdamW, Huber, MSELoss, Trainer, mlp, train_many
from handnn.schedules import DoublingCycles
from handnn.tables.bagging import draw_folds, rows_outside
from handnn.tables.cycles import Group, cycle_ends, train_in_cycles
from tests.bounds import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype("float32")
NOISE = RNG.normal(size=(90, 1)).astype("float32")
ROWS = rows_outside(draw_folds(90, 3, None, np.random.default_rng(0)), 3)
EPOCHS = 30


def new_trainers(n=3, loss=MSELoss):
    trainers = []
    for seed in range(n):
        optimizer = AdamW(0.02, schedule=DoublingCycles(EPOCHS * 6))
        trainers.append(Trainer(mlp([4, 32, 1], rng=seed), loss(), optimizer, rng=seed))
    return trainers


def fit(trainers, y, **arguments):
    train = partial(train_many, batch_size=10, threads=1)
    rows = [ROWS[place % 3] for place in range(len(trainers))]
    return train_in_cycles(
        trainers, 3, [X] * len(trainers), y, rows=rows, epochs=EPOCHS, train=train, **arguments
    )


@pytest.mark.parametrize(
    ("epochs", "ends"),
    [(15, [1, 3, 7, 15]), (105, [7, 21, 49, 105]), (10, [1, 2, 5, 10]), (3, [1, 3]), (1, [1])],
)
def test_ends(epochs, ends):
    assert cycle_ends(epochs) == ends


def test_without_noise_it_is_a_fit_for_each_cycle():
    """The last cycle is the best one: the weights and losses are those of `train_many`."""
    y = X[:, :1] * X[:, 1:2]
    trainers, others = new_trainers(), new_trainers()
    histories = fit(trainers, y)
    losses = np.zeros((3, 0))
    for epochs in np.diff([0, *cycle_ends(EPOCHS)]).tolist():
        arguments = {"rows": ROWS, "validation": "rest", "batch_size": 10}
        found = train_many(others, X, y, epochs=epochs, threads=1, **arguments)
        losses = np.hstack([losses, [history.train_loss for history in found]])
    assert [history.train_loss for history in histories] == losses.tolist()
    for one, other in zip(trainers, others, strict=True):
        for name, array in one.network.params.items():
            assert_same_bits(other.network.params[name], array)


def test_noise_ends_all_networks_after_a_cycle_without_improvement():
    trainers = new_trainers()
    histories = fit(trainers, NOISE)
    (n_epochs,) = {len(history) for history in histories}
    assert n_epochs in cycle_ends(EPOCHS)[1:3]  # it stops early
    best = cycle_ends(EPOCHS)[cycle_ends(EPOCHS).index(n_epochs) - 1]
    for trainer, history, rows in zip(trainers, histories, ROWS, strict=True):
        held = np.setdiff1d(np.arange(90), rows)
        loss = MSELoss().forward(trainer.network.predict(X[held]), NOISE[held])
        assert loss == pytest.approx(history.validation_loss[best - 1], rel=1e-5)


def test_groups_end_separately():
    """The first three learn noise and stop; the others are too slow for it."""
    trainers = new_trainers(6, Huber)
    for trainer in trainers[3:]:
        trainer.optimizer.lr = 1e-5
    histories = fit(trainers, NOISE + 3)
    assert {len(history) for history in histories[3:]} == {EPOCHS}
    alone = fit(new_trainers(3, Huber), NOISE + 3)
    assert [h.train_loss for h in histories[:3]] == [h.train_loss for h in alone]


@pytest.mark.parametrize(("loss", "n_cycles"), [(MSELoss, 2), (Huber, 4)])
def test_networks_that_cannot_catch_up_end_after_two_cycles(loss, n_cycles):
    """Their loss decreases slowly and is more than twice the lowest one; only squares add up."""
    trainers = new_trainers(6, loss)
    for trainer in trainers[3:]:
        trainer.optimizer.lr = 1e-5
    histories = fit(trainers, X[:, :1] + 3)
    assert {len(history) for history in histories[3:]} == {cycle_ends(EPOCHS)[n_cycles - 1]}
    assert {len(history) for history in histories[:3]} == {EPOCHS}


@pytest.mark.parametrize(
    ("losses", "is_behind"),
    [
        ([3.0], False),
        ([5.0, 4.0], True),
        ([5.0, 3.0], False),
        ([9.0, 5.0, 4.0], True),
        ([4.0, 3.2], True),
        ([3.0, 2.4], False),
    ],
)
def test_a_loss_is_behind_at_the_rate_of_the_last_cycle(losses, is_behind):
    """4·(4/5) = 3.2 and 3.2·(3.2/4) = 2.56 exceed twice 1; 3·(3/5) = 1.8 and 1.92 do not."""
    group = Group(new_trainers(), range(3))
    group.losses = losses
    assert group.is_behind(1.0, 1) == is_behind
    assert not group.is_behind(1.0, 9)


def test_lengths_of_the_last_cycle_are_left(monkeypatch):
    left = []

    def is_behind(group, lowest, n_more):
        left.append(n_more)
        return False

    monkeypatch.setattr(Group, "is_behind", is_behind)
    fit(new_trainers(), X[:, :1])
    assert cycle_ends(EPOCHS) == [2, 6, 14, 30] and left == [14, 6, 2, 0]


def test_networks_are_behind_others_that_have_ended():
    """The first three are at their minimum."""
    trainers = new_trainers(6)
    for place, trainer in enumerate(trainers):
        trainer.optimizer.lr = 0 if place < 3 else 1e-5
        for name, array in trainer.network.params.items() if place < 3 else ():
            array[...] = trainers[0].network.params[name]
    histories = fit(trainers, trainers[0].network.predict(X))
    assert {len(history) for history in histories} == {cycle_ends(EPOCHS)[1]}


def test_without_restoring_it_trains_to_the_end():
    histories = fit(new_trainers(), NOISE, restores=False)
    assert {len(history) for history in histories} == {EPOCHS}


def test_an_interrupted_training_keeps_the_history_of_all_cycles():
    trainers = new_trainers()
    calls = []

    def interrupted(*given, **arguments):
        calls.append(arguments["epochs"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train_many(*given, **arguments, batch_size=10, threads=1)

    with pytest.raises(KeyboardInterrupt):
        train_in_cycles(trainers, 3, [X] * 3, X[:, :1], rows=ROWS, epochs=EPOCHS, train=interrupted)
    assert [len(trainer.history) for trainer in trainers] == [cycle_ends(EPOCHS)[1]] * 3
