"""Repeated calls of each function, error paths included, do not leak.

Two hundred thousand calls of each with HANDNN_SLOW_TESTS=1, which takes a minute; else twenty
thousand.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc

import numpy as np
import pytest

from handnn import _core, mlp
from handnn.reference.calls import CALLS
from tests.common.layouts import fortran
from tests.faults.own_memory import growth
from tests.slow import SLOW

REPEATS = 200_000 if SLOW else 20_000
ACTIVATIONS = {"sigmoid", "tanh", "elu", "silu", "softplus", "gelu", "gelu_tanh"}
LOSSES = {"huber", "quantile", "bce_with_logits", "poisson_nll", "gaussian_nll"}
LOSSES |= {"softmax_cross_entropy"}
SIZES = {"N": 2, "I": 3, "O": 4}


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new():
    """Freeze existing objects, so that garbage collections are fast."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def refused(call, arrays, **outputs):
    try:
        call.call(arrays, **outputs)
    except (TypeError, ValueError):
        return
    raise AssertionError("this call was expected to be refused")


def good(call):
    arrays, outputs = call.arrays(np.float32, SIZES), call.new_outputs(np.float32, SIZES)
    return arrays, lambda: call.call(arrays, **outputs)


def allocating(call):
    arrays = call.arrays(np.float64, SIZES)
    return arrays, lambda: call.call(arrays)


def converting(call):
    arrays = call.arrays(np.float64, SIZES)
    for name in call.inputs:
        arrays[name] = fortran(arrays[name]).astype(arrays[name].dtype.newbyteorder())
    return arrays, lambda: call.call(arrays)


def wrong_dtype(call):
    arrays = call.arrays(np.float64, SIZES)
    arrays[call.inputs[-1]] = arrays[call.inputs[-1]].astype(complex)
    return arrays, lambda: refused(call, arrays)


def wrong_shape(call):
    arrays = call.arrays(np.float64, SIZES)
    if len(arrays) > 1:
        arrays[call.inputs[-1]] = np.ones((9, 9, 9))
        return arrays, lambda: refused(call, arrays)
    outputs = call.new_outputs(np.float64, {**SIZES, "O": 9})
    return arrays, lambda: refused(call, arrays, **outputs)


def wrong_output(call):
    if call.state:
        arrays = call.arrays(np.float64, SIZES)
        arrays[call.state[-1]].flags.writeable = False
        return arrays, lambda: refused(call, arrays)
    arrays, outputs = call.arrays(np.float64, SIZES), call.new_outputs(np.float32, SIZES)
    return arrays, lambda: refused(call, arrays, **outputs)


PATHS = [good, allocating, converting, wrong_dtype, wrong_shape, wrong_output]
TAKES_ANY_SHAPE = {"sum_of_squares"}


def has(call, path):
    """Return whether the path applies to the call."""
    if path is wrong_shape:
        return call.function not in TAKES_ANY_SHAPE
    return path is not wrong_output or call.strict


CASES = [(call, path) for call in CALLS for path in PATHS if has(call, path)]


def repeats_of_one(call):
    """Return the number of calls of each path: together they make REPEATS calls of each binding.

    All activations without a setting share the binding of relu, those with one that of leaky_relu,
    losses that of mae, and optimizers that of sgd: the other functions and variants have fewer
    calls.
    """
    word = call.function.rpartition("_")[0]
    shares = ACTIVATIONS | LOSSES | {"adagrad", "rmsprop", "adam"}
    return -(-(20_000 if call.variant or word in shares else REPEATS) // len(PATHS))


every_case = pytest.mark.parametrize(
    ("call", "path"), CASES, ids=[f"{call}-{path.__name__}" for call, path in CASES]
)


def repeat(function, times):
    for _ in range(times):
        function()


@every_case
def test_leaks_no_references(call, path):
    """Reference counts of inputs and dtypes stay the same; a leak would add 500."""
    arrays, function = path(call)
    repeat(function, 10)
    gc.collect()
    watched = [*arrays.values(), *(array.dtype for array in arrays.values()), None, 1.0, ValueError]
    before = [sys.getrefcount(thing) for thing in watched]
    repeat(function, 500)
    gc.collect()
    after = [sys.getrefcount(thing) for thing in watched]
    assert all(a - b < 250 for a, b in zip(after, before, strict=True)), (before, after)


@every_case
def test_leaks_no_python_memory(call, path):
    """Trace allocations of Python and NumPy; the smallest object has 16 bytes."""
    _, function = path(call)
    repeat(function, 100)
    gc.collect()
    tracemalloc.start()
    try:
        repeat(function, 50)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        repeat(function, 500)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 16 * 500, f"{grown} bytes in 500 calls"


def assert_no_growth(functions, times):
    for function in functions:
        repeat(function, 200)

    def work():
        for function in functions:
            repeat(function, times)

    allowed = max(16 * times, 16 * os.sysconf("SC_PAGE_SIZE"))
    grown = growth(work, allowed)
    assert grown < allowed, f"{grown} bytes in {len(functions)} × {times} calls"


def watches_memory(test):
    test = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")(
        test
    )
    return pytest.mark.skipif(
        "LD_PRELOAD" in os.environ, reason="a sanitizer keeps what was freed"
    )(test)


@watches_memory
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_the_process_does_not_grow(call):
    """C++ leaks nothing: 16 bytes per call, the smallest leak, would be detected."""
    functions = [path(call)[1] for path in PATHS if has(call, path)]
    assert_no_growth(functions, repeats_of_one(call))


def engine_calls():
    """Return a valid and an invalid call of each other function of the extension."""
    network = mlp([2, 3, 1], rng=0)
    kinds = ["affine", "relu", "affine"]
    params = [layer.params for layer in network.layers]
    bricks = [
        (kind, {"setting": 0.0}, arrays, {}) for kind, arrays in zip(kinds, params, strict=True)
    ]
    learning = [
        (
            kind,
            {"setting": 0.0},
            arrays,
            {n: ([a.copy(), a.copy()], 1.0, 0.0) for n, a in arrays.items()},
        )
        for kind, arrays in zip(kinds, params, strict=True)
    ]
    x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    loss = "quantile", 0.0, np.array([0.3]), True
    predict = _core.predictor(bricks, True)

    sampler = _core.BatchSampler(batch_size=2, rows_per_epoch=4, seed=7, replacement=False)

    def train(rows):
        optimizer = "adam", {"lr": 1e-4, "beta1": 0.9}, 1.0, np.array([1.0, 0.5])
        request = _core.TrainingRequest(
            program=(learning, loss, optimizer, True),
            rows=(rows, y),
            held_out=(x, y),
            sampler=sampler,
            span=_core.TrainingSpan(epochs=1, first_epoch=0),
            outputs=None,
            threads=0,
            sharding=(1, 0, 1, None),
        )
        result = _core.TrainingResult()
        _core.train(request, result, _core.Stop())
        assert result.steps <= 2

    return {
        "train": (lambda: train(x), lambda: train(x[:, :1])),
        "predict": (lambda: predict(x, None), lambda: predict(x[:, :1], None)),
        "predictor": (lambda: _core.predictor(bricks, True), lambda: _core.predictor([], True)),
        "row_order": (lambda: _core.row_order(5, 1, 2), lambda: _core.row_order(5, -1, 2)),
        "largest_columns": (
            lambda: _core.largest_columns(np.ones((5, 3))),
            lambda: _core.largest_columns(np.ones((5, 0))),
        ),
        "sampler": (
            lambda: _core.BatchSampler(2, 5, 1, True).order(3, 2),
            lambda: _core.BatchSampler(2, 5, 1, True).order(0, 2),
        ),
        "check_targets": (
            lambda: _core.check_targets("f", "softmax_cross_entropy", 0.0, None, [0, 1], 2),
            lambda: _core.check_targets("f", "softmax_cross_entropy", 0.0, None, [0, 2], 2),
        ),
        "threads": (
            lambda: _core.set_num_threads(_core.get_num_threads()),
            lambda: _core.set_num_threads(0),
        ),
        "cpu_info": (_core.cpu_info, lambda: _core.cpu_info(1)),
    }


@watches_memory
@pytest.mark.parametrize("name", engine_calls())
def test_other_functions_do_not_grow_the_process(name):
    good, bad = engine_calls()[name]

    def refuse():
        try:
            bad()
        except (TypeError, ValueError):
            return
        raise AssertionError("this call was expected to be refused")

    assert_no_growth([good, refuse], REPEATS // 2)
