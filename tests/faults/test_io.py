"""The k-th call for a file fails, for every k: the old file or the new one, and no temporary file.

A shared object (failing_io.c) is loaded before the C library. The calls are open, write, fsync,
rename and chmod; the errors ENOSPC, EIO and EINTR.
"""

from __future__ import annotations

import collections
import ctypes
import errno
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import handnn
from tests.faults import preload

ERRORS = ["ENOSPC", "EIO", "EINTR"]
WORK = ["save", "table", "checkpoint"]


def network_saves(path):
    """Return functions that save and read a network, and the values read from old and new."""
    old, new = (handnn.mlp([3, 4, 1], rng=seed) for seed in (0, 1))
    x = np.ones((1, 3), np.float32)
    old.save(path)
    return (
        lambda: new.save(path),
        lambda: handnn.load(path).predict(x).item(),
        [old.predict(x).item(), new.predict(x).item()],
    )


def table_saves(path):
    """Return the same for a table model."""
    columns = handnn.Columns.learn({"a": [1.0, 2.0, 4.0], "b": ["x", "y", "x"]})
    target = handnn.Target.learn([1.0, 2.0, 3.0])
    models = []
    for seed in (0, 1):
        layers = [
            *columns.first_layers(seed),
            *handnn.mlp([columns.n_after, 4, 1], rng=seed).layers,
        ]
        models.append(handnn.TableModel(handnn.Network(layers), columns, target))
    row = {"a": [3.0], "b": ["y"]}
    models[0].save(path)
    return (
        lambda: models[1].save(path),
        lambda: handnn.TableModel.load(path).predict(row).item(),
        [model.predict(row).item() for model in models],
    )


def checkpoints(path):
    """Return the same for a fit of two epochs with a checkpoint after each; it reads the epochs."""
    x = np.ones((8, 3), np.float32)

    def trainer():
        network = handnn.mlp([3, 4, 1], rng=0)
        return handnn.Trainer(network, handnn.MSELoss(), handnn.SGD(0.1), rng=0)

    def fit(epochs=2):
        trainer().fit(x, x[:, :1], epochs=epochs, batch_size=4, checkpoint=path, checkpoint_every=1)

    fit(1)
    return fit, lambda: len(handnn.Trainer.resume(path).history), [1, 2]


PREPARE = {"save": network_saves, "table": table_saves, "checkpoint": checkpoints}


def outcome(work, k, error, shim):
    """Return the outcome when the k-th call fails, and the number of calls."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save, read, (old, new) = PREPARE[work](path)
        shim.fail_at(k, getattr(errno, error))
        try:
            save()
            result = "done"
        except OSError as raised:
            result = "OSError" if raised.errno == getattr(errno, error) else repr(raised)
        except BaseException as raised:
            result = repr(raised)
        finally:
            count = shim.stop()
        found = read()
        if found not in (old, new) or (result == "done" and found != new):
            result += f", another file: {found}"
        if os.listdir(folder) != ["model"]:
            result += f", {os.listdir(folder)}"
    return result, count


def main(work):
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    shim.fail_at.argtypes, shim.stop.restype = [ctypes.c_long, ctypes.c_int], ctypes.c_long
    outcome(work, 10**9, "EIO", shim)  # imports
    _, count = outcome(work, 10**9, "EIO", shim)
    outcomes = {
        error: collections.Counter(outcome(work, k, error, shim)[0] for k in range(count))
        for error in ERRORS
    }
    print(json.dumps([count, outcomes]))


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return preload.build("failing_io", tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize("work", WORK)
def test_every_failing_call(work, shim):
    count, outcomes = json.loads(preload.output_of("tests.faults.test_io", work, shim))
    print(f"{work}: {count} calls for files, {outcomes}")
    assert count > 4
    for found in outcomes.values():
        assert set(found) <= {"done", "OSError"}
    assert outcomes["ENOSPC"]["OSError"] and outcomes["EIO"]["OSError"]


if __name__ == "__main__":
    main(sys.argv[1])
