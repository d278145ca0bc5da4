"""Inputs: everything that np.asarray accepts is accepted, and never modified."""

from __future__ import annotations

import re
import tracemalloc
from itertools import product

import numpy as np
import pytest

from handnn.reference.calls import CALLS, DTYPES, SIZES, letters_of, shape_of
from tests.bounds import assert_same_bits
from tests.common.layouts import LAYOUTS

every_call = pytest.mark.parametrize("call", CALLS, ids=str)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def every(what):
    """Parametrize over each argument of each call in the list `what`."""
    rows = [(call, name) for call in CALLS for name in getattr(call, what)]
    return pytest.mark.parametrize(
        ("call", "name"), rows, ids=[f"{call}-{name}" for call, name in rows]
    )


def assert_speaks_of(error, call, *names):
    message = str(error.value)
    assert message.startswith(f"{call.function}: "), message
    for name in names:
        assert re.search(rf"\b{name}\b", message.split(": ", 1)[1]), (name, message)


@every_call
@both_dtypes
@pytest.mark.parametrize("rows", [0, 1, 3, 17])
def test_the_layout_of_an_input_does_not_change_the_bits(call, dtype, rows):
    sizes = {**SIZES, "N": rows}
    arrays = call.arrays(dtype, sizes)
    plain = call.run(arrays)
    for layout in LAYOUTS:
        for name in call.inputs:
            results = call.run({**arrays, name: layout(arrays[name])})
            for actual, expected in zip(results, plain, strict=True):
                assert_same_bits(actual, expected, f"{layout.__name__} {name}")
        results = call.run({n: layout(a) if n in call.inputs else a for n, a in arrays.items()})
        for actual, expected in zip(results, plain, strict=True):
            assert_same_bits(actual, expected, f"{layout.__name__} everywhere")


@every_call
@both_dtypes
def test_broadcast_inputs(call, dtype):
    arrays = call.arrays(dtype)
    for name in call.inputs:
        first = arrays[name][:1] if name in call.value_checked else arrays[name].reshape(-1)[0]
        seen = np.broadcast_to(first, arrays[name].shape)
        plain = call.run({**arrays, name: seen.copy()})
        for actual, expected in zip(call.run({**arrays, name: seen}), plain, strict=True):
            assert_same_bits(actual, expected, name)


@every_call
@both_dtypes
def test_inputs_are_left_unchanged(call, dtype):
    for layout in (np.copy, *LAYOUTS):
        arrays = call.arrays(dtype)
        inputs = {name: layout(arrays[name]) for name in call.inputs}
        before = {name: (array.tobytes(), array.flags.writeable) for name, array in inputs.items()}
        call.run({**arrays, **inputs})
        after = {name: (array.tobytes(), array.flags.writeable) for name, array in inputs.items()}
        assert after == before, layout.__name__


def whole_numbers(a):
    return np.rint(2 * a).clip(0, 9)


WHOLE_KINDS = [np.int8, np.int64, np.uint32, np.bool_]
TAKE_THE_DTYPE_BESIDE_THEM = {
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "memoryview": memoryview,
    "float16": lambda a: a.astype(np.float16),
    **{kind.__name__: kind for kind in WHOLE_KINDS},
}


def as_kind(kind, call, name, array):
    """Return the array as another type, or unchanged if no integers are valid for it."""
    convert = TAKE_THE_DTYPE_BESIDE_THEM[kind]
    if convert not in WHOLE_KINDS:
        return convert(array)
    whole = call.whole.get(name, whole_numbers)
    return array if whole is None else whole(array).astype(convert)


@every_call
@both_dtypes
def test_other_types_take_the_dtype_of_the_float_arrays(call, dtype):
    arrays = call.arrays(dtype)
    if len(arrays) < 2:
        pytest.skip("it has one array only")
    for name, kind in product(call.inputs, TAKE_THE_DTYPE_BESIDE_THEM):
        other = as_kind(kind, call, name, arrays[name])
        plain = call.run({**arrays, name: np.asarray(other).astype(dtype)})
        for actual, expected in zip(call.run({**arrays, name: other}), plain, strict=True):
            assert_same_bits(actual, expected, f"{name} as {kind}")


@pytest.mark.parametrize("call", [call for call in CALLS if not call.state], ids=str)
@pytest.mark.parametrize("kind", TAKE_THE_DTYPE_BESIDE_THEM)
def test_without_float_arrays_the_dtype_is_float64(call, kind):
    other = {n: as_kind(kind, call, n, a) for n, a in call.arrays(np.float64).items()}
    if kind == "memoryview":
        other = {n: memoryview(np.asarray(a)) for n, a in other.items()}
    plain = call.run({name: np.asarray(a).astype(np.float64) for name, a in other.items()})
    for actual, expected in zip(call.run(other), plain, strict=True):
        assert_same_bits(actual, expected, kind)


@every("axes")
@both_dtypes
def test_rejects_a_mix_of_float32_and_float64(call, name, dtype):
    arrays = call.arrays(dtype)
    if len(arrays) < 2:
        pytest.skip("it has one array only")
    other = np.float64 if dtype == np.float32 else np.float32
    with pytest.raises(TypeError) as error:
        call.call({**arrays, name: arrays[name].astype(other)})
    assert_speaks_of(error, call, "float32", "float64")


WRONG_DTYPES = {
    "complex64": lambda a: a.astype(np.complex64),
    "complex128": lambda a: a.astype(np.complex128),
    "object": lambda a: a.astype(object),
    "str": lambda a: a.astype(str),
    "bytes": lambda a: a.astype("S"),
    "datetime64": lambda a: np.zeros(a.shape, "datetime64[s]"),
    "timedelta64": lambda a: np.zeros(a.shape, "timedelta64[ms]"),
    "longdouble": lambda a: a.astype(np.longdouble),
    "record": lambda a: np.zeros(a.shape, [("x", "f8"), ("y", "f8")]),
    "void": lambda a: np.zeros(a.shape, "V8"),
}


@every("axes")
@both_dtypes
def test_rejects_other_dtypes(call, name, dtype):
    arrays = call.arrays(dtype)
    for kind, make in WRONG_DTYPES.items():
        if kind == "longdouble" and np.dtype(np.longdouble).itemsize == 8:
            continue  # it is float64 on this platform
        wrong = make(arrays[name])
        with pytest.raises(TypeError) as error:
            call.call({**arrays, name: wrong})
        assert_speaks_of(error, call, name)


NOT_ARRAYS = [
    None, "words", b"bytes", object(), {}, {1.0}, 1j, [1j], ["a"], [None], lambda: 0, int,
]  # fmt: skip


@every("axes")
def test_rejects_objects_that_are_not_arrays(call, name):
    arrays = call.arrays(np.float64)
    for nothing in NOT_ARRAYS:
        if nothing is None and name in ("velocity", "sample_weight", "class_weight"):
            continue  # it is optional
        with pytest.raises(TypeError) as error:
            call.call({**arrays, name: nothing})
        assert_speaks_of(error, call, name)


@every("inputs")
def test_rejects_ragged_lists_by_name(call, name):
    with pytest.raises((TypeError, ValueError)) as error:
        call.call({**call.arrays(np.float64), name: [[1.0, 2.0], [3.0]]})
    assert_speaks_of(error, call, name)


@every("axes")
@both_dtypes
def test_rejects_axes_that_disagree(call, name, dtype):
    arrays = call.arrays(dtype)
    others = "".join(axes for other, axes in call.axes.items() if other != name)
    shared = set(letters_of(call.axes[name])) & set(letters_of(others))
    for letter in sorted(shared):
        for size in (0, 1, SIZES[letter] - 1, SIZES[letter] + 1, 100):
            if name in call.may_be_labels and letter == "O" and size == 1:
                continue
            wrong = np.ones(shape_of(call.axes[name], {**SIZES, letter: size}), dtype)
            with pytest.raises(ValueError) as error:
                call.call({**arrays, name: wrong})
            assert_speaks_of(error, call, name)


@every("axes")
@both_dtypes
def test_rejects_the_wrong_number_of_axes(call, name, dtype):
    arrays = call.arrays(dtype)
    if len(arrays) < 2:
        pytest.skip("it accepts any shape")
    array = arrays[name]
    for wrong in (array[..., None], array[None], array.reshape(-1)[:1].reshape(()), array[0]):
        with pytest.raises(ValueError) as error:
            call.call({**arrays, name: np.array(wrong)})
        assert_speaks_of(error, call, name)


@every_call
def test_huge_broadcast_shapes_raise_and_do_not_crash(call):
    arrays = call.arrays(np.float64)
    huge = np.broadcast_to(np.float64(1), (2**30, 2**28))
    for name in call.inputs:
        with pytest.raises((ValueError, MemoryError)):
            call.call({**arrays, name: huge})


@every_call
@both_dtypes
def test_contiguous_inputs_are_not_copied(call, dtype):
    sizes = {"N": 512, "I": 384, "O": 640}
    arrays = call.arrays(dtype, sizes)
    if all(array.ndim < 2 for array in arrays.values()):
        pytest.skip("its arrays are too small to detect a copy")
    outputs = call.new_outputs(dtype, sizes)
    call.call(arrays, **outputs)
    tracemalloc.start()
    try:
        call.call(arrays, **outputs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    smallest = min(a.nbytes for a in arrays.values() if a.ndim == 2 and a.shape[1] > 1)
    assert peak < smallest / 4, f"{peak} bytes were allocated beside {smallest}"
