"""Dropout: out = 0 with probability p, x / (1 - p) otherwise, by a reproducible mask."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import handnn
from handnn import (
    SGD,
    Affine,
    Dropout,
    MSELoss,
    Network,
    ReLU,
    Trainer,
    functional,
    gradient_check,
    reference,
)
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def dropped(p, seed, step, count):
    """Return the mask of `count` entries as 0 and 1."""
    return (functional.dropout_forward(np.ones(count, np.float32), p, seed, step) == 0).astype(int)


@both_dtypes
def test_by_hand(dtype):
    """The first six hashes of seed 0, step 0: at p = 1/4 those below 2³⁰ are dropped."""
    hashes = [0x2A003055, 0x58268069, 0x158E2AAA, 0xBFFDB246, 0x2C1A30F5, 0x53D32859]
    assert [hashed < 2**30 for hashed in hashes] == [True, False, True, False, True, False]
    layer = Dropout(0.25, rng=0)
    out = layer.forward(np.array([[3, 6, 9], [12, 15, 18]], dtype))
    assert out.dtype == dtype
    assert layer.mask.tolist() == [[True, False, True], [False, True, False]]
    expected = [[0, 8, 0], [16, 0, 24]]
    np.testing.assert_allclose(out, expected, rtol=2 * np.finfo(dtype).eps)


@both_dtypes
@pytest.mark.parametrize("first", [0, 1, 6, 2**32 - 3, 2**40 + 7])
def test_first_is_the_number_of_the_first_entry(first, dtype):
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(dtype)
    for name in ("dropout_forward", "dropout_backward"):
        out = getattr(functional, name)(x, 0.3, 5, 9, first=first)
        assert_same_bits(out != 0, getattr(reference, name)(x, 0.3, 5, 9, first=first) != 0)
        part = getattr(functional, name)(x[3:], 0.3, 5, 9, first=first + 15)
        assert_same_bits(part, out[3:])


@pytest.mark.parametrize("p", [0.01, 0.1, 0.25, 0.5, 0.9, 0.999])
def test_the_dropped_fraction_is_p(p):
    """Among 2²⁰ entries at each of several steps, within five standard deviations."""
    count = 2**20
    for seed, step in [(0, 0), (0, 1), (1, 0), (2**63 - 1, 2**63 - 1), (123456789, 1000)]:
        share = dropped(p, seed, step, count).mean()
        assert abs(share - p) < 5 * np.sqrt(p * (1 - p) / count), (seed, step, share)


def correlation(a, b):
    """Return the correlation of two masks in standard deviations of independent ones."""
    return np.corrcoef(a, b)[0, 1] * np.sqrt(len(a))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_neighbors_and_rows_are_independent(p):
    """Entries at distance 1, powers of two, and a row are uncorrelated."""
    mask = dropped(p, 3, 4, 2**19)
    for lag in [*range(1, 18), 32, 50, 64, 100, 128, 256, 784, 1000, 1024, 4096, 65536]:
        assert abs(correlation(mask[lag:], mask[:-lag])) < 5, lag


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_steps_and_seeds_are_independent(p):
    """Masks of different steps and seeds are uncorrelated."""
    first = dropped(p, 0, 0, 2**18)
    for other in range(1, 40):
        assert abs(correlation(first, dropped(p, 0, other, 2**18))) < 5, f"step {other}"
        assert abs(correlation(first, dropped(p, other, 0, 2**18))) < 5, f"seed {other}"


def test_patterns_of_eight_neighbors_are_equally_likely():
    """Chi-squared of the 256 patterns at p = 1/2 has mean 255 and deviation 22.6."""
    for seed in range(20):
        bits = dropped(0.5, seed, 0, 2**19).reshape(-1, 8)
        counts = np.bincount(bits @ (1 << np.arange(8)), minlength=256)
        expected = len(bits) / 256
        chi_squared = ((counts - expected) ** 2 / expected).sum()
        assert 255 - 5 * 22.6 < chi_squared < 255 + 5 * 22.6, (seed, chi_squared)


def test_one_entry_is_random_over_the_steps():
    """Chi-squared of the counts of 64 entries over 4096 steps."""
    counts = sum(dropped(0.5, 5, step, 64) for step in range(4096))
    chi_squared = ((counts - 2048) ** 2 / 1024).sum()
    assert 64 - 5 * 11.3 < chi_squared < 64 + 5 * 11.3, chi_squared


def test_the_mean_is_that_of_x():
    x = np.full(2**20, 3.0)
    for p in (0.1, 0.5, 0.9):
        deviation = 3 * np.sqrt(p / (1 - p) / x.size)
        assert abs(functional.dropout_forward(x, p, 1, 2).mean() - 3) < 5 * deviation


@both_dtypes
def test_masks_do_not_depend_on_dtype_and_shape(dtype):
    flat = functional.dropout_forward(np.ones(210, dtype), 0.4, 8, 9)
    assert_same_bits(flat == 0, dropped(0.4, 8, 9, 210).astype(bool))
    for shape in [(210, 1), (3, 70), (2, 3, 5, 7)]:
        shaped = functional.dropout_forward(np.ones(shape, dtype), 0.4, 8, 9)
        assert_same_bits(shaped.reshape(-1), flat)


@both_dtypes
def test_a_part_of_a_batch_has_the_mask_of_its_rows(dtype):
    x = np.ones((9, 5), dtype)
    whole, part = Dropout(0.5, rng=1), Dropout(0.5, rng=1)
    part.first_row = 4
    assert_same_bits(part.forward(x[4:]), whole.forward(x)[4:])
    assert_same_bits(part.backward(x[4:]), whole.backward(x)[4:])
    assert_same_bits(part.mask, whole.mask[4:])


@both_dtypes
def test_dropped_nan_and_infinity_become_zero(dtype):
    x = np.tile(np.array([np.nan, np.inf, -np.inf, -1.0, -0.0], dtype), 40)
    gone = dropped(0.5, 1, 1, 200).astype(bool)
    with np.errstate(all="raise"):
        out = functional.dropout_forward(x, 0.5, 1, 1)
    assert_same_bits(out[gone], np.zeros(gone.sum(), dtype))
    np.testing.assert_array_equal(out[~gone], 2 * x[~gone])


@both_dtypes
def test_backward_uses_the_mask_of_forward(dtype):
    layer = Dropout(0.3, rng=4)
    x = np.ones((20, 30), dtype)
    out = layer.forward(x)
    first = layer.mask
    assert layer.step == 1
    assert_same_bits(layer.backward(x), out)
    assert_same_bits(layer.backward(x), out, "also the second time")
    assert_same_bits(out == 0, first)
    layer.forward(x)
    assert layer.step == 2 and (layer.mask != first).any()
    layer.step = 0
    assert_same_bits(layer.forward(x), out)


def test_backward_does_not_depend_on_settings_changed_after_forward():
    layer = Dropout(0.3, rng=4)
    out = layer.forward(np.ones((20, 30)))
    layer.p, layer.seed, layer.step, layer.training = 0.9, 5, 77, False
    assert_same_bits(layer.backward(np.ones((20, 30))), out)


@both_dtypes
def test_prediction_is_the_identity(dtype):
    layer = Dropout(0.9, rng=0)
    layer.training = False
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(dtype)
    assert_same_bits(layer.forward(x), x)
    assert_same_bits(layer.backward(2 * x), 2 * x)
    assert layer.step == 0 and not layer.mask.any() and layer.mask.shape == x.shape


def test_p_of_0_and_just_below_1():
    x = np.random.default_rng(0).normal(size=1000)
    assert_same_bits(functional.dropout_forward(x, 0.0, 1, 2), x)
    p = np.nextafter(1, 0)
    out = functional.dropout_forward(x, p, 1, 2)
    assert np.isfinite(out).all() and (out == 0).mean() > 0.99


def test_zero_rows():
    layer = Dropout(rng=0)
    assert layer.forward(np.empty((0, 3))).shape == (0, 3)
    assert layer.backward(np.empty((0, 3))).shape == (0, 3)


def test_seed_from_rng():
    assert Dropout(0.5, rng=7).seed == Dropout(0.5, rng=np.int64(7)).seed == 7
    assert Dropout(0.5, 2**63 - 1).seed == 2**63 - 1
    a, b = (Dropout(rng=np.random.default_rng(3)).seed for _ in range(2))
    assert a == b != Dropout(rng=np.random.default_rng(4)).seed
    assert Dropout().seed != Dropout().seed
    rng = np.random.default_rng(3)
    assert Dropout(rng=rng).seed != Dropout(rng=rng).seed


@pytest.mark.parametrize("rng", [-1, 2**63, 10**30])
def test_rejects_seeds_out_of_bounds(rng):
    with pytest.raises(ValueError, match="Dropout: rng must be at"):
        Dropout(rng=rng)


@pytest.mark.parametrize("rng", [True, 1.5, "seed"])
def test_rejects_invalid_rng(rng):
    with pytest.raises(TypeError):
        Dropout(rng=rng)


@pytest.mark.parametrize("p", [-0.1, 1, 1.0, 2, np.nan, np.inf])
def test_rejects_p_out_of_bounds(p):
    with pytest.raises(ValueError, match="Dropout: p must be at least 0 and below 1"):
        Dropout(p)
    for function in (functional.dropout_forward, functional.dropout_backward):
        with pytest.raises(ValueError, match="p must be at least 0 and below 1"):
            function(np.ones(3), p, 0, 0)


@pytest.mark.parametrize("p", ["0.5", None, True, 0.5j])
def test_rejects_p_that_is_not_a_number(p):
    with pytest.raises(TypeError, match="Dropout: p must be a number"):
        Dropout(p)


@pytest.mark.parametrize("name", ["seed", "step"])
def test_functions_reject_seeds_and_steps_out_of_bounds(name):
    for function in (functional.dropout_forward, functional.dropout_backward):
        given = {"p": 0.5, "seed": 0, "step": 0}
        for bad in (-1, 2**63):
            with pytest.raises(ValueError, match=f"{function.__name__}: {name} must be at"):
                function(np.ones(3), **{**given, name: bad})
        for bad in (1.0, None, "1", True):
            with pytest.raises(TypeError, match=f"{function.__name__}: {name} must be an int"):
                function(np.ones(3), **{**given, name: bad})


def test_backward_rejects_other_shapes_and_a_missing_forward():
    layer = Dropout()
    assert layer.mask is None
    with pytest.raises(RuntimeError, match=r"Dropout\.backward: call forward first"):
        layer.backward(np.ones(3))
    layer.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"dout has shape \(3,\) but x had \(2, 3\)"):
        layer.backward(np.ones(3))


def network(dtype="float64", rng=0):
    rng = np.random.default_rng(rng)
    return Network(
        [
            Affine.random(4, 30, rng=rng, dtype=dtype),
            ReLU(),
            Dropout(0.4, rng=rng),
            Affine.random(30, 2, rng=rng, dtype=dtype),
        ]
    )


def test_gradients_with_a_fixed_mask():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    checked = network()
    checked.layers[2].step = 5
    for mode in (True, False):
        report = gradient_check(checked.train(mode), MSELoss(), x, y, rtol=1e-6)
        assert report.passed, report
    assert checked.layers[2].step == 5
    assert gradient_check(Network([Dropout(0.5, rng=2)]), MSELoss(), y, x[:, :2], rtol=1e-6)


def test_copies_repeat_the_masks(tmp_path):
    layer = Dropout(0.3)
    x = np.ones((40, 4), np.float32)
    small = Network([layer, Affine.random(4, 1, rng=0)])
    small.save(tmp_path / "network")
    copies = [
        handnn.load(tmp_path / "network"),
        small.astype("float64"),
        copy.deepcopy(small),
        pickle.loads(pickle.dumps(small)),
    ]
    assert repr(layer) == "Dropout p=0.3" and small.sizes == {"in": 4, "out": 1}
    layer.forward(x)
    for other in copies:
        other.layers[0].forward(x)
        assert_same_bits(other.layers[0].mask, layer.mask)
        assert other.layers[0].settings == layer.settings == {"p": 0.3, "rng": layer.seed}


def test_predict_does_not_drop_or_advance_step():
    made = network()
    x = np.random.default_rng(2).normal(size=(50, 4))
    pre = made.predict(x)
    assert made.layers[2].step == 0
    np.testing.assert_array_equal(pre, made.eval().forward(x))
    assert (made.train().forward(x) != pre).any()


def test_training_advances_step_and_is_repeatable():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 2))
    results = []
    for _ in range(2):
        made = network("float32")
        trainer = Trainer(made, MSELoss(), SGD(lr=0.01), rng=4)
        trainer.fit(x, y, epochs=3, batch_size=8, validation=0.2)
        assert made.layers[2].step == 15
        results.append(made.params["3.w"].tobytes())
    assert results[0] == results[1]
