"""Embedding: out = [x without its column of codes, w[code]]."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn import (
    Affine,
    Embedding,
    MSELoss,
    Network,
    ReLU,
    Residual,
    Trainer,
    functional,
    gradient_check,
)
from handnn.optimizers import SGD
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    layer = Embedding(np.array([[1, 2], [3, 4], [5, 6]], dtype), column=1)
    x = np.array([[0.5, 2, 0.25], [0.75, 0, 0.125], [8, 2, 9]], dtype)
    out = layer.forward(x)
    assert out.dtype == dtype
    assert out.tolist() == [[0.5, 0.25, 5, 6], [0.75, 0.125, 1, 2], [8, 9, 5, 6]]
    dx = layer.backward(np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], dtype))
    assert dx.tolist() == [[1, 0, 2], [5, 0, 6], [9, 0, 10]]
    assert layer.dw.tolist() == [[7, 8], [0, 0], [3 + 11, 4 + 12]]
    assert layer.params["w"] is layer.w and layer.grads["w"] is layer.dw and layer.x is x


@both_dtypes
def test_dw_is_summed_in_ascending_order_of_rows(dtype):
    """In ascending order, 1 is absorbed by the large number; in another it would not be."""
    large = 2 / np.finfo(dtype).eps
    layer = Embedding(np.ones((2, 1), dtype))
    layer.forward(np.zeros((3, 1), dtype))
    layer.backward(np.array([[large], [1], [-large]], dtype))
    assert layer.dw.tolist() == [[0], [0]]


def test_several_columns_of_codes():
    """The first brick moves column 3 to column 2, as in the docstring."""
    v, w = np.array([[10.0], [11]]), np.array([[20.0, 21], [22, 23]])
    network = Network([Embedding(v, column=1), Embedding(w, column=2)])
    out = network.forward([[0.1, 1, 0.2, 0, 0.3]])
    assert out.tolist() == [[0.1, 0.2, 0.3, 11, 20, 21]]


def test_only_a_column_of_codes():
    layer = Embedding(np.array([[1.0, 2], [3, 4]]))
    assert layer.forward([[1], [0]]).tolist() == [[3, 4], [1, 2]]
    assert layer.backward(np.ones((2, 2))).tolist() == [[0], [0]]


@both_dtypes
def test_zero_rows(dtype):
    layer = Embedding(np.ones((4, 3), dtype))
    assert layer.forward(np.empty((0, 2), dtype)).shape == (0, 4)
    assert layer.backward(np.empty((0, 4), dtype)).shape == (0, 2)
    assert_same_bits(layer.dw, np.zeros((4, 3), dtype))


@both_dtypes
def test_other_columns_may_hold_any_values(dtype):
    x = np.array([[np.nan, -0.0], [np.inf, 1]], dtype)
    out = functional.embedding_forward(x, np.array([[np.nan], [-np.inf]], dtype), 1)
    assert_same_bits(out, np.array([[np.nan, np.nan], [np.inf, -np.inf]], dtype))


@both_dtypes
@pytest.mark.parametrize("code", [-1, 10, 0.5, 9.5, np.nan, np.inf, -np.inf, 1e30, -1e-30])
def test_rejects_codes_without_a_row_in_w(dtype, code):
    layer = Embedding(np.ones((10, 2), dtype), column=1)
    x = np.zeros((6, 3), dtype)
    layer.forward(x)
    x = x.copy()
    x[3, 1] = x[5, 1] = code
    shown = float(dtype(code))
    message = f"row 3 of x has code {shown} in column 1, but w has 10 rows"
    with pytest.raises(ValueError) as error:
        layer.forward(x)
    assert str(error.value) == f"embedding_forward: {message}"
    assert layer.x[3, 1] == 0, "nothing of it is kept"
    with pytest.raises(ValueError) as error:
        functional.embedding_backward(np.ones((6, 4), dtype), x, layer.w, 1)
    assert str(error.value) == f"embedding_backward: {message}"


def test_the_largest_codes_of_float32_are_exact():
    w = np.arange(12.0)[:, None]
    codes = np.arange(12)[:, None]
    for dtype in (np.int8, np.uint64, np.float16, np.float32, np.float64):
        assert_same_bits(Embedding(w).forward(codes.astype(dtype)), w)


def test_rejects_more_rows_than_float32_can_count():
    Embedding(np.empty((2**24, 0), np.float32))
    Embedding(np.empty((2**24 + 1, 0), np.float64))
    with pytest.raises(ValueError, match="w has 16777217 rows, more than float32 can count"):
        Embedding(np.empty((2**24 + 1, 0), np.float32))


def test_rejects_invalid_w_and_column():
    with pytest.raises(ValueError, match=r"Embedding: w must have 2 dimensions \(K, D\)"):
        Embedding(np.ones(3))
    with pytest.raises(TypeError, match="Embedding: w must hold real numbers"):
        Embedding(np.array([["a"]]))
    with pytest.raises(ValueError, match="Embedding: column must be at least 0"):
        Embedding(np.ones((2, 2)), -1)
    for bad in (1.0, None, True):
        with pytest.raises(TypeError, match="Embedding: column must be an int"):
            Embedding(np.ones((2, 2)), bad)


@pytest.mark.parametrize("columns", [0, 1, 2])
def test_rejects_x_without_the_column(columns):
    message = f"embedding_forward: x has {columns} columns, so there is no column 2"
    with pytest.raises(ValueError, match=message):
        Embedding(np.ones((2, 2)), 2).forward(np.ones((3, columns)))
    with pytest.raises(ValueError, match="embedding_forward: x"):
        Embedding(np.ones((2, 2)), 0).forward(np.ones(3))


def test_backward_rejects_other_shapes():
    x, w = np.zeros((3, 2)), np.ones((4, 5))
    with pytest.raises(ValueError, match="dout has 5 columns but x has 2 and w has 5"):
        functional.embedding_backward(np.ones((3, 5)), x, w)
    with pytest.raises(ValueError, match="dout has 2 rows but x has 3"):
        functional.embedding_backward(np.ones((2, 6)), x, w)
    with pytest.raises(RuntimeError, match=r"Embedding\.backward: call forward first"):
        Embedding(w).backward(np.ones((3, 6)))


def test_random_vectors_have_the_scale_of_standardized_columns():
    layer = Embedding.random(1000, 50, column=3, rng=0)
    assert layer.w.shape == (1000, 50) and layer.w.dtype == np.float32 and layer.column == 3
    assert abs(layer.w.mean()) < 0.02 and abs(layer.w.std() - 1) < 0.02
    wide = Embedding.random(1000, 50, 3, rng=0, dtype="float64")
    assert_same_bits(wide.w.astype(np.float32), layer.w)
    for sizes in [(0, 3), (3, 0)]:
        with pytest.raises(ValueError, match="must be at least 1"):
            Embedding.random(*sizes)


def network(dtype="float64"):
    """Return a network for 5 columns, with 3 codes in column 1 and 4 in column 3."""
    rng = np.random.default_rng(0)
    return Network(
        [
            Embedding.random(3, 2, column=1, rng=rng, dtype=dtype),
            Embedding.random(4, 3, column=2, rng=rng, dtype=dtype),
            Affine.random(8, 6, rng=rng, dtype=dtype),
            ReLU(),
            Affine.random(6, 1, rng=rng, dtype=dtype),
        ]
    )


def rows(count, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 5))
    x[:, 1], x[:, 3] = rng.integers(3, size=count), rng.integers(4, size=count)
    return x, x[:, 0] * (x[:, 1] == 1) + (x[:, 3] == 2)


def test_gradients_of_all_but_the_codes():
    x, y = rows(9)
    report = gradient_check(network(), MSELoss(), x, y, rtol=1e-6)
    assert report.passed, report
    assert {entry.name for entry in report.entries} >= {"0.w", "1.w", "x"}
    alone = gradient_check(Network([Embedding(np.ones((3, 2)))]), MSELoss(), [[2.0]], [[1.0, 2]])
    assert alone.passed and alone.entries[-1].where is None, "codes alone: x has nothing to move"


def test_widths_of_a_network():
    made = network()
    assert made.sizes == {"in": 5, "out": 1}
    assert repr(made.layers[0]) == "Embedding 3→2 column=1"
    assert [line.split()[-2] for line in made.summary().splitlines()[1:3]] == ["6", "8"]
    assert Network(made.layers[:2]).sizes == {}
    with pytest.raises(ValueError, match=r"layer 2 \(Affine 8→1\) expects 8 columns, but layer 1"):
        Network([Affine.random(4, 4, rng=0), *network("float32").layers[1:2], Affine.random(8, 1)])


def test_rejects_neighbors_without_the_column_of_codes():
    message = r"layer 1 \(Embedding 3→2 column=4\) expects at least 5 columns, but .* get 3"
    with pytest.raises(ValueError, match=message):
        Network([Affine.random(2, 3, rng=0), Embedding.random(3, 2, column=4)])
    message = r"layer 0 \(Embedding 3→9 column=0\) expects at least 1 columns, but .* get -4"
    with pytest.raises(ValueError, match=message):
        Network([Embedding.random(3, 9), Affine.random(4, 1, rng=0)])


@pytest.mark.parametrize(("columns", "n_in"), [((0, 1), 1), ((1, 1), 2), ((2, 1, 1), 3)])
def test_rejects_codes_from_the_vectors_of_another_embedding(columns, n_in):
    embeddings = [Embedding([[0.0, 1.0], [1.0, 2.0]], column=column) for column in columns]
    affine = Affine(np.ones((n_in + len(columns), 1)), np.zeros(1))
    message = rf"layer {len(columns) - 1} \(Embedding .*\) would read its codes from the vectors"
    with pytest.raises(ValueError, match=message):
        Network([*embeddings, affine])
    with pytest.raises(ValueError, match="vectors"):
        Residual([*embeddings, affine, Affine(np.ones((1, n_in)), np.zeros(n_in))])


def test_learns_the_effect_of_a_category():
    x, y = rows(400)
    made = network("float32")
    history = Trainer(made, MSELoss(), SGD(lr=0.05, momentum=0.9), rng=0).fit(x, y, 60, 20)
    assert history.train_loss[-1] < 0.02 * history.train_loss[0]
    np.testing.assert_allclose(made.predict(x[:7]), made.forward(x[:7]), rtol=1e-6)


@pytest.mark.parametrize(("column", "count"), [(1, 3), (3, 4)])
def test_fit_checks_all_codes_before_the_first_step(column, count):
    x, y = rows(50)
    made = network()
    trainer = Trainer(made, MSELoss(), SGD(lr=0.1), rng=0)
    before = {name: array.copy() for name, array in made.params.items()}
    wrong = x.copy()
    wrong[41, column] = count
    text = f"row 41 of x has code {count}.0 in column {column}, but w has {count} rows"
    with pytest.raises(ValueError, match=rf"Trainer\.fit: {text}"):
        trainer.fit(wrong, y, epochs=1, batch_size=5)
    with pytest.raises(ValueError, match=rf"Trainer\.fit: validation: {text}"):
        trainer.fit(x, y, epochs=1, batch_size=5, validation=(wrong, y))
    with pytest.raises(ValueError, match=rf"Trainer\.train_step: {text}"):
        trainer.train_step(wrong, y)
    for name, array in made.params.items():
        assert_same_bits(array, before[name])


def test_files_and_copies(tmp_path):
    made = network()
    made.save(tmp_path / "network")
    loaded = handnn.load(tmp_path / "network")
    x, _ = rows(20)
    assert_same_bits(loaded.predict(x), made.predict(x))
    assert loaded.layers[1].settings == {"column": 2} and repr(loaded) == repr(made)
    assert made.astype("float32").params["1.w"].dtype == np.float32
