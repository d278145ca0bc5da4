"""The lines of `handnn check`'s table: a measured error beside the bound it must stay below."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import handnn
from handnn.cli import parity
from handnn.layers import Brick

RTOL = 1e-6


@dataclass
class Row:
    """One result of one brick: of all cases, the error that came nearest to its bound."""

    brick: str
    what: str
    dtype: str
    cases: int = 0
    error: float = 0.0
    bound: float = 0.0
    passed: bool = True
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row for JSON, which has no infinity: an error that is no number is null."""
        return {**asdict(self), "error": self.error if math.isfinite(self.error) else None}


def check_parity(brick: str, dtype: str) -> list[Row]:
    """Compare each result of a brick's kernels with plain NumPy, size by size."""
    rows: dict[str, Row] = {}
    nearest: dict[str, tuple[float, float]] = {}
    for case in parity.BRICKS[brick](parity.Draw(dtype)):
        row = rows.setdefault(case.what, Row(brick, case.what, dtype))
        row.cases += 1
        share, error, bound = worst(case, dtype)
        if (share, bound) > nearest.get(case.what, (0.0, 0.0)):
            nearest[case.what] = share, bound
            row.error, row.bound, row.passed = error, bound, share <= 1
    return list(rows.values())


def worst(case: parity.Case, dtype: str) -> tuple[float, float, float]:
    """Return the worst entry of a case: error as a share of its bound, error, and bound."""
    got, expected = np.asarray(case.got), np.asarray(case.expected)
    if got.shape != expected.shape or (got.ndim and got.dtype != dtype):
        return math.inf, math.inf, 0.0
    if got.size == 0:
        return 0.0, 0.0, 0.0
    error = abs(got - expected)
    bound = np.broadcast_to(case.bound, error.shape)
    share = np.full(error.shape, math.inf)  # of an error above a bound of 0, and of NaN
    share[error == 0] = 0
    np.divide(error, bound, out=share, where=(error > 0) & (bound > 0))
    *_, last = np.lexsort((bound.ravel(), share.ravel()))  # of equal shares, the largest bound
    return float(share.flat[last]), float(error.flat[last]), float(bound.flat[last])


class Identity:
    """A brick that does nothing, so that the gradient check sees the loss alone."""

    def forward(self, x: parity.Array) -> parity.Array:
        """Return x."""
        return x

    def backward(self, dout: parity.Array) -> parity.Array:
        """Return dout."""
        return dout


BRICKS_WITH_SLOPES: dict[str, Callable[[], Brick]] = {
    "Affine": lambda: handnn.Affine.random(5, 9, rng=0, dtype="float64"),
    "Sigmoid": handnn.Sigmoid,
    "ReLU": handnn.ReLU,
    "LeakyReLU": handnn.LeakyReLU,
    "Tanh": handnn.Tanh,
    "ELU": handnn.ELU,
    "SiLU": handnn.SiLU,
    "Softplus": handnn.Softplus,
    "GELU": handnn.GELU,
    "GELU tanh": lambda: handnn.GELU("tanh"),
    "Softmax": handnn.Softmax,
    "LayerNorm": lambda: handnn.LayerNorm.new(5, "float64"),
    "BatchNorm": lambda: handnn.BatchNorm.new(5, "float64"),
    "MSELoss": Identity,
}


def check_gradient(brick: str, dtype: str) -> list[Row]:
    """Compare each gradient of a brick with the slope measured on its forward."""
    rng = np.random.default_rng(0)
    network = handnn.Network([BRICKS_WITH_SLOPES[brick]()])
    x = rng.normal(size=(17, 5)).astype(dtype)
    y = rng.normal(size=network.predict(x).shape).astype(dtype)
    report = handnn.gradient_check(network, handnn.MSELoss(), x, y, rtol=RTOL)
    rows = []
    for entry in report.entries:
        what = f"slope of {entry.name.removeprefix('0.')}"
        cases = network.params.get(entry.name, x).size
        rows.append(Row(brick, what, dtype, cases, entry.worst, RTOL, entry.passed))
    return rows


def attempt(check: Callable[[str, str], list[Row]], brick: str, dtype: str) -> list[Row]:
    """Return the rows of a check, or a failed row if it raises: a verdict is due either way."""
    try:
        return check(brick, dtype)
    except Exception as error:  # a broken installation may raise anything
        note = f"{type(error).__name__}: {error}"
        what = check.__name__.removeprefix("check_")
        return [Row(brick, what, dtype, error=math.inf, passed=False, note=note)]


def check_all() -> list[Row]:
    """Return every row there is."""
    rows = []
    for brick in parity.BRICKS:
        for dtype in ("float32", "float64"):
            rows += attempt(check_parity, brick, dtype)
        if brick in BRICKS_WITH_SLOPES:
            rows += attempt(check_gradient, brick, "float64")
    return rows
