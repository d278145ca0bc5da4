"""Outputs: only valid arrays are filled; invalid ones are rejected and left unchanged."""

from __future__ import annotations

import numpy as np
import pytest

from handnn.reference.calls import CALLS, DTYPES
from tests.bounds import assert_same_bits
from tests.common.layouts import fortran, misaligned, negative, padded_rows, read_only, strided
from tests.common.test_inputs import assert_speaks_of, both_dtypes, every

with_outputs = pytest.mark.parametrize("call", [c for c in CALLS if c.outputs], ids=str)


@with_outputs
@both_dtypes
def test_given_outputs_are_filled_and_returned(call, dtype):
    arrays = call.arrays(dtype)
    plain = call.run(arrays)
    outputs = call.new_outputs(dtype)
    results = call.run(arrays, **outputs)
    for result, given, expected in zip(results, outputs.values(), plain, strict=True):
        assert result is given
        assert_same_bits(given, expected)


@with_outputs
@both_dtypes
def test_one_output_can_be_given_without_the_others(call, dtype):
    arrays = call.arrays(dtype)
    plain = call.run(arrays)
    for position, name in enumerate(call.outputs):
        given = call.new_outputs(dtype)[name]
        results = call.run(arrays, **{name: given})
        assert results[position] is given
        for result, expected in zip(results, plain, strict=True):
            assert_same_bits(result, expected)


@with_outputs
@both_dtypes
def test_new_results_are_contiguous_and_own_their_memory(call, dtype):
    arrays = call.arrays(dtype)
    for result in call.run(arrays):
        assert type(result) is np.ndarray
        assert result.dtype == dtype and result.dtype.isnative
        assert result.flags.c_contiguous and result.flags.aligned and result.flags.writeable
        assert not any(np.shares_memory(result, array) for array in arrays.values())


@pytest.mark.parametrize("call", [c for c in CALLS if c.state], ids=str)
@both_dtypes
def test_state_is_updated_in_place(call, dtype):
    arrays = call.arrays(dtype)
    expected = call.run(arrays)
    assert call.call(arrays) is None
    for name, value in zip(call.state, expected, strict=True):
        assert_same_bits(arrays[name], value, name)


def refuse(call, name, dtype, make, kind):
    """Require that the call with an invalid `name` raises `kind` and writes no output."""
    arrays = call.arrays(dtype)
    outputs = call.new_outputs(dtype)
    holder = arrays if name in call.state else outputs
    spoilt = make(holder[name])
    holder[name] = spoilt
    before = {n: np.array(a).tobytes() for n, a in {**arrays, **outputs}.items()}
    with pytest.raises(kind) as error:
        call.call(arrays, **outputs)
    assert_speaks_of(error, call, name)
    after = {n: np.array(a).tobytes() for n, a in {**arrays, **outputs}.items()}
    assert after == before, "it wrote before it raised"


WRONG_DTYPES = {
    "the_other_float": lambda a: a.astype({4: np.float64, 8: np.float32}[a.itemsize]),
    "byte_swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "float16": lambda a: a.astype(np.float16),
    "int_of_that_size": lambda a: a.view(f"i{a.itemsize}"),
    "complex": lambda a: a.astype(complex),
    "object": lambda a: a.astype(object),
    "bool": lambda a: a.astype(bool),
}


@every("strict")
@both_dtypes
def test_rejects_outputs_of_another_dtype(call, name, dtype):
    for make in WRONG_DTYPES.values():
        refuse(call, name, dtype, make, TypeError)


NOT_ARRAYS = {
    "list": lambda a: a.tolist(),
    "memoryview": memoryview,
    "bytearray": lambda a: bytearray(a.tobytes()),
    "float": lambda a: 0.0,
    "string": lambda a: "out",
}


@every("strict")
def test_rejects_outputs_that_are_not_arrays(call, name):
    for make in NOT_ARRAYS.values():
        refuse(call, name, np.float64, make, TypeError)


WRONG_SHAPES = {
    "one_row_more": lambda a: np.zeros((a.shape[0] + 1, *a.shape[1:]), a.dtype),
    "one_row_less": lambda a: np.zeros((a.shape[0] - 1, *a.shape[1:]), a.dtype),
    "one_column_more": lambda a: np.zeros((*a.shape[:-1], a.shape[-1] + 1), a.dtype),
    "one_column_less": lambda a: np.zeros((*a.shape[:-1], a.shape[-1] - 1), a.dtype),
    "one_axis_more": lambda a: np.zeros((*a.shape, 1), a.dtype),
    "one_axis_before": lambda a: np.zeros((1, *a.shape), a.dtype),
    "one_axis_less": lambda a: np.zeros(a.shape[1:], a.dtype),
    "flat_of_the_same_size": lambda a: np.zeros((a.size, 1), a.dtype),
    "empty": lambda a: np.zeros((0,) * a.ndim, a.dtype),
}


@every("strict")
@both_dtypes
def test_rejects_outputs_of_another_shape(call, name, dtype):
    for make in WRONG_SHAPES.values():
        refuse(call, name, dtype, make, ValueError)


WRONG_LAYOUTS = [strided, negative, padded_rows, fortran, misaligned, read_only]


@every("strict")
@both_dtypes
def test_rejects_outputs_of_another_layout(call, name, dtype):
    for layout in WRONG_LAYOUTS:
        if layout in (fortran, padded_rows) and len(call.strict[name]) == 1:
            continue  # an array with one axis is contiguous in both orders
        refuse(call, name, dtype, layout, ValueError)


@every("outputs")
@both_dtypes
@pytest.mark.parametrize("shift", [0, 1, -1])
def test_rejects_outputs_that_overlap_an_input(call, name, dtype, shift):
    """The arrays share all of their memory, or one element at either end."""
    for source in call.inputs:
        arrays = call.arrays(dtype)
        output = call.new_outputs(dtype)[name]
        source_size, output_size = arrays[source].size, output.size
        memory = np.zeros(source_size + output_size + 2, dtype)
        start = {0: 0, 1: source_size - 1, -1: 0}[shift]
        source_start = output_size - 1 if shift == -1 else 0
        aliased = memory[source_start : source_start + source_size]
        aliased[...] = arrays[source].reshape(-1)
        arrays[source] = aliased.reshape(arrays[source].shape)
        output = memory[start : start + output_size].reshape(output.shape)
        assert np.shares_memory(output, arrays[source])
        before = memory.tobytes()
        with pytest.raises(ValueError, match="overlap") as error:
            call.call(arrays, **{name: output})
        assert_speaks_of(error, call, name)
        assert memory.tobytes() == before


@every("outputs")
@both_dtypes
def test_rejects_outputs_that_overlap_an_input_that_is_copied(call, name, dtype):
    for source in call.inputs:
        arrays = call.arrays(dtype)
        output = call.new_outputs(dtype)[name]
        memory = np.zeros(max(arrays[source].size, output.size), dtype)
        backwards = memory[: arrays[source].size][::-1].reshape(arrays[source].shape)
        backwards[...] = arrays[source]
        arrays[source] = backwards
        output = memory[: output.size].reshape(output.shape)
        with pytest.raises(ValueError, match="overlap"):
            call.call(arrays, **{name: output})


@every("outputs")
@both_dtypes
def test_accepts_outputs_adjacent_to_an_input(call, name, dtype):
    for source in call.inputs:
        arrays = call.arrays(dtype)
        plain = call.run(arrays)
        output = call.new_outputs(dtype)[name]
        memory = np.zeros(arrays[source].size + output.size, dtype)
        neighbor = memory[: arrays[source].size].reshape(arrays[source].shape)
        neighbor[...] = arrays[source]
        output = memory[arrays[source].size :].reshape(output.shape)
        results = call.run({**arrays, source: neighbor}, **{name: output})
        for actual, expected in zip(results, plain, strict=True):
            assert_same_bits(actual, expected)


@pytest.mark.parametrize("call", [c for c in CALLS if len(c.outputs) > 1], ids=str)
@both_dtypes
def test_rejects_outputs_that_overlap_each_other(call, dtype):
    outputs = call.new_outputs(dtype)
    names = list(outputs)
    for one, other in zip(names, names[1:] + names[:1], strict=True):
        memory = np.zeros(outputs[one].size + outputs[other].size - 1, dtype)
        first = memory[: outputs[one].size].reshape(outputs[one].shape)
        second = memory[outputs[one].size - 1 :].reshape(outputs[other].shape)
        with pytest.raises(ValueError, match="overlap"):
            call.call(call.arrays(dtype), **{one: first, other: second})
        assert not memory.any()


@pytest.mark.parametrize("call", [c for c in CALLS if c.state], ids=str)
@both_dtypes
def test_rejects_state_that_overlaps_another_argument(call, dtype):
    for name in call.state:
        for other in call.axes:
            if other == name:
                continue
            arrays = call.arrays(dtype)
            size = arrays[name].size
            memory = np.ones(2 * size - 1, dtype)
            arrays[name] = memory[:size].reshape(arrays[name].shape)
            arrays[other] = memory[size - 1 :].reshape(arrays[other].shape)
            with pytest.raises(ValueError, match="overlap"):
                call.call(arrays)
            assert np.all(memory == 1)


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
def test_two_inputs_may_be_the_same_array(call, dtype):
    square = {"N": 6, "I": 6, "O": 6}
    arrays = call.arrays(dtype, square)
    first = next((n for n in call.inputs if len(call.axes[n]) == 2), call.inputs[0])
    same = [name for name in call.inputs if arrays[name].shape == arrays[first].shape]
    if len(same) < 2:
        pytest.skip("it has one input of this shape")
    shared = arrays[next((name for name in same if name in call.value_checked), first)]
    if any(arrays[name].shape != shared.shape for name in same):
        pytest.skip("its inputs never have one shape")
    apart = call.run({**arrays, **{name: shared.copy() for name in same}})
    together = call.run({**arrays, **dict.fromkeys(same, shared)})
    for actual, expected in zip(together, apart, strict=True):
        assert_same_bits(actual, expected)
