"""Which trainings are compiled, and the attributes that remain after each engine."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from handnn import SGD, Affine, MSELoss, Network, ReLU, Sigmoid, Trainer, mlp
from tests.bounds import assert_same_bits
from tests.engine.fits import digest, rows, trainer
from tests.own_bricks import Halve, Scale


class LeakyReLU(ReLU):
    """A subclass of a brick, which may behave differently."""

    def forward(self, x):
        return np.maximum(super().forward(x), 0.1 * x)


class HalfLoss(MSELoss):
    def forward(self, pre, y_true, sample_weight=None):
        return super().forward(pre, y_true, sample_weight) / 2


class OwnSGD(SGD):
    pass


class AbsoluteLoss:
    def forward(self, pre, y_true):
        self.sign = np.sign(pre - y_true) / pre.size
        return float(np.abs(pre - y_true).mean())

    def backward(self):
        return self.sign


def affines():
    return Affine.random(5, 8, rng=0), Affine.random(8, 3, rng=1)


def with_brick(brick):
    first, last = affines()
    return Network([first, brick, last]), MSELoss(), SGD(0.01)


def read_only():
    network, loss, optimizer = with_brick(ReLU())
    network.layers[2].b.flags.writeable = False
    return network, loss, optimizer


def strided():
    network, loss, optimizer = with_brick(ReLU())
    network.layers[0].w = np.asfortranarray(network.layers[0].w)
    return network, loss, optimizer


def shared():
    network, loss, optimizer = with_brick(Sigmoid())
    one, two = network.layers[0], network.layers[2]
    memory = np.zeros(10, np.float32)
    one.b, two.b = memory[:8], memory[7:]
    return network, loss, optimizer


NOT_OURS = {
    "own brick": (lambda: with_brick(Halve()), "layer 1 is a Halve"),
    "own brick that learns": (lambda: with_brick(Scale(8, "float32")), "layer 1 is a Scale"),
    "subclass of a brick": (lambda: with_brick(LeakyReLU()), "layer 1 is a LeakyReLU"),
    "own loss": (lambda: (with_brick(ReLU())[0], AbsoluteLoss(), SGD(0.01)), "AbsoluteLoss"),
    "subclass of a loss": (lambda: (with_brick(ReLU())[0], HalfLoss(), SGD(0.01)), "HalfLoss"),
    "subclass of an optimizer": (lambda: (*with_brick(ReLU())[:2], OwnSGD(0.01)), "OwnSGD"),
    "read-only array": (read_only, "writable"),
    "strided array": (strided, "C-contiguous"),
    "shared array": (shared, "share memory"),
    "nothing to learn": (lambda: (Network([ReLU()]), MSELoss(), SGD(0.01)), "no layer has params"),
}
CANNOT_TRAIN = ("read-only array", "strided array", "nothing to learn")
CAN_TRAIN = [name for name in NOT_OURS if name not in CANNOT_TRAIN]


@pytest.mark.parametrize("name", NOT_OURS)
def test_compiled_raises_with_the_obstacle(name):
    make, reason = NOT_OURS[name]
    with pytest.raises(ValueError, match=f"engine='compiled' .*({reason})"):
        Trainer(*make(), engine="compiled")


@pytest.mark.parametrize("name", CAN_TRAIN)
def test_auto_falls_back_to_the_bricks(name):
    x, y, _ = rows(40, 5, 3)
    digests = []
    for engine in ("auto", "bricks"):
        network, loss, optimizer = NOT_OURS[name][0]()
        before = digest(network)
        Trainer(network, loss, optimizer, engine=engine, rng=1).fit(x, y, epochs=3, batch_size=8)
        assert digest(network) != before
        digests.append(digest(network))
        assert network.layers[0].dw is not None and network.layers[0].x is not None
    assert digests[0] == digests[1]


@pytest.mark.parametrize(("make", "word"), [(read_only, "writ|read-only"), (strided, "contiguous")])
def test_the_bricks_also_reject_arrays_that_cannot_be_updated(make, word):
    network, loss, optimizer = make()
    with pytest.raises(ValueError, match=word):
        Trainer(network, loss, optimizer).fit(*rows(40, 5, 3)[:2], epochs=1, batch_size=8)


def test_the_next_fit_notices_a_replaced_brick():
    x, y, _ = rows(40, 5, 3)
    one = trainer(engine="compiled")
    one.fit(x, y, epochs=1, batch_size=8)
    one.network.layers[1] = LeakyReLU()
    before = digest(one.network)
    with pytest.raises(ValueError, match="LeakyReLU"):
        one.fit(x, y, epochs=1, batch_size=8)
    assert digest(one.network) == before


# ---- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["auto", "compiled"])
def test_after_a_compiled_fit_backward_raises(engine):
    x, y, _ = rows(40, 5, 3)
    network = Network([*affines(), Sigmoid(), ReLU()])
    one = Trainer(network, MSELoss(), SGD(0.01), engine=engine)
    one.train_step(x, y)
    first, _, sigmoid, relu = network.layers
    kept = [first.x, first.dw, first.db, sigmoid.out, relu.x, one.loss.pre, one.loss.y_true]
    assert all(array is not None for array in kept)
    one.fit(x, y, epochs=1, batch_size=8)
    kept = [first.x, first.dw, first.db, sigmoid.out, relu.x, relu.mask]
    assert kept == [None] * len(kept)
    assert one.loss.pre is one.loss.y_true is one.loss.sample_weight is one.loss.loss is None
    assert set(network.grads.values()) == {None}
    for brick in (network, *network.layers):
        with pytest.raises(RuntimeError, match="call forward first"):
            brick.backward(np.ones((8, 3), np.float32))
    with pytest.raises(RuntimeError, match="call forward first"):
        one.loss.backward()
    one.train_step(x, y)
    assert network.grads["0.w"] is not None


def test_training_keeps_the_array_objects():
    x, y, _ = rows(40, 5, 3)
    one = trainer(engine="compiled")
    before = one.network.params
    one.fit(x, y, epochs=1, batch_size=8)
    velocities = dict(one.optimizer.velocities)
    one.fit(x, y, epochs=1, batch_size=8)
    assert list(velocities) == list(before) == list(one.network.params)
    assert all(one.network.params[name] is before[name] for name in before)
    assert all(one.optimizer.velocities[name] is velocities[name] for name in velocities)


def test_predict_keeps_the_state_of_forward():
    x, y, _ = rows(40, 5, 3)
    network = Network([*affines(), Sigmoid(), ReLU()])
    loss = MSELoss()
    loss.forward(network.forward(x), y)
    kept = [{**vars(layer)} for layer in network.layers]
    network.predict(rows(7, 5, 3, seed=1)[0])
    for layer, before in zip(network.layers, kept, strict=True):
        assert all(vars(layer)[name] is value for name, value in before.items())


# ---- predict sees every change -------------------------------------------------------------------


def replace_weights(network):
    network.layers[0].w = network.layers[0].w * 2


def replace_bias(network):
    network.layers[2].b = network.layers[2].b + 1


def change_in_place(network):
    network.layers[0].w[1, 2] += 1
    network.layers[2].b[:] = 5


def append(network):
    network.layers.append(Sigmoid())


def replace_layer(network):
    network.layers[1] = Sigmoid()


def insert_own(network):
    network.layers.insert(1, Halve())


def remove(network):
    del network.layers[1:]


def train(network):
    x, y, _ = rows(40, 5, network.forward(np.zeros((1, 5), np.float32)).shape[1])
    Trainer(network, MSELoss(), SGD(0.01)).fit(x, y, epochs=2, batch_size=8)


def other_dtype(network):
    for affine in (network.layers[0], network.layers[2]):
        affine.w, affine.b = affine.w.astype("float64"), affine.b.astype("float64")


CHANGES = [replace_weights, replace_bias, change_in_place, append, replace_layer, insert_own]
CHANGES += [remove, train, other_dtype]


@pytest.mark.parametrize("change", CHANGES)
def test_predict_notices_changed_layers(change):
    x, _, _ = rows(20, 5, 3)
    network = mlp([5, 8, 3], rng=0)
    before = network.predict(x)
    change(network)
    after = network.predict(x)
    assert after.shape != before.shape or (after != before).any()
    assert_same_bits(after, network.forward(x))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, lambda network: pickle.loads(pickle.dumps(network))]
)
def test_copies_of_a_network_after_predict(copied):
    x, _, _ = rows(20, 5, 3)
    network = mlp([5, 8, 3], rng=0)
    expected = network.predict(x)
    other = copied(network)
    assert_same_bits(other.predict(x), expected)
    if copied is not copy.copy:
        change_in_place(other)
        assert (other.predict(x) != expected).any()
        assert_same_bits(network.predict(x), expected)
