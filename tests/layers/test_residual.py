"""Residual: out = x + block(x)."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save

import handnn
from handnn import (
    SGD,
    AdamW,
    Affine,
    Dropout,
    Embedding,
    MSELoss,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Trainer,
    gradient_check,
    mlp,
)
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits
from tests.own_bricks import Counting, Halve, Scale

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def block(width=4, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return [
        Affine.random(width, 6, rng=rng, dtype=dtype),
        Sigmoid(),
        Affine.random(6, width, rng=rng, dtype=dtype),
    ]


def network(dtype="float64", rng=1):
    rng = np.random.default_rng(rng)
    return Network(
        [
            Affine.random(3, 4, rng=rng, dtype=dtype),
            ReLU(),
            Residual([*block(4, dtype), Residual([Affine.random(4, 4, rng=rng, dtype=dtype)])]),
            Affine.random(4, 2, rng=rng, dtype=dtype),
        ]
    )


@both_dtypes
def test_by_hand(dtype):
    layer = Residual([Affine(np.array([[1, 2], [3, 4]], dtype), np.array([5, 6], dtype)), ReLU()])
    out = layer.forward(np.array([[1, -2]], dtype))
    assert out.tolist() == [[1 + 0, -2 + 0]], "x·w + b is 0 and 0, so the block adds nothing"
    out = layer.forward(np.array([[1, 2]], dtype))
    assert out.tolist() == [[1 + 12, 2 + 16]] and out.dtype == dtype
    assert layer.backward(np.array([[1, 10]], dtype)).tolist() == [[1 + 21, 10 + 43]]
    assert layer.grads["0.w"].tolist() == [[1, 10], [2, 20]]
    assert layer.grads["0.b"].tolist() == [1, 10]


@both_dtypes
def test_adds_the_output_of_its_block(dtype):
    rng = np.random.default_rng(2)
    x, dout = rng.normal(size=(2, 7, 4)).astype(dtype)
    layer, alone = Residual(block(4, dtype)), Network(block(4, dtype))
    assert_same_bits(layer.forward(x), x + alone.forward(x))
    assert_same_bits(layer.backward(dout), dout + alone.backward(dout))
    for name, array in layer.grads.items():
        assert_same_bits(array, alone.grads[name])


def test_accepts_a_network_as_block():
    inner = Network(block())
    layer = Residual(inner)
    assert layer.block == inner.layers and layer.block is not inner.layers
    assert list(layer.params) == ["0.w", "0.b", "2.w", "2.b"]
    assert all(layer.params[name] is inner.params[name] for name in inner.params)


def test_zero_rows_and_infinities_do_not_warn():
    layer = Residual(block())
    assert layer.forward(np.empty((0, 4))).shape == (0, 4)
    assert layer.backward(np.empty((0, 4))).shape == (0, 4)
    layer = Residual([Affine([[-1.0]], [0.0])])
    with np.errstate(all="raise"):
        assert np.isnan(layer.forward([[np.inf]])[0, 0])


def test_names_sizes_and_summary():
    made = network()
    assert [name for name in made.params if name.startswith("2.")] == [
        "2.0.w", "2.0.b", "2.2.w", "2.2.b", "2.3.0.w", "2.3.0.b",
    ]  # fmt: skip
    assert made.grads.keys() == made.params.keys()
    assert made.sizes == {"in": 3, "out": 2} and made.layers[2].sizes == {"in": 4, "out": 4}
    shown = "Residual(Affine 4→6, Sigmoid, Affine 6→4, Residual(Affine 4→4))"
    assert repr(made.layers[2]) == shown
    assert repr(made) == f"Network(Affine 3→4, ReLU, {shown}, Affine 4→2; 104 parameters, float64)"
    line = made.summary().splitlines()[3]
    assert line.split()[-2:] == ["4", str(4 * 6 + 6 + 6 * 4 + 4 + 4 * 4 + 4)]


def test_gradients():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    report = gradient_check(network(), MSELoss(), x, y, rtol=1e-6)
    assert report.passed, report
    dropping = Residual([*block(2)[:2], Dropout(0.5, rng=0), *block(2)[2:]])
    report = gradient_check(Network([dropping]), MSELoss(), x[:, :2], y, rtol=1e-6)
    assert report.passed, report


def test_rejects_invalid_blocks():
    with pytest.raises(ValueError, match="Residual: block is empty"):
        Residual([])
    with pytest.raises(TypeError, match="Residual: block must be a list of bricks, but is 3"):
        Residual(3)
    with pytest.raises(TypeError, match="Residual: layer 0 is the class ReLU"):
        Residual([ReLU])
    with pytest.raises(TypeError, match=r"Residual: layer 1 \(int\) has no forward and backward"):
        Residual([ReLU(), 1])
    with pytest.raises(TypeError, match=r"Residual: 0\.w is float64 but 1\.w is float32"):
        Residual([Affine.random(3, 3, dtype="float64"), Affine.random(3, 3)])
    shared = ReLU()
    with pytest.raises(ValueError, match="Residual: layers 0 and 1 are one ReLU object"):
        Residual([shared, shared])
    with pytest.raises(ValueError, match=r"Network: layers 0 and 1\.0 are one ReLU object"):
        Network([shared, Residual([shared])])


def test_rejects_different_widths():
    with pytest.raises(ValueError, match="Residual: the block expects 8 columns but returns 4"):
        Residual([Affine.random(8, 4)])
    with pytest.raises(ValueError, match=r"Residual: layer 1 \(Affine 8→4\) expects 8 columns"):
        Residual([Affine.random(4, 7), Affine.random(8, 4)])
    with pytest.raises(
        ValueError, match="Residual: the output of the block is 2 columns wider than its input"
    ):
        Residual([Embedding.random(5, 3)])
    with pytest.raises(ValueError, match=r"Network: layer 1 \(Residual.*\) expects 4 columns, but"):
        Network([Affine.random(3, 5, dtype="float64"), Residual(block())])
    own = Residual([Halve(), Affine(np.ones((3, 2)), np.ones(2))])
    message = r"Residual\.forward: x has shape \(5, 3\) but the block returns \(5, 2\)"
    with pytest.raises(ValueError, match=message):
        own.forward(np.ones((5, 3)))


def test_rejects_more_than_32_nested_blocks(tmp_path):
    deep = ReLU()
    for _ in range(32):
        deep = Residual([deep])
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        Residual([deep])
    made = Network([Affine.random(2, 2, rng=0), deep])
    made.save(tmp_path / "network")
    loaded = handnn.load(tmp_path / "network")
    assert repr(loaded) == repr(made)
    assert loaded.forward([[1, 2]]).shape == (1, 2)
    loaded.eval().train()
    assert loaded.astype("float64").sizes == {"in": 2, "out": 2}


def test_the_mode_applies_to_the_block():
    drop, inner = Dropout(0.5, rng=0), Dropout(0.5, rng=1)
    made = Network([Residual([drop, Residual([inner])]), Affine.random(3, 1, rng=0)])
    modes = [made.layers[0], drop, inner]
    assert [layer.training for layer in modes] == [True] * 3
    made.eval()
    assert [layer.training for layer in modes] == [False] * 3
    made.layers[0].training = True
    assert [layer.training for layer in modes] == [True] * 3
    inner.training = False
    made.predict(np.ones((2, 3)))
    assert [layer.training for layer in modes] == [True, True, False], "as they were before"
    assert (drop.step, inner.step) == (0, 0)


def test_user_bricks():
    counting = Counting()
    made = Network([Residual([Scale(3), counting]), Affine.random(3, 1, rng=0, dtype="float64")])
    x = np.random.default_rng(4).normal(size=(6, 3))
    assert gradient_check(made, MSELoss(), x, x[:, :1])
    assert "0.0.factor" in made.params
    made.predict(x)
    assert len(counting.batches) == 1
    with pytest.raises(TypeError, match=r"Scale has params but no method astype"):
        made.astype("float32")
    with pytest.raises(TypeError, match=r"Network\.save: layer 0\.0 \(Scale\) is not one of hand"):
        made.save("nowhere")


@both_dtypes
def test_trains(dtype):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 3))
    y = np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2]], axis=1)
    made = network(dtype)
    history = Trainer(made, MSELoss(), SGD(lr=0.05, momentum=0.9), rng=0).fit(x, y, 60, 20)
    assert history.train_loss[-1] < history.train_loss[0] / 5


def test_optimizers_use_the_nested_names():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    scales = {"2": 0.5, "2.0": 0.0, "2.2.w": 0.25, "2.3": 1.0, "2.3.0": 2.0}
    made, plain = network(), network()
    before = {name: array.copy() for name, array in made.params.items()}
    Trainer(made, MSELoss(), SGD(lr=0.1, lr_scales=scales)).train_step(x, y)
    Trainer(plain, MSELoss(), SGD(lr=0.1)).train_step(x, y)
    nearest = {"2.0.w": 0, "2.0.b": 0, "2.2.w": 0.25, "2.2.b": 0.5, "2.3.0.w": 2, "2.3.0.b": 2}
    for name, array in made.params.items():
        step = before[name] - plain.params[name]
        np.testing.assert_allclose(before[name] - array, nearest.get(name, 1) * step, atol=1e-14)
    for wrong in ("2.1", "2.4", "2.0.x", "2.3.0.w.x", ""):
        with pytest.raises(ValueError, match=f"lr_scales names '{wrong}'"):
            Trainer(made, MSELoss(), SGD(lr=0.1, lr_scales={wrong: 1.0})).train_step(x, y)


def test_weight_decay_does_not_apply_to_nested_biases():
    made = network()
    for array in made.params.values():
        array[...] = 1
    zeros = {name: np.zeros_like(array) for name, array in made.params.items()}
    AdamW(lr=0.5, weight_decay=0.5).step(made.params, zeros)
    for name, array in made.params.items():
        assert (array == (1 if name.endswith(".b") else 0.75)).all(), name


def test_files_and_copies(tmp_path):
    made = network("float32")
    made.save(tmp_path / "network")
    x = np.random.default_rng(7).normal(size=(20, 3)).astype(np.float32)
    for other in (
        handnn.load(tmp_path / "network"),
        copy.deepcopy(made),
        pickle.loads(pickle.dumps(made)),
    ):
        assert repr(other) == repr(made) and other.params.keys() == made.params.keys()
        assert_same_bits(other.predict(x), made.predict(x))
        assert not np.shares_memory(other.params["2.3.0.w"], made.params["2.3.0.w"])
    wide = made.astype("float64")
    assert {array.dtype.name for array in wide.params.values()} == {"float64"}


AFFINE = {"brick": "Affine", "in": 2, "out": 2}
ARRAYS = {"0.0.w": np.ones((2, 2), np.float32), "0.0.b": np.ones(2, np.float32)}


def file_of(tmp_path, bricks, arrays=ARRAYS):
    path = tmp_path / "network"
    metadata = {"handnn": json.dumps({"format": 1, "bricks": bricks})}
    path.write_bytes(save(arrays, metadata))
    return path


def nested(depth, entry):
    for _ in range(depth):
        entry = {"brick": "Residual", "block": [entry]}
    return entry


def test_the_file_by_hand(tmp_path):
    loaded = handnn.load(file_of(tmp_path, [nested(1, AFFINE)]))
    assert repr(loaded.layers[0]) == "Residual(Affine 2→2)"


@pytest.mark.parametrize(
    "bricks",
    [
        [{"brick": "Residual"}],
        [{"brick": "Residual", "block": []}],
        [{"brick": "Residual", "block": None}],
        [{"brick": "Residual", "block": "ReLU"}],
        [{"brick": "Residual", "block": {"0": AFFINE}}],
        [{"brick": "Residual", "block": [[AFFINE]]}],
        [{"brick": "Residual", "block": ["Affine"]}],
        [{"brick": "Residual", "block": [None]}],
        [{"brick": "Residual", "block": [{}]}],
        [{"brick": "Residual", "block": [{"brick": "Affine", "in": 2, "out": 3}]}],
        [{"brick": "Residual", "block": [AFFINE], "depth": 1}],
        [{"brick": "Residual", "block": [AFFINE], "in": 2, "out": 2}],
        [{"brick": "Residual", "block": [{**AFFINE, "block": []}]}],
        [{"brick": "Residual", "block": [AFFINE, AFFINE]}],
        [{"brick": "Residual", "block": [{"brick": "Network", "layers": []}]}],
        [{"brick": "Residual", "block": [{"brick": ["Affine"]}]}],
        [{"brick": "Affine", "block": [AFFINE]}],
        [nested(2, AFFINE)],
        [nested(1, AFFINE), nested(1, AFFINE)],
        [nested(1, {"brick": "ReLU"})],
        [nested(32, {"brick": "ReLU"}), AFFINE],
        [nested(33, {"brick": "ReLU"})],
        [nested(150, {"brick": "ReLU"})],
    ],
    ids=str,
)
def test_rejects_malformed_files(bricks, tmp_path):
    with pytest.raises(handnn.FormatError):
        handnn.load(file_of(tmp_path, bricks))


@pytest.mark.parametrize("depth", [500, 5_000, 100_000])
def test_rejects_deeply_nested_files(depth, tmp_path):
    text = '{"brick": "Residual", "block": [' * depth + '{"brick": "ReLU"}' + "]}" * depth
    path = tmp_path / "network"
    path.write_bytes(save(ARRAYS, {"handnn": f'{{"format": 1, "bricks": [{text}]}}'}))
    with pytest.raises(handnn.FormatError):
        handnn.load(path)


def test_rejects_files_with_different_widths(tmp_path):
    arrays = {"0.0.w": np.ones((2, 3), np.float32), "0.0.b": np.ones(3, np.float32)}
    with pytest.raises(handnn.FormatError, match="expects 2 columns but returns 3"):
        handnn.load(file_of(tmp_path, [nested(1, {**AFFINE, "out": 3})], arrays))


def test_learns_with_an_mlp_as_block():
    made = Network([Residual(mlp([2, 8, 2], rng=0)), Affine.random(2, 1, rng=1)])
    x = np.random.default_rng(8).normal(size=(100, 2))
    history = Trainer(made, MSELoss(), SGD(lr=0.05), rng=0).fit(x, abs(x[:, 0]), 40, 10)
    assert history.train_loss[-1] < history.train_loss[0] / 5
