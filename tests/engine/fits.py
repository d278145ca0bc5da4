"""Trainers and data for the tests of the engine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from handnn import SGD, MSELoss, Trainer, mlp

ROOT = Path(__file__).parents[2]


def rows(count, n_in, n_out, dtype="float32", seed=0):
    """Return x, y and weights, some of them 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, n_in)).astype(dtype)
    y = rng.normal(size=(count, n_out)).astype(dtype)
    return x, y, rng.integers(0, 4, size=count).astype(dtype)


def trainer(sizes=(5, 9, 3), dtype="float32", engine="auto", activation="relu", **options):
    network = mlp(sizes, activation=activation, rng=0, dtype=dtype)
    return Trainer(network, MSELoss(), SGD(0.05, momentum=0.9), engine=engine, rng=1, **options)


def digest(*networks):
    """Return a hash of the bits of all params."""
    total = hashlib.sha256()
    for network in networks:
        for array in network.params.values():
            total.update(array.tobytes())
    return total.hexdigest()


def run_python(*arguments, timeout=120, **environment):
    """Run Python in the root of the repository, without warnings about fork."""
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
