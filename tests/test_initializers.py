"""Initial weights: their distribution, and their dependence on `rng` only."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Affine
from handnn.initializers import initial_weights
from tests.bounds import assert_same_bits

FAN_IN, FAN_OUT = 500, 800
VARIANCES = {
    "he": 2 / FAN_IN,
    "xavier": 2 / (FAN_IN + FAN_OUT),
    "lecun": 1 / FAN_IN,
}


def weights(init, rng=0, dtype="float64"):
    return Affine.random(FAN_IN, FAN_OUT, init=init, rng=rng, dtype=dtype).w


@pytest.mark.parametrize("name", VARIANCES)
@pytest.mark.parametrize("shape", ["normal", "uniform"])
def test_mean_and_variance(name, shape):
    """Six standard deviations of each estimate over 400,000 draws; kurtosis 3 and 9/5."""
    w, variance = weights(f"{name}_{shape}").ravel(), VARIANCES[name]
    kurtosis = 3 if shape == "normal" else 9 / 5
    assert abs(w.mean()) < 6 * np.sqrt(variance / w.size)
    assert abs(w.var() / variance - 1) < 6 * np.sqrt((kurtosis - 1) / w.size)


@pytest.mark.parametrize("name", VARIANCES)
def test_distribution(name):
    """Uniform draws stay within ±√(3·variance) and come close to it; normal ones exceed it."""
    edge = np.sqrt(3 * VARIANCES[name])
    uniform = abs(weights(f"{name}_uniform"))
    assert 0.999 * edge < uniform.max() <= edge
    assert abs(weights(f"{name}_normal")).max() > 2 * edge


@pytest.mark.parametrize("name", VARIANCES)
def test_default_distribution_is_normal(name):
    assert_same_bits(weights(name), weights(f"{name}_normal"))


def test_zeros():
    assert not weights("zeros").any()


@pytest.mark.parametrize("init", ["he_uniform", "xavier_normal", "lecun"])
def test_a_seed_and_its_generator_give_the_same_bits(init):
    assert_same_bits(weights(init, rng=5), weights(init, rng=np.random.default_rng(5)))
    assert not np.array_equal(weights(init, rng=5), weights(init, rng=6))
    assert not np.array_equal(weights(init, rng=None), weights(init, rng=None))


def test_a_generator_advances():
    rng = np.random.default_rng(5)
    assert not np.array_equal(weights("he", rng=rng), weights("he", rng=rng))


@pytest.mark.parametrize("init", ["he", "xavier_uniform"])
def test_float32_weights_are_rounded_float64_weights(init):
    assert_same_bits(weights(init, dtype="float32"), weights(init).astype(np.float32))


@pytest.mark.parametrize(
    "init", ["", "He", "kaiming", "he_", "he_cauchy", "zeros_normal", "_normal"]
)
def test_rejects_unknown_names(init):
    with pytest.raises(ValueError, match="init"):
        weights(init)


@pytest.mark.parametrize("init", [None, 3, np.ones(2)], ids=str)
def test_rejects_names_that_are_not_strings(init):
    with pytest.raises((TypeError, ValueError)):
        weights(init)


@pytest.mark.parametrize("rng", ["seed", 1.5, -1], ids=str)
def test_rejects_invalid_rng(rng):
    with pytest.raises((TypeError, ValueError)):
        weights("he", rng=rng)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [lambda: np.asmatrix([[1]]), lambda: (a := [], a.append(a))[0]])
def test_a_seed_that_numpy_recurses_on_is_an_error(make):
    """`np.random.default_rng` ends the process for both."""
    with pytest.raises(TypeError, match="rng must be None, an int of 0 or more, or a numpy Gen"):
        initial_weights(2, 2, rng=make())
    assert initial_weights(2, 2, rng=[1, 2]).shape == (2, 2), "as NumPy"
