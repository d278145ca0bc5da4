"""The steps around a network have the same bits in C and in NumPy."""

from __future__ import annotations

import re

import numpy as np
import pytest

import handnn
from handnn import Affine, Dropout, Embedding, Network, Sigmoid
from handnn.exchange.c import Fill, OneHot, Scale
from tests.exchange import networks
from tests.exchange.c_programs import assert_same_numbers, compile_all, needs_fma, predict
from tests.exchange.test_c_header import GCC, defined, run_main

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def predict_in_c(text, x, folder):
    real = "float" if x.dtype == np.float32 else "double"
    program = compile_all(GCC, {"model": text}, real, folder)
    return predict(GCC, program, 0, x, int(defined(text, "OUTPUTS")))


STEPS = [
    Fill([0.5, np.nan, np.nan, -3.0], indicator=[3, 0]),
    Scale([10, 0, 0, -3, 0, 0], [0.3, 1, 1, 7, 1, 1]),
    OneHot(4, column=2),
    Scale(0.1, 2),
]


@needs_fma
@both_dtypes
def test_steps_and_scales_have_the_bits_of_numpy(dtype, tmp_path):
    rng = np.random.default_rng(0)
    network = Network([Embedding(rng.normal(size=(5, 2)).astype(dtype), 1), Sigmoid(),
                       networks.affine(10, 3, rng, dtype)])  # fmt: skip
    before = (np.r_[3.0, 0, np.linspace(-1, 1, 7)], np.r_[0.7, 1, np.linspace(0.3, 2, 7)])
    after = (np.array([1, 0.1, 1e6]), np.array([0.1, 3, 700]))
    steps = [*STEPS[:3], Scale(*before)]
    x = rng.normal(size=(300, 4))
    x[:, 1], x[:, 2] = rng.integers(0, 5, 300), rng.integers(0, 4, 300)
    x[rng.random(300) < 0.3, 0] = np.nan
    x[rng.random(300) < 0.3, 3] = np.nan
    x[::50, 2] = np.tile([np.nan, -1, 4, 0.5, np.inf, -0.0], 1)
    x = x.astype(dtype)
    text = handnn.to_c(
        network, steps=steps[:3], scale_in=before, scale_out=after, name="model", x=x[:20]
    )
    rows = x
    for step in steps:
        rows = step.apply(rows)
        assert rows.dtype == dtype
    expected = Scale(*after).undo(network.predict(rows))
    assert np.isfinite(expected).all()
    assert_same_numbers(predict_in_c(text, x, tmp_path), expected)
    # the same written out by hand, without steps
    plain = network.predict(by_hand(x, before)) * after[1].astype(dtype) + after[0].astype(dtype)
    assert_same_numbers(expected, plain)


def by_hand(x, before):
    median = np.array([0.5, np.nan, np.nan, -3.0], x.dtype)
    missing = np.isnan(x)
    filled = np.where(missing, median, x)
    first, last = np.array([[10, -3], [0.3, 7]], x.dtype).T
    filled[:, 0] = (filled[:, 0] - first[0]) / first[1]
    filled[:, 3] = (filled[:, 3] - last[0]) / last[1]
    codes = [filled[:, 2] == code for code in range(4)]
    columns = [*filled[:, [0, 1, 3]].T, missing[:, 3], missing[:, 0], *codes]
    mean, scale = (array.astype(x.dtype) for array in before)
    return (np.stack(columns, axis=1).astype(x.dtype) - mean) / scale


@needs_fma
def test_random_rows_are_in_the_units_of_the_columns(tmp_path):
    """With codes for Embedding and OneHot, and NaN where it is filled."""
    rng = np.random.default_rng(0)
    layers = [Dropout(0.1), Embedding.random(3, 2, 0, rng), Affine.random(10, 2, rng=rng)]
    steps = [
        Fill([np.nan, 2000, np.nan, np.nan], indicator=[1]),
        Scale([0, 2000, 0, -1e4, 0], [1, 0.5, 1, 3, 1]),
        OneHot(5, 2),
    ]
    text = handnn.to_c(Network(layers), steps=steps)
    assert (defined(text, "INPUTS"), defined(text, "ROWS")) == ("4", "8")
    (body,) = re.findall(r"model_test_x\[32\] = \{([^}]*)\}", text)
    names = {"(float)NAN": "nan"}
    found = [names.get(word.strip(), word.strip().rstrip("f")) for word in body.split(",")]
    x = np.array([float.fromhex(w) if "x" in w else float(w) for w in found]).reshape(8, 4)
    assert set(x[:, 0]) == {0, 1, 2} and set(x[:, 2]) <= {0, 1, 2, 3, 4}
    assert np.isnan(x[-1, 1]) and np.isfinite(x[:-1]).all()
    assert (abs(x[:-1, 1] - 2000) < 3).all() and (abs(x[:, 3] + 1e4) < 15).all()
    assert run_main(text, tmp_path)[0] == 0


@needs_fma
@both_dtypes
def test_an_invalid_code_gives_nan(dtype, tmp_path):
    rng = np.random.default_rng(0)
    network = Network([Embedding(rng.normal(size=(3, 2)).astype(dtype), 1)])
    text = handnn.to_c(network, x=[[1.0, 2.0]])
    x = np.array([[7, code] for code in (0, 2, -0.0, 3, -1, 0.5, np.nan, np.inf, -np.inf)], dtype)
    out = predict_in_c(text, x, tmp_path)
    assert_same_numbers(out[:3], network.predict(x[:3]))
    assert (out[3:, 0] == 7).all() and np.isnan(out[3:, 1:]).all()


@needs_fma
def test_special_numbers_as_weights(tmp_path):
    info = np.finfo("float32")
    w = np.array([[np.nan, np.inf, -np.inf, -0.0, info.smallest_subnormal, info.max]], "float32")
    network = Network([Affine(w, np.full(6, -0.0, "float32"))])
    x = np.array([[1], [0], [-1], [2]], "float32")
    with np.errstate(all="ignore"):
        expected = network.predict(x)
    assert_same_numbers(predict_in_c(handnn.to_c(network), x, tmp_path), expected)
