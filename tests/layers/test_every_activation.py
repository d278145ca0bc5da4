"""Common tests of all activations: gradients, files, and the state before the first forward."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn import Affine, MSELoss, Network, gradient_check
from handnn.layers import BRICKS, Activation
from tests.layers.activations import ACTIVATIONS

every_activation = pytest.mark.parametrize("name", ACTIVATIONS)


def test_every_activation_is_listed():
    listed = {type(build()) for build in ACTIVATIONS.values()}
    assert listed == {brick for brick in BRICKS.values() if issubclass(brick, Activation)}


@every_activation
def test_gradients(name):
    rng = np.random.default_rng(7)
    first = Affine.random(4, 3, rng=rng, dtype="float64")
    network = Network([first, ACTIVATIONS[name]()])
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    report = gradient_check(network, MSELoss(), x, y)
    assert report.passed, report


@every_activation
def test_before_the_first_forward(name):
    layer = ACTIVATIONS[name]()
    assert layer.params == {} and layer.grads == {}
    assert all(getattr(layer, kept) is None for kept in layer.kept)
    with pytest.raises(RuntimeError, match=f"{type(layer).__name__}.backward: call forward first"):
        layer.backward(np.ones((1, 2)))


@every_activation
def test_repr_and_file(name, tmp_path):
    layer = ACTIVATIONS[name]()
    assert repr(layer) == name
    network = Network([Affine.random(4, 3, rng=0), layer])
    network.save(tmp_path / "network")
    loaded = handnn.load(tmp_path / "network")
    for copy in (loaded, loaded.astype("float64")):
        assert type(copy.layers[1]) is type(layer)
        assert copy.layers[1].settings == layer.settings
    assert repr(loaded) == repr(network)
