"""gradient_check: compare the gradients of `backward` with slopes measured on `forward`."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float, check_methods
from handnn.layers import Dropout
from handnn.layers.embedding import code_columns
from handnn.layers.sequence import walk
from handnn.losses import Loss
from handnn.losses.loss import as_column
from handnn.network import Network

EPS = float(np.finfo(np.float64).eps)

Index = tuple[int, ...]


class Entry(NamedTuple):
    """The worst entry of one array: its relative error, index and gradients.

    where: None if the array has no entries to check.
    """

    name: str
    worst: float
    where: Index | None
    analytic: float
    numeric: float
    passed: bool


class GradientReport:
    """The result of `gradient_check`: an `Entry` for each array; true if all of them passed."""

    def __init__(self, entries: list[Entry], rtol: float) -> None:
        self.entries = entries
        self.rtol = rtol

    @property
    def passed(self) -> bool:
        """Whether every array passed."""
        return all(entry.passed for entry in self.entries)

    def __bool__(self) -> bool:
        """Return `passed`."""
        return self.passed

    def __repr__(self) -> str:
        """Show a table with the worst entry of each array."""
        verdict = "passed" if self.passed else "FAILED"
        lines = [
            f"gradient check {verdict} (rtol {self.rtol:g})",
            f"{'array':<8} {'worst error':>11}  {'analytic':>13}  {'numeric':>13}  at",
        ]
        for entry in self.entries:
            line = f"{entry.name:<8} {entry.worst:>11.1e}  {entry.analytic:>13.6e}  "
            line += f"{entry.numeric:>13.6e}  {entry.where}"
            lines.append(line if entry.passed else f"{line}  FAILED")
        return "\n".join(lines)


def gradient_check(
    network: Network, loss: Loss, x: ArrayLike, y: ArrayLike, *, rtol: float = 1e-6
) -> GradientReport:
    """Compare every gradient that `backward` computes with the slope measured on `forward`.

    Each entry p of the params and of x is moved by h = eps^(1/3)·max(1, |p|) in both directions.
    Its gradient must be the central difference

        (loss(p + h) - loss(p - h)) / 2h

    up to a relative error of `rtol`. The error is relative to the larger of the two, but at least
    to a thousandth of the array's largest gradient, after an allowance of 4·eps·|loss| / h for the
    rounding of the loss. At a kink, such as ReLU's at 0, every value between the one-sided slopes
    passes; where several kinks meet (a row of zeros and zero biases), the slope cannot be measured,
    so use other rows. (Press et al. 2007, "Numerical Recipes", section 5.7, for h.)

    network: a float64 Network. To check one brick, pass ``Network([brick])``.
    loss: any loss, also your own.
    x, y: (N, I) and the targets of the loss, with N at least 1. Each entry costs two forward
        passes, so a few rows and a small network are enough.
    rtol: the largest relative error that passes.

    Dropout drops the same entries in every pass. The codes of an Embedding are not moved. Network,
    loss and x are copied and left unchanged.

    Raises TypeError if network is not a Network, and ValueError if it is not float64 (float32 is
    too coarse to measure slopes), if x has no rows, or if a gradient has another shape than its
    array.

    Examples:
        >>> network = handnn.mlp([3, 4, 1], "tanh", rng=0, dtype="float64")
        >>> x, y = np.eye(3), [0.0, 1.0, 2.0]
        >>> report = handnn.gradient_check(network, handnn.MSELoss(), x, y)
        >>> report.passed, [entry.name for entry in report.entries]
        (True, ['0.w', '0.b', '2.w', '2.b', 'x'])
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"gradient_check: network must be a Network, but is a {type(network).__name__}; "
            "write Network([...])"
        )
    check_methods(loss, "gradient_check: loss", "forward", "backward")
    if network.dtype != np.float64:
        raise ValueError(
            f"gradient_check: network must be float64, but is {network.dtype}; "
            'check network.astype("float64")'
        )
    x = as_float(x, np.float64, "gradient_check: x").copy()
    y = as_float(y, np.float64, "gradient_check: y")
    if x.shape[:1] == (0,):
        raise ValueError("gradient_check: x has no rows")
    measured = _Measured(network, loss, x, y)
    return GradientReport([measured.entry(name, rtol) for name in measured.arrays], rtol)


class _Measured:
    """A copy of a network and a loss, to measure the loss after moving single entries."""

    def __init__(self, network: Network, loss: Loss, x: Array, y: Array) -> None:
        self.network, self.loss = copy.deepcopy((network, loss))
        self.x, self.y = x, y
        self.dropouts = [
            (brick, brick.step)
            for _, brick in walk(self.network.layers)
            if isinstance(brick, Dropout)
        ]
        self.arrays = {**self.network.params, "x": x}
        self.value = self.evaluate()
        found = {"x": self.network.backward(self.loss.backward()), **self.network.grads}
        # Copies, because a brick may reuse its gradient arrays and clear them in forward.
        self.gradients = {name: np.array(found[name], np.float64) for name in found}
        self.codes = code_columns(self.network.layers, x.shape[1]) if x.ndim == 2 else {}

    def evaluate(self) -> float:
        """Return the loss of the current arrays."""
        for brick, step in self.dropouts:
            brick.step = step
        pre = self.network.forward(self.x)
        return float(self.loss.forward(pre, as_column(self.y, pre)))

    def slopes(self, array: Array, index: Index, h: float) -> tuple[float, float, float]:
        """Return the slope across array[index], the one to its left and the one to its right."""
        here = float(array[index])
        above, below = here + h, here - h  # rounding changes the steps from exactly h
        array[index] = above
        value_above = self.evaluate()
        array[index] = below
        value_below = self.evaluate()
        array[index] = here
        return (
            (value_above - value_below) / (above - below),
            (self.value - value_below) / (here - below),
            (value_above - self.value) / (above - here),
        )

    def entry(self, name: str, rtol: float) -> Entry:
        """Return the worst entry of an array."""
        array = self.arrays[name]
        gradient = self.gradients.get(name, np.array(np.nan))
        if gradient.shape != array.shape:
            raise ValueError(
                f"gradient_check: {name} has shape {array.shape} "
                f"but its gradient has shape {gradient.shape}"
            )
        floor = 1e-3 * float(np.max(np.abs(gradient), initial=0.0))
        worst = Entry(name, 0.0, None, np.nan, np.nan, True)
        for index in np.ndindex(array.shape):
            if name == "x" and index[-1] in self.codes:
                continue
            analytic = float(gradient[index])
            error, numeric = self.error(array, index, analytic, floor, rtol)
            if worst.where is None or error > worst.worst:
                worst = Entry(name, error, index, analytic, numeric, error <= rtol)
        return worst

    def error(
        self, array: Array, index: Index, analytic: float, floor: float, rtol: float
    ) -> tuple[float, float]:
        """Return the relative error of a gradient, and the slope that was measured."""
        h = EPS ** (1 / 3) * max(1.0, abs(float(array[index])))
        rounding = 4 * EPS * abs(self.value) / h
        numeric, left, right = self.slopes(array, index, h)
        scale = max(abs(analytic), abs(numeric), floor)
        low = high = numeric
        if abs(analytic - numeric) > rounding + rtol * scale:
            # As the step goes to 0, the one-sided slopes meet where forward is smooth and stay
            # apart at a kink. Their limit is twice the slope over h/2 minus the slope over h.
            _, left_half, right_half = self.slopes(array, index, h / 2)
            left_limit, right_limit = 2 * left_half - left, 2 * right_half - right
            if abs(right_limit - left_limit) > 0.2 * abs(right - left):
                low = min(left, right, left_limit, right_limit)
                high = max(left, right, left_limit, right_limit)
        if not (np.isfinite(analytic) and np.isfinite(numeric)):
            return np.inf, numeric
        distance = max(low - analytic, analytic - high, rounding) - rounding
        return (distance / scale if distance > 0 else 0.0), numeric
