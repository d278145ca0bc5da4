"""Property tests over values, including huge, tiny, signed zero, NaN and infinite ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from handnn import functional, reference
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits, assert_within, without_sum
from tests.slow import SLOW

EXAMPLES = 500 if SLOW else 60
ours = settings(deadline=None, derandomize=True, max_examples=EXAMPLES, database=None)


@st.composite
def any_numbers(draw, pairs=False):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(numpy_strategies.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=20))
    numbers = numpy_strategies.from_dtype(dtype, allow_subnormal=True)
    made = [draw(numpy_strategies.arrays(dtype, shape, elements=numbers)) for _ in range(1 + pairs)]
    return tuple(made) if pairs else made[0]


@ours
@given(x=any_numbers())
def test_sigmoid_is_within_its_error_bound(x):
    with np.errstate(all="ignore"):
        expected = reference.sigmoid_forward(x.astype(np.float64))
    assert_within(functional.sigmoid_forward(x), expected, without_sum(expected, x.dtype))


@ours
@given(x=any_numbers())
def test_relu_is_exact(x):
    assert_same_bits(functional.relu_forward(x), np.asarray(reference.relu_forward(x)))


@ours
@given(pair=any_numbers(pairs=True))
def test_relu_backward_is_exact(pair):
    dout, x = pair
    assert_same_bits(
        functional.relu_backward(dout, x), np.asarray(reference.relu_backward(dout, x))
    )


@ours
@given(
    numbers=st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=80),
    columns=st.integers(1, 8),
)
def test_mse_of_exact_predictions_is_zero(numbers, columns):
    pre = np.array([numbers] * columns).T
    assert functional.mse_loss_forward(pre, pre) == 0
    assert not functional.mse_loss_backward(pre, pre).any()


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@ours
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(*[st.integers(1, 50)] * 3))
def test_a_row_has_the_same_bits_alone_and_in_a_batch(dtype, seed, sizes):
    n, i, o = sizes
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(n, i)).astype(dtype), rng.normal(size=(i, o)).astype(dtype)
    b, row = rng.normal(size=o).astype(dtype), seed % n
    batch = functional.affine_forward(x, w, b)
    assert_same_bits(functional.affine_forward(x[row : row + 1], w, b), batch[row : row + 1])
