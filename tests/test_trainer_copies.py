"""Copies of trainers and optimizers continue as their originals would."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

from handnn import LBFGS, SGD, Adam, MSELoss, Trainer, mlp
from tests.bounds import assert_same_bits
from tests.test_copies import (
    TRAINED_BY,
    arrays_in,
    assert_continue_alike,
    assert_copy,
    both_engines,
    data,
    every_copy,
    everything,
    trained,
)


@every_copy
@both_engines
@pytest.mark.parametrize("name", TRAINED_BY)
def test_copies_of_trainers_continue(name, engine, copied):
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
    assert_continue_alike(one, other)


@every_copy
@pytest.mark.parametrize("name", [name for name in TRAINED_BY if name != "LBFGS"])
def test_copies_of_optimizers_continue(name, copied):
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
def test_training_a_copy_does_not_change_the_original(copied):
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
def test_copies_made_during_fit_continue(engine, copied):
    """A callback copies after half the epochs; without shuffling, so both see the same batches."""
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


def test_a_copy_trains_in_another_thread_during_fit():
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
    """A callback with state and a reference to its trainer."""

    def __init__(self):
        self.losses = []
        self.trainer = None

    def __call__(self, trainer):
        self.trainer = trainer
        self.losses.append(trainer.history.train_loss[-1])


@every_copy
def test_callbacks_are_copied_and_refer_to_the_copy(copied):
    one = trained(SGD(0.01), callbacks=[Watcher()])
    other = copied(one)
    (ours,), (theirs,) = one.callbacks, other.callbacks
    assert theirs is not ours and theirs.losses == ours.losses
    assert theirs.trainer is other
    other.fit(*data(), epochs=1, batch_size=16)
    assert len(theirs.losses) == 3 and len(ours.losses) == 2


def test_a_pickle_continues_in_another_process(tmp_path):
    """The new process has not imported handnn, like those of joblib and multiprocessing."""
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
