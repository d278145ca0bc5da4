"""Copies, by copy.deepcopy or by pickle: they go on with the same bits, and share nothing."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping

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
    """Every array that can be reached from an object, in a fixed order."""
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
    """The same arrays, of memory of their own, and the same words."""
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
    """A network in which all that a step leaves behind has its part."""
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


def assert_go_on_alike(one, other, **options):
    """Both train on: with fit, in an order that their rng draws, and with single steps."""
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
    "SGD": lambda: SGD(0.05),
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
def test_every_brick(name, copied, is_used):
    brick = networks.of_one_brick(name, "float64").layers[1]
    x = networks.rows_of(12, "float64")
    if is_used:
        dout = np.random.default_rng(0).normal(size=brick.forward(x).shape)
        brick.backward(dout)
    other = copied(brick)
    assert_copy(brick, other)
    if is_used:  # what it kept for backward, it has kept
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
def test_every_loss(name, copied):
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
def test_every_schedule(schedule, copied):
    for loss in (3.0, 2.0, 2.0, 2.0, 2.5):
        schedule.watch(loss)
    other = copied(schedule)
    assert repr(other) == repr(schedule)
    for later in (2.5, 2.5, 2.5, 2.5):
        assert_same_bits(other.factors(3, 20), schedule.factors(3, 20))
        schedule.watch(later)
        other.watch(later)
    assert_same_bits(other.factors(3, 20), schedule.factors(3, 20))


@every_copy
@both_engines
@pytest.mark.parametrize("name", TRAINED_BY)
def test_a_trainer_goes_on_where_it_was(name, engine, copied):
    if name == "LBFGS":
        pytest.importorskip("scipy", reason="LBFGS needs SciPy")
        one = Trainer(mlp([6, 5, 2], "tanh", rng=0), MSELoss(), LBFGS(), rng=7)
        one.fit(*data(), epochs=3, batch_size=40)
        other = copied(one)
        assert_copy(one, other)
        assert (other.optimizer.message, other.optimizer.converged) == (
            one.optimizer.message, one.optimizer.converged,
        )  # fmt: skip
        histories = [t.fit(*data(), epochs=3, batch_size=40) for t in (one, other)]
        assert histories[0].train_loss == histories[1].train_loss
        return
    one = trained(TRAINED_BY[name](), engine)
    other = copied(one)
    assert_copy(one, other)
    assert other.optimizer.state.keys() == one.optimizer.state.keys()
    assert other.optimizer.steps == one.optimizer.steps > 0
    assert other.history is not one.history and len(other.history) == 2
    assert_go_on_alike(one, other)


@every_copy
@pytest.mark.parametrize("name", [name for name in TRAINED_BY if name != "LBFGS"])
def test_an_optimizer_alone_goes_on_where_it_was(name, copied):
    rng = np.random.default_rng(0)
    one, params = TRAINED_BY[name](), {"0.w": rng.normal(size=(3, 2)), "0.b": rng.normal(size=2)}
    grads = {key: rng.normal(size=array.shape) for key, array in params.items()}
    for _ in range(3):
        one.step(params, grads)
    other, theirs = copied((one, params))
    assert_copy(one, other)
    for _ in range(3):
        one.step(params, grads)
        other.step(theirs, grads)
    for key, array in params.items():
        assert_same_bits(theirs[key], array, key)


@every_copy
def test_what_a_copy_does_its_original_does_not_feel(copied):
    one = trained(Adam(0.01))
    before = [array.copy() for array in arrays_in(one)]
    state, steps = one.rng.bit_generator.state, one.optimizer.steps
    losses, dropped = one.history.train_loss, one.network.layers[4].step
    other = copied(one)
    other.fit(*data(), epochs=2, batch_size=8)
    for array, then in zip(arrays_in(one), before, strict=True):
        assert_same_bits(array, then)
    assert (one.rng.bit_generator.state, one.optimizer.steps) == (state, steps)
    assert (one.history.train_loss, one.network.layers[4].step) == (losses, dropped)


@every_copy
@both_engines
def test_a_copy_made_in_the_middle_of_fit(engine, copied):
    """By a callback, after half the epochs; in the order of the rows, so both have the same."""
    copies = {}

    def keep(trainer):
        trainer.callbacks = ()
        copies[len(trainer.history)] = copied(trainer)
        trainer.callbacks = (keep,)

    one = Trainer(everything(), MSELoss(), Adam(0.01), engine=engine, callbacks=[keep])
    one.fit(*data(), epochs=6, batch_size=16, shuffle=False)
    half = copies[3]
    assert len(half.history) == 3
    half.fit(*data(), epochs=3, batch_size=16, shuffle=False)
    assert half.history.train_loss == one.history.train_loss[3:]
    for name, array in one.network.params.items():
        assert_same_bits(half.network.params[name], array, name)


def test_another_thread_may_train_a_copy_while_the_original_trains():
    losses = []

    def train_copy(trainer):
        other = copy.deepcopy(trainer)
        other.callbacks = ()
        thread = threading.Thread(
            target=lambda: losses.append(other.fit(*data(), epochs=1, batch_size=16).train_loss)
        )
        thread.start()
        thread.join()

    trained(SGD(0.01), callbacks=[train_copy])
    assert len(losses) == 2 and np.isfinite(losses).all()


class Watcher:
    """A callback with a memory, which also knows its trainer."""

    def __init__(self):
        self.losses = []
        self.trainer = None

    def __call__(self, trainer):
        self.trainer = trainer
        self.losses.append(trainer.history.train_loss[-1])


@every_copy
def test_callbacks_come_along_and_know_the_copy(copied):
    one = trained(SGD(0.01), callbacks=[Watcher()])
    other = copied(one)
    (ours,), (theirs,) = one.callbacks, other.callbacks
    assert theirs is not ours and theirs.losses == ours.losses
    assert theirs.trainer is other
    other.fit(*data(), epochs=1, batch_size=16)
    assert len(theirs.losses) == 3 and len(ours.losses) == 2


class Named(Network):
    """A network with something of its own, in a dict and in slots."""

    __slots__ = ("note",)

    def __init__(self, name, layers):
        super().__init__(layers)
        self.name = name
        self.note = [name]


class Doubled(ReLU):
    """A brick that descends from one of ours."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * super().forward(x)

    def backward(self, dout):
        return super().backward(self.factor * dout)


@every_copy
def test_subclasses_and_bricks_of_ones_own(copied):
    rng = np.random.default_rng(0)
    layers = [Affine.random(6, 4, rng=rng, dtype="float64"), Doubled(3.0), Scale(4), Halve()]
    last = Network([LayerNorm.new(4, "float64"), Affine.random(4, 2, rng=rng, dtype="float64")])
    network = Named("n", [*layers, last])
    x, _ = data()
    network.predict(x)
    last.predict(np.ones((2, 4)))  # so that it has something compiled
    one = trained(SGD(0.01, momentum=0.9), network=network)
    other = copied(one)
    assert_copy(one, other)
    assert other.network.name == "n" and other.network.note == ["n"]
    assert other.network.note is not one.network.note and other.network.layers[1].factor == 3
    assert_go_on_alike(one, other)


@every_copy
def test_the_mode_and_what_is_shared_within_come_along(copied):
    w = np.ones((3, 3))
    network = Network([Affine(w, np.zeros(3)), Dropout(), Residual([Dropout()]), Affine(w, w[0])])
    network.eval()
    network.layers[1].training = True
    other = copied(network)
    assert other.layers[0].w is other.layers[3].w is not w
    assert [layer.training for layer in other.layers] == [False, True, False, False]
    assert not other.layers[2].block[0].training


@every_copy
def test_what_is_compiled_is_left_out_and_compiled_anew(copied):
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
def test_a_history(copied):
    history = trained(SGD(0.01)).history
    other = copied(history)
    assert isinstance(other, History) and repr(other) == repr(history)
    assert other.to_dict() == history.to_dict()
    other.extend([])
    other._epochs.clear()
    assert len(history) == 2


@every_copy
def test_a_report_of_the_gradient_check_and_the_articles_bricks(copied):
    network = mlp([3, 2], rng=0, dtype="float64")
    report = gradient_check(network, MSELoss(), np.ones((2, 3)), np.zeros((2, 2)))
    assert repr(copied(report)) == repr(report)
    affine = article.Affine(np.ones((3, 2)), np.zeros(2))
    out = affine.forward(np.ones((4, 3)))
    assert_same_bits(copied(affine).backward(out), affine.backward(out))


def test_a_pickle_goes_on_in_another_process(tmp_path):
    """A process that has imported nothing yet, as joblib's or multiprocessing's have."""
    one = trained(Adam(0.01))
    path = tmp_path / "trainer.pickle"
    path.write_bytes(pickle.dumps(one))
    np.savez(tmp_path / "data.npz", *data())
    script = (
        "import pickle, sys, pathlib, numpy as np\n"
        "trainer = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "x, y = np.load(sys.argv[2]).values()\n"
        "print(trainer.fit(x, y, epochs=2, batch_size=16).train_loss)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, path, tmp_path / "data.npz"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str(one.fit(*data(), epochs=2, batch_size=16).train_loss)


def test_shallow_copies_of_a_network_share_its_bricks():
    network = mlp([3, 2], rng=0)
    network.predict(np.ones((1, 3)))
    other = copy.copy(network)
    assert other.layers is network.layers
    assert_same_bits(other.predict(np.ones((1, 3))), network.predict(np.ones((1, 3))))
