"""Random calls of handnn.functional with odd arrays end, and raise as documented."""

from __future__ import annotations

import inspect
import os

import numpy as np
import pytest

from handnn import functional

N_CALLS = int(os.environ.get("HANDNN_FUZZ_CALLS", "6000"))
SEED = int(os.environ.get("HANDNN_FUZZ_SEED", "0"))

FUNCTIONS = {
    name: function
    for name, function in vars(functional).items()
    if callable(function) and not name.startswith("_") and not isinstance(function, type)
}


def odd_arrays(rng):
    """Return arrays that differ in shape, dtype, layout and values."""
    sizes = [0, 1, 2, 3, 5, 17]
    shape = tuple(int(rng.choice(sizes)) for _ in range(rng.integers(0, 4)))
    array = rng.normal(size=shape).astype(rng.choice(["f4", "f8", "i8", "?", "f2", ">f8", "u1"]))
    base = [
        array,
        array.T,
        np.asfortranarray(array),
        array[::-1] if shape else array,
        array[:0] if shape else array,
    ]
    odd = [
        np.zeros((2**40, 0)),
        np.zeros((0, 2**40)),
        np.zeros((0, 0)),
        np.broadcast_to(np.float64(1), (5, 5)),
        np.array([[np.nan, np.inf]]),
        np.zeros(3, complex),
        np.array(["a"]),
        np.array([None]),
        [1, 2],
        [[1.0], [2.0, 3.0]],
        None,
        1.5,
        -1,
        2**70,
        "x",
        True,
        object(),
    ]
    return base, odd


def draw(rng):
    base, odd = odd_arrays(rng)
    chosen = base if rng.random() < 0.75 else odd
    return chosen[rng.integers(len(chosen))]


@pytest.mark.filterwarnings("ignore")
def test_random_calls_of_functional():
    rng = np.random.default_rng(SEED)
    counts = {"returned": 0, "ValueError": 0, "TypeError": 0, "MemoryError": 0}
    names = sorted(FUNCTIONS)
    for number in range(N_CALLS):
        name = names[number % len(names)]
        parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
        pool = [draw(rng) for _ in range(2)]  # few distinct sizes, so that shapes often agree
        arguments = {
            p.name: pool[rng.integers(2)] if rng.random() < 0.8 else draw(rng)
            for p in parameters
            if p.default is inspect.Parameter.empty or rng.random() < 0.2
        }
        try:
            FUNCTIONS[name](**arguments)
            counts["returned"] += 1
        except (ValueError, TypeError, MemoryError) as error:
            kind = next(k for k in (ValueError, TypeError, MemoryError) if isinstance(error, k))
            counts[kind.__name__] += 1
    print(f"functional: {N_CALLS} calls of {len(names)} functions: {counts}")
    assert counts["returned"] > N_CALLS // 100
