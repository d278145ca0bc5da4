"""Trainings for the tests of checkpoints: Dropout, BatchNorm, Adam and schedules."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from handnn import (
    Adam,
    Affine,
    BatchNorm,
    BCEWithLogits,
    Dropout,
    EarlyStopping,
    Network,
    ReLU,
    Trainer,
    schedules,
)

EPOCHS = 12


def rows(count=90, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 5)).astype(dtype)
    return x, (x.sum(axis=1) + rng.normal(size=count) > 0).astype(dtype)


def schedule(name):
    return {
        "none": None,
        "cosine": schedules.Cosine(100),
        "plateau": schedules.WarmUp(9, schedules.ReduceOnPlateau(0.5, patience=0)),
        "one cycle": schedules.WarmUp(3, schedules.WarmUp(2, schedules.OneCycle(80))),
    }[name]


def trainer(engine="auto", of_schedule="plateau", dtype="float32", **options):
    rng = np.random.default_rng(5)
    layers = [
        *(Affine.random(5, 12, rng=rng, dtype=dtype), BatchNorm.new(12, dtype), ReLU()),
        *(Dropout(0.3, rng=1), Affine.random(12, 1, rng=rng, dtype=dtype)),
    ]
    optimizer = Adam(0.01, schedule=schedule(of_schedule), clip_norm=1.0, lr_scales={"0.w": 0.5})
    return Trainer(Network(layers), BCEWithLogits(), optimizer, engine=engine, rng=rng, **options)


def options(**more):
    """Return arguments of fit."""
    given = {
        "epochs": EPOCHS,
        "batch_size": 8,
        "validation": 0.25,
        "metrics": ["auc", "log_loss"],
        "early_stopping": EarlyStopping(5, monitor="auc"),
    }
    return {**given, **more}


def digest(one):
    """Return a hash of everything that training changes, except times."""
    total = hashlib.sha256()
    network, optimizer = one.network, one.optimizer
    for arrays in (network.params, network.buffers, *optimizer.state.values()):
        for name, array in arrays.items():
            total.update(name.encode() + array.tobytes())
    history = one.history.to_dict() | {"epoch_seconds": None}
    steps = [layer.step for layer in network.layers if isinstance(layer, Dropout)]
    rng = one.rng.bit_generator.state
    total.update(repr([history, steps, optimizer.steps, optimizer.schedule, rng]).encode())
    return total.hexdigest()


class Stop(Exception):
    pass


def stop_after(epochs):
    def stop(t):
        if len(t.history) == epochs:
            raise Stop

    return stop


def interrupted(one, path, after, x, y, **given):
    """Interrupt a training after `after` epochs; its checkpoint is from one epoch before."""
    one.callbacks = (stop_after(after),)
    with pytest.raises(Stop):
        one.fit(x, y, checkpoint=path, **given)
    return Trainer.resume(path)
