"""Arrays without elements but with one huge axis: every function returns at once."""

from __future__ import annotations

import contextlib
import math
import sys

import numpy as np

from handnn.reference.calls import CALLS, DTYPES, SIZES, shape_of
from tests.engine.fits import run_python

HUGE = 2**40


def empty_sizes(call):
    """Yield sizes with one huge axis, with which no array has elements."""
    for letter in SIZES:
        sizes = call.fitting({**dict.fromkeys(SIZES, 0), letter: HUGE})
        axes = [*call.axes.values(), *call.strict.values()]
        shapes = [shape_of(one, sizes) for one in axes]
        if any(HUGE in shape for shape in shapes) and not any(map(math.prod, shapes)):
            yield sizes


def main():
    """Make the calls; a loop of C++ over a huge axis would not end, and ignore Ctrl-C."""
    count = 0
    for call in CALLS:
        for sizes in empty_sizes(call):
            for dtype in DTYPES:
                print(call, sizes, np.dtype(dtype), file=sys.stderr, flush=True)
                given = {name: shape_of(axes, sizes) for name, axes in call.axes.items()}
                with contextlib.suppress(ValueError):  # no classes, for example
                    call.call({name: np.zeros(shape, dtype) for name, shape in given.items()})
                    count += 1
    print(count)


def test_huge_axes_without_elements_take_no_time():
    result = run_python("-m", "tests.common.test_huge_shapes", timeout=60)
    assert result.returncode == 0, result.stderr[-500:]
    assert int(result.stdout) > len(CALLS)


if __name__ == "__main__":
    main()
