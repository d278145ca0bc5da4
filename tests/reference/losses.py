"""The losses again in plain NumPy: pre (N, O), y_true (N, Y), or (N,) when Y is 1."""

from __future__ import annotations

import numpy as np

from tests.reference.layers import sigmoid_forward


def _columns(y_true):
    """y_true (N, Y), also where it came as (N,)."""
    return y_true[:, None] if y_true.ndim == 1 else y_true


def _mean(terms, sample_weight):
    """The mean of terms (N, ...), each row times its weight; NaN when there are none."""
    if terms.size == 0:
        return float("nan")
    if sample_weight is not None:
        terms = sample_weight[:, None] * terms
    return float(np.mean(terms))


def _gradient(slopes, divisor, dout, sample_weight):
    """slopes (N, O) of a sum over `divisor` terms -> dx (N, O) of their mean."""
    dx = slopes * dout / max(divisor, 1)
    return dx if sample_weight is None else sample_weight[:, None] * dx


def mse_loss_forward(pre, y_true, *, sample_weight=None):
    """loss = the mean over all N·O entries of (pre - y_true)², each row times its weight."""
    return _mean((pre - _columns(y_true)) ** 2, sample_weight)


def mse_loss_backward(pre, y_true, dout=1.0, *, sample_weight=None, gradient="exact"):
    """exact: 2 (pre - y_true) / (N·O) · dout; article: (pre - y_true) · dout."""
    errors = pre - _columns(y_true)
    if gradient == "article":
        return _gradient(errors, 1, dout, sample_weight)
    return _gradient(2 * errors, pre.size, dout, sample_weight)


def mae_forward(pre, y_true, *, sample_weight=None):
    """loss = the mean over all N·O entries of |pre - y_true|."""
    return _mean(np.abs(pre - _columns(y_true)), sample_weight)


def mae_backward(pre, y_true, dout=1.0, *, sample_weight=None):
    """The sign of pre - y_true, 0 where both are equal."""
    return _gradient(np.sign(pre - _columns(y_true)), pre.size, dout, sample_weight)


def huber_forward(pre, y_true, *, delta=1.0, sample_weight=None):
    """loss = the mean over all entries of e²/2 where |e| ≤ delta, else delta·(|e| - delta/2)."""
    size = np.abs(pre - _columns(y_true))
    return _mean(np.where(size > delta, delta * (size - delta / 2), size**2 / 2), sample_weight)


def huber_backward(pre, y_true, dout=1.0, *, delta=1.0, sample_weight=None):
    """pre - y_true, held within ± delta."""
    slopes = np.clip(pre - _columns(y_true), -delta, delta)
    return _gradient(slopes, pre.size, dout, sample_weight)


def _quantile_errors(pre, y_true, quantiles):
    """e = y_true - pre (N, Y·Q), and what it is multiplied with: q where e ≥ 0, else q - 1."""
    errors = np.repeat(_columns(y_true), len(quantiles), axis=1) - pre
    q = np.tile(quantiles, pre.shape[1] // len(quantiles))
    return errors, np.where(np.isnan(errors), errors, np.where(errors < 0, q - 1, q))


def quantile_forward(pre, y_true, quantiles, *, sample_weight=None):
    """loss = the mean over all N·Y·Q entries of q·e where e ≥ 0, else (q - 1)·e."""
    errors, factors = _quantile_errors(pre, y_true, quantiles)
    return _mean(errors * factors, sample_weight)


def quantile_backward(pre, y_true, quantiles, dout=1.0, *, sample_weight=None):
    """-q where y_true ≥ pre, else 1 - q."""
    _, factors = _quantile_errors(pre, y_true, quantiles)
    return _gradient(-factors, pre.size, dout, sample_weight)


def bce_with_logits_forward(pre, y_true, *, sample_weight=None):
    """loss = the mean over all N·O entries of max(pre, 0) - y·pre + log(1 + exp(-|pre|))."""
    y = _columns(y_true)
    terms = np.where(pre < 0, -y, 1 - y) * pre + np.log1p(np.exp(-np.abs(pre)))
    return _mean(terms, sample_weight)


def bce_with_logits_backward(pre, y_true, dout=1.0, *, sample_weight=None):
    """sigmoid(pre) - y_true."""
    slopes = sigmoid_forward(pre) - _columns(y_true)
    return _gradient(slopes, pre.size, dout, sample_weight)


def poisson_nll_forward(pre, y_true, *, sample_weight=None):
    """loss = the mean over all N·O entries of exp(pre) - y·pre."""
    return _mean(np.exp(pre) - _columns(y_true) * pre, sample_weight)


def poisson_nll_backward(pre, y_true, dout=1.0, *, sample_weight=None):
    """exp(pre) - y_true."""
    return _gradient(np.exp(pre) - _columns(y_true), pre.size, dout, sample_weight)


def _gaussian_parts(pre, y_true):
    """m - y_true (N, Y), and the log-variances s (N, Y)."""
    means, log_variances = np.split(pre, 2, axis=1)
    return means - _columns(y_true), log_variances


def gaussian_nll_forward(pre, y_true, *, sample_weight=None):
    """loss = the mean over all N·Y targets of (s + (m - y)²·exp(-s)) / 2."""
    errors, s = _gaussian_parts(pre, y_true)
    return _mean((s + errors**2 * np.exp(-s)) / 2, sample_weight)


def gaussian_nll_backward(pre, y_true, dout=1.0, *, sample_weight=None):
    """(m - y)·exp(-s) for the means, (1 - (m - y)²·exp(-s)) / 2 for the log-variances."""
    errors, s = _gaussian_parts(pre, y_true)
    precisions = np.exp(-s)
    slopes = np.hstack([errors * precisions, (1 - errors**2 * precisions) / 2])
    return _gradient(slopes, errors.size, dout, sample_weight)


def _class_targets(pre, y_true, label_smoothing, class_weight):
    """t_o = w_o·((1 - label_smoothing)·y_o + label_smoothing/O), y one-hot where labels came."""
    y, classes = _columns(y_true), pre.shape[1]
    if y.shape[1] == 1:
        y = np.eye(classes)[y[:, 0].astype(int)]
    t = (1 - label_smoothing) * y + label_smoothing / classes
    return t if class_weight is None else class_weight * t


def _softmax(pre):
    """softmax(pre), and its logarithm, which never takes log 0."""
    shifted = pre - pre.max(axis=1, keepdims=True)
    exps = np.exp(shifted)
    sums = exps.sum(axis=1, keepdims=True)
    return exps / sums, shifted - np.log(sums)


def softmax_cross_entropy_forward(
    pre, y_true, *, label_smoothing=0.0, class_weight=None, sample_weight=None
):
    """loss = the mean over all N rows of -Σ_o t_o·log p_o; without smoothing, a label's alone."""
    if pre.size == 0:
        return float("nan")
    t = _class_targets(pre, y_true, label_smoothing, class_weight)
    _, log_p = _softmax(pre)
    if y_true.size == len(pre) and label_smoothing == 0:
        labels = _columns(y_true).astype(int)
        t, log_p = (np.take_along_axis(array, labels, axis=1) for array in (t, log_p))
    return _mean(-np.sum(t * log_p, axis=1, keepdims=True), sample_weight)


def softmax_cross_entropy_backward(
    pre, y_true, dout=1.0, *, label_smoothing=0.0, class_weight=None, sample_weight=None
):
    """p·Σt - t."""
    if pre.size == 0:
        return np.zeros_like(pre)
    t = _class_targets(pre, y_true, label_smoothing, class_weight)
    p, _ = _softmax(pre)
    slopes = p * t.sum(axis=1, keepdims=True) - t
    return _gradient(slopes, len(pre), dout, sample_weight)
