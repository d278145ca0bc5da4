"""Compact sequences equal tuples, and what is read into them is what was saved."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import handnn
from handnn.storage.compact import N_AT_ONCE, Numbers, Texts
from handnn.storage.file import PIECE
from handnn.tables.category import MAX_COLUMNS, MAX_NUMBERS, CategoryColumn
from handnn.tables.number import NumberColumn

WORDS = ("", "é", "東京", "\U0001f600", "abc", "", "a" * 300)


def texts(words):
    raw = [word.encode() for word in words]
    lengths = np.array(list(map(len, raw)), np.int64)
    return Texts(np.frombuffer(b"".join(raw), np.uint8), lengths)


SEQUENCES = {
    "floats": (Numbers(np.array([0.5, -0.0, 1e300, 5e-324])), (0.5, -0.0, 1e300, 5e-324)),
    "ints": (Numbers(np.array([3, -(2**63)])), (3, -(2**63))),
    "many": (Numbers(np.arange(2 * N_AT_ONCE + 1)), tuple(range(2 * N_AT_ONCE + 1))),
    "none": (Numbers(np.array([])), ()),
    "texts": (texts(WORDS), WORDS),
    "a part of texts": (texts(WORDS)[1:5][1:], WORDS[2:5]),
    "no texts": (texts(WORDS)[7:], ()),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_behaves_like_a_tuple(name):
    found, expected = SEQUENCES[name]
    assert found == expected and expected == found and list(found) == list(expected)
    assert repr(found) == repr(expected) and hash(found) == hash(expected)
    assert found != (*expected, 1) and found != "" and bool(found) == bool(expected)
    assert pickle.loads(pickle.dumps(found)) == copy.deepcopy(found) == expected
    for part in (slice(None), slice(1, 3), slice(-2, None), slice(9, 2), slice(None, None, -2)):
        assert found[part] == expected[part]
    for place in range(-len(expected), len(expected)):
        assert repr(found[place]) == repr(expected[place])
    for place in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            found[place]


def test_wrong_text_is_an_error():
    with pytest.raises(ValueError, match="utf-8"):
        list(Texts(np.array([255], np.uint8), np.array([1])))


def test_loads_long_lists_as_they_were(tmp_path):
    points = tuple(np.linspace(-3, 3, 100).tolist())
    columns = [
        NumberColumn(0.0, 0.0, 1.0, False, False, points, points, points[::10]),
        CategoryColumn(tuple(f"é{n:03d}" for n in range(90)), tuple(range(1, 91)), True),
        CategoryColumn(tuple(range(70)), (2,) * 70, False),
    ] * 30
    columns = handnn.Columns(columns)
    layers = [*columns.first_layers(0), *handnn.mlp([columns.n_after, 1], rng=0).layers]
    target = handnn.Target.learn([1.0, 3.0])
    model = handnn.TableModel(handnn.Network(layers), columns, target)
    model.save(tmp_path / "m")
    loaded = handnn.TableModel.load(tmp_path / "m")
    assert isinstance(loaded.columns.columns[0].knots, Numbers)
    assert isinstance(loaded.columns.columns[1].labels, Texts)
    assert loaded.columns.columns == columns.columns
    assert loaded.columns.summary() == columns.summary()
    rows = {str(place): [0.3, None, 2.5] for place in range(90)}
    rows |= {str(place): ["é007", None, "x"] for place in range(1, 90, 3)}
    table = list(rows.values())
    table = [[column[row] for column in table] for row in range(3)]
    for part in (table, table[:1]):
        assert loaded.predict(part).tobytes() == model.predict(part).tobytes()
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


@pytest.mark.parametrize("shape", [(3, 5), (1, 2 * PIECE + 7), (2 * PIECE + 7, 1), (700, 900)])
def test_reads_arrays_of_pytorch_in_pieces(tmp_path, shape):
    w = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    handnn.Network([handnn.Affine(w, np.zeros(shape[1], "f4"))]).save(tmp_path / "n", names="torch")
    (found,) = handnn.load(tmp_path / "n").layers
    assert found.w.flags.c_contiguous and (found.w == w).all()


@pytest.mark.parametrize(
    ("n_labels", "width"), [(MAX_NUMBERS + 5, 1), (3, MAX_COLUMNS + 3), (9, 4)]
)
def test_settles_embeddings_in_pieces(n_labels, width):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, n_labels)
    column = CategoryColumn(tuple(range(n_labels)), tuple(counts.tolist()), False)
    layer = handnn.Embedding(rng.normal(size=(n_labels + 2, width)), column=0)
    before = layer.w[:n_labels].copy()
    column.settle(layer)
    mean = (counts[:, None] * before).sum(axis=0) / counts.sum()
    np.testing.assert_allclose(layer.w[n_labels:], np.array([mean, mean]), rtol=1e-9, atol=1e-12)
    assert (layer.w[:n_labels] == before).all()
