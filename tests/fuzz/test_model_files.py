"""Mutated model files: FormatError, or a network that predicts, trains and can be saved."""

from __future__ import annotations

import os
import resource
import sys
from time import perf_counter

import numpy as np
import pytest

import handnn
from tests.fuzz.model_files import Mutator, networks

N_FILES = int(os.environ.get("HANDNN_FUZZ_FILES", "1500"))
SEED = int(os.environ.get("HANDNN_FUZZ_SEED", "0"))
MAX_MIB = 16


def peak_mib():
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def use(network, path):
    """Use a network as users do; only documented errors may be raised."""
    n_in = network.sizes.get("in", 2)
    x = np.zeros((3, n_in), network.dtype)
    try:
        out = network.predict(x)
        assert (out.view(np.uint8) == network.eval().forward(x).view(np.uint8)).all()
        trainer = handnn.Trainer(network.train(), handnn.MSELoss(), handnn.SGD(0.1), rng=0)
        trainer.fit(x, np.zeros_like(out), epochs=1, batch_size=2)
    except (ValueError, handnn.DivergenceError):
        pass
    network.save(path)
    handnn.load(path)
    network.summary()


@pytest.mark.skipif(sys.platform == "win32", reason="resource is a module of Unix")
@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_rejected_or_usable(tmp_path):
    originals = []
    for network in networks():
        network.save(tmp_path / "original")
        originals.append((tmp_path / "original").read_bytes())
        use(network, tmp_path / "used")
    mutator = Mutator(originals, SEED)
    n_accepted, slowest, before = 0, 0.0, peak_mib()
    for number in range(N_FILES):
        raw = mutator.draw()
        path = tmp_path / "mutated"
        path.write_bytes(raw)
        start = perf_counter()
        try:
            network = handnn.load(path)
        except handnn.FormatError:
            continue
        except BaseException as error:
            kept = tmp_path / f"failed-{number}"
            kept.write_bytes(raw)
            raise AssertionError(f"{kept} raises {error!r}") from error
        finally:
            slowest = max(slowest, perf_counter() - start)
        n_accepted += 1
        use(network, tmp_path / "used")
    grown = peak_mib() - before
    print(
        f"model files: {N_FILES} mutated, {n_accepted} accepted and used, "
        f"memory +{grown:.1f} MiB, slowest load {1e3 * slowest:.1f} ms"
    )
    assert grown < MAX_MIB
    assert n_accepted > N_FILES // 100
