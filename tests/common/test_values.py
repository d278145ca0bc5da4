"""Every call matches the reference: at every length and offset, and for NaN and infinity."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from handnn.reference.calls import CALLS, DTYPES, SIZES
from tests.bounds import assert_same_bits
from tests.common.layouts import at_offset

every_call = pytest.mark.parametrize("call", CALLS, ids=str)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])

LENGTHS = {  # four vectors of sixteen float32 or eight float64, and a tail
    np.float32: range(71),
    np.float64: range(39),
}
OFFSETS = range(17)  # every place in a 64-byte line of float32, and the next line's first


def writable_outputs(call, dtype, sizes, offset):
    placed = {name: at_offset(a, offset) for name, a in call.new_outputs(dtype, sizes).items()}
    views = {name: view for name, (view, _, _) in placed.items()}
    guards = [(guard, start, view.size) for view, guard, start in placed.values()]
    return views, guards


def assert_guards_untouched(guards):
    for guard, start, size in guards:
        assert np.all(guard[:start] == 99), "wrote before its output"
        assert np.all(guard[start + size :] == 99), "wrote past its output"


@every_call
@both_dtypes
def test_every_length_matches_the_reference(call, dtype):
    for length in LENGTHS[dtype]:
        for sizes in call.sweep(length):
            arrays = call.arrays(dtype, sizes, seed=length)
            results = call.run(arrays)
            call.assert_matches_reference(arrays, dtype, results, f"{sizes}")


@every_call
@both_dtypes
def test_offsets_do_not_change_the_bits_and_nothing_else_is_written(call, dtype):
    for length in LENGTHS[dtype]:
        for sizes in call.sweep(length, {"N": 1, "I": 2, "O": 3}):
            arrays = call.arrays(dtype, sizes, seed=length)
            plain = call.run(arrays)
            offset = OFFSETS[length % len(OFFSETS)]
            check_at_offset(call, dtype, sizes, arrays, plain, offset)
    for length in (1, 15, 16, 17, 33):
        sizes = call.sweep(length)[-1]
        arrays = call.arrays(dtype, sizes)
        plain = call.run(arrays)
        for offset in OFFSETS:
            check_at_offset(call, dtype, sizes, arrays, plain, offset)


def check_at_offset(call, dtype, sizes, arrays, plain, offset):
    shifted = {}
    guards = []
    for name, array in arrays.items():
        view, guard, start = at_offset(array, offset)
        shifted[name] = view
        if name in call.state:
            guards.append((guard, start, view.size))
    outputs, output_guards = writable_outputs(call, dtype, sizes, offset)
    result = call.call(shifted, **outputs)
    assert_guards_untouched([*guards, *output_guards])
    results = [*(shifted[name] for name in call.state), *outputs.values()]
    for actual, expected in zip(results or [result], plain, strict=True):
        assert_same_bits(actual, expected, f"{call} {sizes} at offset {offset}")


@every_call
@both_dtypes
@pytest.mark.parametrize("rows", [0, 1])
def test_zero_rows_and_one_row(call, dtype, rows):
    arrays = call.arrays(dtype, {**SIZES, "N": rows})
    call.assert_matches_reference(arrays, dtype, call.run(arrays))


@every_call
@both_dtypes
def test_all_axes_empty(call, dtype):
    arrays = call.arrays(dtype, {"N": 0, "I": 0, "O": 0})
    call.assert_matches_reference(arrays, dtype, call.run(arrays))


@every_call
@both_dtypes
@pytest.mark.parametrize("length", [1, 5, 16, 37])
def test_nan_and_infinity_propagate_as_in_numpy(call, dtype, length):
    for sizes in call.sweep(length):
        for name, special in product(call.axes, [np.nan, np.inf, -np.inf]):
            if name in call.value_checked:
                continue
            arrays = call.arrays(dtype, sizes, seed=length)
            flat = arrays[name].reshape(-1)
            flat[flat.size // 2] = special
            results = call.run(arrays)
            call.assert_matches_reference(arrays, dtype, results, f"{special} in {name}")


@every_call
@both_dtypes
def test_the_same_call_gives_the_same_bits(call, dtype):
    arrays = call.arrays(dtype, {"N": 37, "I": 21, "O": 18})
    for first, second in zip(call.run(arrays), call.run(arrays), strict=True):
        assert_same_bits(first, second, str(call))


@every_call
@both_dtypes
def test_the_floating_point_environment_is_left_unchanged(call, dtype):
    """After every call, denormals are kept and rounding is to nearest on this thread."""
    call.run(call.arrays(dtype))
    info = np.finfo(dtype)
    one = np.ones(1, dtype)
    assert (one * info.smallest_subnormal)[0] > 0
    assert (one + info.eps * dtype(0.75))[0] == 1 + info.eps
    assert (one + info.eps * dtype(0.25))[0] == 1
    assert (-one - info.eps * dtype(0.25))[0] == -1
