"""The engine supports every activation and returns the bits of the brick."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, Affine, MSELoss, Network, Trainer
from handnn.layers import ELU, LeakyReLU
from tests.bounds import assert_same_bits
from tests.engine.fits import rows
from tests.engine.test_bits import DTYPES, assert_same_fit
from tests.layers.activations import ACTIVATIONS

every_activation = pytest.mark.parametrize("name", ACTIVATIONS)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def network(name, dtype):
    """Return a network with the activation between Affines, twice in succession, and last."""
    activation = ACTIVATIONS[name]
    first = Affine.random(5, 17, rng=1, dtype=dtype)
    second = Affine.random(17, 3, rng=2, dtype=dtype)
    return Network([first, activation(), activation(), second, activation()])


@every_activation
@both_dtypes
@pytest.mark.parametrize("batch_size", [1, 8, 45])
def test_a_compiled_fit_has_the_bits_of_the_bricks(name, batch_size, dtype):
    def build(engine):
        sgd = SGD(0.01, momentum=0.9)
        return Trainer(network(name, dtype), MSELoss(), sgd, engine=engine, rng=3)

    x, y, weight = rows(45, 5, 3, dtype)
    assert_same_fit(build, x, y, epochs=3, batch_size=batch_size)
    assert_same_fit(build, x, y, epochs=3, batch_size=batch_size, sample_weight=weight)


@every_activation
@both_dtypes
def test_predict_has_the_bits_of_forward(name, dtype):
    one = network(name, dtype)
    x, _, _ = rows(70, 5, 3, dtype)
    expected = one.forward(4 * x)
    for count in (1, 2, 7, 64, 70):
        assert_same_bits(one.predict(4 * x[:count]), expected[:count], f"{count} rows")
    assert_same_bits(np.concatenate([one.predict(4 * row[None]) for row in x]), expected)


@pytest.mark.parametrize("build", [LeakyReLU, ELU])
@pytest.mark.parametrize(
    ("wrong", "error"), [("a", TypeError), (-1, ValueError), (None, TypeError)]
)
def test_rejects_an_invalid_setting(build, wrong, error):
    layer = build()
    (setting,) = layer.settings
    setattr(layer, setting, wrong)
    network = Network([Affine.random(5, 3, rng=0), layer])
    one = Trainer(network, MSELoss(), SGD(0.1), engine="compiled")
    x, y, _ = rows(8, 5, 3)
    with pytest.raises(error, match=f"{type(layer).__name__}: {setting} must be"):
        one.fit(x, y, epochs=1, batch_size=4)
    with pytest.raises(error, match=f"{type(layer).__name__}: {setting} must be"):
        network.predict(x)
