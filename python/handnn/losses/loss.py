"""What losses share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float


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


class KernelLoss:
    """What handnn's own losses have besides `forward` and `backward`.

    They keep `pre`, `y_true` and `sample_weight` of the last forward, in the dtype of pre, and the
    `loss` it gave; all are None before it and after a compiled `fit`.
    """

    kind: ClassVar[str]
    """What the compiled engine calls the loss."""

    def __init__(self) -> None:
        self.pre: Array | None = None
        self.y_true: Array | None = None
        self.sample_weight: Array | None = None
        self.loss: float | None = None

    @property
    def formulas(self) -> tuple[str, ...]:
        """What it computes: "loss = ..." and "dx = ...", the gradient with respect to pre."""
        return ()

    @property
    def is_exact(self) -> bool:
        """Whether backward gives the derivative of forward."""
        return True

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the loss was built with, by name."""
        return {}

    @property
    def number(self) -> float:
        """The one number that its kernels take besides arrays, checked; 0 for most."""
        return 0.0

    @property
    def numbers(self) -> Array | None:
        """The one array that they take besides rows; None for most."""
        return None

    def check(self) -> None:
        """Raise TypeError or ValueError when a setting is none that the loss can have."""
        _ = self.number, self.numbers

    def keep(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array]:
        """Keep what forward was called with, each of one dtype, and return pre and y_true."""
        name = f"{type(self).__name__}.forward"
        self.loss = None
        self.pre = as_float(pre, None, f"{name}: pre")
        y_true = as_float(y_true, self.pre.dtype, f"{name}: y_true")
        self.y_true = y_true[:, None] if y_true.shape == self.pre.shape[:1] else y_true
        self.sample_weight = None
        if sample_weight is not None:
            self.sample_weight = as_float(sample_weight, self.pre.dtype, f"{name}: sample_weight")
        return self.pre, self.y_true

    def last(self) -> tuple[Array, Array]:
        """Return pre and y_true of the last forward; raise RuntimeError if there was none."""
        if self.pre is None or self.y_true is None:
            raise RuntimeError(f"{type(self).__name__}.backward: call forward first")
        return self.pre, self.y_true

    def __repr__(self) -> str:
        """Show how to build it again."""
        settings = [f"{name}={value!r}" for name, value in self.settings.items()]
        return f"{type(self).__name__}({', '.join(settings)})"


def as_column(y: Array, pre: Array) -> Array:
    """Return y, as (N, 1) if it is (N,) beside a pre (N, 1): or they would make an N x N matrix."""
    return y[:, None] if y.ndim == 1 and pre.shape == (len(y), 1) else y
