"""Property tests over shapes and memory layouts: the bits do not depend on the layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handnn.reference.calls import CALLS, DTYPES
from tests.bounds import assert_same_bits
from tests.common.layouts import LAYOUTS, at_offset
from tests.slow import SLOW

EXAMPLES = 200 if SLOW else 30
ours = settings(deadline=None, derandomize=True, max_examples=EXAMPLES, database=None)
sizes_up_to_40 = st.fixed_dictionaries(
    {**{letter: st.integers(0, 40) for letter in "NIO"}, "Q": st.integers(1, 5)}
)
layouts = st.sampled_from([np.copy, np.ndarray.tolist, *LAYOUTS])


@pytest.mark.parametrize("call", CALLS, ids=str)
@ours
@given(data=st.data(), sizes=sizes_up_to_40, dtype=st.sampled_from(DTYPES))
def test_any_shape_in_any_layout(call, data, sizes, dtype):
    arrays = call.arrays(dtype, sizes, seed=sum(sizes.values()))
    plain = call.run(arrays)
    call.assert_matches_reference(arrays, dtype, plain, f"{sizes}")

    given_arrays = dict(arrays)
    for name in call.inputs:
        layout = data.draw(layouts, label=name)
        is_list = layout is np.ndarray.tolist
        if is_list and (dtype == np.float32 or 0 in arrays[name].shape):
            continue  # lists would become float64, and empty ones lose their columns
        given_arrays[name] = layout(arrays[name])
    outputs = {}
    for name, output in call.new_outputs(dtype, sizes).items():
        if data.draw(st.booleans(), label=name):
            outputs[name] = at_offset(output, data.draw(st.integers(0, 20)))[0]
    for actual, expected in zip(call.run(given_arrays, **outputs), plain, strict=True):
        assert_same_bits(actual, expected, f"{call} {sizes}")


@pytest.mark.parametrize("call", [call for call in CALLS if len(call.axes) > 1], ids=str)
@ours
@given(data=st.data())
def test_any_shapes_give_a_result_or_a_value_error(call, data):
    """Independent shapes never crash or raise another kind of error."""
    shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
    arrays = {name: np.ones(data.draw(shapes, label=name), np.float64) for name in call.axes}
    try:
        results = call.run(arrays)
    except ValueError as error:
        assert str(error).startswith(f"{call.function}: ")
    else:
        call.assert_matches_reference(arrays, np.float64, results)
