"""How far each loss may be from its reference: as `tests.common.tolerances`.

The terms of a loss are computed in its dtype and added up in float64. A gradient is a slope times
its factor: dout over the number of terms, times the weight of the row. Where numbers cancel, the
size of a term or slope is its formula with a plus in every place.
"""

from __future__ import annotations

import numpy as np

from tests import bounds, reference
from tests.reference import losses


def mean_of_positive_terms(dtype, expected, pre, **arguments):
    """Terms that are a few roundings away from pre and y_true, and not negative."""
    terms = bounds.without_sum(expected[0], dtype)
    return (terms + bounds.of_sum(expected[0], pre.size, np.float64),)


def mean_of_terms(sizes, errors, sample_weight):
    """The bound for a mean of terms with such sizes and such errors."""
    mean = losses._mean(sizes, sample_weight)
    return (losses._mean(errors, sample_weight) + bounds.of_sum(mean, sizes.size, np.float64),)


def mean_of_sums(dtype, sizes, sample_weight):
    """The same of terms that are a few roundings away from their parts."""
    return mean_of_terms(sizes, bounds.without_sum(sizes, dtype), sample_weight)


def gradient_of(bound, terms, dout, sample_weight):
    """The bound for slopes that may be `bound` off, times the absolute value of their factor."""
    return (losses._gradient(bound, terms, abs(dout), sample_weight),)


def huber_forward_tolerance(dtype, expected, pre, y_true, *, delta=1.0, sample_weight=None):
    """delta·(|e| - delta/2) cancels."""
    e = abs(pre - losses._columns(y_true))
    sizes = np.where(e > delta, delta * (e + delta / 2), e**2 / 2)
    return mean_of_sums(dtype, sizes, sample_weight)


def bce_with_logits_backward_tolerance(
    dtype, expected, pre, y_true, dout=1.0, *, sample_weight=None
):
    """sigmoid(pre) - y cancels."""
    sizes = reference.sigmoid_forward(pre) + losses._columns(y_true)
    return gradient_of(bounds.without_sum(sizes, dtype), pre.size, dout, sample_weight)


def poisson_nll_forward_tolerance(dtype, expected, pre, y_true, *, sample_weight=None):
    """exp(pre) - y·pre cancels."""
    sizes = np.exp(pre) + losses._columns(y_true) * abs(pre)
    return mean_of_sums(dtype, sizes, sample_weight)


def poisson_nll_backward_tolerance(dtype, expected, pre, y_true, dout=1.0, *, sample_weight=None):
    """exp(pre) - y cancels."""
    sizes = np.exp(pre) + losses._columns(y_true)
    return gradient_of(bounds.without_sum(sizes, dtype), pre.size, dout, sample_weight)


def gaussian_nll_forward_tolerance(dtype, expected, pre, y_true, *, sample_weight=None):
    """s + (m - y)²·exp(-s) cancels."""
    errors, s = losses._gaussian_parts(pre, y_true)
    return mean_of_sums(dtype, (abs(s) + errors**2 * np.exp(-s)) / 2, sample_weight)


def gaussian_nll_backward_tolerance(dtype, expected, pre, y_true, dout=1.0, *, sample_weight=None):
    """1 - (m - y)²·exp(-s) cancels; it has two terms and a factor with roundings of its own."""
    errors, s = losses._gaussian_parts(pre, y_true)
    precisions = np.exp(-s)
    of_means = bounds.without_sum(errors * precisions, dtype)
    of_variances = bounds.of_sum((1 + errors**2 * precisions) / 2, 3, dtype)
    bound = np.hstack([of_means, of_variances])
    return gradient_of(bound, errors.size, dout, sample_weight)


def softmax_parts(pre):
    """p and -log p (N, O), |pre - m|, and what a relative error of exp's arguments makes of S.

    S = Σ exp(pre - m) is a sum of O terms, each as wrong as 1 + |pre - m|.
    """
    p, log_p = losses._softmax(pre)
    away = abs(pre - pre.max(axis=1, keepdims=True))
    spread = 1 + np.sum(np.where(p > 0, p * away, 0), axis=1, keepdims=True)
    return p, -log_p, away, spread


def softmax_cross_entropy_forward_tolerance(
    dtype, expected, pre, y_true, *, label_smoothing=0.0, class_weight=None, sample_weight=None
):
    """-log p = log S + (m - pre): no part is negative, and log S is off by S's relative error."""
    if pre.size == 0:
        return (0.0,)
    t = losses._class_targets(pre, y_true, label_smoothing, class_weight)
    _, surprise, _, spread = softmax_parts(pre)
    errors = bounds.of_sum(spread, pre.shape[1], dtype) + bounds.of_sum(surprise, 3, dtype)
    sizes, errors = (
        np.where(t > 0, t * array, 0).sum(axis=1, keepdims=True) for array in (surprise, errors)
    )
    (mean,) = mean_of_terms(sizes, errors, sample_weight)
    return (mean + bounds.of_sum(losses._mean(sizes, sample_weight), pre.shape[1], np.float64),)


def softmax_cross_entropy_backward_tolerance(
    dtype,
    expected,
    pre,
    y_true,
    dout=1.0,
    *,
    label_smoothing=0.0,
    class_weight=None,
    sample_weight=None,
):
    """p·Σt - t cancels; p is as wrong as exp(pre - m) and S, and Σt is a sum of O terms too."""
    if pre.size == 0:
        return (np.zeros_like(pre),)
    t = losses._class_targets(pre, y_true, label_smoothing, class_weight)
    p, _, away, spread = softmax_parts(pre)
    of_p = np.where(p > 0, p * (away + spread), 0)
    sizes = of_p * t.sum(axis=1, keepdims=True) + t
    bound = bounds.of_sum(sizes, pre.shape[1] + 3, dtype)
    return gradient_of(bound, len(pre), dout, sample_weight)
