"""One line of `handnn check`: a measured error, and the bound that it must not exceed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike


@dataclass
class Result:
    """One property of one brick: the error closest to its bound, among all cases."""

    brick: str
    what: str
    dtype: str
    cases: int = 0
    error: float = 0.0
    bound: float = 0.0
    passed: bool = True
    note: str = ""

    def to_dict(self) -> Mapping[str, str | int | float | None]:
        """Return the result for JSON, in which an error that is not finite is null."""
        return {**asdict(self), "error": self.error if math.isfinite(self.error) else None}


class Case(NamedTuple):
    """A computed array, the expected array, and the bound of their difference."""

    what: str
    got: ArrayLike
    expected: ArrayLike
    bound: ArrayLike


def results_of(brick: str, dtype: str, cases: Iterable[Case]) -> list[Result]:
    """Return one result for each `what` among the cases."""
    results: dict[str, Result] = {}
    nearest: dict[str, tuple[float, float]] = {}
    for case in cases:
        result = results.setdefault(case.what, Result(brick, case.what, dtype))
        result.cases += 1
        share, error, bound = worst(case, dtype)
        if (share, bound) > nearest.get(case.what, (0.0, 0.0)):
            nearest[case.what] = share, bound
            result.error, result.bound, result.passed = error, bound, share <= 1
    return list(results.values())


def worst(case: Case, dtype: DTypeLike) -> tuple[float, float, float]:
    """Return the worst entry of a case: error as a share of its bound, error, and bound."""
    got, expected = np.asarray(case.got), np.asarray(case.expected, np.float64)
    if got.shape != expected.shape or (got.ndim and got.dtype != dtype):
        return math.inf, math.inf, 0.0
    if got.size == 0:
        return 0.0, 0.0, 0.0
    with np.errstate(invalid="ignore"):
        error = np.asarray(abs(got - expected))
    error[(got == expected) | (np.isnan(got) & np.isnan(expected))] = 0  # includes equal infinities
    bound = np.broadcast_to(np.asarray(case.bound, np.float64), error.shape)
    share = np.where(error == 0, 0.0, math.inf)  # inf for NaN, and for an error above a bound of 0
    np.divide(error, bound, out=share, where=(error > 0) & (bound > 0))
    largest = share.max()
    last = np.where(share == largest, bound, -1.0).argmax()  # the largest bound among equal shares
    return float(largest), float(error.flat[last]), float(bound.flat[last])


def n_different(one: ArrayLike, other: ArrayLike) -> int:
    """Return the number of entries whose bits differ; all entries if shapes or dtypes differ."""
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return max(one.size, other.size, 1)
    bits = f"u{one.itemsize}"
    return int((one.view(bits) != other.view(bits)).sum())
