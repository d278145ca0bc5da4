"""Network.jacobian: how every output changes with every input."""

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
    """The Jacobians measured on `predict`: (N, O, I)."""
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
    """The Jacobians by one backward from each output, through the bricks themselves."""
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
    """out = sigmoid(2a - b): its slope at 0 is 1/4, so d out = (1/2, -1/4)."""
    network = Network([Affine([[2.0], [-1.0]], [0.0]), Sigmoid()])
    assert network.jacobian([[1.0, 2.0], [0.0, 0.0]]).tolist() == [[[0.5, -0.25]]] * 2


@both_dtypes
def test_without_a_bend_it_is_the_weights(dtype):
    layer = Affine.random(3, 2, rng=0, dtype=dtype)
    found = Network([layer]).jacobian(np.ones((4, 3)))
    assert found.dtype == dtype and found.shape == (4, 2, 3)
    assert all(np.array_equal(one, layer.w.T) for one in found)


@every
def test_it_is_what_central_differences_measure(name):
    network = every_brick.network(name)
    x, _ = every_brick.rows(name)
    found = network.jacobian(x)
    if name == "Embedding":  # a code cannot be moved by a little; the other columns can
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
def test_it_is_what_the_backward_of_the_bricks_gives(name, dtype):
    network = every_brick.network(name, dtype)
    x, _ = every_brick.rows(name, dtype=dtype)
    found = network.jacobian(x)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, by_backward(network, x))


@every
def test_in_float32_it_is_that_of_float64_but_for_rounding(name):
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
    # Some ten roundings of numbers of the size of the largest, in each of a few sums of five.
    bound = 50 * np.finfo(np.float32).eps * np.abs(found).max()
    np.testing.assert_allclose(found, wide.jacobian(x), rtol=0, atol=bound)


@every
def test_it_leaves_no_trace(name):
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
def test_it_predicts_whatever_the_mode_is(name):
    network = every_brick.network(name)
    x, _ = every_brick.rows(name)
    training = network.train().jacobian(x)
    np.testing.assert_array_equal(training, network.eval().jacobian(x))
    # No row sees another: alone it has the same.
    alone = [network.jacobian(x[n : n + 1])[0] for n in range(len(x))]
    np.testing.assert_array_equal(training, np.stack(alone))


@every
def test_outputs_taken_a_few_at_a_time_give_the_same(name, monkeypatch):
    network = every_brick.network(name)
    x, _ = every_brick.rows(name)
    whole = network.jacobian(x)
    for entries in (1, 2 * len(x) * every_brick.WIDTH):  # one at a time; two, then one
        monkeypatch.setattr(jacobian, "ENTRIES_AT_ONCE", entries)
        np.testing.assert_array_equal(network.jacobian(x), whole)


def test_one_forward_and_one_backward_for_each_output_reach_a_brick_of_your_own():
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


def test_no_rows_and_no_columns():
    assert mlp([3, 4, 2], rng=0).jacobian(np.zeros((0, 3))).shape == (0, 2, 3)
    assert Network([Affine(np.zeros((3, 0)), np.zeros(0))]).jacobian(np.ones((2, 3))).shape == (
        2,
        0,
        3,
    )


def test_a_slope_that_is_not_finite_goes_through():
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
def test_what_it_refuses(x, message, error):
    with pytest.raises(error, match=rf"^Network.jacobian: {message}|{message}"):
        mlp([3, 2], rng=0).jacobian(x)


def test_it_refuses_a_brick_that_does_not_give_rows():
    class Total:
        def forward(self, x):
            return x.sum()

        def backward(self, dout):
            return dout

    with pytest.raises(ValueError, match=r"the network must give \(N, O\), but gives \(\)"):
        Network([Affine.random(3, 2, rng=0), Total()]).jacobian(np.ones((2, 3)))


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer measures other things")
def test_it_takes_less_than_three_forwards_and_backwards():
    """64 rows of 13-64-64-1; the best of many turns, for other work only makes a turn slower."""
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
