"""Hostile model files: valid files of every kind, with one or several structured mutations."""

from __future__ import annotations

import functools
import json
import struct
from dataclasses import replace

import numpy as np

import handnn
from handnn.files.model import FileModel, ModelNotes
from handnn.tables.fitting import Schema, fit_table
from handnn.tables.recipe import default_recipe
from tests.training.checkpoints import fits

NUMBERS = [0, -1, 1, 2, 3, 7, 2**31, 2**53, 2**63 - 1, 2**63, 10**30, 0.5, -0.0, 1e308]
ODD = [*NUMBERS, float("nan"), float("inf"), None, True, "", "0", "Affine", "\ud800", [], {}, [[]]]
NAMES = ["", ".", "0", "0.w", "0.b", "1.w", "-1.w", "0.0.w", "é", "__metadata__", "\0", "9" * 99]
DTYPES = ["F32", "F64", "F16", "BF16", "I64", "U8", "BOOL", "C64", "F128", ""]


def networks():
    """Return small networks that hold every kind of brick between them."""
    f4 = np.float32
    rng = np.random.default_rng(0)
    embeddings = [handnn.Embedding.random(3, 2, column=0, rng=rng) for _ in range(2)]
    norm = handnn.LayerNorm(np.ones(4, f4), np.zeros(4, f4))
    batch = handnn.BatchNorm(np.ones(4, f4), np.zeros(4, f4))
    inner = handnn.Residual([handnn.Affine.random(4, 4, rng=rng), handnn.Tanh()])
    return [
        handnn.mlp([2, 3, 1], rng=0, dtype="float64"),
        handnn.Network([*embeddings, handnn.Affine.random(6, 4, rng=rng), norm, handnn.Softmax()]),
        handnn.Network([handnn.Affine.random(2, 4, rng=rng), batch, inner, handnn.Dropout(0.5)]),
        handnn.Network([handnn.LeakyReLU(), handnn.ELU(), handnn.Affine.random(2, 1, rng=rng)]),
    ]


TABLE = {
    "size": [45.5, 60.0, None, 80.25, 52.0, 71.0, 33.3, 95.0] * 10,
    "town": ["Ulm", "Bonn", None, "Kiel"] * 20,
    "day": [f"2024-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(80)],
    "rank": list(range(80)),
}
ROWS = {name: values[:5] for name, values in TABLE.items()}
"""A table with a column of every kind, and the first rows of it."""


def targets():
    """Return targets of every task, and the schemas that a table of them is read with."""
    z = [(7 * n) % 11 + 0.25 * (n % 3) for n in range(80)]
    return {
        "regression": (z, Schema()),
        "poisson": ([n // 3 for n in range(80)], Schema(objective="poisson")),
        "quantile": (z, Schema(objective="quantile:0.9")),
        "two outputs": (np.array([z, z[::-1]]).T, Schema()),
        "binary": (["yes" if one > 5 else "no" for one in z], Schema()),
        "three classes": ([str(int(one) % 3) for one in z], Schema()),
        "multilabel": (np.array([[one > 3, one > 6] for one in z]), Schema()),
    }


def table_models():
    """Return models with bins, members, held-out errors and a temperature, by their target."""
    recipe = replace(
        default_recipe(80, len(TABLE), quality="best"),
        hidden=(3,),
        activations=("relu",),
        dropouts=(0.1,),
        epochs=15,
        n_folds=3,
        n_networks=3,
        n_bins=4,
    )
    models = {}
    for name, (y, schema) in targets().items():
        scale = "quantile" if len(models) % 2 else True
        models[name] = fit_table(TABLE, y, replace(recipe, scale=scale), schema=schema, rng=0).model
    return models


def notes(name):
    """Return the notes that `handnn train` saves with a model."""
    names = ("y", "z") if name in ("two outputs", "multilabel") else ()
    scores = {"rmse": 1.5, "r2": None}
    story = {
        "handnn": "0.2",
        "file": "a.csv",
        "rows": {"trained": 70, "held_out": 10},
        "seed": 0,
        "scores": scores,
        "baselines": {"the mean": scores},
        "verdict": {"text": "better"},
    }
    kind = "number" if name in ("regression", "poisson", "quantile", "two outputs") else "category"
    return ModelNotes("y", kind, ".", ("none",), story, {"size": "%"}, names)


def checkpoint(path, engine, **options):
    """Write the checkpoint of a fit of two epochs."""
    given = fits.options(**options, epochs=2)
    fits.trainer(engine).fit(*fits.rows(40), **given, checkpoint=path)


def originals(path):
    """Return valid files by kind: networks, ensembles, tables, files of the command, checkpoints.

    path: where they are written.
    """
    tables = table_models()
    pair = [handnn.mlp([2, 3, 2], rng=seed) for seed in range(2)]
    writers = {
        "network": [one.save for one in networks()],
        "ensemble": [handnn.Ensemble(pair).save, handnn.Ensemble(pair, "softmax").save],
        "table": [one.save for one in tables.values()],
        "file": [FileModel(one, notes(name)).save for name, one in tables.items()],
        "checkpoint": [
            functools.partial(checkpoint, engine="compiled", early_stopping=None),
            functools.partial(checkpoint, engine="bricks"),
        ],
    }
    found = {}
    for kind, several in writers.items():
        found[kind] = []
        for write in several:
            write(path)
            found[kind].append(path.read_bytes())
    return found


def parts_of(raw):
    """Return the header and the data of a file."""
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def is_numbers(value):
    """Return whether this is a list of two or more numbers."""
    kinds = {type(one) for one in value} if isinstance(value, list) and len(value) > 1 else set()
    return bool(kinds) and kinds <= {int, float}


class Mutator:
    """Draw mutated copies of files; `seed` decides all of them.

    files: by kind. All kinds are drawn equally often.
    """

    def __init__(self, files, seed):
        self.files = {kind: [parts_of(raw) for raw in several] for kind, several in files.items()}
        self.rng = np.random.default_rng(seed)

    def draw(self):
        """Return the kind and the bytes of one file."""
        kind = self._pick(list(self.files))
        header, data = self._pick(self.files[kind])
        header = json.loads(json.dumps(header))
        metadata = header["__metadata__"]
        for _ in range(self.rng.integers(1, 4)):
            how = self.rng.integers(5)
            if how < 2 and isinstance(metadata, dict) and metadata:
                entry = self._pick(list(metadata))
                if isinstance(metadata[entry], str):
                    described = json.loads(metadata[entry])
                    self._change(described)
                    metadata[entry] = json.dumps(described)
            elif how == 2:
                self._change_array(header)
            elif how == 3:
                data = self._change_bytes(data)
            elif self.rng.integers(3) == 0:
                self._change(header)
                metadata = None
        text = json.dumps(header).encode("utf-8", "surrogatepass")
        if self.rng.integers(20) == 0:
            text = self._change_bytes(text)
        length = len(text) if self.rng.integers(30) else self._pick(NUMBERS[:8])
        return kind, struct.pack("<Q", max(0, length)) + text + data

    def _pick(self, values):
        return values[self.rng.integers(len(values))]

    def _change(self, value):
        """Change, drop, add or repeat one entry, somewhere within a JSON value."""
        while True:
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            if not keys:
                return
            key = self._pick(keys)
            inner = value[key]
            if is_numbers(inner) and self.rng.integers(2):
                value[key] = self._changed_numbers(inner)
                return
            if isinstance(inner, dict | list) and inner and self.rng.integers(4):
                value = inner
                continue
            break
        how = self.rng.integers(5)
        if how == 0:
            del value[key]
        elif how == 1 and isinstance(value, list):
            value.insert(key, json.loads(json.dumps(inner)))
        elif how == 2 and isinstance(value, dict):
            value[self._pick(NAMES)] = inner
        elif how == 3 and isinstance(inner, int) and not isinstance(inner, bool):
            value[key] = inner + self._pick([-1, 1, 2, 10])
        else:
            value[key] = self._pick(ODD)

    def _changed_numbers(self, values):
        """Return other numbers that may be valid: huge, tiny, equal, in another order, fewer."""
        how = self.rng.integers(6)
        if how < 3:
            factor = self._pick([0, -1, 5e-324, 1e-300, 1e300, 1e308, 2**53])
            return [min(max(factor * one, -1.7e308), 1.7e308) for one in values]
        if how == 3:
            return sorted(self._pick([-1e308, 0.0, 5e-324, 1e308]) + one for one in values)
        return [[values[0]] * len(values), values[::-1], values[::2]][self.rng.integers(3)]

    def _change_array(self, header):
        names = [name for name in header if name != "__metadata__"]
        if not names:
            return
        entry = header[self._pick(names)]
        if not isinstance(entry, dict) or not {"shape", "data_offsets"} <= set(entry):
            return
        how = self.rng.integers(4)
        if how == 0:
            entry["dtype"] = self._pick(DTYPES)
        elif how == 1 and isinstance(entry["shape"], list):
            entry["shape"] = entry["shape"][::-1]
        elif how == 2 and isinstance(entry["shape"], list):
            entry["shape"] = [*entry["shape"], self._pick(NUMBERS)]
        else:
            entry["data_offsets"] = [self._pick(NUMBERS), self._pick(NUMBERS)]

    def _change_bytes(self, data):
        if not data:
            return data
        changed = bytearray(data)
        place = int(self.rng.integers(len(changed)))
        how = self.rng.integers(3)
        if how == 0:
            changed[place] ^= 1 << int(self.rng.integers(8))
        elif how == 1:
            del changed[place:]
        else:
            changed[place:place] = bytes(8)
        return bytes(changed)
