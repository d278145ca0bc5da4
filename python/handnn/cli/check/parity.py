"""Kernels and schedules against plain NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from handnn.cli.check.result import Case, n_different
from handnn.reference.calls import Call
from handnn.reference.calls.schedules import schedule_calls
from handnn.schedules import Schedule

EDGES = (1, 3, 4, 7, 8, 9, 15, 16, 17, 33)
"""Lengths around those of vectors of 4, 8 and 16 numbers."""

LENGTHS = range(70)
"""Lengths of one axis while the others are short."""

SPREAD = 1.5
"""Arguments are drawn from N(0, 3²)."""


def results(calls: Iterable[Call], dtype: str) -> Iterator[Case]:
    """Yield a case for each result of each call, at many sizes.

    In the first call of a function, each axis has every length, and the axes have all combinations
    of the edges. In other calls, which run the same loops with other settings, axes only have the
    lengths of the edges.
    """
    functions = set()
    for call in calls:
        is_first = call.function not in functions
        functions.add(call.function)
        lengths = LENGTHS if is_first else EDGES
        sizes_of_calls = [sizes for length in lengths for sizes in call.sweep(length)]
        if is_first:
            sizes_of_calls += call.grid(EDGES)
        for seed, sizes in enumerate(sizes_of_calls):
            arrays = call.arrays(dtype, sizes, seed, SPREAD)
            expected = call.expected(arrays)
            bounds = call.bounds(arrays, dtype, expected)
            found = zip(call.results, call.run(arrays), expected, bounds, strict=True)
            for name, got, value, bound in found:
                yield Case(name, got, value, bound)


def given_outputs(calls: Iterable[Call], dtype: str) -> Iterator[Case]:
    """Yield the number of entries that change if results are written to given arrays."""
    for call in calls:
        for seed, sizes in enumerate(call.sweep(17) if call.outputs else []):
            arrays, outputs = call.arrays(dtype, sizes, seed), call.new_outputs(dtype, sizes)
            call.run(arrays, **outputs)
            for given, expected in zip(outputs.values(), call.run(arrays), strict=True):
                yield Case("out=", n_different(given, expected), 0, 0)


def factors(schedule: type[Schedule]) -> Iterator[Case]:
    """Yield the factors of a schedule, and those that its formula gives."""
    for call in schedule_calls():
        if type(call.schedule) is schedule:
            yield Case("factors", *call.results())
