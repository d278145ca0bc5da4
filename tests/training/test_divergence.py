"""DivergenceError: the epoch and step of a loss that is not finite, and its likely cause."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from handnn import SGD, Affine, DivergenceError, MSELoss, Network, Trainer
from tests.own_bricks import Halve
from tests.training.test_early_stopping import problem


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, x, y, held: x.__setitem__((3, 1), np.inf), "step 1: x has NaN or inf in 1 of"),
        (lambda t, x, y, held: y.__setitem__(13, np.nan), "step 3: y has NaN or inf in 1 of"),
        (lambda t, x, y, held: x.__imul__(1e25), "step 2: x has numbers up to"),
        (lambda t, x, y, held: setattr(t.optimizer, "lr", 1e20), "a smaller lr"),
        (lambda t, x, y, held: t.network.params["0.b"].fill(np.nan), "0.b has NaN or inf"),
        (lambda t, x, y, held: held[0].fill(np.nan), "the validation loss is nan after epoch 1: x"),
    ],
)
def test_message_has_place_and_cause(engine, change, message):
    trainer, (x, y), held = problem(engine)
    trainer.network.layers.pop(1)
    change(trainer, x, y, held)
    with np.errstate(all="ignore"), pytest.raises(DivergenceError, match=message) as error:
        trainer.fit(x, y, epochs=3, batch_size=5, shuffle=False, validation=held)
    assert error.value.epoch >= 1
    assert isinstance(error.value, ArithmeticError)


@pytest.mark.parametrize("params", [{}, {"w": np.zeros(0)}])
def test_network_without_params(params):
    class Endless(MSELoss):
        def forward(self, pre, y_true, sample_weight=None):
            super().forward(pre, y_true)
            return np.inf

    brick = Halve()
    brick.params = brick.grads = params
    x = np.ones((4, 2))
    with pytest.raises(DivergenceError, match="the network has no params, so the cause is a brick"):
        Trainer(Network([brick]), Endless(), SGD(0.1)).fit(x, x, epochs=1, batch_size=2)


@pytest.mark.parametrize(
    ("n_in", "n_out", "message"),
    [
        (0, 0, "y has no columns, so the loss is the mean of no errors"),
        (3, 0, "y has no columns"),
        (0, 2, "0.b has NaN or inf, from earlier updates or from the start; a smaller lr"),
    ],
)
def test_rows_without_columns(n_in, n_out, message):
    network = Network([Affine(np.zeros((n_in, n_out)), np.full(n_out, np.nan))])
    x, y = np.zeros((6, n_in)), np.zeros((6, n_out))
    with pytest.raises(DivergenceError, match=message):
        Trainer(network, MSELoss(), SGD(0.1)).fit(x, y, epochs=1, batch_size=4)


def test_pickle_keeps_epoch_and_step():
    error = pickle.loads(pickle.dumps(DivergenceError("the loss is nan", 3, None)))
    assert (str(error), error.epoch, error.step) == ("the loss is nan", 3, None)
