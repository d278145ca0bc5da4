"""Every check of every layer, loss, optimizer and schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from handnn.cli.check import engines, parity, slopes
from handnn.cli.check.result import Case, Result, results_of
from handnn.layers import Layer
from handnn.losses import LOSSES
from handnn.optimizers import OPTIMIZERS
from handnn.reference import examples
from handnn.reference.calls import CALLS, LAYER_CALLS, LOSS_CALLS, Call
from handnn.reference.calls.layers import RESIDUAL_CALLS
from handnn.schedules import SCHEDULES

DTYPES = ("float32", "float64")
CLIPPING = "clip_norm"
"""The name of clipping by norm, which is not a brick."""


class Check(NamedTuple):
    """A check of one brick that has not run yet."""

    brick: str
    what: str
    dtype: str
    run: Callable[[], Iterable[Result]]


def of_cases(brick: str, what: str, dtype: str, cases: Callable[[], Iterable[Case]]) -> Check:
    """Return a check whose results are the worst of some cases."""
    return Check(brick, what, dtype, lambda: results_of(brick, dtype, cases()))


def of_calls(brick: str, calls: list[Call]) -> Iterator[Check]:
    """Yield the checks of the functions of a brick."""
    for dtype in DTYPES:
        yield of_cases(brick, "parity", dtype, partial(parity.results, calls, dtype))
        if any(call.outputs for call in calls):
            yield of_cases(brick, "out=", dtype, partial(parity.given_outputs, calls, dtype))


def kind_of(name: str) -> str:
    """Return the type of the example layer with this name."""
    layer: Layer = examples.LAYERS[name](np.random.default_rng(0), "float32")
    return layer.kind


def of_layers() -> Iterator[Check]:
    """Yield the checks of every layer."""
    for name in examples.LAYERS:
        kind = kind_of(name)
        yield from of_calls(name, [c for c in [*LAYER_CALLS, *RESIDUAL_CALLS] if c.kind == kind])
        yield Check(name, "slopes", "float64", partial(slopes.of_layer, name))
        for dtype in DTYPES:
            yield of_cases(name, "engines", dtype, partial(engines.of_layer, name, dtype))


def of_losses() -> Iterator[Check]:
    """Yield the checks of every loss."""
    for loss in LOSSES:
        name = loss.__name__
        yield from of_calls(name, [call for call in LOSS_CALLS if call.kind == loss.kind])
        yield Check(name, "slopes", "float64", partial(slopes.of_loss, loss))
        for dtype in DTYPES:
            yield of_cases(name, "engines", dtype, partial(engines.of_loss, loss, dtype))


def of_optimizers() -> Iterator[Check]:
    """Yield the checks of every optimizer, and of clipping by norm."""
    for optimizer in OPTIMIZERS:
        name = optimizer.__name__
        yield from of_calls(name, examples.optimizer_calls(optimizer))
        for dtype in DTYPES:
            yield of_cases(name, "engines", dtype, partial(engines.of_optimizer, optimizer, dtype))
    yield from of_calls(CLIPPING, [call for call in CALLS if call.function == "sum_of_squares"])


def of_schedules() -> Iterator[Check]:
    """Yield the checks of every schedule."""
    for schedule in SCHEDULES:
        name = schedule.__name__
        yield of_cases(name, "factors", "float64", partial(parity.factors, schedule))
        for dtype in DTYPES:
            yield of_cases(name, "engines", dtype, partial(engines.of_schedule, schedule, dtype))


def attempt(check: Check) -> list[Result]:
    """Run a check; if it raises or has no cases, return one failed result that reports this."""
    try:
        results = [*check.run()]
        note = "no cases"
    except Exception as error:  # a broken installation may raise anything
        results, note = [], f"{type(error).__name__}: {error}"
    if results:
        return results
    return [Result(check.brick, check.what, check.dtype, error=math.inf, passed=False, note=note)]


def checks() -> Iterator[Check]:
    """Yield every check."""
    yield from of_layers()
    yield from of_losses()
    yield from of_optimizers()
    yield from of_schedules()


def check_all() -> list[Result]:
    """Run every check and return the results."""
    return [result for check in checks() for result in attempt(check)]
