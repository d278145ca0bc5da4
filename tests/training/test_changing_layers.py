"""Callbacks that change the layers of the network during training."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, Affine, Network, SoftmaxCrossEntropy, Trainer
from tests.own_bricks import Halve, Scale
from tests.training.test_trainer import assert_same_weights, data, trainer, weights


@pytest.mark.parametrize("engine", ["auto", "bricks"])
def test_callback_may_add_user_bricks(engine):
    """Training continues in the Python loop, with the same bits."""

    def grow(t):
        if len(t.history) == 2:
            t.network.layers.append(Scale(1))
        if len(t.history) == 4:
            t.network.layers.append(Halve())
        if len(t.history) == 6:
            del t.network.layers[-2:]

    x, y = data(dtype="float64")
    given = {"epochs": 8, "batch_size": 7, "metrics": "r2"}
    t, other = trainer("float64", engine=engine, callbacks=[grow]), trainer("float64")
    history = t.fit(x, y, **given)
    other.engine, other.callbacks = "bricks", (grow,)
    assert other.fit(x, y, **given).train_loss == history.train_loss
    assert other.history.metrics == history.metrics
    assert_same_weights(weights(t), weights(other))


def test_names_layers_that_no_longer_compile():
    t = trainer(engine="compiled", callbacks=[lambda t: t.network.layers.append(Halve())])
    with pytest.raises(ValueError, match="engine='compiled' is not possible.*layer 3 is a Halve"):
        t.fit(*data(), epochs=3, batch_size=7)
    assert len(t.history) == 1


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_callback_may_widen_the_network(engine):
    """Labels fit any number of outputs, so the outputs kept for metrics must follow."""
    x, _ = data(40)
    layers = [Affine.random(3, 4, rng=0)]
    t = Trainer(Network(layers), SoftmaxCrossEntropy(), SGD(0.1), engine=engine, rng=0)

    def widen(t):
        columns = t.network.sizes["out"]
        t.network.layers.append(Affine.random(columns, columns + 1, rng=0))

    t.callbacks = (widen,)
    history = t.fit(x, np.arange(40) % 4, epochs=3, batch_size=7, metrics="accuracy")
    assert t.network.sizes["out"] == 7 and len(history.metrics["accuracy"]) == 3
