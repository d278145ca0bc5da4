"""The interface of a loss, and the base classes of handnn's own losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn.arrays import Array, as_float

Link: TypeAlias = Literal["identity", "exp", "sigmoid", "softmax"]

Predicts: TypeAlias = Literal[
    "value", "mean", "median", "quantiles", "mean and variance", "rate", "class probabilities"
]


class Loss(Protocol):
    """Any object with ``forward(pre, y_true) -> float`` and ``backward() -> dx``.

    dx has the shape of pre. A loss that supports sample weights takes them as a third argument:
    ``forward(pre, y_true, sample_weight)``. To describe its outputs to metrics and estimators, it
    may also derive from `LossFacts`.
    """

    @property
    def forward(self) -> Callable[..., float]:
        """Return the loss of the predictions `pre` against `y_true`, and keep both."""
        ...

    def backward(self) -> Array:
        """Return the gradient of the last `forward` with respect to `pre`."""
        ...


class LossFacts:
    """Describe the outputs of a network that a loss trains.

    The defaults suit a user-defined loss: one output column for each target column, used unchanged.
    """

    predicts: ClassVar[Predicts] = "value"
    """The statistic of the target that minimizes the loss; "value" if it has no name."""

    link: ClassVar[Link] = "identity"
    """The function from a raw output to the prediction, a key of `LINKS`."""

    takes_labels: ClassVar[bool] = False
    """Whether y_true may be class labels (N,) or (N, 1), with one output column per class."""

    kind: ClassVar[str] = ""
    """The compiled engine's name for the loss; "" if the engine does not have it."""

    quantiles: tuple[float, ...] = ()
    """The quantile levels that are predicted; () unless `predicts` is "quantiles"."""

    @property
    def has_classes(self) -> bool:
        """Whether the predictions are class probabilities."""
        return self.predicts == "class probabilities"

    def n_outputs(self, n_targets: int) -> int:
        """Return the number of output columns for `n_targets` target columns (or classes)."""
        return n_targets

    def point(self, pre: ArrayLike) -> Array:
        """Return one prediction per target, (N, Y), from raw outputs (N, n_outputs(Y))."""
        return self.raw_outputs(pre)

    def apply_link(self, pre: ArrayLike) -> NDArray[np.float64]:
        """Return ``LINKS[link]`` of raw outputs, in float64: probabilities for classes."""
        name = f"{type(self).__name__}.apply_link: pre"
        outputs = as_float(pre, np.float64, name)
        if self.link == "softmax" and outputs.ndim != 2:
            raise ValueError(f"{name} must have shape (N, O), but has {outputs.shape}")
        return LINKS[self.link](outputs)

    def raw_outputs(self, pre: ArrayLike) -> Array:
        """Return `pre` as the array that `point` takes; raise ValueError if it has no columns."""
        name = f"{type(self).__name__}.point: pre"
        outputs = as_float(pre, None, name)
        if outputs.ndim != 2:
            raise ValueError(f"{name} must have shape (N, O), but has {outputs.shape}")
        return outputs


def facts_of(loss: object) -> LossFacts:
    """Return the LossFacts of a loss; the defaults if it does not derive from LossFacts.

    Examples:
        >>> from handnn.losses import facts_of
        >>> facts_of(handnn.GaussianNLL()).n_outputs(3)
        6
        >>> facts_of(object()).n_outputs(3)
        3
    """
    return loss if isinstance(loss, LossFacts) else LossFacts()


class KernelLoss(LossFacts):
    """Base class of handnn's own losses.

    `pre`, `y_true` and `sample_weight` are those of the last forward, in the dtype of pre; `loss`
    is its result. All are None before the first forward and after a compiled `fit`.
    """

    def __init__(self) -> None:
        self.pre: Array | None = None
        self.y_true: Array | None = None
        self.sample_weight: Array | None = None
        self.loss: float | None = None

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with its arguments."""
        raise NotImplementedError

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        raise NotImplementedError

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formulas of the loss and of dx, its gradient with respect to pre."""
        return ()

    @property
    def is_exact(self) -> bool:
        """Whether backward returns the derivative of forward."""
        return True

    @property
    def settings(self) -> Mapping[str, object]:
        """The constructor's arguments, by name."""
        return {}

    @property
    def number(self) -> float:
        """The scalar setting of the kernels, validated; 0 if they have none."""
        return 0.0

    @property
    def numbers(self) -> Array | None:
        """The array setting of the kernels, validated; None if they have none."""
        return None

    def check(self) -> None:
        """Raise TypeError or ValueError if a setting is invalid."""
        _ = self.number, self.numbers

    def keep(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array]:
        """Convert the arguments of forward to one dtype, keep them, and return pre and y_true."""
        name = f"{type(self).__name__}.forward"
        self.loss = None
        self.pre = as_float(pre, None, f"{name}: pre")
        y_true = as_float(y_true, self.pre.dtype, f"{name}: y_true")
        is_flat = y_true.ndim == 1 and y_true.shape == self.pre.shape[:1]
        self.y_true = y_true[:, None] if is_flat else y_true
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
        """Return the constructor call: `Huber(delta=1.0)`."""
        settings = [f"{name}={value!r}" for name, value in self.settings.items()]
        return f"{type(self).__name__}({', '.join(settings)})"


def as_column(y: Array, pre: Array) -> Array:
    """Return y as (N, 1) if it is (N,) and pre is (N, 1): they would broadcast to (N, N)."""
    return y[:, None] if y.ndim == 1 and pre.shape == (len(y), 1) else y


def _sigmoid(pre: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0, -pre)))


def _softmax(pre: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(pre - pre.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


LINKS: Mapping[Link, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "identity": np.asarray,
    "exp": np.exp,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}
"""The functions from raw outputs (N, O) to predictions (N, O)."""
