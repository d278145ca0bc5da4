"""gradient_check: whether backward gives the slopes that forward has."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float

if TYPE_CHECKING:  # see handnn/__init__.py
    from handnn.losses import Loss
    from handnn.network import Network

EPS = float(np.finfo(np.float64).eps)


class Entry(NamedTuple):
    """One array's check: its worst relative error, and the entry that has it (None: no entries)."""

    name: str
    worst: float
    where: tuple[int, ...] | None
    analytic: float
    numeric: float
    passed: bool


class GradientReport:
    """What `gradient_check` found: an Entry for every array; true when all of them passed."""

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
        """Show a table of the worst entry of each array."""
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

    x (N, I), y (N, O), N at least 1 (else ValueError); the network must be float64 (also a
    ValueError: float32 is too coarse to measure slopes in). Each entry p of the params and of x is
    moved by h = eps^(1/3)·max(1, |p|) either way, and (loss(p + h) - loss(p - h)) / 2h should be
    the gradient there. Two evaluations for every entry: check a small network on a few rows. To
    check one brick: ``Network([brick])``.

    The error is relative to the larger of both slopes, or to a thousandth of the array's largest
    gradient where they are smaller than that, after allowing for the rounding of the loss,
    4·eps·|loss|/h. At a kink, such as ReLU's at 0, any value between the one-sided slopes is right;
    where several meet (a row of zeros before biases of zero) no slope can be measured: check at
    other rows. Dropout drops the same entries every time. Codes for an Embedding are not moved. The
    check works on copies: network, loss and x are left as they are.
    """
    from handnn.layers import Dropout
    from handnn.layers.embedding import code_columns
    from handnn.layers.sequence import walk
    from handnn.losses.loss import as_column
    from handnn.network import Network

    if not isinstance(network, Network):
        raise TypeError(
            f"gradient_check: network must be a Network, but is a {type(network).__name__}; "
            "write Network([...])"
        )
    if network.dtype != np.float64:
        raise ValueError(
            f"gradient_check: network must be float64, but is {network.dtype}; "
            'check network.astype("float64")'
        )
    network, loss = copy.deepcopy((network, loss))
    x = as_float(x, np.float64, "gradient_check: x").copy()
    y = as_float(y, np.float64, "gradient_check: y")
    if x.shape[:1] == (0,):
        raise ValueError("gradient_check: x has no rows")

    dropouts = [brick for _, brick in walk(network.layers) if isinstance(brick, Dropout)]
    steps = [brick.step for brick in dropouts]

    def evaluate() -> float:
        for brick, step in zip(dropouts, steps, strict=True):
            brick.step = step
        pre = network.forward(x)
        return float(loss.forward(pre, as_column(y, pre)))

    value = evaluate()
    found = {"x": network.backward(loss.backward()), **network.grads}
    # Copies, because a brick may keep its gradients in one place and start over in forward.
    gradients = {name: np.array(gradient, np.float64) for name, gradient in found.items()}

    def slopes(array: Array, index: tuple[int, ...], h: float) -> tuple[float, float, float]:
        """Return the slope across array[index], that to its left and that to its right, over h."""
        here = float(array[index])
        above, below = here + h, here - h  # rounded: the steps are not exactly h
        array[index] = above
        value_above = evaluate()
        array[index] = below
        value_below = evaluate()
        array[index] = here
        return (
            (value_above - value_below) / (above - below),
            (value - value_below) / (here - below),
            (value_above - value) / (above - here),
        )

    codes = code_columns(network.layers, x.shape[1]) if x.ndim == 2 else {}
    entries = []
    for name, array in {**network.params, "x": x}.items():
        gradient = gradients.get(name, np.array(np.nan))
        if gradient.shape != array.shape:
            raise ValueError(
                f"gradient_check: {name} has shape {array.shape} "
                f"but its gradient has shape {gradient.shape}"
            )
        places = list(np.ndindex(array.shape))
        if name == "x":
            places = [place for place in places if place[-1] not in codes]
        rounding = 4 * EPS * abs(value)
        entries.append(_check_array(name, array, places, gradient, slopes, rounding, rtol))
    return GradientReport(entries, rtol)


def _check_array(
    name: str,
    array: Array,
    places: list[tuple[int, ...]],
    gradient: Array,
    slopes: Callable[[Array, tuple[int, ...], float], tuple[float, float, float]],
    rounding: float,
    rtol: float,
) -> Entry:
    """Return the worst of some entries of an array; each loss has an error of about `rounding`."""
    floor = 1e-3 * float(np.max(np.abs(gradient), initial=0.0))
    worst = Entry(name, 0.0, None, np.nan, np.nan, True)
    for index in places:
        analytic = float(gradient[index])
        h = EPS ** (1 / 3) * max(1.0, abs(float(array[index])))
        numeric, left, right = slopes(array, index, h)
        scale = max(abs(analytic), abs(numeric), floor)
        low = high = numeric
        if abs(analytic - numeric) > rounding / h + rtol * scale:
            # As the step goes to 0 the one-sided slopes meet where forward is smooth, and stay
            # apart at a kink. Twice that over h/2 less that over h is a slope's value at 0.
            _, left_half, right_half = slopes(array, index, h / 2)
            left_limit, right_limit = 2 * left_half - left, 2 * right_half - right
            if abs(right_limit - left_limit) > 0.2 * abs(right - left):
                low = min(left, right, left_limit, right_limit)
                high = max(left, right, left_limit, right_limit)
        distance = max(low - analytic, analytic - high, rounding / h) - rounding / h
        error = distance / scale if distance > 0 else 0.0
        if not (np.isfinite(analytic) and np.isfinite(numeric)):
            error = np.inf
        if worst.where is None or error > worst.worst:
            worst = Entry(name, error, index, analytic, numeric, error <= rtol)
    return worst
