"""Checkpoints reject other arguments, other data, unsupported parts and foreign files."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest

import handnn
from handnn import (
    LBFGS,
    SGD,
    Affine,
    EarlyStopping,
    FormatError,
    MSELoss,
    Network,
    Trainer,
    mlp,
    schedules,
)
from tests.own_bricks import Halve
from tests.training.checkpoints.fits import (
    digest,
    interrupted,
    options,
    rows,
    trainer,
)

both_engines = pytest.mark.parametrize("engine", ["compiled", "bricks"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:-1], y[:-1], {}), "x differs from the interrupted fit"),
        (lambda x, y: (x + np.float32(1e-6), y, {}), "x differs"),
        (lambda x, y: (x, 1 - y, {}), "y differs"),
        (lambda x, y: (x, y, {"sample_weight": np.ones(90)}), "sample_weight differs"),
        (lambda x, y: (x, y, {"batch_size": 9}), "batch_size is 9, but the interrupted fit had 8"),
        (lambda x, y: (x, y, {"shuffle": False}), "shuffle is False"),
        (lambda x, y: (x, y, {"validation": 0.5}), "validation is 0.5"),
        (lambda x, y: (x, y, {"validation": (x, y)}), "validation is None"),
        (lambda x, y: (x, y, {"metrics": "auc"}), "metrics is"),
        (lambda x, y: (x, y, {"steps_per_epoch": 2}), "steps_per_epoch is 2"),
        (lambda x, y: (x, y, {"early_stopping": EarlyStopping(6)}), "early_stopping is"),
    ],
)
def test_rejects_other_arguments_and_other_data(path, change, message):
    x, y = rows()
    one = interrupted(trainer(), path, 3, x, y, **options())
    before = digest(one)
    other_x, other_y, given = change(x, y)
    with pytest.raises(ValueError, match=f"Trainer.fit: .*{message}"):
        one.fit(other_x, other_y, **given)
    assert digest(one) == before
    one.fit(x, y)
    whole = trainer()
    whole.fit(x, y, **options())
    assert digest(one) == digest(whole)


class Own(SGD):
    pass


class OwnSchedule(schedules.Constant):
    pass


class OwnStopping(EarlyStopping):
    pass


class OwnLoss(MSELoss):
    pass


def part(network=None, loss=None, optimizer=None, rng=0):
    return Trainer(network or mlp([5, 1], rng=0), loss or MSELoss(), optimizer or SGD(0.1), rng=rng)


@pytest.mark.parametrize(
    ("one", "given", "message"),
    [
        (part(Network([Affine.random(5, 1), Halve()])), {}, "layer 1 .Halve. is not one of"),
        (part(loss=OwnLoss()), {}, "the loss is a OwnLoss"),
        (part(optimizer=Own(0.1)), {}, "the optimizer is a Own"),
        (part(optimizer=LBFGS()), {"batch_size": 90}, "the optimizer is a LBFGS"),
        (part(optimizer=SGD(0.1, schedule=OwnSchedule())), {}, "the schedule is a OwnSchedule"),
        (
            part(optimizer=SGD(0.1, schedule=schedules.WarmUp(2, OwnSchedule()))),
            {},
            "the schedule is a OwnSchedule",
        ),
        (part(optimizer=SGD(Fraction(1, 10))), {}, "not a plain number"),
        (part(rng=np.random.Generator(np.random.MT19937(0))), {}, "rng is a MT19937"),
        (part(), {"metrics": [lambda t, p: 0.0]}, "metric <lambda> is a function"),
        (part(), {"early_stopping": OwnStopping()}, "early_stopping is a OwnStopping"),
    ],
)
def test_rejects_unsupported_parts_before_training(path, one, given, message):
    before = one.network.params["0.w"].copy()
    with pytest.raises(TypeError, match=f"Trainer.fit: checkpoint.*{message}"):
        one.fit(*rows(), **{"epochs": 1, "batch_size": 8, **given}, checkpoint=path)
    assert (one.network.params["0.w"] == before).all() and not path.exists()


def test_rejects_invalid_arguments(path):
    one = part()
    with pytest.raises(FileNotFoundError, match="the folder .* does not exist"):
        one.fit(*rows(), epochs=1, batch_size=8, checkpoint=path / "nowhere" / "file")
    before = one.network.params["0.w"].copy()
    with pytest.raises(IsADirectoryError):
        one.fit(*rows(), epochs=1, batch_size=8, checkpoint=path.parent)
    for no_path in (3, os.fsencode(path)):
        with pytest.raises(TypeError, match="checkpoint must be a str or os.PathLike, but is"):
            one.fit(*rows(), epochs=1, batch_size=8, checkpoint=no_path)
    assert (one.network.params["0.w"] == before).all()
    for every in (0, -1):
        with pytest.raises(ValueError, match="checkpoint_every"):
            one.fit(*rows(), epochs=1, batch_size=8, checkpoint=path, checkpoint_every=every)
    for missing in ({"epochs": 3}, {"batch_size": 8}):
        with pytest.raises(TypeError, match="must be an int, but is None"):
            one.fit(*rows(), **missing)
    with pytest.raises(FileNotFoundError):
        Trainer.resume(path)


def test_rejects_files_of_the_other_kind(path):
    one = part()
    one.network.save(path)
    with pytest.raises(FormatError, match="no entry 'training'"):
        Trainer.resume(path)
    one.fit(*rows(), epochs=1, batch_size=8, checkpoint=path)
    with pytest.raises(FormatError, match=r"a checkpoint, which Trainer\.resume reads"):
        handnn.load(path)


def test_divergence_keeps_the_last_checkpoint(path):
    x, y = rows()

    def spoil(t):
        if len(t.history) == 3:
            t.network.params["0.w"][...] = np.nan

    one = trainer(callbacks=[spoil])
    with pytest.raises(handnn.DivergenceError):
        one.fit(x, y, checkpoint=path, checkpoint_every=2, epochs=9, batch_size=8)
    assert len(Trainer.resume(path).history) == 2
