"""Random calls of handnn.functional with odd arrays end, and raise as documented."""

from __future__ import annotations

import inspect
import os

import numpy as np
import pytest

from handnn import functional
from tests.fuzz.odd_arguments import argument

N_CALLS = int(os.environ.get("HANDNN_FUZZ_CALLS", "6000"))
SEED = int(os.environ.get("HANDNN_FUZZ_SEED", "0"))

FUNCTIONS = {
    name: function
    for name, function in vars(functional).items()
    if callable(function) and not name.startswith("_") and not isinstance(function, type)
}


@pytest.mark.filterwarnings("ignore")
def test_random_calls_of_functional():
    rng = np.random.default_rng(SEED)
    counts = {"returned": 0, "ValueError": 0, "TypeError": 0, "MemoryError": 0}
    names = sorted(FUNCTIONS)
    for number in range(N_CALLS):
        name = names[number % len(names)]
        parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
        pool = [argument(rng) for _ in range(2)]  # only two, so that shapes often agree
        arguments = {
            p.name: pool[rng.integers(2)] if rng.random() < 0.8 else argument(rng)
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
