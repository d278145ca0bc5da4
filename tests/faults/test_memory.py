"""The k-th allocation fails, for every k: MemoryError, weights of a complete step, and complete
files.

A shared object (failing_malloc.c) is loaded before the C library, and each k runs in a fork.
HANDNN_FAULT_ALLOCATIONS is the largest number of k per kind of work; `nox -s faults` tries more.
"""

from __future__ import annotations

import collections
import ctypes
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import handnn
from tests.faults import preload

ALLOCATIONS = int(os.environ.get("HANDNN_FAULT_ALLOCATIONS", "20"))
FIRST = 6
LEAST = 512
"""Smaller allocations of CPython and the loader do not fail: if a new thread lacks the memory for
its lock, `Thread.start` never returns, and for its thread-local variables, glibc ends the process.
"""

OTHER_WORDS = ("can't allocate ", "[digital envelope routines] ")
"""The messages of CPython's locks and hashes when memory runs out begin with these."""

BATCH = 50
WORK = ["fit", "bricks", "validation", "predict", "save", "checkpoint", "load", "train_many"]


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 13)).astype(np.float32)
    return x, x[:, :1].copy()


def trainer(engine="auto"):
    layers = [
        *(handnn.Affine.random(13, 16, rng=0), handnn.ReLU(), handnn.Dropout(0.1, rng=1)),
        *(handnn.BatchNorm.new(16), handnn.Residual([handnn.Affine.random(16, 16, rng=1)])),
        handnn.Affine.random(16, 1, rng=2),
    ]
    optimizer = handnn.Adam(0.01, clip_norm=1.0)
    return handnn.Trainer(handnn.Network(layers), handnn.MSELoss(), optimizer, engine=engine, rng=3)


def after_steps(n_steps):
    """Return the weights after `n_steps` complete steps."""
    one, (x, y) = trainer("bricks"), data()
    per_epoch = len(x) // BATCH
    if n_steps >= per_epoch:
        one.fit(x, y, epochs=n_steps // per_epoch, batch_size=BATCH)
    seed = int(np.random.default_rng(3).integers(2**63))
    order = handnn.engine.row_order(len(x), seed, n_steps // per_epoch)
    for step in range(n_steps % per_epoch):
        batch = order[step * BATCH : (step + 1) * BATCH]
        one.train_step(x[batch], y[batch])
    return weights(one)


def weights(one):
    arrays = [*one.network.params.values(), *one.network.buffers.values()]
    if one.optimizer.steps:
        for states in one.optimizer.state.values():
            arrays += [states[name] for name in sorted(states)]
    dropout = next(layer for layer in one.network.layers if isinstance(layer, handnn.Dropout))
    return [array.tobytes() for array in arrays], dropout.step


def prepared(work, folder):
    """Return a function to call, and one that returns a description of faults afterwards."""
    x, y = data()
    path = folder / "network"
    if work in ("fit", "bricks", "checkpoint"):
        one = trainer("bricks" if work == "bricks" else "auto")
        more = {"checkpoint": path, "checkpoint_every": 1} if work == "checkpoint" else {}

        def wrong_fit():
            found = [] if weights(one) == after_steps(one.optimizer.steps) else ["half a step"]
            if path.exists():
                handnn.Trainer.resume(path)
            one.fit(x, y, epochs=1, batch_size=BATCH)
            return found

        return lambda: one.fit(x, y, epochs=2, batch_size=BATCH, **more), wrong_fit
    if work == "train_many":
        several = [trainer() for _ in range(3)]
        return (
            lambda: handnn.train_many(several, x, y, epochs=2, batch_size=BATCH),
            lambda: [one.fit(x, y, epochs=1, batch_size=BATCH) for one in several] and [],
        )
    if work == "validation":
        one = trainer()
        stopping = handnn.EarlyStopping(2)
        more = {"validation": 0.25, "metrics": ["mae"], "early_stopping": stopping}
        return (
            lambda: one.fit(x, y, epochs=2, batch_size=BATCH, **more),
            lambda: [one.fit(x, y, epochs=1, batch_size=BATCH)][:0],
        )
    network = trainer().network
    network.save(path)
    expected = trainer().network.predict(x).tobytes()

    def wrong():
        found = [] if network.predict(x).tobytes() == expected else ["other answers"]
        if handnn.load(path).predict(x).tobytes() != expected:
            found.append("another file")
        if len(list(folder.iterdir())) > 1:
            found.append("temporary files")
        return found

    calls = {
        "predict": lambda: network.predict(np.tile(x, (20, 1))),
        "save": lambda: network.save(path),
        "load": lambda: handnn.load(path),
    }
    return calls[work], wrong


def outcome(work, k, shim):
    """Return the outcome when the k-th allocation fails, and how many there were."""
    with tempfile.TemporaryDirectory() as folder:
        call, wrong = prepared(work, Path(folder))
        result = "done"
        shim.fail_at(k, LEAST)
        try:
            call()
        except MemoryError:
            shim.stop()
            result = "MemoryError"
        except (RuntimeError, ValueError) as error:
            shim.stop()
            result = "MemoryError" if str(error).startswith(OTHER_WORDS) else repr(error)
        except SystemError as error:
            shim.stop()
            # CPython 3.13's JSON encoder and isinstance(value, ABC) return a result in spite of it.
            is_memory = isinstance(error.__cause__, MemoryError)
            result = "MemoryError" if is_memory else repr(error)
        except BaseException as error:
            shim.stop()
            result = repr(error)
        count = shim.stop()
        found = wrong()
    return f"{result}{''.join(', ' + each for each in found)}", count


def in_fork(function):
    """Return the JSON value of ``function()``, called in a fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(function()).encode())
        except BaseException as error:
            os.write(writer, json.dumps([f"afterwards {error!r}", 0]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text and status == 0 else [f"status {status}", 0]


def outcomes_of(work, shim):
    """Return how many allocations the work makes, and the outcomes when one of them fails.

    The first ones fail, which create its objects, and others at equal distances.
    """
    with tempfile.TemporaryDirectory() as folder:
        first, _ = prepared(work, Path(folder))
        first()  # imports, caches
    _, count = in_fork(lambda: outcome(work, 10**9, shim))
    step = max(1, -(-count // ALLOCATIONS))
    tried = {*range(min(FIRST, count)), *range(0, count, step)}
    outcomes = [in_fork(lambda k=k: outcome(work, k, shim))[0] for k in tried]
    return count, collections.Counter(outcomes)


def main(works):
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    shim.fail_at.argtypes, shim.stop.restype = [ctypes.c_long, ctypes.c_size_t], ctypes.c_long
    handnn.set_num_threads(1)  # a fork has no other threads
    print(json.dumps({work: outcomes_of(work, shim) for work in works.split()}))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    shim = preload.build("failing_malloc", tmp_path_factory.mktemp("shim"))
    return json.loads(preload.output_of("tests.faults.test_memory", " ".join(WORK), shim))


@pytest.mark.parametrize("work", WORK)
def test_every_failing_allocation(work, found):
    count, outcomes = found[work]
    print(f"{work}: {count} allocations, {outcomes}")
    assert set(outcomes) <= {"done", "MemoryError"}
    assert outcomes.get("MemoryError")


if __name__ == "__main__":
    main(sys.argv[1])
