"""Affine: out = x·w + b."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, Affine, MSELoss, Network, functional, gradient_check, reference
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits, assert_within, of_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """Two rows, three inputs, two outputs."""
    w = np.array([[1, 2], [3, 4], [5, 6]], dtype)
    b = np.array([10, 20], dtype)
    x = np.array([[1, 0, 2], [0, -1, 1]], dtype)
    layer = Affine(w, b)
    out = layer.forward(x)
    assert out.tolist() == [[1 + 0 + 10 + 10, 2 + 0 + 12 + 20], [-3 + 5 + 10, -4 + 6 + 20]]
    dx = layer.backward(np.array([[1, 1], [2, -1]], dtype))
    assert dx.tolist() == [[3, 7, 11], [0, 2, 4]]
    assert layer.dw.tolist() == [[1, 1], [-2, 1], [2 + 2, 2 - 1]]
    assert layer.db.tolist() == [3, 0]
    assert out.dtype == dx.dtype == layer.dw.dtype == layer.db.dtype == dtype


@both_dtypes
def test_equals_the_reference(dtype):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(19, 13)).astype(dtype), rng.normal(size=(13, 7)).astype(dtype)
    b, dout = rng.normal(size=7).astype(dtype), rng.normal(size=(19, 7)).astype(dtype)
    layer = Affine(w, b)
    out, dx = layer.forward(x), layer.backward(dout)
    x, w, b, dout = (a.astype(np.float64) for a in (x, w, b, dout))
    terms = abs(x) @ abs(w) + abs(b)
    assert_within(out, reference.affine_forward(x, w, b), of_sum(terms, 14, dtype))
    want_dx, want_dw, want_db = reference.affine_backward(dout, x, w)
    assert_within(dx, want_dx, of_sum(abs(dout) @ abs(w.T), 7, dtype))
    assert_within(layer.dw, want_dw, of_sum(abs(x.T) @ abs(dout), 19, dtype))
    assert_within(layer.db, want_db, of_sum(abs(dout).sum(axis=0), 19, dtype))


def test_gradients():
    rng = np.random.default_rng(2)
    network = Network([Affine.random(5, 3, rng=rng, dtype="float64")])
    report = gradient_check(network, MSELoss(), rng.normal(size=(7, 5)), rng.normal(size=(7, 3)))
    assert report.passed, report


@both_dtypes
def test_a_row_has_the_same_bits_alone_and_in_a_batch(dtype):
    """The bits do not depend on the number of rows or on the tile of the product."""
    rng = np.random.default_rng(3)
    for n, i, o in [(64, 64, 64), (1, 3, 1), (2, 5, 17), (15, 33, 1), (31, 1, 40), (29, 700, 35)]:
        x, w = rng.normal(size=(n, i)).astype(dtype), rng.normal(size=(i, o)).astype(dtype)
        b, dout = rng.normal(size=o).astype(dtype), rng.normal(size=(n, o)).astype(dtype)
        batch = functional.affine_forward(x, w, b)
        rows = [functional.affine_forward(x[k : k + 1], w, b) for k in range(n)]
        assert_same_bits(batch, np.concatenate(rows), f"out {n}, {i}, {o}")
        batch = functional.affine_backward(dout, x, w)[0]
        rows = [functional.affine_backward(dout[k : k + 1], x[k : k + 1], w)[0] for k in range(n)]
        assert_same_bits(batch, np.concatenate(rows), f"dx {n}, {i}, {o}")


@both_dtypes
def test_an_output_does_not_depend_on_the_number_of_outputs(dtype):
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(30, 21)).astype(dtype), rng.normal(size=(21, 67)).astype(dtype)
    b = rng.normal(size=67).astype(dtype)
    whole = functional.affine_forward(x, w, b)
    for first, last in [(0, 1), (3, 20), (50, 67), (66, 67)]:
        part = functional.affine_forward(x, w[:, first:last], b[first:last])
        assert_same_bits(part, whole[:, first:last].copy(), f"columns {first} to {last}")


@both_dtypes
def test_each_output_is_one_chain_of_fused_multiply_adds(dtype):
    """(1 + e)² - (1 + 2e) is e² with a fused multiply-add, else 0."""
    from handnn import cpu_info

    if not cpu_info()["fma"]:
        pytest.skip("this instruction set has no fused multiply-add")
    e = np.finfo(dtype).eps
    x = np.array([[1, 1 + e]], dtype)
    for columns in (1, 5, 16, 33):
        w = np.repeat(np.array([[-(1 + 2 * e)], [1 + e]], dtype), columns, axis=1)
        out = functional.affine_forward(x, w, np.zeros(columns, dtype))
        assert np.all(out == dtype(e) * dtype(e))


@both_dtypes
@pytest.mark.parametrize("n_rows", [1, 5, 21])
def test_one_output_of_many_inputs_has_several_chains(dtype, n_rows):
    """The chain that begins with the large number absorbs its ones; the others keep theirs."""
    large = dtype(1 / np.finfo(dtype).eps) * 2
    n_chains = 16 if dtype is np.float32 else 8
    for n_inputs, kept in [(31, 0), (4 * n_chains, 4 * (n_chains - 1))]:
        x, w = np.ones((n_rows, n_inputs), dtype), np.ones((n_inputs, 1), dtype)
        w[0] = large
        out = functional.affine_forward(x, w, np.zeros(1, dtype))
        assert np.all(out == large + dtype(kept))


@both_dtypes
def test_uses_the_given_arrays(dtype):
    w, b = np.ones((2, 3), dtype), np.zeros(3, dtype)
    layer = Affine(w, b)
    assert layer.w is w and layer.b is b
    assert layer.params["w"] is w and layer.params["b"] is b
    layer.forward(np.ones((4, 2), dtype))
    layer.backward(np.ones((4, 3), dtype))
    assert layer.grads["w"] is layer.dw and layer.grads["b"] is layer.db
    SGD(0.5).step(layer.params, layer.grads)
    assert w.tolist() == [[-1, -1, -1], [-1, -1, -1]], "the step did not reach the caller's array"


def test_before_the_first_forward():
    layer = Affine(np.ones((2, 3)), np.zeros(3))
    assert layer.x is None and layer.dw is None and layer.db is None
    with pytest.raises(RuntimeError, match="forward"):
        layer.backward(np.ones((1, 3)))


def test_accepts_integers_and_lists():
    layer = Affine([[1, 2], [3, 4]], [0, 1])
    assert layer.w.dtype == layer.b.dtype == np.float64
    assert layer.forward([[1, 1]]).tolist() == [[4, 7]]


def test_input_is_converted_to_the_dtype_of_the_weights():
    layer = Affine(np.ones((2, 3), np.float32), np.zeros(3, np.float32))
    assert layer.forward(np.ones((4, 2), np.float64)).dtype == np.float32
    assert layer.backward(np.ones((4, 3), np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("w", "b", "kind"),
    [
        (np.ones(3), np.ones(3), ValueError),
        (np.ones((2, 3)), np.ones(2), ValueError),
        (np.ones((2, 3)), np.ones((1, 3)), ValueError),
        (np.ones((2, 3, 1)), np.ones(3), ValueError),
        (np.ones((2, 3), complex), np.ones(3), TypeError),
        (np.ones((2, 3)), np.array(["a", "b", "c"]), TypeError),
        (np.ones((2, 3), object), np.ones(3), TypeError),
    ],
    ids=["w 1-D", "b short", "b 2-D", "w 3-D", "w complex", "b strings", "w objects"],
)
def test_rejects_invalid_weights(w, b, kind):
    with pytest.raises(kind):
        Affine(w, b)


def test_random_is_repeatable_with_zero_biases():
    one, same = Affine.random(6, 4, rng=3), Affine.random(6, 4, rng=3)
    assert_same_bits(one.w, same.w)
    assert one.w.shape == (6, 4) and one.b.tolist() == [0] * 4
    assert one.w.dtype == one.b.dtype == np.float32
    assert not np.array_equal(one.w, Affine.random(6, 4, rng=4).w)
    assert Affine.random(6, 4, dtype="float64").w.dtype == np.float64
    assert Affine.random(6, 4, init="zeros").w.tolist() == np.zeros((6, 4)).tolist()


def test_random_does_not_use_global_state():
    before = np.random.get_state()[1].copy()
    Affine.random(6, 4)
    Affine.random(6, 4, rng=1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 2), (2, -1)])
def test_random_rejects_sizes_below_one(sizes):
    with pytest.raises(ValueError):
        Affine.random(*sizes)


@pytest.mark.parametrize("dtype", ["float16", "int32", "complex64", "no dtype"])
def test_random_rejects_other_dtypes(dtype):
    with pytest.raises((TypeError, ValueError)):
        Affine.random(3, 2, dtype=dtype)
