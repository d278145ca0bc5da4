"""The interpreter ends cleanly while daemon threads compute."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading, time
import numpy as np
import handnn
from handnn import functional

def trainer(seed, hidden=256, n_in=256):
    network = handnn.mlp([n_in, hidden, 4], rng=seed)
    return handnn.Trainer(network, handnn.MSELoss(), handnn.SGD(1e-5), rng=seed)

class Rows:
    def __array__(self, dtype=None, copy=None):
        return np.asarray([[float(n) for n in range(256)]] * 3)

def refused(x):
    try:
        network.predict(x)
    except (TypeError, ValueError):
        pass

x = np.ones((20000, 256), np.float32)
y = np.ones((20000, 4), np.float32)
w = np.ones((256, 512), np.float32)
network = handnn.mlp([256, 256, 4], rng=0)
WORK = {
    "fit": lambda: trainer(0).fit(x, y, epochs=1000, batch_size=64),
    "predict": lambda: network.predict(x),
    "predict lists": lambda: network.predict(x[:3].tolist()),
    "predict float64": lambda: network.predict(x[:70].astype(float)),
    "predict objects": lambda: network.predict(Rows()),
    "errors": lambda: refused(x[:9].astype(str)),
    "kernel": lambda: functional.affine_forward(x, w, w[0]),
    "train_many": lambda: handnn.train_many(
        [trainer(seed, 8) for seed in range(3)], x[:2000], y[:2000], epochs=50, batch_size=50
    ),
    "save": lambda: network.save(sys.argv[2]),
}

def work():
    while True:
        WORK[sys.argv[1]]()

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1 + 0.1 * float(sys.argv[3]))
print("done")
"""

N_RUNS = int(os.environ.get("HANDNN_FAULT_RUNS", "2"))
"""The number of runs of each program; `nox -s faults` uses more."""


WORK = ["fit", "predict", "predict lists", "predict float64", "predict objects", "errors"]


@pytest.mark.parametrize("work", [*WORK, "kernel", "train_many", "save"])
def test_daemon_threads_do_not_abort_the_exit(tmp_path, work):
    for run in range(N_RUNS):
        arguments = [work, str(tmp_path / "network"), str(run / N_RUNS)]
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, timeout=120
        )
        assert (result.returncode, result.stdout) == (0, b"done\n"), result.stderr
