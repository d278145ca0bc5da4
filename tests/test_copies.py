"""copy.deepcopy and pickle: copies continue with the same bits and share no memory."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest

from handnn import (
    LBFGS,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Affine,
    BatchNorm,
    Dropout,
    History,
    LayerNorm,
    MSELoss,
    Network,
    ReLU,
    Residual,
    RMSProp,
    Trainer,
    article,
    gradient_check,
    mlp,
)
from handnn.layers import BRICKS
from handnn.optimizers import OPTIMIZERS
from handnn.schedules import Constant, Cosine, OneCycle, ReduceOnPlateau, Step, WarmUp
from tests.bounds import assert_same_bits
from tests.exchange import networks
from tests.losses.losses import LOSSES
from tests.own_bricks import Halve, Scale

COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle 2": lambda thing: pickle.loads(pickle.dumps(thing, 2)),
    "pickle highest": lambda thing: pickle.loads(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)),
}
every_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
both_engines = pytest.mark.parametrize("engine", ["compiled", "bricks"])


def arrays_in(thing, seen=None):
    """Yield every array that is reachable from an object, in a fixed order."""
    seen = {} if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return
    seen[id(thing)] = thing
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from arrays_in(value, seen)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from arrays_in(value, seen)
    elif hasattr(thing, "__dict__") and not callable(thing):
        yield from arrays_in(vars(thing), seen)


def assert_copy(one, other):
    """Assert equal arrays in separate memory, and the same type and repr."""
    ours, theirs = list(arrays_in(one)), list(arrays_in(other))
    assert type(one) is type(other) and repr(one) == repr(other)
    assert len(ours) == len(theirs)
    for array, new in zip(ours, theirs, strict=True):
        assert_same_bits(new, array)
        assert new.flags.writeable == array.flags.writeable and new.flags.aligned
        assert not any(np.may_share_memory(new, other) for other in ours if new.size)


def data(columns=6, outputs=2, rows=40, dtype="float32"):
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, columns)).astype(dtype), rng.normal(size=(rows, outputs))


def everything(dtype="float32"):
    """Return a network with every kind of state that a training step changes."""
    rng = np.random.default_rng(0)
    block = Residual([networks.affine(8, 8, rng, dtype), Dropout(0.1, rng=3)])
    layers = [networks.affine(6, 8, rng, dtype), BatchNorm.new(8, dtype), ReLU(), block]
    return Network([*layers, Dropout(0.2, rng=4), networks.affine(8, 2, rng, dtype)])


def trained(optimizer, engine="auto", network=None, **options):
    trainer = Trainer(
        network or everything(), MSELoss(), optimizer, engine=engine, rng=7, **options
    )
    trainer.fit(*data(), epochs=2, batch_size=16, validation=0.2)
    return trainer


def assert_continue_alike(one, other, **options):
    """Assert that both continue to the same bits, in fit and in single steps."""
    for trainer in (one, other):
        trainer.fit(*data(), epochs=3, batch_size=16, validation=0.2)
        if not isinstance(trainer.optimizer, LBFGS):
            trainer.train_step(*data())
    assert one.history.train_loss == other.history.train_loss
    assert one.history.validation_loss == other.history.validation_loss
    for arrays in ("params", "buffers"):
        for name, array in getattr(one.network, arrays).items():
            assert_same_bits(getattr(other.network, arrays)[name], array, name)
    assert one.rng.bit_generator.state == other.rng.bit_generator.state
    x, _ = data()
    assert_same_bits(one.network.predict(x), other.network.predict(x))


TRAINED_BY = {
    **{optimizer.__name__: partial(optimizer, 0.05) for optimizer in OPTIMIZERS},
    "SGD, momentum": lambda: SGD(0.05, momentum=0.9, nesterov=True, clip_norm=1.0),
    "AdaGrad": lambda: AdaGrad(0.05, lr_scales={"0": 0.5}),
    "RMSProp": lambda: RMSProp(0.01, momentum=0.5),
    "Adam": lambda: Adam(0.01, schedule=Cosine(40)),
    "AdamW": lambda: AdamW(0.01, schedule=WarmUp(3, ReduceOnPlateau(patience=0))),
    "LBFGS": lambda: LBFGS(),
}
SCHEDULES = [Constant(), Step(4), Cosine(20), WarmUp(5, Step(2)), OneCycle(30)]
SCHEDULES += [ReduceOnPlateau(patience=1), WarmUp(2, ReduceOnPlateau())]


def test_the_list_has_every_optimizer():
    kinds = {type(build()) for build in TRAINED_BY.values()}
    assert kinds == {*OPTIMIZERS, LBFGS}


@every_copy
@pytest.mark.parametrize("name", networks.BRICKS)
@pytest.mark.parametrize("is_used", [False, True], ids=["new", "used"])
def test_copies_of_bricks(name, copied, is_used):
    brick = networks.of_one_brick(name, "float64").layers[1]
    x = networks.rows_of(12, "float64")
    if is_used:
        dout = np.random.default_rng(0).normal(size=brick.forward(x).shape)
        brick.backward(dout)
    other = copied(brick)
    assert_copy(brick, other)
    if is_used:  # the copy has what the brick kept for backward
        assert_same_bits(other.backward(dout), brick.backward(dout))
    assert_same_bits(other.forward(x), brick.forward(x))
    for key, grad in brick.grads.items():
        if is_used:
            assert_same_bits(other.grads[key], grad, key)
        else:
            assert other.grads[key] is grad is None


def test_the_list_has_every_brick():
    assert {name.split(",")[0].split()[0] for name in networks.BRICKS} == set(BRICKS)


@every_copy
@pytest.mark.parametrize("name", LOSSES)
def test_copies_of_losses(name, copied):
    loss = LOSSES[name].build()
    assert_copy(loss, copied(loss))
    rows = LOSSES[name].rows(10)
    loss.forward(*rows)
    other = copied(loss)
    assert_copy(loss, other)
    assert other.loss == loss.loss
    assert_same_bits(other.backward(), loss.backward())
    assert other.forward(*rows) == loss.forward(*rows)


@every_copy
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_copies_of_schedules(schedule, copied):
    for loss in (3.0, 2.0, 2.0, 2.0, 2.5):
        schedule.watch(loss)
    other = copied(schedule)
    assert repr(other) == repr(schedule)
    for later in (2.5, 2.5, 2.5, 2.5):
        assert_same_bits(other.factors(3, 20), schedule.factors(3, 20))
        schedule.watch(later)
        other.watch(later)
    assert_same_bits(other.factors(3, 20), schedule.factors(3, 20))


class Named(Network):
    """A subclass with attributes in __dict__ and in __slots__."""

    __slots__ = ("note",)

    def __init__(self, name, layers):
        super().__init__(layers)
        self.name = name
        self.note = [name]


class Doubled(ReLU):
    """A subclass of one of handnn's bricks."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * super().forward(x)

    def backward(self, dout):
        return super().backward(self.factor * dout)


@every_copy
def test_copies_of_subclasses_and_own_bricks(copied):
    rng = np.random.default_rng(0)
    layers = [Affine.random(6, 4, rng=rng, dtype="float64"), Doubled(3.0), Scale(4), Halve()]
    last = Network([LayerNorm.new(4, "float64"), Affine.random(4, 2, rng=rng, dtype="float64")])
    network = Named("n", [*layers, last])
    x, _ = data()
    network.predict(x)
    last.predict(np.ones((2, 4)))  # compiles the network
    one = trained(SGD(0.01, momentum=0.9), network=network)
    other = copied(one)
    assert_copy(one, other)
    assert other.network.name == "n" and other.network.note == ["n"]
    assert other.network.note is not one.network.note and other.network.layers[1].factor == 3
    assert_continue_alike(one, other)


@every_copy
def test_modes_and_shared_arrays_are_copied(copied):
    w = np.ones((3, 3))
    network = Network([Affine(w, np.zeros(3)), Dropout(), Residual([Dropout()]), Affine(w, w[0])])
    network.eval()
    network.layers[1].training = True
    other = copied(network)
    assert other.layers[0].w is other.layers[3].w is not w
    assert [layer.training for layer in other.layers] == [False, True, False, False]
    assert not other.layers[2].block[0].training


@every_copy
def test_copies_compile_again(copied):
    network = everything()
    x, _ = data()
    expected = network.predict(x)
    other = copied(network)
    assert network._compiled is not None and other._compiled is None
    assert_same_bits(other.predict(x), expected)
    other.params["0.w"][:] = 0
    assert (other.predict(x) != expected).any()
    assert_same_bits(network.predict(x), expected)


@every_copy
def test_copies_of_histories(copied):
    history = trained(SGD(0.01)).history
    other = copied(history)
    assert isinstance(other, History) and repr(other) == repr(history)
    assert other.to_dict() == history.to_dict()
    other.extend([other.last])
    assert (len(history), len(other)) == (2, 3)


@every_copy
def test_copies_of_gradient_reports_and_the_articles_bricks(copied):
    network = mlp([3, 2], rng=0, dtype="float64")
    report = gradient_check(network, MSELoss(), np.ones((2, 3)), np.zeros((2, 2)))
    assert repr(copied(report)) == repr(report)
    affine = article.Affine(np.ones((3, 2)), np.zeros(2))
    out = affine.forward(np.ones((4, 3)))
    assert_same_bits(copied(affine).backward(out), affine.backward(out))


def test_shallow_copies_share_bricks():
    network = mlp([3, 2], rng=0)
    network.predict(np.ones((1, 3)))
    other = copy.copy(network)
    assert other.layers is network.layers
    assert_same_bits(other.predict(np.ones((1, 3))), network.predict(np.ones((1, 3))))
