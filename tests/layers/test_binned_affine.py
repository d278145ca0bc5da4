"""BinnedAffine is the Affine of the expanded columns, in the engine and brick by brick."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, Affine, Embedding, MSELoss, Network, ReLU, Tanh, Trainer, gradient_check
from handnn.layers import is_ours, is_public
from handnn.layers.binned_affine import BinnedAffine

BINS = (0, 3, 0, 0, 7, 2, 0, 1)
N_ROWS = sum(max(1, count) for count in BINS)


def expanded(x, bins=BINS):
    """Return the inputs of the Affine."""
    parts = [
        np.clip(x[:, [at]] - np.arange(n), 0, 1) - 0.5 if n else x[:, [at]]
        for at, n in enumerate(bins)
    ]
    return np.concatenate(parts, axis=1)


def rows(n, dtype, seed=0, bins=BINS):
    """Return rows with positions within, at the ends of, and beyond the bins."""
    rng = np.random.default_rng(seed)
    columns = [rng.uniform(-0.5, n_bins + 0.5, n) if n_bins else rng.normal(size=n)
               for n_bins in bins]  # fmt: skip
    x = np.stack(columns, axis=1)
    x[::3, 1] = np.round(x[::3, 1])
    return x.astype(dtype)


def brick(n_out, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return BinnedAffine(
        rng.normal(size=(N_ROWS, n_out)).astype(dtype), rng.normal(size=n_out).astype(dtype), BINS
    )


def test_by_hand():
    layer = BinnedAffine([[1.0], [10.0], [100.0]], [0.5], [2, 0])
    # Position 1.25: bin 0 is 1/2, bin 1 is 1/4 - 1/2. Then 0.5 + 0.5 - 2.5 + 300.
    assert layer.forward([[1.25, 3.0]]).tolist() == [[298.5]]
    dx = layer.backward([[2.0]])
    assert dx.tolist() == [[20.0, 200.0]]
    assert layer.dw.tolist() == [[1.0], [-0.5], [6.0]] and layer.db.tolist() == [2.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_out", [1, 3, 40, 133])
def test_equals_the_affine_of_expanded_columns(dtype, n_out):
    layer, x = brick(n_out, dtype), rows(60, dtype)
    affine = Affine(layer.w, layer.b)
    dout = np.random.default_rng(1).normal(size=(60, n_out)).astype(dtype)
    bound = 200 * np.finfo(dtype).eps
    assert np.allclose(layer.forward(x), affine.forward(expanded(x)), rtol=0, atol=bound)
    layer.backward(dout)
    affine.backward(dout)
    assert np.allclose(layer.dw, affine.dw, rtol=0, atol=bound)
    assert np.array_equal(layer.db, affine.db)


def test_gradients():
    rng = np.random.default_rng(0)
    x = rows(20, "float64", 4)
    x[np.abs(x - np.round(x)) < 1e-3] += 0.01  # edges have no slope
    network = Network([brick(5, "float64"), ReLU(), Affine.random(5, 2, rng=0, dtype="float64")])
    assert gradient_check(network, MSELoss(), x, rng.normal(size=(20, 2))).passed


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("n_out", [1, 20, 133])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_engine_computes_the_formula(dtype, n_out, shards):
    """A step of SGD with lr=1 subtracts the gradients."""
    rng, bins = np.random.default_rng(0), (*BINS, 0, 0)
    codes = rng.integers(0, 3, (50, 1))
    x, y = np.hstack([rows(50, dtype), codes]).astype(dtype), rng.normal(size=(50, n_out))
    found = []
    for engine in ("bricks", "compiled"):
        vectors = np.random.default_rng(2).normal(size=(3, 2)).astype(dtype)
        first = Affine.random(N_ROWS + 2, n_out, rng=1, dtype=dtype)
        network = Network(
            [Embedding(vectors, len(BINS)), BinnedAffine(first.w, first.b, bins), Tanh()]
        )
        trainer = Trainer(network, MSELoss(), SGD(1.0), rng=0, engine=engine, shards=shards)
        trainer.fit(x, y, epochs=2, batch_size=25)
        found.append({**network.params, "predicted": network.predict(x), "out": network.forward(x)})
    for name, array in found[0].items():
        bound = 100 * np.finfo(dtype).eps * max(1, abs(array).max())
        assert np.allclose(array, found[1][name], rtol=0, atol=bound), name


@pytest.mark.parametrize("engine", ["bricks", "compiled"])
def test_positions_that_are_not_finite(engine):
    layer, x = brick(4, "float64"), rows(6, "float64")
    x[1, 4], x[2, 4] = np.inf, -np.inf
    network = Network([layer])
    x_nan = x.copy()
    x_nan[0, 1] = np.nan
    predict = network.forward if engine == "bricks" else network.predict
    out = predict(x_nan)
    assert np.isnan(out[0]).all()
    assert np.allclose(out[1:], expanded(x)[1:] @ layer.w + layer.b)


def test_the_engine_takes_positions_from_the_input_only():
    network = Network([Tanh(), brick(1, "float64")])
    with pytest.raises(ValueError, match="positions come from a computed column"):
        network.predict(rows(2, "float64"))


def test_arguments():
    with pytest.raises(ValueError, match="do not fit w"):
        BinnedAffine(np.ones((3, 1)), np.ones(1), [2])
    with pytest.raises(RuntimeError, match="forward first"):
        brick(1, "float64").backward([[1.0]])
    for bins in [(*BINS[:-1], -1), (2**62,) * len(BINS), (*BINS[:-1], 2)]:
        layer = brick(1, "float64")
        layer.bins = bins
        with pytest.raises(ValueError):
            Network([layer]).predict(rows(2, "float64"))


def test_is_not_for_files(tmp_path):
    layer = brick(1, "float32")
    assert is_ours(layer) and not is_public(layer)
    with pytest.raises(TypeError, match="not one of handnn's bricks"):
        Network([layer]).save(tmp_path / "a.safetensors")
