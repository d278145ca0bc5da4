"""What losses share."""

from __future__ import annotations

from typing import Any, Protocol

from handnn.arrays import Array


class Loss(Protocol):
    """Anything with ``forward(pre, y_true) -> float`` and ``backward() -> dx``, shaped like pre.

    To train with sample weights it also takes ``forward(pre, y_true, sample_weight)``.
    """

    def forward(self, *args: Any, **kwargs: Any) -> float:
        """Return the loss of the predictions `pre` beside `y_true`, and keep both."""
        ...

    def backward(self) -> Array:
        """Return the gradient of the last `forward` with respect to `pre`."""
        ...


def as_column(y: Array, pre: Array) -> Array:
    """Return y, as (N, 1) if it is (N,) beside a pre (N, 1): or they would make an N x N matrix."""
    return y[:, None] if y.ndim == 1 and pre.shape == (len(y), 1) else y
