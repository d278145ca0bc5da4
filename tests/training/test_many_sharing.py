"""train_many rejects trainers that share state, and trains disjoint views of one array."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import (
    SGD,
    Affine,
    MSELoss,
    Network,
    Trainer,
    mlp,
    schedules,
    train_many,
)
from tests.own_bricks import Scale
from tests.training.test_many import assert_same, data, trainer


def sharing():
    """Yield two trainers for each kind of object that trainers can share."""
    first, second = trainer(0), trainer(1)
    yield "a network", first, first
    yield "a network", first, Trainer(first.network, MSELoss(), SGD(0.1))
    yield "layer 0 of", first, Trainer(Network(first.network.layers[:1]), MSELoss(), SGD(0.1))
    yield "a loss, MSELoss", first, Trainer(mlp([3, 1]), first.loss, SGD(0.1))
    yield "an optimizer, SGD", first, Trainer(mlp([3, 1]), MSELoss(), first.optimizer)
    generator = np.random.default_rng(0)
    yield "a Generator", trainer(generator), trainer(generator)
    yield "a Generator", trainer(generator), trainer(np.random.Generator(generator.bit_generator))
    shallow = SGD(0.1)
    shallow.state = first.optimizer.state
    yield "the state of an optimizer", first, trainer(1, optimizer=shallow)
    plateau = schedules.ReduceOnPlateau()
    yield (
        "a schedule that watches the loss, ReduceOnPlateau",
        trainer(0, optimizer=SGD(0.1, schedule=plateau)),
        trainer(1, optimizer=SGD(0.1, schedule=schedules.WarmUp(3, plateau))),
    )
    w = first.network.params["0.w"]
    for view in (w, w[1:]):
        own = Network([Affine(view, np.zeros(view.shape[1], "f4"))])
        yield "overlap in memory", first, Trainer(own, MSELoss(), SGD(0.1))
    scales = [Scale(3), Scale(3), Scale(3)]
    numbers = np.ones(7)
    for scale, part in zip(scales, (numbers[:3], numbers[4:1:-1], numbers[1:6:2]), strict=True):
        scale.params["factor"] = part
    own = [Trainer(Network([scale]), MSELoss(), SGD(0.1)) for scale in scales]
    yield "overlap in memory", own[0], own[1]
    yield "overlap in memory", own[0], own[2]
    first.optimizer.step(first.network.params, {n: a * 0 for n, a in first.network.params.items()})
    second.optimizer.state = {"velocity": dict(next(iter(first.optimizer.state.values())))}
    yield "overlap in memory", first, second


@pytest.mark.parametrize("case", range(14))
def test_rejects_trainers_that_share_state(case):
    words, first, second = list(sharing())[case]
    between = trainer(9)
    with pytest.raises(ValueError, match=words) as caught:
        train_many([first, between, second], *data(), epochs=1, batch_size=8)
    assert "trainers[0]" in str(caught.value) and "trainers[2]" in str(caught.value)


def test_disjoint_views_of_one_array():
    """A stack of weights with one slice per network, and one schedule for all."""
    stack = np.random.default_rng(0).normal(size=(4, 3, 1))
    biases = np.zeros((4, 1))
    schedule = schedules.Cosine(10)

    def some(stack, biases):
        return [
            Trainer(Network([Affine(w, b)]), MSELoss(), SGD(0.1, schedule=schedule), rng=0)
            for w, b in zip(stack, biases, strict=True)
        ]

    x, y = data(dtype="float64")
    alone = some(stack.copy(), biases.copy())
    many = some(stack, biases)
    train_many(many, x, y, epochs=2, batch_size=8)
    for one in alone:
        one.fit(x, y, epochs=2, batch_size=8)
    assert_same(many, alone)


# ---- order, threads, progress --------------------------------------------------------------------
