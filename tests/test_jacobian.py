"""Network.jacobian: the derivative of every output by every input."""

from __future__ import annotations

import os
from time import perf_counter

import numpy as np
import pytest

from handnn import Affine, Network, ReLU, Sigmoid, jacobian, mlp
from handnn.layers import BRICKS
from handnn.reference.calls import DTYPES
from tests import every_brick
from tests.own_bricks import Counting

every = pytest.mark.parametrize("name", every_brick.MIDDLES)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def differences(network, x):
    """The Jacobians (N, O, I) by central differences of `predict`."""
    columns = []
    for i in range(x.shape[1]):
        h = np.finfo(np.float64).eps ** (1 / 3)
        above, below = x.copy(), x.copy()
        above[:, i] += h
        below[:, i] -= h
        run = (above[:, i] - below[:, i])[:, None]
        columns.append((network.predict(above) - network.predict(below)) / run)
    return np.stack(columns, axis=2)


def by_backward(network, x):
    """Compute the Jacobians with one backward pass per output."""
    network.eval()
    outputs = network.forward(x).shape[1]
    found = []
    for o in range(outputs):
        dout = np.zeros((len(x), outputs), network.dtype)
        dout[:, o] = 1
        found.append(network.backward(dout))
    return np.stack(found, axis=1)


def test_every_brick_is_listed():
    assert {name.split()[0] for name in every_brick.MIDDLES if "own" not in name} == set(BRICKS)


def test_by_hand():
    """out = sigmoid(2a - b); its derivative at 0 is 1/4, so the Jacobian is (1/2, -1/4)."""
    network = Network([Affine([[2.0], [-1.0]], [0.0]), Sigmoid()])
    assert network.jacobian([[1.0, 2.0], [0.0, 0.0]]).tolist() == [[[0.5, -0.25]]] * 2


@both_dtypes
def test_of_an_affine_is_its_weights(dtype):
    layer = Affine.random(3, 2, rng=0, dtype=dtype)
    found = Network([layer]).jacobian(np.ones((4, 3)))
    assert found.dtype == dtype and found.shape == (4, 2, 3)
    assert all(np.array_equal(one, layer.w.T) for one in found)


@every
def test_equals_central_differences(name):
    network = every_brick.network(name)
    x, _ = every_brick.rows(name)
    found = network.jacobian(x)
    if name == "Embedding":  # codes are integers; differentiate by the other columns
        assert not found[:, :, 1].any()
        found = found[:, :, [0, 2, 3]]
        measured = np.stack([measured_beside_codes(network, x, i) for i in (0, 2, 3)], axis=2)
    else:
        measured = differences(network, x)
    assert np.abs(measured).max() > 0.01
    np.testing.assert_allclose(found, measured, rtol=1e-6, atol=1e-6)


def measured_beside_codes(network, x, column):
    step = np.zeros(x.shape[1])
    step[column] = 2.0**-17
    return (network.predict(x + step) - network.predict(x - step)) / 2.0**-16


@every
@both_dtypes
def test_has_the_bits_of_backward(name, dtype):
    network = every_brick.network(name, dtype)
    x, _ = every_brick.rows(name, dtype=dtype)
    found = network.jacobian(x)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, by_backward(network, x))


@both_dtypes
def test_has_the_bits_of_backward_where_a_layer_has_one_input(dtype):
    network = mlp([1, 64, 1, 40, 3], "tanh", rng=0, dtype=dtype)
    x = np.random.default_rng(0).normal(size=(5, 1)).astype(dtype)
    np.testing.assert_array_equal(network.jacobian(x), by_backward(network, x))


@every
def test_float32_equals_float64_up_to_rounding(name):
    network = every_brick.network(name, "float32")
    x, _ = every_brick.rows(name, dtype="float32")
    if "own" in name or name == "Residual":  # Scale has no astype
        wide = every_brick.network(name, "float64")
        for param, array in network.params.items():
            wide.params[param][...] = array
        for buffer, array in network.buffers.items():
            wide.buffers[buffer][...] = array
    else:
        wide = network.astype("float64")
    found = network.jacobian(x)
    assert found.dtype == np.float32
    # About ten roundings of numbers up to the largest entry, in a few sums of five terms.
    bound = 50 * np.finfo(np.float32).eps * np.abs(found).max()
    np.testing.assert_allclose(found, wide.jacobian(x), rtol=0, atol=bound)


@every
def test_does_not_change_the_network(name):
    network = every_brick.network(name)
    x, y = every_brick.rows(name)
    network.forward(x)
    network.backward(y)
    network.predict(x)
    before, x_before = every_brick.state(network), x.copy()
    network.jacobian(x[:4])
    assert every_brick.state(network) == before
    assert np.array_equal(x, x_before)


@every
def test_uses_prediction_mode(name):
    network = every_brick.network(name)
    x, _ = every_brick.rows(name)
    training = network.train().jacobian(x)
    np.testing.assert_array_equal(training, network.eval().jacobian(x))
    # Rows do not depend on each other.
    alone = [network.jacobian(x[n : n + 1])[0] for n in range(len(x))]
    np.testing.assert_array_equal(training, np.stack(alone))


@every
def test_does_not_depend_on_the_number_of_outputs_at_a_time(name, monkeypatch):
    network = every_brick.network(name)
    x, _ = every_brick.rows(name)
    whole = network.jacobian(x)
    for entries in (1, 2 * len(x) * every_brick.WIDTH):  # one at a time; two, then one
        monkeypatch.setattr(jacobian, "MAX_ENTRIES", entries)
        np.testing.assert_array_equal(network.jacobian(x), whole)


def test_calls_a_user_brick_once_forward_and_once_backward_per_output():
    calls = []

    class Watched(Counting):
        def forward(self, x):
            calls.append("forward")
            return x

        def backward(self, dout):
            calls.append("backward")
            return dout

    network = Network([Affine.random(4, 3, rng=0), Watched()])
    network.jacobian(np.ones((5, 4)))
    assert calls == ["forward", *["backward"] * 3]


def test_zero_rows_and_zero_outputs():
    assert mlp([3, 4, 2], rng=0).jacobian(np.zeros((0, 3))).shape == (0, 2, 3)
    assert Network([Affine(np.zeros((3, 0)), np.zeros(0))]).jacobian(np.ones((2, 3))).shape == (
        2,
        0,
        3,
    )


def test_derivatives_that_are_not_finite():
    network = Network([Affine([[np.inf, 1.0]], [0.0, 0.0]), ReLU(), Affine([[1.0], [np.nan]], [0])])
    with np.errstate(all="raise"):
        assert np.isnan(network.jacobian([[1.0]])).all()
    halves = Network([Affine([[1.0]], [0.0]), ReLU(), Affine([[np.inf]], [0.0])])
    assert halves.jacobian([[1.0], [-1.0]]).tolist() == [[[np.inf]], [[0.0]]]


@pytest.mark.parametrize(
    ("x", "message", "error"),
    [
        ([1.0, 2.0, 3.0], r"x must have 2 dimensions \(N, I\), but has shape \(3,\)", ValueError),
        (np.ones((2, 3, 1)), r"but has shape \(2, 3, 1\)", ValueError),
        ([["a", "b", "c"]], "x must hold real numbers", TypeError),
    ],
)
def test_rejects_invalid_x(x, message, error):
    with pytest.raises(error, match=rf"^Network.jacobian: {message}|{message}"):
        mlp([3, 2], rng=0).jacobian(x)


def test_rejects_networks_that_do_not_return_rows():
    class Total:
        def forward(self, x):
            return x.sum()

        def backward(self, dout):
            return dout

    with pytest.raises(ValueError, match=r"the network must return \(N, O\), but returns \(\)"):
        Network([Affine.random(3, 2, rng=0), Total()]).jacobian(np.ones((2, 3)))


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="timings under a sanitizer are meaningless")
def test_is_faster_than_three_forwards_and_backwards():
    """64 rows through 13-64-64-1; the best of many runs, because other work can only slow a run."""
    network = mlp([13, 64, 64, 1], rng=0)
    x = np.random.default_rng(0).normal(size=(64, 13)).astype(np.float32)
    dout = np.ones((64, 1), np.float32)
    best = {"jacobian": np.inf, "step": np.inf}
    for turn in range(400):
        start = perf_counter()
        network.jacobian(x)
        middle = perf_counter()
        network.forward(x)
        network.backward(dout)
        end = perf_counter()
        best["jacobian"] = min(best["jacobian"], middle - start)
        best["step"] = min(best["step"], end - middle)
        if turn >= 50 and best["jacobian"] < 3 * best["step"]:
            break
    assert best["jacobian"] < 3 * best["step"], best
