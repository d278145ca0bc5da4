"""GELU: out = x·Φ(x), or its tanh form."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import functional
from handnn.layers import GELU
from handnn.reference.calls import DTYPES, call_of
from tests.bounds import assert_within, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])

FORMS = ["erf", "tanh"]
NAMES = {"erf": "gelu", "tanh": "gelu_tanh"}
both_forms = pytest.mark.parametrize("form", FORMS)


def whole_range(dtype):
    """Inputs beyond the underflow of exp, around 0, and denormal."""
    edge = -np.log(float(np.finfo(dtype).smallest_subnormal)) + 2
    parts = np.linspace(0, edge, 10007), np.linspace(0, 6, 10007), np.logspace(-40, 1, 999)
    x = np.concatenate(parts).astype(dtype)
    return np.concatenate([x, -x])


@both_dtypes
def test_by_hand(dtype):
    """From a table: Φ(1) is 0.841344746069 and φ(1) 0.241970724519; Φ(-1) is 1 - Φ(1)."""
    layer = GELU()
    x = np.array([[0, 1, -1]], dtype)
    out = layer.forward(x)
    table = 1e-12 + without_sum(np.ones((1, 3)), dtype)
    assert_within(out, [[0, 0.841344746069, -0.158655253931]], table)
    dx = layer.backward(np.ones((1, 3), dtype))
    assert dx[0, 0] == 0.5
    assert_within(dx, [[0.5, 1.083315470588, -0.083315470588]], table)
    assert layer.x is x


@both_dtypes
def test_the_tanh_form_by_hand(dtype):
    """At 1, u = √(2/π)·1.044715 = 0.833561968939, tanh(u) = 0.682383981217."""
    layer = GELU("tanh")
    out = layer.forward(np.array([[0, 1, -1]], dtype))
    table = 1e-12 + without_sum(np.ones((1, 3)), dtype)
    assert_within(out, [[0, 0.841191990608, -0.158808009392]], table)
    dx = layer.backward(np.ones((1, 3), dtype))
    assert dx[0, 0] == 0.5
    assert_within(dx, [[0.5, 1.082964083846, -0.082964083846]], table)


@both_dtypes
@both_forms
def test_equals_the_reference_over_the_whole_range(form, dtype):
    x = whole_range(dtype)
    call_of(f"{NAMES[form]}_forward").check(dtype, x=x)
    call_of(f"{NAMES[form]}_backward").check(dtype, dout=np.ones_like(x), x=x)


@both_dtypes
@both_forms
def test_calls_the_functions_of_its_form(form, dtype):
    x = np.random.default_rng(3).normal(size=(4, 9)).astype(dtype)
    layer = GELU(form)
    forward = getattr(functional, f"{NAMES[form]}_forward")
    backward = getattr(functional, f"{NAMES[form]}_backward")
    np.testing.assert_array_equal(layer.forward(x), forward(x))
    np.testing.assert_array_equal(layer.backward(x), backward(x, x))


@both_dtypes
def test_the_forms_differ_by_less_than_0_0005(dtype):
    """The largest distance is 0.00047, near |x| = 2.7."""
    x = whole_range(dtype)
    distance = abs(functional.gelu_forward(x) - functional.gelu_tanh_forward(x))
    assert 4.5e-4 < distance.max() < 5e-4


@both_dtypes
@both_forms
def test_extreme_inputs_do_not_overflow_or_warn(form, dtype):
    """Infinity times 0 is NaN, as in PyTorch; large finite inputs are correct."""
    info = np.finfo(dtype)
    layer = GELU(form)
    x = np.array([np.inf, -np.inf, np.nan, info.max, info.min, 1e4, -1e4, -0.0], dtype)
    with np.errstate(all="raise"):
        out = layer.forward(x)
        dx = layer.backward(np.ones_like(x))
    expected = [np.inf, np.nan, np.nan, info.max, 0, 1e4, 0, 0]
    np.testing.assert_array_equal(out, np.array(expected, dtype))
    assert np.signbit(out[-1]), "-0.0 stays -0.0"
    huge = [1, 0] if form == "erf" else [np.nan, np.nan]  # x² overflows, and 0·∞ is NaN
    expected = [np.nan, np.nan, np.nan, *huge, 1, 0, 0.5]
    np.testing.assert_array_equal(dx, np.array(expected, dtype))


@pytest.mark.parametrize("form", ["x", "", "ERF", None, 1])
def test_rejects_other_forms(form):
    with pytest.raises(ValueError, match="GELU: form must be 'erf' or 'tanh', but is"):
        GELU(form)
