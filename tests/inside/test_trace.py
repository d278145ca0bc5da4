"""trace records one step brick by brick, and changes nothing."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import handnn
from handnn import (
    LBFGS,
    SGD,
    Adam,
    Affine,
    Dropout,
    Huber,
    MSELoss,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    Trainer,
    article,
    mlp,
    trace,
)
from handnn.reference.calls import DTYPES
from tests import every_brick
from tests.bounds import assert_same_bits
from tests.own_bricks import Scale

every = pytest.mark.parametrize("name", every_brick.MIDDLES)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def step_by_hand(network, loss, x, y):
    """Return [x, out, dout, dx] of each brick, and the loss."""
    seen = []
    out = x
    for layer in network.layers:
        seen.append([out, layer.forward(out)])
        out = seen[-1][1]
    value = loss.forward(out, y)
    dout = loss.backward()
    for arrays, layer in zip(reversed(seen), reversed(network.layers), strict=True):
        arrays += [dout, layer.backward(dout)]
        dout = arrays[-1]
    return seen, value


@every
@both_dtypes
def test_records_the_arrays_that_the_bricks_compute(name, dtype):
    network = every_brick.network(name, dtype)
    x, y = every_brick.rows(name, dtype=dtype)
    found = trace(network, x, y, Huber(0.5))
    seen, value = step_by_hand(copy.deepcopy(network).train(), Huber(0.5), x, y)
    assert found.loss.value == value
    assert_same_bits(found.loss.dx, seen[-1][2])
    for brick, arrays in zip(found.layers, seen, strict=True):
        for array, expected in zip((brick.x, brick.out, brick.dout, brick.dx), arrays, strict=True):
            assert_same_bits(array, expected)
    assert_same_bits(found.out, seen[-1][1])


@every
def test_params_gradients_and_updates_are_those_of_train_step(name):
    network = every_brick.network(name)
    x, y = every_brick.rows(name)
    found = trace(network, x, y, MSELoss(), Adam(0.01))
    copied = copy.deepcopy(network)
    Trainer(copied, MSELoss(), Adam(0.01), engine="bricks").train_step(x, y)
    assert list(found.updates) == list(network.params)
    for param, update in found.updates.items():
        assert_same_bits(update.before, network.params[param])
        assert_same_bits(update.grad, copied.grads[param])
        assert_same_bits(update.after, copied.params[param])
        assert set(update.states) == {"mean", "square"}
    bricks = {brick.place: brick for layer in found.layers for brick in layer.walk()}
    for param, update in found.updates.items():
        place, _, own_name = param.rpartition(".")
        assert_same_bits(bricks[place].params[own_name], update.before)
        assert_same_bits(bricks[place].grads[own_name], update.grad)
    buffers = {
        f"{place}.{own_name}": array
        for place, brick in bricks.items()
        for own_name, array in brick.buffers.items()
    }
    assert set(buffers) == set(copied.buffers)
    for buffer, array in buffers.items():
        assert_same_bits(array, copied.buffers[buffer])


@every
@pytest.mark.parametrize("training", [True, False])
def test_leaves_network_loss_and_optimizer_unchanged(name, training):
    network = every_brick.network(name)
    x, y = every_brick.rows(name)
    loss, optimizer = MSELoss(), Adam(0.01)
    Trainer(network, loss, optimizer, engine="bricks").train_step(x, y)
    network.predict(x)
    network.train(training)
    before = every_brick.state([network, loss, optimizer.state])
    trace(network, x[:4], y[:4], loss, optimizer)
    trace(network, x[:4])
    assert every_brick.state([network, loss, optimizer.state]) == before
    assert optimizer.steps == 1


def test_a_prediction_after_training_shows_no_old_gradients():
    network = every_brick.network("BatchNorm")
    x, y = every_brick.rows("BatchNorm")
    Trainer(network, MSELoss(), SGD(0.1), engine="bricks").train_step(x, y)
    shown = trace(network, x)
    assert [set(brick.made) for brick in shown.layers] == [set(), {"mean", "var"}, set()]
    assert all(brick.grads == {} and brick.dout is None for brick in shown.layers)


def test_dropout_drops_the_entries_of_the_next_training_step():
    network = Network([Affine.random(3, 20, rng=0), Dropout(0.5, rng=4)])
    x, y = np.ones((2, 3)), np.zeros((2, 20))
    shown = trace(network, x, y)
    Trainer(network, MSELoss(), SGD(0.0), engine="bricks").train_step(x, y)
    assert np.array_equal(shown.layers[1].made["mask"], network.layers[1].mask)
    assert shown.layers[1].made["mask"].any()
    again = trace(network, x, y)
    assert not np.array_equal(again.layers[1].made["mask"], shown.layers[1].made["mask"])


@every
def test_without_targets_it_is_a_prediction(name):
    network = every_brick.network(name)
    x, _ = every_brick.rows(name)
    shown = trace(network.train(), x)
    assert_same_bits(shown.out, network.predict(x))
    assert shown.loss is None and shown.updates == {}
    text = str(shown)
    assert text.startswith("Prediction of ") and "Backward" not in text


def test_the_default_loss_is_mse():
    network = mlp([2, 3, 1], rng=0)
    shown = trace(network, [[1, 2], [3, 4]], [0, 1])
    assert shown.loss.name == "MSELoss(gradient='exact')"
    assert shown.loss.y_true.shape == (2, 1)
    labels = trace(mlp([2, 3, 4], rng=0), [[1, 2]], [3], SoftmaxCrossEntropy())
    assert labels.loss.name.startswith("SoftmaxCrossEntropy(")


def test_by_hand():
    """out = 2·3 + 1 = 7, loss (7 - 5)² = 4, dx = 2·(7 - 5) = 4, dw = 3·4, db = 4, w = 2 - 12/10."""
    network = Network([Affine([[2.0]], [1.0])])
    shown = trace(network, [[3.0]], [[5.0]], optimizer=SGD(0.1))
    assert (
        str(shown)
        == """\
One training step of Network(Affine 1→1; 2 parameters, float64)

Forward
=======

layer 0: Affine 1→1
  Compute a weighted sum of the inputs plus a bias
  out = x·w + b
  x (1, 1)
    3
  w (1, 1)
    2
  b (1,)
    1
  out (1, 1)
    7

Loss
====
MSELoss(gradient='exact')
  loss = Σ (pre - y_true)² / (N·O)
  pre (1, 1)
    7
  y_true (1, 1)
    5
  loss = 4

Backward
========
MSELoss(gradient='exact')
  dx = 2 (pre - y_true) / (N·O)
  dx (1, 1)
    4

layer 0: Affine 1→1
  dx = dout·wᵀ
  dw = xᵀ·dout
  db = Σ_n dout
  dout (1, 1)
    4
  dw (1, 1)
    12
  db (1,)
    4
  dx (1, 1)
    8

Update
======
SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0)
  g = grad + weight_decay·param
  velocity = momentum·velocity + g
  step = g + momentum·velocity if nesterov else velocity
  param = param - lr·step
  0.w before (1, 1)
    2
  gradient of 0.w (1, 1)
    12
  0.w after (1, 1)
    0.8
  0.b before (1,)
    1
  gradient of 0.b (1,)
    4
  0.b after (1,)
    0.6"""
    )


def test_a_block_is_shown_with_its_bricks():
    block = [Affine.random(3, 3, rng=0), Residual([ReLU()])]
    network = Network([Affine.random(2, 3, rng=1), Residual(block)])
    shown = trace(network, np.ones((2, 2)), np.ones((2, 3)))
    outer = shown.layers[1]
    assert [brick.place for brick in outer.walk()] == ["1", "1.0", "1.1", "1.1.0"]
    assert outer.params == {} and outer.grads == {}
    assert set(outer.block[0].params) == set(outer.block[0].grads) == {"w", "b"}
    assert_same_bits(outer.out, outer.x + outer.block[1].out)
    assert_same_bits(outer.dx, outer.dout + outer.block[0].dx)
    text = str(shown)
    assert "layer 1: Residual(Affine 3→3, Residual(ReLU))" in text
    forward, backward = text.split("Backward")
    for places in (["1", "1.0", "1.1", "1.1.0"], ["1", "1.1", "1.1.0", "1.0"]):
        part = forward if places[1] == "1.0" else backward
        found = [part.index(f"layer {place}: ") for place in places]
        assert found == sorted(found)


def test_user_defined_bricks_loss_and_optimizer():
    class Twice:
        """Double every entry.

        A second paragraph.
        """

        formulas = ("out = 2·x", "dx = 2·dout")

        def forward(self, x):
            x *= 1  # in place, possibly in the caller's array
            return 2 * x

        def backward(self, dout):
            return 2 * dout

    class Sum:
        formulas = "loss = Σ pre"

        def forward(self, pre, y_true):
            self.pre = pre
            return pre.sum()

        def backward(self):
            return np.ones_like(self.pre)

    class Minus:
        state = None

        def step(self, params, grads):
            for name, array in params.items():
                array -= grads[name]

    network = Network([article.Sigmoid(), Scale(2), Twice()])
    shown = trace(network, np.ones((3, 2)), np.ones((3, 2)), Sum(), Minus())
    text = str(shown)
    for part in ("layer 0: Sigmoid", "layer 1: Scale", "layer 2: Twice", "  Double every entry\n"):
        assert part in text
    for part in ("out = 2·x", "dx = 2·dout", "loss = Σ pre", "\nSum\n", "\nMinus\n"):
        assert part in text
    assert "More of it" not in text
    update = shown.updates["1.factor"]
    assert_same_bits(update.after, update.before - update.grad)
    assert network.layers[1].params["factor"].tolist() == [0.5, 1.5]
    assert network.layers[1].grads == {"factor": None}


def test_records_are_copies_even_if_a_brick_writes_into_its_arrays():
    class InPlace:
        def forward(self, x):
            x[...] = 0
            return x

        def backward(self, dout):
            dout[...] = 5
            return dout

    network = Network([Affine([[1.0]], [0.0]), InPlace(), Affine([[2.0]], [1.0])])
    x = np.array([[3.0]])
    shown = trace(network, x, [[0.0]])
    assert x.tolist() == shown.x.tolist() == [[3.0]]
    assert shown.layers[0].out.tolist() == shown.layers[1].x.tolist() == [[3.0]]
    assert shown.layers[1].out.tolist() == [[0.0]]
    assert shown.layers[1].dout.tolist() == [[4.0]] and shown.layers[1].dx.tolist() == [[5.0]]


def test_the_text_of_a_large_network_stays_short():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 300))
    x[0, 0] = np.nan
    shown = trace(mlp([300, 200, 2], rng=0), x, rng.normal(size=(500, 2)))
    text = str(shown)
    assert "x (500, 300): 150,000 numbers, min " in text and ", 1 NaN" in text
    assert max(map(len, text.splitlines())) <= 100 and len(text.splitlines()) < 200
    assert len(shown.to_html()) < 100_000


def test_repr_is_one_line():
    shown = trace(mlp([2, 1], rng=0), [[0, 0]], [1])
    assert repr(shown) == "Trace(Network(Affine 2→1; 3 parameters, float32), 1 row, loss 1)"
    assert repr(trace(mlp([2, 1], rng=0), [[0, 0]] * 2)).endswith("float32), 2 rows)")


X, Y = np.ones((4, 2)), np.ones((4, 1))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([ReLU()], X, Y), TypeError, r"network must be a Network, but is a list; write Network"),
        ((None, X, Y, MSELoss), TypeError, "loss must be an object, but is the class MSELoss;"),
        ((None, X, Y, None, 0.1), TypeError, "optimizer must have step, but is 0.1"),
        ((None, X, None, MSELoss()), ValueError, "loss needs y"),
        ((None, X, None, None, SGD(0.1)), ValueError, "optimizer needs y"),
        ((None, X, Y, None, LBFGS()), ValueError, "LBFGS takes no single steps"),
        ((None, X[:0], Y[:0]), ValueError, "x has no rows"),
        ((None, 1.0, Y), ValueError, "x must have rows, but is a single number"),
        ((None, np.ones((4, 3)), Y), ValueError, r"x must have shape \(4, 2\), but has \(4, 3\)"),
        ((None, X, Y[:3]), ValueError, "x has 4 rows but y has 3"),
        ((None, X, 1.0), ValueError, "y must have rows, but is a single number"),
        ((None, X, np.ones((4, 2))), ValueError, r"y must have shape \(4, 1\) for pre"),
        ((None, X, [0, 0, 0, 2], SoftmaxCrossEntropy()), ValueError, "row 3 of y is 2, but a lab"),
        ((None, [["a", "b"]], Y), TypeError, "x must hold real numbers"),
        ((None, X, Y + 1j), TypeError, "y must hold real numbers"),
    ],
)
def test_rejects_invalid_arguments(arguments, error, message):
    network = mlp([2, 1], rng=0) if arguments[0] is None else arguments[0]
    with pytest.raises(error, match=f"^trace: {message}"):
        trace(network, *arguments[1:])


def test_the_public_names_are_the_functions_of_inside():
    from handnn import inside

    assert handnn.trace is inside.trace and callable(handnn.trace)
    assert handnn.layer_statistics is inside.layer_statistics


def test_a_trace_can_be_pickled_and_copied():
    x, y = every_brick.rows("Residual")
    shown = trace(every_brick.network("Residual"), x, y, optimizer=Adam(0.01))
    for again in (pickle.loads(pickle.dumps(shown)), copy.deepcopy(shown)):
        assert str(again) == str(shown) and again.to_html() == shown.to_html()
