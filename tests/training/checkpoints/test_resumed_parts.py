"""A resumed trainer continues with the parts of its checkpoint, and their current settings."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from handnn import SGD, Affine, BCEWithLogits, ReLU, Trainer
from tests.training.checkpoints.fits import digest, options, rows, trainer


class Stop(Exception):
    pass


def interrupted(path):
    """Return a trainer that is resumed after two epochs."""

    def stop(one):
        if len(one.history) == 3:
            raise Stop

    with pytest.raises(Stop):
        trainer(callbacks=[stop]).fit(*rows(), checkpoint=path, **options())
    return Trainer.resume(path)


def replaced(name, make):
    def change(one):
        setattr(one, name, make(one))

    return change


CHANGES = {
    "network": replaced("network", lambda one: copy.deepcopy(one.network)),
    "loss": replaced("loss", lambda one: BCEWithLogits()),
    "optimizer": replaced("optimizer", lambda one: SGD(0.01)),
    "rng": replaced("rng", lambda one: np.random.default_rng(3)),
    "network and a layer more": lambda one: one.network.layers.append(Affine.random(1, 1)),
    "network and a layer less": lambda one: one.network.layers.pop(2),
    "network and another layer": lambda one: one.network.layers.__setitem__(2, ReLU()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_rejects_other_parts(change, tmp_path):
    one = interrupted(tmp_path / "run")
    CHANGES[change](one)
    before, history = one.network.params["0.w"].copy(), len(one.history)
    name = change.split()[0]
    with pytest.raises(ValueError, match=f"^Trainer.fit: {name} is not that of the checkpoint"):
        one.fit(*rows())
    assert np.array_equal(one.network.params["0.w"], before) and len(one.history) == history


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_of_a_resumed_trainer_continue(copied, tmp_path):
    whole = trainer()
    whole.fit(*rows(), **options())
    one = copied(interrupted(tmp_path / "run"))
    one.fit(*rows())
    assert digest(one) == digest(whole)


def test_settings_may_be_changed(tmp_path):
    """The result is the same as if they had been changed during the first training."""

    def slower(one):
        if len(one.history) == 2:
            one.optimizer.lr, one.optimizer.clip_norm = 1e-4, 0.5

    whole = trainer(callbacks=[slower])
    whole.fit(*rows(), **options())
    one = interrupted(tmp_path / "run")
    one.optimizer.lr, one.optimizer.clip_norm, one.engine = 1e-4, 0.5, "bricks"
    one.fit(*rows())
    assert digest(one) == digest(whole)
