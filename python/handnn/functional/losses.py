"""The kernels of the losses: see `handnn.functional`."""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from handnn import _core
from handnn.arrays import Array, fraction, positive_number

__all__ = [
    "bce_with_logits_backward",
    "bce_with_logits_forward",
    "gaussian_nll_backward",
    "gaussian_nll_forward",
    "huber_backward",
    "huber_forward",
    "mae_backward",
    "mae_forward",
    "mse_loss_backward",
    "mse_loss_forward",
    "poisson_nll_backward",
    "poisson_nll_forward",
    "quantile_backward",
    "quantile_forward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
]


def mse_loss_forward(
    pre: ArrayLike, y_true: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean squared error, Σ_n weight_n Σ_o (pre - y_true)² / (N·O).

    pre (N, O), y_true (N, O), or (N,) when O is 1; sample_weight (N,), finite and not negative
    (else ValueError), all 1 when not given. The sum is divided by N·O, not by the sum of the
    weights. Accumulated in float64; NaN for arrays without entries.

    Examples:
        >>> handnn.functional.mse_loss_forward([[1], [3]], [1, 1])
        2.0
    """
    return _core.mse_loss_forward(pre, y_true, sample_weight)


def mse_loss_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    dout: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    gradient: Literal["exact", "article"] = "exact",
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `mse_loss_forward` with respect to `pre`, shape (N, O).

    With weight_n from sample_weight, or 1, "exact" is 2 (pre - y_true) / (N·O) · weight_n · dout,
    the derivative; "article" omits the constant 2 / (N·O). Any other value raises ValueError.

    Examples:
        >>> handnn.functional.mse_loss_backward([[1], [3]], [1, 1])
        array([[0.],
               [2.]])
    """
    return _core.mse_loss_backward(pre, y_true, dout, sample_weight, gradient, dx)


def mae_forward(
    pre: ArrayLike, y_true: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean absolute error, Σ_n weight_n Σ_o |pre - y_true| / (N·O).

    pre (N, O), y_true (N, O), or (N,) when O is 1; sample_weight (N,) as in `mse_loss_forward`.
    NaN for arrays without entries.

    Examples:
        >>> handnn.functional.mae_forward([[1], [3]], [1, 1])
        1.0
    """
    return _core.mae_forward(pre, y_true, sample_weight)


def mae_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    dout: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `mae_forward` with respect to `pre`, shaped like it.

    With weight_n from sample_weight, or 1, it is sign(pre - y_true) / (N·O) · weight_n · dout, with
    y_true as in forward; the sign of 0 is 0.

    Examples:
        >>> handnn.functional.mae_backward([[1], [3]], [1, 1])
        array([[0. ],
               [0.5]])
    """
    return _core.mae_backward(pre, y_true, dout, sample_weight, dx=dx)


def bce_with_logits_forward(
    pre: ArrayLike, y_true: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the binary cross-entropy of sigmoid(pre), a mean over all N·O entries.

    pre (N, O), y_true (N, O), or (N,) when O is 1, from 0 to 1 (else ValueError); sample_weight
    (N,) as in `mse_loss_forward`. NaN for arrays without entries.

    Examples:
        >>> handnn.functional.bce_with_logits_forward([[1000], [-1000]], [1, 0])
        0.0
    """
    return _core.bce_with_logits_forward(pre, y_true, sample_weight)


def bce_with_logits_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    dout: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `bce_with_logits_forward` with respect to `pre`, shaped like it.

    With weight_n from sample_weight, or 1, it is (sigmoid(pre) - y_true) / (N·O) · weight_n ·
    dout, for y_true as in forward.

    Examples:
        >>> handnn.functional.bce_with_logits_backward([[0]], [1])
        array([[-0.5]])
    """
    return _core.bce_with_logits_backward(pre, y_true, dout, sample_weight, dx=dx)


def poisson_nll_forward(
    pre: ArrayLike, y_true: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean over all N·O entries of exp(pre) - y_true·pre.

    pre (N, O), y_true (N, O), or (N,) when O is 1, finite and not negative (else ValueError);
    sample_weight (N,) as in `mse_loss_forward`. NaN for arrays without entries.

    Examples:
        >>> handnn.functional.poisson_nll_forward([[0]], [2])
        1.0
    """
    return _core.poisson_nll_forward(pre, y_true, sample_weight)


def poisson_nll_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    dout: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `poisson_nll_forward` with respect to `pre`, shaped like it.

    With weight_n from sample_weight, or 1, it is (exp(pre) - y_true) / (N·O) · weight_n · dout,
    for y_true as in forward.

    Examples:
        >>> handnn.functional.poisson_nll_backward([[0]], [2])
        array([[-1.]])
    """
    return _core.poisson_nll_backward(pre, y_true, dout, sample_weight, dx=dx)


def gaussian_nll_forward(
    pre: ArrayLike, y_true: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean over all N·Y targets of (s + (m - y_true)²·exp(-s)) / 2.

    pre (N, 2·Y): the means m, then the log-variances s; y_true (N, Y), or (N,) when Y is 1;
    sample_weight (N,) as in `mse_loss_forward`. NaN for arrays without entries.

    Examples:
        >>> handnn.functional.gaussian_nll_forward([[1, 0]], [3])
        2.0
    """
    return _core.gaussian_nll_forward(pre, y_true, sample_weight)


def gaussian_nll_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    dout: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `gaussian_nll_forward` with respect to `pre`, shaped like it.

    With c = weight_n·dout / (N·Y) and weight_n from sample_weight, or 1, it is c·(m -
    y_true)·exp(-s) for the means and c·(1 - (m - y_true)²·exp(-s)) / 2 for the log-variances.

    Examples:
        >>> handnn.functional.gaussian_nll_backward([[1, 0]], [3])
        array([[-2. , -1.5]])
    """
    return _core.gaussian_nll_backward(pre, y_true, dout, sample_weight, dx=dx)


def huber_forward(
    pre: ArrayLike,
    y_true: ArrayLike,
    *,
    delta: float = 1.0,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the mean over all N·O entries of e²/2 where |e| ≤ delta, else delta·(|e| - delta/2).

    e = pre - y_true; pre (N, O), y_true (N, O), or (N,) when O is 1; sample_weight (N,) as in
    `mse_loss_forward`; delta finite and above 0 (else ValueError). NaN for arrays without entries.

    Examples:
        >>> handnn.functional.huber_forward([[1], [4]], [1, 1])
        1.25
    """
    delta = positive_number(delta, "huber_forward: delta")
    return _core.huber_forward(pre, y_true, sample_weight, delta)


def huber_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    dout: float = 1.0,
    *,
    delta: float = 1.0,
    sample_weight: ArrayLike | None = None,
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `huber_forward` with respect to `pre`, shape (N, O).

    With weight_n from sample_weight, or 1, it is pre - y_true, clipped to ± delta, times weight_n ·
    dout / (N·O).

    Examples:
        >>> handnn.functional.huber_backward([[1], [4]], [1, 1])
        array([[0. ],
               [0.5]])
    """
    delta = positive_number(delta, "huber_backward: delta")
    return _core.huber_backward(pre, y_true, dout, sample_weight, delta, dx=dx)


def quantile_forward(
    pre: ArrayLike,
    y_true: ArrayLike,
    quantiles: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the mean over all N·Y·Q entries of q·e where e ≥ 0, else (q - 1)·e.

    e = y_true - pre; pre (N, Y·Q), Q columns for each of y_true's; y_true (N, Y), or (N,) when Y is
    1; quantiles (Q,), between 0 and 1 (else ValueError); sample_weight (N,) as in
    `mse_loss_forward`. NaN for arrays without entries.

    Examples:
        >>> handnn.functional.quantile_forward([[1, 3]], [2], [0.1, 0.9])
        0.09999999999999999
    """
    return _core.quantile_forward(pre, y_true, sample_weight, numbers=quantiles)


def quantile_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    quantiles: ArrayLike,
    dout: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `quantile_forward` with respect to `pre`, shape (N, Y·Q).

    With weight_n from sample_weight, or 1, and q from quantiles, it is weight_n · dout / (N·Y·Q)
    times -q where y_true ≥ pre, else times 1 - q.

    Examples:
        >>> handnn.functional.quantile_backward([[1, 3]], [2], [0.1, 0.9])
        array([[-0.05,  0.05]])
    """
    return _core.quantile_backward(pre, y_true, dout, sample_weight, numbers=quantiles, dx=dx)


def softmax_cross_entropy_forward(
    pre: ArrayLike,
    y_true: ArrayLike,
    *,
    label_smoothing: float = 0.0,
    class_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the mean over all N rows of -Σ_o t_o·log p_o, p = softmax(pre).

    t_o = class_weight_o·((1 - label_smoothing)·y_o + label_smoothing/O). pre (N, O); y_true holds
    labels from 0 to O - 1, (N,) or (N, 1), or the probabilities y (N, O), whose rows add up to 1;
    class_weight (O,), 1 when not given; label_smoothing from 0 to 1 (else ValueError);
    sample_weight (N,) as in `mse_loss_forward`. The sum is divided by N, not by the sum of the
    weights.

    Examples:
        >>> handnn.functional.softmax_cross_entropy_forward([[1000, 0]], [0])
        0.0
    """
    name = "softmax_cross_entropy_forward: label_smoothing"
    label_smoothing = fraction(label_smoothing, name)
    return _core.softmax_cross_entropy_forward(
        pre, y_true, sample_weight, label_smoothing, class_weight
    )


def softmax_cross_entropy_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    dout: float = 1.0,
    *,
    label_smoothing: float = 0.0,
    class_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `softmax_cross_entropy_forward` with respect to `pre`, shape (N, O).

    It is (p·Σt - t) / N · weight_n · dout, with t from y_true, class_weight and label_smoothing as
    in forward, and weight_n from sample_weight, or 1.

    Examples:
        >>> handnn.functional.softmax_cross_entropy_backward([[0, 0]], [0])
        array([[-0.5,  0.5]])
    """
    name = "softmax_cross_entropy_backward: label_smoothing"
    label_smoothing = fraction(label_smoothing, name)
    return _core.softmax_cross_entropy_backward(
        pre, y_true, dout, sample_weight, label_smoothing, class_weight, dx
    )
