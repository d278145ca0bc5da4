"""Mutated model files: FormatError, or a model that predicts, trains and can be saved."""

from __future__ import annotations

import collections
import contextlib
import io
import os
import sys
import warnings
from time import perf_counter

import numpy as np
import pytest

import handnn
from handnn.cli import main as command
from handnn.files.model import FileModel
from tests.fuzz.model_files import ROWS, Mutator, originals
from tests.training.checkpoints import fits

resource = pytest.importorskip("resource", reason="a module of Unix")

N_FILES = int(os.environ.get("HANDNN_FUZZ_FILES", "1000"))
SEED = int(os.environ.get("HANDNN_FUZZ_SEED", "0"))
MAX_MIB = np.inf if os.environ.get("LD_PRELOAD") else 16
"""The largest growth of the memory. A sanitizer, which is loaded first, keeps freed memory."""

SHOWN, ERRORS = io.StringIO(), io.StringIO()
"""The output of the command. click keeps every stream that it has written to, hence only two."""

EXPECTED = (ValueError, handnn.DivergenceError)
"""What a use of a model may raise."""


def peak_mib():
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def allowed(function, *arguments):
    """Return the result of a call, None if it raises what a use of a model may raise."""
    try:
        return function(*arguments)
    except EXPECTED as error:
        assert str(error)
        return None


def use_network(network, path):
    x = np.zeros((3, network.sizes.get("in", 2)), network.dtype)
    out = allowed(network.predict, x)
    if out is not None:
        assert (out.view(np.uint8) == network.eval().forward(x).view(np.uint8)).all()
        trainer = handnn.Trainer(network.train(), handnn.MSELoss(), handnn.SGD(0.1), rng=0)
        allowed(lambda: trainer.fit(x, np.zeros_like(out), epochs=1, batch_size=2))
    network.save(path)
    handnn.load(path)
    network.summary()


def use_ensemble(ensemble, path):
    x = np.zeros((3, ensemble.networks[0].sizes.get("in", 2)), ensemble.networks[0].dtype)
    before = allowed(ensemble.predict, x)
    allowed(ensemble.spread, x)
    ensemble.save(path)
    after = allowed(handnn.Ensemble.load(path).predict, x)
    assert repr(before) == repr(after)


def use_table(model, path):
    before = allowed(model.predict, ROWS)
    for method in (model.predict_proba, model.predict_interval, model.predict_set, model.spread):
        allowed(method, ROWS)
    allowed(lambda: model.predict_interval(ROWS, 0.5))
    allowed(lambda: model.with_interval(0.5).predict(ROWS))
    allowed(model.predict, {})
    assert model.summary() and repr(model) and model._repr_html_()
    model.save(path)
    after = allowed(type(model).load(path).predict, ROWS)
    assert repr(before) == repr(after)


def use_file(model, path):
    use_table(model, path)
    assert isinstance(model.scores, dict) and isinstance(model.baselines, dict)
    assert isinstance(model.verdict, str)
    for words in (["inspect", str(path)], ["inspect", str(path), "--json"]):
        for stream in (SHOWN, ERRORS):
            stream.seek(0)
            stream.truncate()
        with contextlib.redirect_stdout(SHOWN), contextlib.redirect_stderr(ERRORS):
            code = command(words)
        assert code == 0 or (code == 1 and ERRORS.getvalue().strip()), (words, ERRORS.getvalue())


def use_checkpoint(trainer, path):
    epochs = min(len(trainer.history) + 1, 4)
    allowed(lambda: trainer.fit(*fits.rows(40), epochs=epochs, batch_size=20))
    trainer.history.to_dict()
    trainer.network.save(path)
    handnn.load(path)


READ = {
    "network": (handnn.load, use_network),
    "ensemble": (handnn.Ensemble.load, use_ensemble),
    "table": (handnn.TableModel.load, use_table),
    "file": (FileModel.load, use_file),
    "checkpoint": (handnn.Trainer.resume, use_checkpoint),
}
"""How files of each kind are read, and how what was read is used."""


def outcome(read, path):
    """Return what a file holds, None if it is rejected."""
    try:
        return read(path)
    except handnn.FormatError as error:
        assert str(error).isprintable()
        return None


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    with warnings.catch_warnings(action="ignore"):
        return originals(tmp_path_factory.mktemp("originals") / "file")


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_rejected_or_usable(tmp_path, files):
    path, used = tmp_path / "mutated", tmp_path / "used"
    for kind, several in files.items():
        read, use = READ[kind]
        for raw in several:
            path.write_bytes(raw)
            use(read(path), used)
    mutator = Mutator(files, SEED)
    drawn, accepted = collections.Counter(), collections.Counter()
    slowest, before = 0.0, peak_mib()
    for number in range(N_FILES):
        kind, raw = mutator.draw()
        read, use = READ[kind]
        drawn[kind] += 1
        path.write_bytes(raw)
        start = perf_counter()
        try:
            found = outcome(read, path)
            slowest = max(slowest, perf_counter() - start)
            if found is not None:
                accepted[kind] += 1
                with np.errstate(all="ignore"):
                    use(found, used)
                    if number % 8 == 0 and isinstance(found, handnn.TableModel):
                        allowed(handnn.to_c, found)
        except BaseException as error:
            kept = tmp_path / f"failed-{number}"
            kept.write_bytes(raw)
            raise AssertionError(f"{kept}, a {kind}, raises {error!r}") from error
    grown = peak_mib() - before
    shares = ", ".join(f"{kind} {accepted[kind]} of {drawn[kind]}" for kind in files)
    print(
        f"model files: {N_FILES} mutated, seed {SEED}; accepted and used: {shares}; "
        f"memory +{grown:.1f} MiB, slowest load {1e3 * slowest:.1f} ms"
    )
    assert grown < MAX_MIB
    assert all(accepted[kind] > drawn[kind] // 50 for kind in files)
