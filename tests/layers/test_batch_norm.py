"""BatchNorm: out = (x - mean) / √(var + eps)·gamma + beta, column by column."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import handnn
from handnn import Adam, Affine, BatchNorm, MSELoss, Network, ReLU, Trainer, gradient_check
from handnn.reference.calls import DTYPES, call_of
from tests.bounds import assert_same_bits, assert_within, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def arrays_of(brick):
    """The arrays of a brick as bytes."""
    return {name: a.tobytes() for name, a in {**brick.params, **brick.buffers}.items()}


@both_dtypes
def test_by_hand(dtype):
    """The mean of 1, 5, 3, 7 is 4, the variance (9 + 1 + 1 + 9) / 4 = 5, and √(5 + 4) = 3."""
    layer = BatchNorm(np.array([3], dtype), np.array([10], dtype), momentum=0.25, eps=4)
    x = np.array([[1], [5], [3], [7]], dtype)
    out = layer.forward(x)
    assert_within(out, [[7], [11], [9], [13]], without_sum(np.full((4, 1), 13), dtype))
    assert layer.mean.tolist() == [4] and layer.var.tolist() == [5] and layer.x is x
    assert layer.running_mean.tolist() == [1], "a quarter of the way from 0 to 4"
    unbiased = [0.75 * 1 + 0.25 * 20 / 3]
    assert_within(layer.running_var, unbiased, without_sum(unbiased, dtype))


@both_dtypes
def test_backward_by_hand(dtype):
    """x_hat is -1, 1/3, -1/3, 1; dout = (4, 0, 0, 0) has the mean 1, dout·x_hat the mean -1."""
    layer = BatchNorm(np.array([3], dtype), np.array([0], dtype), eps=4)
    layer.forward(np.array([[1], [5], [3], [7]], dtype))
    dx = layer.backward(np.array([[4], [0], [0], [0]], dtype))
    expected = [[4 - 1 - 1], [0 - 1 + 1 / 3], [0 - 1 - 1 / 3], [0 - 1 + 1]]
    assert_within(dx, expected, without_sum(np.full((4, 1), 4), dtype))
    assert_within(layer.dgamma, [-4], without_sum([4], dtype))
    assert layer.dbeta.tolist() == [4]


@both_dtypes
def test_prediction_by_hand(dtype):
    """Prediction uses the running mean 1 and variance 5; dx is dout · 3 / 3."""
    arrays = (np.array([v], dtype) for v in (3, 10, 1, 5))
    layer = BatchNorm(*arrays, eps=4)
    layer.training = False
    before = arrays_of(layer)
    out = layer.forward(np.array([[4], [-2]], dtype))
    assert_within(out, [[13], [7]], without_sum([[13], [13]], dtype))
    dx = layer.backward(np.array([[2], [5]], dtype))
    assert_within(dx, [[2], [5]], without_sum([[2], [5]], dtype))
    assert_within(layer.dgamma, [2 - 5], without_sum([7], dtype))
    assert layer.dbeta.tolist() == [7]
    assert arrays_of(layer) == before


def test_gradients_in_both_modes():
    rng = np.random.default_rng(1)
    for columns in (1, 3, 8, 21):
        norm = BatchNorm(*rng.normal(size=(3, columns)), rng.uniform(0.5, 2, columns))
        network = Network([Affine.random(4, columns, rng=rng, dtype="float64"), norm])
        x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, columns))
        before = arrays_of(norm)
        for mode in (network.train(), network.eval()):
            report = gradient_check(mode, MSELoss(), x, y)
            assert report.passed, report
        assert arrays_of(norm) == before, "the check works on a copy"


@both_dtypes
def test_many_rows_equal_the_reference(dtype):
    rng = np.random.default_rng(2)
    for loc in (0, 100):
        x = rng.normal(loc, 2, (5000, 3)).astype(dtype)
        dout = rng.normal(size=(5000, 3)).astype(dtype)
        gamma, beta = rng.normal(size=(2, 3)).astype(dtype)
        call_of("batch_norm_statistics").check(dtype, x=x)
        mean, var = handnn.functional.batch_norm_statistics(x)
        own = {"x": x, "gamma": gamma, "mean": mean, "var": var}
        call_of("batch_norm_forward").check(dtype, beta=beta, **own)
        for variant in ("", "prediction"):
            call_of("batch_norm_backward", variant).check(dtype, dout=dout, **own)


def test_a_large_mean_does_not_cancel_in_float32():
    """10⁵ ± 1: the mean is correctly rounded, whereas a plain sum has a large error."""
    x = np.random.default_rng(3).normal(1e5, 1, (10_000, 4)).astype(np.float32)
    mean, var = handnn.functional.batch_norm_statistics(x)
    wide = x.astype(np.float64)
    assert (abs(mean - wide.mean(axis=0)) <= np.spacing(np.float32(1e5)) / 2 * 1.01).all()
    assert (abs(var / wide.var(axis=0) - 1) < 1e-4).all()


@both_dtypes
def test_backward_uses_the_mode_of_the_last_forward(dtype):
    """The mode changes between forward and backward."""
    rng = np.random.default_rng(4)
    x, dout = rng.normal(size=(2, 6, 3)).astype(dtype)
    layer = BatchNorm.new(3, dtype)
    layer.forward(x)
    expected = layer.backward(dout)
    layer.training = False
    assert_same_bits(layer.backward(dout), expected)


@both_dtypes
def test_a_constant_column_becomes_beta(dtype):
    layer = BatchNorm(np.ones(2, dtype), np.array([7, -1], dtype))
    x = np.array([[0.1, 1e6]] * 3, dtype)
    assert_same_bits(layer.forward(x), np.array([[7, -1]] * 3, dtype))
    assert_same_bits(layer.running_mean, dtype(0.1) * x[0])


@both_dtypes
def test_nan_and_infinity_affect_only_their_column(dtype):
    x = np.random.default_rng(5).normal(size=(9, 40)).astype(dtype)
    x[3, 2], x[8, 33], x[0, 39] = np.nan, np.inf, -np.inf
    layer = BatchNorm.new(40, dtype)
    out = layer.forward(x)
    spoilt = np.isin(np.arange(40), [2, 33, 39])
    assert np.isnan(out[:, spoilt]).all() and np.isfinite(out[:, ~spoilt]).all()
    assert layer.mean[33] == np.inf and layer.mean[39] == -np.inf
    assert np.isnan(layer.running_var[spoilt]).all()


@both_dtypes
def test_a_column_does_not_depend_on_other_columns(dtype):
    rng = np.random.default_rng(6)
    x, dout = rng.normal(size=(2, 13, 67)).astype(dtype)
    whole = BatchNorm(*rng.normal(size=(2, 67)).astype(dtype))
    out, dx = whole.forward(x), whole.backward(dout)
    for first, last in [(0, 1), (3, 20), (50, 67), (66, 67)]:
        part = BatchNorm(whole.gamma[first:last], whole.beta[first:last])
        assert_same_bits(part.forward(x[:, first:last]), out[:, first:last].copy())
        assert_same_bits(part.backward(dout[:, first:last]), dx[:, first:last].copy())
        assert_same_bits(part.dgamma, whole.dgamma[first:last].copy())
        assert_same_bits(part.running_var, whole.running_var[first:last].copy())


@pytest.mark.parametrize("rows", [0, 1])
def test_rejects_training_on_fewer_than_two_rows(rows):
    layer = BatchNorm.new(3)
    layer.forward(np.ones((4, 3)))
    kept, before = (layer.x, layer.mean, layer.var), arrays_of(layer)
    with pytest.raises(ValueError, match=f"needs at least two rows, but x has {rows}"):
        layer.forward(np.zeros((rows, 3)))
    assert arrays_of(layer) == before
    assert all(a is b for a, b in zip(kept, (layer.x, layer.mean, layer.var), strict=True))
    layer.training = False
    assert layer.forward(np.zeros((rows, 3))).shape == (rows, 3)
    assert layer.backward(np.zeros((rows, 3))).shape == (rows, 3)


@pytest.mark.parametrize("shape", [(2, 4), (3,), (2, 3, 1)])
def test_rejects_x_of_another_shape(shape):
    layer = BatchNorm.new(3)
    before = arrays_of(layer)
    with pytest.raises(ValueError, match=r"\bx\b"):
        layer.forward(np.ones(shape))
    assert arrays_of(layer) == before


def test_fit_rejects_a_last_batch_of_one_row_before_the_first_step():
    x, y = np.ones((7, 3)), np.ones((7, 2))
    network = Network([Affine.random(3, 2, rng=0), BatchNorm.new(2)])
    before = {name: array.copy() for name, array in network.params.items()}
    trainer = Trainer(network, MSELoss(), Adam(0.1), rng=0)
    for batch_size in (1, 2, 3, 6):
        with pytest.raises(ValueError, match=rf"layer 1 \(BatchNorm\).*batch_size {batch_size}"):
            trainer.fit(x, y, epochs=2, batch_size=batch_size)
    for name, array in network.params.items():
        assert_same_bits(array, before[name])
    assert network.layers[1].running_mean.tolist() == [0, 0]
    assert len(trainer.fit(x, y, epochs=2, batch_size=5)) == 2
    assert len(trainer.fit(x, y, epochs=1, batch_size=6, validation=1 / 7)) == 1


def test_learns_and_predicts_with_running_statistics():
    rng = np.random.default_rng(7)
    x = rng.normal(3, 5, (60, 2))
    norm = BatchNorm.new(8, "float64")
    layers = [
        Affine.random(2, 8, rng=1, dtype="float64"), norm, ReLU(),
        Affine.random(8, 1, rng=2, dtype="float64"),
    ]  # fmt: skip
    network = Network(layers)
    trainer = Trainer(network, MSELoss(), Adam(0.03), rng=1)
    history = trainer.fit(x, x[:, 0], epochs=30, batch_size=20)
    assert history.train_loss[-1] < history.train_loss[0] / 5
    before = arrays_of(norm)
    predicted = network.predict(x)
    assert arrays_of(norm) == before and norm.training
    hidden = layers[0].forward(x)
    scaled = (hidden - norm.running_mean) / np.sqrt(norm.running_var + 1e-5)
    expected = layers[3].forward(np.maximum(scaled * norm.gamma + norm.beta, 0))
    np.testing.assert_allclose(predicted, expected, rtol=1e-12)
    row_by_row = np.concatenate([network.predict(row[None]) for row in x])
    assert_same_bits(row_by_row, predicted)


@both_dtypes
def test_running_statistics_are_saved_and_converted(dtype, tmp_path):
    network = Network([BatchNorm.new(3, dtype), Affine.random(3, 1, rng=0, dtype=dtype)])
    network.forward(np.random.default_rng(8).normal(2, 3, (9, 3)))
    norm = network.layers[0]
    network.save(tmp_path / "network")
    loaded = handnn.load(tmp_path / "network").layers[0]
    assert arrays_of(loaded) == arrays_of(norm) and loaded.settings == norm.settings
    from safetensors import safe_open

    with safe_open(tmp_path / "network", framework="np") as file:
        names = {"0.gamma", "0.beta", "0.running_mean", "0.running_var", "1.w", "1.b"}
        assert set(file.keys()) == names
    wide = network.astype("float64").layers[0]
    assert {a.dtype for a in [*wide.params.values(), *wide.buffers.values()]} == {np.dtype("f8")}
    assert wide.running_mean.tolist() == norm.running_mean.tolist()
    assert wide.running_mean is not norm.running_mean
    assert arrays_of(copy.deepcopy(norm)) == arrays_of(norm)


def test_rejects_buffers_of_another_dtype():
    norm = BatchNorm.new(3)
    norm.running_var = norm.running_var.astype("float64")
    with pytest.raises(TypeError, match=r"0\.gamma is float32 but 0\.running_var is float64"):
        Network([norm])


@both_dtypes
def test_new_is_the_identity_and_uses_the_given_arrays(dtype):
    layer = BatchNorm.new(2, dtype)
    values = {name: a.tolist() for name, a in {**layer.params, **layer.buffers}.items()}
    assert values == {
        "gamma": [1, 1], "beta": [0, 0], "running_mean": [0, 0], "running_var": [1, 1],
    }  # fmt: skip
    given = [np.ones(2, dtype) for _ in range(4)]
    layer = BatchNorm(*given)
    arrays = [*layer.params.values(), *layer.buffers.values()]
    assert all(a is b for a, b in zip(arrays, given, strict=True))
    layer.forward(np.zeros((2, 2), dtype))
    assert given[2].tolist() == [dtype(0.9), dtype(0.9)], "changed in place"
    assert layer.sizes == {"in": 2, "out": 2}
    assert repr(layer) == "BatchNorm 2→2 momentum=0.1 eps=1e-05"


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"gamma": np.ones((1, 3))}, ValueError, r"gamma must have 1 dimension \(O,\), but"),
        ({"beta": np.ones(2)}, ValueError, r"beta has shape \(2,\) but gamma has shape \(3,\)"),
        ({"running_mean": np.ones(4)}, ValueError, r"running_mean has shape \(4,\) but"),
        ({"running_var": np.ones((3, 1))}, ValueError, "running_var must have 1 dimension"),
        ({"running_var": ["a"] * 3}, TypeError, "running_var must hold real numbers"),
        ({"momentum": 1.1}, ValueError, "momentum must be from 0 to 1"),
        ({"momentum": None}, TypeError, "momentum must be a number"),
        ({"eps": 0.0}, ValueError, "eps must be above 0"),
    ],
)
def test_rejects_invalid_arguments(arguments, kind, words):
    with pytest.raises(kind, match=f"BatchNorm: {words}"):
        BatchNorm(**{"gamma": np.ones(3), "beta": np.ones(3), **arguments})


def test_functions_reject_fewer_than_two_rows():
    with pytest.raises(RuntimeError, match=r"BatchNorm\.backward: call forward first"):
        BatchNorm.new(2).backward(np.ones((3, 2)))
    ones = np.ones(2)
    for rows in (1, 0, -1):
        with pytest.raises(ValueError, match="batch_norm_update: rows must be at least 2"):
            handnn.functional.batch_norm_update(ones, ones.copy(), ones, ones, rows=rows)


@pytest.mark.parametrize("make", [Adam, handnn.AdamW, handnn.SGD])
def test_weight_decay_does_not_apply_to_gamma_and_beta(make):
    params = {"0.w": np.ones(3), "1.gamma": np.ones(3), "1.beta": np.ones(3)}
    make(0.1, weight_decay=0.5).step(params, {name: np.zeros(3) for name in params})
    assert (params["0.w"] < 1).all()
    assert params["1.gamma"].tolist() == params["1.beta"].tolist() == [1, 1, 1]
    make(0.1, weight_decay=0.5, decay_all=True).step(params, {name: np.zeros(3) for name in params})
    assert (params["1.gamma"] < 1).all() and (params["1.beta"] < 1).all()


def test_statistics_of_more_rows_than_float32_can_count():
    """A plain sum of ones stops at 2²⁴."""
    x = np.ones((2**25 + 3, 1), np.float32)
    mean, var = handnn.functional.batch_norm_statistics(x)
    assert mean == 1 and var == 0


@pytest.mark.parametrize("n_rows", [65_535, 65_536, 65_537, 200_001])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_statistics_of_blocks(n_rows, dtype):
    """From 65,536 rows on, the statistics of blocks are merged."""
    x = np.random.default_rng(n_rows).normal(3, 2, size=(n_rows, 70)).astype(dtype)
    mean, var = handnn.functional.batch_norm_statistics(x)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype=np.longdouble), rtol=40 * eps)
    # The squares are a chain of 65,536 roundings, which behave like a random walk.
    np.testing.assert_allclose(var, x.var(axis=0, dtype=np.longdouble), rtol=8 * 256 * eps)


def test_statistics_of_blocks_carry_infinity():
    x = np.ones((65_540, 2), np.float32)
    x[7, 0] = np.inf
    mean, var = handnn.functional.batch_norm_statistics(x)
    assert mean.tolist() == [np.inf, 1] and np.isnan(var[0]) and var[1] == 0
