"""The losses in plain NumPy: pre (N, O) and y_true (N, Y), or (N,) if Y is 1.

sample_weight (N,) multiplies the terms of each row; the divisor stays the number of terms.
"""

from __future__ import annotations

import numpy as np

from handnn.arrays import Array
from handnn.reference.layers import sigmoid_forward


def _columns(y_true: Array) -> Array:
    """Return y_true as (N, Y)."""
    return y_true[:, None] if y_true.ndim == 1 else y_true


def _mean(terms: Array, sample_weight: Array | None) -> float:
    """Return the mean of terms (N, ...), each row times its weight; NaN if there are none."""
    if terms.size == 0:
        return float("nan")
    if sample_weight is not None:
        terms = sample_weight[:, None] * terms
    return float(np.mean(terms))


def _gradient(slopes: Array, divisor: int, dout: float, sample_weight: Array | None) -> Array:
    """Return dx (N, O) of a mean over `divisor` terms with these slopes (N, O)."""
    dx = slopes * dout / max(divisor, 1)
    return dx if sample_weight is None else sample_weight[:, None] * dx


def mse_loss_forward(pre: Array, y_true: Array, *, sample_weight: Array | None = None) -> float:
    """loss = the mean over all N·O entries of (pre - y_true)², each row times its weight."""
    return _mean((pre - _columns(y_true)) ** 2, sample_weight)


def mse_loss_backward(
    pre: Array,
    y_true: Array,
    dout: float = 1.0,
    *,
    sample_weight: Array | None = None,
    gradient: str = "exact",
) -> Array:
    """dx = 2·(pre - y_true) / (N·O)·dout; with gradient="article" (pre - y_true)·dout."""
    errors = pre - _columns(y_true)
    if gradient == "article":
        return _gradient(errors, 1, dout, sample_weight)
    return _gradient(2 * errors, pre.size, dout, sample_weight)


def mae_forward(pre: Array, y_true: Array, *, sample_weight: Array | None = None) -> float:
    """loss = the mean over all N·O entries of |pre - y_true|."""
    return _mean(np.abs(pre - _columns(y_true)), sample_weight)


def mae_backward(
    pre: Array, y_true: Array, dout: float = 1.0, *, sample_weight: Array | None = None
) -> Array:
    """dx = sign(pre - y_true) / (N·O)·dout, 0 where both are equal."""
    return _gradient(np.sign(pre - _columns(y_true)), pre.size, dout, sample_weight)


def huber_forward(
    pre: Array, y_true: Array, *, delta: float = 1.0, sample_weight: Array | None = None
) -> float:
    """loss = the mean over all entries of e²/2 where |e| ≤ delta, else delta·(|e| - delta/2)."""
    size = np.abs(pre - _columns(y_true))
    return _mean(np.where(size > delta, delta * (size - delta / 2), size**2 / 2), sample_weight)


def huber_backward(
    pre: Array,
    y_true: Array,
    dout: float = 1.0,
    *,
    delta: float = 1.0,
    sample_weight: Array | None = None,
) -> Array:
    """dx = (pre - y_true clipped to ± delta) / (N·O)·dout."""
    slopes = np.clip(pre - _columns(y_true), -delta, delta)
    return _gradient(slopes, pre.size, dout, sample_weight)


def _quantile_errors(pre: Array, y_true: Array, quantiles: Array) -> tuple[Array, Array]:
    """Return e = y_true - pre (N, Y·Q), and its factor: q where e ≥ 0, else q - 1."""
    errors = np.repeat(_columns(y_true), len(quantiles), axis=1) - pre
    q = np.tile(quantiles, pre.shape[1] // len(quantiles))
    return errors, np.where(np.isnan(errors), errors, np.where(errors < 0, q - 1, q))


def quantile_forward(
    pre: Array, y_true: Array, quantiles: Array, *, sample_weight: Array | None = None
) -> float:
    """loss = the mean over all N·Y·Q entries of q·e where e ≥ 0, else (q - 1)·e."""
    errors, factors = _quantile_errors(pre, y_true, quantiles)
    return _mean(errors * factors, sample_weight)


def quantile_backward(
    pre: Array,
    y_true: Array,
    quantiles: Array,
    dout: float = 1.0,
    *,
    sample_weight: Array | None = None,
) -> Array:
    """dx = (-q where y_true ≥ pre, else 1 - q) / (N·Y·Q)·dout."""
    _, factors = _quantile_errors(pre, y_true, quantiles)
    return _gradient(-factors, pre.size, dout, sample_weight)


def bce_with_logits_forward(
    pre: Array, y_true: Array, *, sample_weight: Array | None = None
) -> float:
    """loss = the mean over all N·O entries of max(pre, 0) - y·pre + log(1 + exp(-|pre|))."""
    y = _columns(y_true)
    terms = np.where(pre < 0, -y, 1 - y) * pre + np.log1p(np.exp(-np.abs(pre)))
    return _mean(terms, sample_weight)


def bce_with_logits_backward(
    pre: Array, y_true: Array, dout: float = 1.0, *, sample_weight: Array | None = None
) -> Array:
    """dx = (sigmoid(pre) - y_true) / (N·O)·dout."""
    slopes = sigmoid_forward(pre) - _columns(y_true)
    return _gradient(slopes, pre.size, dout, sample_weight)


def poisson_nll_forward(pre: Array, y_true: Array, *, sample_weight: Array | None = None) -> float:
    """loss = the mean over all N·O entries of exp(pre) - y·pre."""
    return _mean(np.exp(pre) - _columns(y_true) * pre, sample_weight)


def poisson_nll_backward(
    pre: Array, y_true: Array, dout: float = 1.0, *, sample_weight: Array | None = None
) -> Array:
    """dx = (exp(pre) - y_true) / (N·O)·dout."""
    return _gradient(np.exp(pre) - _columns(y_true), pre.size, dout, sample_weight)


def _gaussian_parts(pre: Array, y_true: Array) -> tuple[Array, Array]:
    """Return m - y_true (N, Y) and the log-variances s (N, Y); pre is [m, s]."""
    means, log_variances = np.split(pre, 2, axis=1)
    return means - _columns(y_true), log_variances


def gaussian_nll_forward(pre: Array, y_true: Array, *, sample_weight: Array | None = None) -> float:
    """loss = the mean over all N·Y targets of (s + (m - y)²·exp(-s)) / 2."""
    errors, s = _gaussian_parts(pre, y_true)
    return _mean((s + errors**2 * np.exp(-s)) / 2, sample_weight)


def gaussian_nll_backward(
    pre: Array, y_true: Array, dout: float = 1.0, *, sample_weight: Array | None = None
) -> Array:
    """dx of m is (m - y)·exp(-s), of s (1 - (m - y)²·exp(-s)) / 2, each / (N·Y)·dout."""
    errors, s = _gaussian_parts(pre, y_true)
    precisions = np.exp(-s)
    slopes = np.hstack([errors * precisions, (1 - errors**2 * precisions) / 2])
    return _gradient(slopes, errors.size, dout, sample_weight)


def _class_targets(
    pre: Array, y_true: Array, label_smoothing: float, class_weight: Array | None
) -> Array:
    """t_o = w_o·((1 - label_smoothing)·y_o + label_smoothing / O), with labels made one-hot."""
    y, classes = _columns(y_true), pre.shape[1]
    if y.shape[1] == 1:
        y = np.eye(classes)[y[:, 0].astype(int)]
    t: Array = (1 - label_smoothing) * y + label_smoothing / classes
    return t if class_weight is None else np.multiply(class_weight, t)


def _softmax(pre: Array) -> tuple[Array, Array]:
    """Return p = softmax(pre) and log p, computed without log(0)."""
    shifted = pre - pre.max(axis=1, keepdims=True)
    exps = np.exp(shifted)
    sums = exps.sum(axis=1, keepdims=True)
    return exps / sums, shifted - np.log(sums)


def softmax_cross_entropy_forward(
    pre: Array,
    y_true: Array,
    *,
    label_smoothing: float = 0.0,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
) -> float:
    """loss = the mean over all N rows of -Σ_o t_o·log p_o; of the label alone if unsmoothed."""
    if pre.size == 0:
        return float("nan")
    t = _class_targets(pre, y_true, label_smoothing, class_weight)
    _, log_p = _softmax(pre)
    if y_true.size == len(pre) and label_smoothing == 0:
        labels = _columns(y_true).astype(int)
        t, log_p = (np.take_along_axis(array, labels, axis=1) for array in (t, log_p))
    return _mean(-np.sum(t * log_p, axis=1, keepdims=True), sample_weight)


def softmax_cross_entropy_backward(
    pre: Array,
    y_true: Array,
    dout: float = 1.0,
    *,
    label_smoothing: float = 0.0,
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
) -> Array:
    """dx = (p·Σ_o t_o - t) / N·dout."""
    if pre.size == 0:
        return np.zeros_like(pre)
    t = _class_targets(pre, y_true, label_smoothing, class_weight)
    p, _ = _softmax(pre)
    slopes = p * t.sum(axis=1, keepdims=True) - t
    return _gradient(slopes, len(pre), dout, sample_weight)
