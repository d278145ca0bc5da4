"""Model files with one large part; prints the memory that loading each of them takes.

Every value in the description of a table and of an ensemble is replaced by long lists and strings,
and models are made whose arrays, columns, labels, outputs or histories are large.

A process of its own starts with little free memory, which would hide what a load takes.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import handnn
from handnn.files.model import FileModel
from handnn.storage import write_arrays
from handnn.storage.packing import MIN_LENGTH, pack, unpack
from handnn.tables.category import CategoryColumn
from handnn.tables.intervals import HeldOutErrors
from handnn.tables.number import NumberColumn
from tests.faults.own_memory import own_memory
from tests.fuzz.model_files import originals, parts_of
from tests.storage.hostile_headers import growth_mib

N = 2**21
"""The number of entries of a long list of numbers."""

DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "U8": "u1"}

LOADS = {
    "network": handnn.load,
    "ensemble": handnn.Ensemble.load,
    "table": handnn.TableModel.load,
    "file": FileModel.load,
    "checkpoint": handnn.Trainer.resume,
}


TEXT = {"type": "text", "bytes": "@bytes", "lengths": "@lengths"}


def repeated(text, n):
    """Return the arrays of `n` texts that are equal."""
    raw = np.frombuffer(text.encode(), "u1")
    return {"@bytes": np.tile(raw, n), "@lengths": np.full(n, len(raw))}


@functools.cache
def packed_lists():
    """Return long packed lists by name: their descriptions, and the arrays that they name."""
    nulls, floats = np.zeros(4 * N, "u1"), np.arange(N) + 0.5
    numbers = {"type": "float", "values": "@values"}
    lists = {"type": "list", "lengths": "@lengths", "entries": numbers}
    null = {"type": "null", "values": "@nulls"}
    astral = "\U0001f600" + "a" * (2**18 - 4)
    digits = (np.arange(N // 2)[:, None] // 10 ** np.arange(8)[::-1] % 10 + ord("0")).astype("u1")
    return {
        "floats": (numbers, {"@values": floats}),
        "ints": ({**numbers, "type": "int"}, {"@values": np.arange(N) + 10**6}),
        "nulls": (null, {"@nulls": nulls}),
        "bools": ({**numbers, "type": "bool"}, {"@values": nulls}),
        "texts": (TEXT, {"@bytes": digits.ravel(), "@lengths": np.full(N // 2, 8)}),
        "no characters": (TEXT, {"@bytes": nulls[:0], "@lengths": np.zeros(N, "i8")}),
        "long texts": (TEXT, repeated(astral, 64)),
        "a long text": (TEXT, repeated(astral * 48, 1)),
        "long ints": ({**TEXT, "type": "long"}, repeated("9" * 20, N // 2)),
        "lists": (lists, {"@lengths": np.ones(N // 2, "i8"), "@values": floats[: N // 2]}),
        "one list": (lists, {"@lengths": np.array([N]), "@values": floats}),
        "objects": (
            {"type": "object", "count": null, "entries": {"a": lists}},
            {"@nulls": nulls[:N], "@lengths": np.ones(N, "i8"), "@values": floats},
        ),
        "several": (
            {"type": "several", "order": "@order", "parts": [null]},
            {"@order": np.zeros(N, "i8"), "@nulls": nulls[:N]},
        ),
    }


def named(described, names):
    """Return a description with the names that its arrays have in a file."""
    if isinstance(described, dict):
        return {key: named(value, names) for key, value in described.items()}
    if isinstance(described, list):
        return [named(value, names) for value in described]
    return names.get(described, described)


def places(value, path=()):
    """Yield the path of every value within a JSON value, of a list the first three."""
    keys = []
    if isinstance(value, dict):
        keys = list(value)
    if isinstance(value, list) and len(value) < MIN_LENGTH:  # longer lists are packed
        keys = list(range(len(value)))[:3]
    for key in keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


def replaced(value, path, new):
    """Return a JSON value with another value in one place."""
    if not path:
        return new
    changed = list(value) if isinstance(value, list) else dict(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


def contents_of(raw):
    """Return the metadata and the arrays of a file."""
    header, data = parts_of(raw)
    metadata = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        part = data[slice(*entry["data_offsets"])]
        arrays[name] = np.frombuffer(part, DTYPES[entry["dtype"]]).reshape(entry["shape"]).copy()
    return metadata, arrays


def described_parts(files):
    """Yield each place of each description with each long list: its name, kind and `write_part`."""
    for kind, number in (("ensemble", 0), ("file", 0), ("file", 5), ("table", 6)):
        metadata, arrays = contents_of(files[kind][number])
        own = {name: array for name, array in arrays.items() if name.startswith("packed")}
        arrays = {name: array for name, array in arrays.items() if name not in own}
        architecture = unpack(json.loads(metadata["handnn"]), own.pop)
        for place in places(architecture):
            for what, (described, more) in packed_lists().items():
                name = f"{what} at {'.'.join(map(str, place))} of {kind} {number}"
                part = arrays, architecture, place, described, more
                yield name, kind, functools.partial(write_part, part, what == "a long text")


def write_part(part, is_value, path):
    """Write a file whose description has a packed list, or the value in one, in one place."""
    arrays, architecture, place, described, more = part
    packed = {}
    text = pack(replaced(architecture, place, None), packed)
    names = {name: f"packed.{len(packed) + k}" for k, name in enumerate(more)}
    new = {"packed value" if is_value else "packed": named(described, names)}
    packed |= {names[name]: array for name, array in more.items()}
    text = json.dumps(replaced(text, place, new))
    write_arrays(path, {**arrays, **packed}, {"handnn": text})


def table(columns, n_out=1, target=None, **more):
    """Return a model of a table with these columns."""
    columns = handnn.Columns(columns)
    layers = [*columns.first_layers(0), *handnn.mlp([columns.n_after, n_out], rng=0).layers]
    target = target or handnn.Target.learn(np.arange(2.0))
    return handnn.TableModel(handnn.Network(layers), columns, target, **more)


def resumed(n_epochs, n_metrics, width):
    """Return a writer of a checkpoint with a long history."""

    def write(path):
        names = ["mae", "rmse", "r2"][:n_metrics]
        network = handnn.mlp([2, width, 1], rng=0, dtype="float64")
        trainer = handnn.Trainer(network, handnn.MSELoss(), handnn.Adam(0.1), rng=0)
        x = np.arange(80.0).reshape(40, 2)
        options = {"validation": 0.5, "metrics": names, "batch_size": 20}
        trainer.fit(x, x[:, :1], epochs=1, checkpoint=path, **options)
        metadata, arrays = contents_of(Path(path).read_bytes())
        for name in ("train_loss", "validation_loss", "seconds"):
            arrays[f"history.{name}"] = np.ones(n_epochs)
        arrays["history.metrics"] = np.ones((n_metrics, n_epochs))
        training = json.loads(metadata["training"])
        training["epochs"] = n_epochs
        write_arrays(path, arrays, {**metadata, "training": json.dumps(training)})

    return write


def large_models():
    """Return writers of valid files with a large part, by name and kind."""
    f4 = np.float32
    rng = np.random.default_rng(0)
    number = NumberColumn(0.0, 0.0, 1.0, False)
    points = tuple(np.arange(5.0 * 10**5).tolist())
    labels = tuple(f"{n:07d}" for n in range(3 * 10**5))
    category = CategoryColumn(labels, (1,) * len(labels), False)
    knots = tuple(np.arange(257.0).tolist())
    wide = handnn.Network([handnn.Affine(np.zeros((3000, 2000), f4), np.zeros(2000, f4))])
    norm = handnn.BatchNorm(np.ones(2**21, f4), np.zeros(2**21, f4))
    outputs = handnn.Target.learn(rng.normal(size=(10, 20_000)))
    classes = handnn.Target.learn([f"class {n:05d}" for n in range(20_000)] * 2)
    errors = HeldOutErrors.of(rng.normal(size=(1000, 2000)) ** 2)
    several = handnn.Target.learn(rng.normal(size=(10, 2000)))
    integers = CategoryColumn(tuple(range(3 * 10**5)), (1,) * 300_000, False)
    return {
        "a wide Affine": ("network", wide.save),
        "a wide Affine, as PyTorch's": ("network", lambda path: wide.save(path, names="torch")),
        "a BatchNorm": ("network", handnn.Network([norm]).save),
        "an ensemble of wide networks": (
            "ensemble",
            handnn.Ensemble([wide, copy.deepcopy(wide)]).save,
        ),
        "knots": ("table", table([NumberColumn(0.0, 0.0, 1.0, False, False, points, points)]).save),
        "edges": ("table", table([NumberColumn(0.0, 0.0, 1.0, False, edges=points[:20_000])]).save),
        "labels of text": ("table", table([category, number]).save),
        "labels of integers": ("table", table([integers, number]).save),
        "columns": ("table", table([number] * 14_000).save),
        "columns with bins": ("table", table([replace(number, edges=knots[:17])] * 11_000).save),
        "columns with knots": (
            "table",
            table([NumberColumn(0.0, 0.0, 1.0, False, False, knots, knots)] * 5000).save,
        ),
        "outputs": ("table", table([number], 20_000, outputs).save),
        "classes": ("table", table([number], 20_000, classes).save),
        "held-out errors": ("table", table([number], 2000, several, held_out=errors).save),
        "a history": ("checkpoint", resumed(10**6, 0, 3)),
        "a history of metrics": ("checkpoint", resumed(10**6, 3, 3)),
        "an optimizer's states": ("checkpoint", resumed(10, 0, 10**6)),
    }


def measured(kind, path):
    """Return the size of a file in MiB, and by how much the memory grows when it is loaded."""
    return [os.path.getsize(path) / 2**20, growth_mib(LOADS[kind], path)]


def main(path, n_cases, seed):
    """Load `n_cases` random large models, and as many files with a random large part; all for 0."""
    files = originals(Path(path))
    for kind, several in files.items():  # all modules are imported
        Path(path).write_bytes(several[0])
        LOADS[kind](path)
    models = [(name, kind, write, True) for name, (kind, write) in large_models().items()]
    parts = [(*part, False) for part in described_parts(files)]
    rng = np.random.default_rng(int(seed))
    cases = []
    for several in (models, parts):
        cases += [several[k] for k in rng.permutation(len(several))[: int(n_cases) or None]]
    found = {}
    for name, kind, write, is_valid in cases:
        write(path)
        own_memory()  # returns free memory to the system, which would hide what the load takes
        found[name] = [os.path.getsize(path) / 2**20, growth_mib(LOADS[kind], path)]
        if is_valid:
            LOADS[kind](path)
    print(json.dumps({"n_parts": len(parts), "found": found}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
