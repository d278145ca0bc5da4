"""Memory does not grow in a process that trains, saves, loads and fails for a long time.

HANDNN_FAULT_ROUNDS is the number of rounds; with 1,000, there are 10⁶ steps, 10⁵ fits, saves and
loads, and 10⁶ errors.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

import handnn
from handnn import Trainer
from tests.faults.own_memory import growth

ROUNDS = int(os.environ.get("HANDNN_FAULT_ROUNDS", "1"))
MAX_GROWTH = 2**20
"""Bytes that allocators may keep."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")

X = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
Y = X[:, :2]


def trainer(engine="auto"):
    network = handnn.mlp([5, 16, 2], rng=0)
    return Trainer(network, handnn.MSELoss(), handnn.Adam(), engine=engine, rng=0)


def steps(path):
    one = trainer()
    for _ in range(1000):
        one.train_step(X[:8], Y[:8])


def fits(path):
    for turn in range(100):
        trainer(("compiled", "bricks")[turn % 10 == 0]).fit(X, Y, epochs=2, batch_size=32)


def saves_and_loads(path):
    network = handnn.mlp([5, 16, 2], rng=0)
    for _ in range(100):
        network.save(path)
        network = handnn.load(path)


def errors(path):
    one = trainer()
    for _ in range(1000):
        with pytest.raises(ValueError, match="x has 4 columns"):
            one.network.predict(X[:, :4])


@pytest.mark.parametrize("work", [steps, fits, saves_and_loads, errors])
def test_memory_does_not_grow(work, tmp_path):
    for _ in range(2 + ROUNDS // 10):  # warm-up
        work(tmp_path / "model")

    def rounds():
        for _ in range(ROUNDS):
            work(tmp_path / "model")

    grown = growth(rounds, MAX_GROWTH)
    print(f"{work.__name__}: {grown / 2**20:+.1f} MiB in {ROUNDS} rounds")
    assert grown < MAX_GROWTH
