"""Random calls of all that is public: classes, functions and methods, found by their names.

A new public name is fuzzed without being listed here. Each call must return or raise a documented
error, without a crash.
"""

from __future__ import annotations

import collections
import inspect
import os
import random

import numpy as np
import pytest

import handnn
from tests.fuzz.odd_arguments import argument

N_CALLS = int(os.environ.get("HANDNN_FUZZ_API", "200"))
SEED = int(os.environ.get("HANDNN_FUZZ_SEED", "0"))

DOCUMENTED = (ValueError, TypeError, MemoryError, OSError, ImportError, RuntimeError)
DOCUMENTED += (handnn.DivergenceError,)

NOT_CALLED = {
    "article",  # its classes are those of the article, which do not check arguments
    "set_num_threads",  # of the whole process
    "train_file",  # reads files: see test_model_files.py and tests/files
    "History.plot",  # open windows
    "LayerStatistics.plot",
    "from_torch",  # need other libraries, which check their own arguments
    "to_torch",
    "to_onnx",
}

SMALL = [1, 2, -1, 0, "x", None, 1.5]
FEW = {"epochs", "n_epochs", "batch_size", "steps_per_epoch", "max_evaluations", "history"}
FEW |= {"n", "n_in", "n_out", "n_codes", "dim", "count", "width", "in_features", "out_features"}
"""Arguments that determine the time and the memory of a call."""


def public():
    """Return all public functions and classes by name."""
    modules = {"": handnn, "functional.": handnn.functional, "metrics.": handnn.metrics}
    modules["schedules."] = handnn.schedules
    found = {}
    for prefix, module in modules.items():
        names = getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]
        for name in names:
            value = getattr(module, name)
            is_ours = getattr(value, "__module__", "").startswith("handnn")
            if callable(value) and is_ours and prefix + name not in NOT_CALLED:
                found[prefix + name] = value
    return found


def methods(value):
    """Return the public methods of an object, by name."""
    kind = type(value)
    names = [name for name in dir(value) if not name.startswith("_")]
    return {name: getattr(value, name) for name in names if callable(getattr(kind, name, None))}


def is_from_numpy(error):
    """Return whether an error is an internal one, in the words of NumPy or of a codec."""
    is_numpy = type(error).__module__.split(".")[0] == "numpy"
    return (is_numpy and not isinstance(error, MemoryError)) or isinstance(error, UnicodeError)


class Caller:
    """Draws calls; keeps some of the objects that they return as arguments of later ones."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.kept = collections.defaultdict(list)
        self.counts = collections.Counter()
        self.faults = []
        x, y = self.rng.normal(size=(20, 3)), self.rng.normal(size=(20, 1))
        network = handnn.mlp([3, 4, 1], rng=0, dtype="float64")
        self.keep(network)
        self.keep(handnn.Trainer(network, handnn.MSELoss(), handnn.Adam(), rng=0))
        self.keep(handnn.Affine.random(3, 3, rng=0, dtype="float64"))
        self.keep(handnn.Columns.learn({"a": x[:, 0], "b": ["x", "y"] * 10}))
        self.keep(handnn.Target.learn(y[:, 0]))
        self.arrays = [x, y, x[:, 0], y > 0, x.astype("f4")]

    def keep(self, value):
        if getattr(type(value), "__module__", "").startswith("handnn"):
            kind = self.kept[type(value)]
            kind.append(value)
            del kind[:-3]

    def pick(self, values):
        return values[self.rng.integers(len(values))]

    def draw(self, name):
        if name in FEW:
            return self.pick(SMALL)
        chance = self.rng.random()
        if chance < 0.35:
            return self.pick(self.arrays)
        if chance < 0.55:
            value = self.pick(self.pick(list(self.kept.values())))
            return [value] if name == "layers" else value
        return argument(self.rng)

    def call(self, name, function):
        try:
            parameters = inspect.signature(function).parameters.values()
        except ValueError:
            return
        given = {
            p.name: self.draw(p.name)
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            and (p.default is p.empty or self.rng.random() < 0.2)
        }
        first = [self.draw(p.name) for p in parameters if p.kind is p.POSITIONAL_ONLY]
        try:
            self.keep(function(*first, **given))
            self.counts["returned"] += 1
        except DOCUMENTED as error:
            self.counts[type(error).__name__] += 1
            if not (str(error) or isinstance(error, MemoryError)):
                self.faults.append(f"{name}: {error!r} says nothing; {given}")
            if is_from_numpy(error):
                self.faults.append(f"{name}: {error!r} is NumPy's or Python's message; {given}")
        except Exception as error:
            self.faults.append(f"{name}: {error!r} for {given}")

    def run(self, n_calls):
        functions = public()
        names = sorted(functions)
        for number in range(n_calls):
            if number % 2:
                value = self.pick(self.pick(list(self.kept.values())))
                own = methods(value)
                name = self.pick(sorted(own) or [""])
                called = f"{type(value).__name__}.{name}"
                if name and called not in NOT_CALLED:
                    self.call(called, own[name])
            else:
                name = names[number // 2 % len(names)]
                self.call(name, functions[name])
        return names


@pytest.mark.filterwarnings("ignore")
def test_random_calls_of_everything_public(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random.seed(SEED)
    caller = Caller(SEED)
    with np.errstate(all="ignore"):
        names = caller.run(N_CALLS)
    print(f"public names: {N_CALLS} calls, {len(names)} functions and classes: {caller.counts}")
    assert {"Network", "Trainer", "functional.affine_forward", "metrics.auc"} <= set(names)
    assert caller.counts["returned"] > N_CALLS // 50
    assert not caller.faults, "\n".join(map(str, caller.faults[:20]))
