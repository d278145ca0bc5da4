"""Packed descriptions: unpacking restores the description, and damaged ones are errors."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest

import handnn
from handnn.storage.file import MAX_HEADER_BYTES
from handnn.storage.packing import MIN_LENGTH, pack, unpack

N = MIN_LENGTH

VALUES = {
    "short": {"a": [1, 2.5, None], "b": {"c": "x"}},
    "floats": [0.1 * n for n in range(N)] + [1e308, -0.0, 5e-324],
    "ints": [*range(-N, N), 2**63 - 1, -(2**63)],
    "long ints": [2**63 + n for n in range(N)] + [10**40],
    "bools": [True, False] * N,
    "texts": ["", "東京", "a\nb", "\0", '"', "x" * 5000] * N,
    "mixed": [1, 1.0, True, None, "1", [], {}, [1], {"a": 1}, 2**70] * N,
    "ragged": [[float(k) for k in range(n % 5)] for n in range(N)],
    "objects": [
        {"kind": "number", "knots": [n / 7] * (n % 3), "gaps": n % 2 == 0} for n in range(N)
    ],
    "of two kinds": [{"a": n} if n % 3 else {"b": [str(n)]} for n in range(N)],
    "long text": "y" * 5000,
    "a name like ours": {"packed": "%", "other": {"packed value": {"packed": 1}}},
    "alone": {"packed": "%"},
    "empty": [[] for _ in range(N)],
}


@pytest.mark.parametrize("name", VALUES)
def test_round_trip(name):
    arrays = {}
    packed = pack(VALUES[name], arrays)
    found = unpack(packed, arrays.pop)
    assert found == VALUES[name]
    assert repr(found) == repr(VALUES[name])  # 1, 1.0 and True differ
    assert arrays == {}


def test_damaged_descriptions_are_errors():
    drawn = random.Random(0)
    arrays = {}
    packed = pack(VALUES["objects"] + VALUES["mixed"], arrays)
    n_errors = 0
    for _ in range(300):
        damaged, given = copy.deepcopy(packed), copy.deepcopy(arrays)
        if drawn.random() < 0.5:
            array = given[drawn.choice(sorted(given))]
            if array.size:
                array[drawn.randrange(array.size)] = drawn.choice([0, 1, 7, 255])
        else:
            inner = damaged
            while isinstance(inner, dict):
                key = drawn.choice(sorted(inner))
                parent, inner = inner, inner[key]
                if drawn.random() < 0.3:
                    break
            parent[key] = drawn.choice([None, 1, "x", [], {}, "packed.0", {"type": "float"}])
        try:
            unpack(damaged, given.pop)
        except (KeyError, ValueError, TypeError):
            n_errors += 1
    assert n_errors > 100


def test_a_description_longer_than_a_header_is_saved_and_loaded(tmp_path):
    rng = np.random.default_rng(0)
    table = {f"measurement number {n}": rng.normal(size=2100) for n in range(200)}
    table |= {"name": [f"customer {n % 2000:05d} " + "of a long street " * 9 for n in range(2100)]}
    columns = handnn.Columns.learn(table, scale="quantile")
    assert len(str(columns.to_dict())) > 1.1 * MAX_HEADER_BYTES
    layers = [*columns.first_layers(0), *handnn.mlp([columns.n_after, 2, 1], rng=0).layers]
    target = handnn.Target.learn(rng.normal(size=2100))
    model = handnn.TableModel(handnn.Network(layers), columns, target)
    model.save(tmp_path / "m")
    loaded = handnn.TableModel.load(tmp_path / "m")
    assert loaded.columns.columns == columns.columns
    assert (loaded.predict(table) == model.predict(table)).all()
