"""A step of the Python loop in which a brick raises changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, Affine, BatchNorm, Dropout, MSELoss, Network, ReLU, Trainer


class Fails(ReLU):
    """Raises in its third forward pass."""

    n_calls = 0

    def forward(self, x):
        self.n_calls += 1
        if self.n_calls == 3:
            raise MemoryError
        return super().forward(x)


def state(brick, n_rows):
    """Return all arrays and the step of Dropout after training on batches of four rows."""
    rng = np.random.default_rng(0)
    first, last = Affine.random(2, 4, rng=rng), Affine.random(4, 1, rng=rng)
    network = Network([first, BatchNorm.new(4), Dropout(0.5, rng=1), brick, last])
    x = rng.normal(size=(20, 2)).astype("float32")[:n_rows]
    one = Trainer(network, MSELoss(), SGD(0.1), engine="bricks")
    if n_rows > 8:
        with pytest.raises(MemoryError):
            one.fit(x, x[:, 0], epochs=1, batch_size=4, shuffle=False)
    else:
        one.fit(x, x[:, 0], epochs=1, batch_size=4, shuffle=False)
    arrays = {**network.params, **network.buffers}
    steps = network.layers[2].step, one.optimizer.steps
    return {name: array.tolist() for name, array in arrays.items()}, steps


def test_params_statistics_and_steps_are_those_before_it():
    assert state(Fails(), 20) == state(ReLU(), 8)
