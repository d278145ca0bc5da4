"""Calls of the losses, and their bounds.

The terms of a loss are computed in its dtype and added up in float64. A gradient is a slope times
the factor dout / (number of terms), times the weight of its row. Where terms cancel, the size of a
term or a slope is its formula with all signs positive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array
from handnn.losses import LOSSES
from handnn.reference import losses
from handnn.reference.bounds import Bound, Bounds, no_sum, of_sum, without_sum
from handnn.reference.calls.call import Call, Numbers, Sizes, between_0_and_1
from handnn.reference.layers import sigmoid_forward

Results = tuple[Array, ...]
Weight = Array | None


def mean_of_positive_terms(
    dtype: DTypeLike, expected: Results, pre: Array, **arguments: object
) -> Bounds:
    """Bound a mean of nonnegative terms that are computed in a few roundings."""
    terms = without_sum(expected[0], dtype)
    return (terms + of_sum(expected[0], pre.size, np.float64),)


def mean_of_terms(sizes: Array, errors: Array, sample_weight: Weight) -> Bounds:
    """Bound a mean of terms with these sizes and these errors."""
    mean = losses._mean(sizes, sample_weight)
    error = losses._mean(errors, sample_weight)
    return (error + of_sum(mean, sizes.size, np.float64),)


def mean_of_sums(dtype: DTypeLike, sizes: Array, sample_weight: Weight) -> Bounds:
    """Bound a mean of terms of these sizes that are computed in a few roundings."""
    return mean_of_terms(sizes, without_sum(sizes, dtype), sample_weight)


def gradient_of(bound: Bound, n_terms: int, dout: float, sample_weight: Weight) -> Bounds:
    """Return `bound`, that of slopes, times the absolute value of the slopes' factor."""
    gradient = losses._gradient(bound, n_terms, abs(dout), sample_weight)
    return (np.asarray(gradient, np.float64),)


def huber_forward_bound(
    dtype: DTypeLike,
    expected: Results,
    pre: Array,
    y_true: Array,
    *,
    delta: float,
    sample_weight: Weight,
) -> Bounds:
    """Bound the mean; delta·(|e| - delta/2) may cancel."""
    e = abs(pre - losses._columns(y_true))
    sizes = np.where(e > delta, delta * (e + delta / 2), e**2 / 2)
    return mean_of_sums(dtype, sizes, sample_weight)


def bce_with_logits_backward_bound(
    dtype: DTypeLike,
    expected: Results,
    pre: Array,
    y_true: Array,
    dout: float,
    *,
    sample_weight: Weight,
) -> Bounds:
    """Bound dx; sigmoid(pre) - y may cancel."""
    sizes = sigmoid_forward(pre) + losses._columns(y_true)
    return gradient_of(without_sum(sizes, dtype), pre.size, dout, sample_weight)


def poisson_nll_forward_bound(
    dtype: DTypeLike,
    expected: Results,
    pre: Array,
    y_true: Array,
    *,
    sample_weight: Weight,
) -> Bounds:
    """Bound the mean; exp(pre) - y·pre may cancel."""
    sizes = np.exp(pre) + losses._columns(y_true) * abs(pre)
    return mean_of_sums(dtype, sizes, sample_weight)


def poisson_nll_backward_bound(
    dtype: DTypeLike,
    expected: Results,
    pre: Array,
    y_true: Array,
    dout: float,
    *,
    sample_weight: Weight,
) -> Bounds:
    """Bound dx; exp(pre) - y may cancel."""
    sizes = np.exp(pre) + losses._columns(y_true)
    return gradient_of(without_sum(sizes, dtype), pre.size, dout, sample_weight)


def gaussian_nll_forward_bound(
    dtype: DTypeLike,
    expected: Results,
    pre: Array,
    y_true: Array,
    *,
    sample_weight: Weight,
) -> Bounds:
    """Bound the mean; s + (m - y)²·exp(-s) may cancel."""
    errors, s = losses._gaussian_parts(pre, y_true)
    return mean_of_sums(dtype, (abs(s) + errors**2 * np.exp(-s)) / 2, sample_weight)


def gaussian_nll_backward_bound(
    dtype: DTypeLike,
    expected: Results,
    pre: Array,
    y_true: Array,
    dout: float,
    *,
    sample_weight: Weight,
) -> Bounds:
    """Bound dx; 1 - (m - y)²·exp(-s) may cancel."""
    errors, s = losses._gaussian_parts(pre, y_true)
    precisions = np.exp(-s)
    of_means = without_sum(errors * precisions, dtype)
    of_variances = of_sum((1 + errors**2 * precisions) / 2, 3, dtype)
    return gradient_of(np.hstack([of_means, of_variances]), errors.size, dout, sample_weight)


def softmax_parts(pre: Array) -> tuple[Array, Array, Array, Array]:
    """Return p and -log p (N, O), m - pre, and the relative error of S per rounding and term.

    S = Σ exp(pre - m) is a sum of O terms, each with an error of 1 + |pre - m| roundings.
    """
    p, log_p = losses._softmax(pre)
    distance = abs(pre - pre.max(axis=1, keepdims=True))
    spread = 1 + np.sum(np.where(p > 0, p * distance, 0), axis=1, keepdims=True)
    return p, -log_p, distance, spread


def softmax_cross_entropy_forward_bound(
    dtype: DTypeLike,
    expected: Results,
    pre: Array,
    y_true: Array,
    *,
    label_smoothing: float,
    class_weight: Weight,
    sample_weight: Weight,
) -> Bounds:
    """Bound -log p = log S + (m - pre); the error of log S is the relative error of S."""
    if pre.size == 0:
        return (np.zeros(()),)
    t = losses._class_targets(pre, y_true, label_smoothing, class_weight)
    _, surprise, _, spread = softmax_parts(pre)
    errors = of_sum(spread, pre.shape[1], dtype) + of_sum(surprise, 3, dtype)
    sizes, errors = (
        np.where(t > 0, t * array, 0).sum(axis=1, keepdims=True) for array in (surprise, errors)
    )
    (mean,) = mean_of_terms(sizes, errors, sample_weight)
    return (mean + of_sum(losses._mean(sizes, sample_weight), pre.shape[1], np.float64),)


def softmax_cross_entropy_backward_bound(
    dtype: DTypeLike,
    expected: Results,
    pre: Array,
    y_true: Array,
    dout: float,
    *,
    label_smoothing: float,
    class_weight: Weight,
    sample_weight: Weight,
) -> Bounds:
    """Bound p·Σt - t, which may cancel; p has the errors of exp(pre - m) and of S."""
    if pre.size == 0:
        return (np.zeros(pre.shape),)
    t = losses._class_targets(pre, y_true, label_smoothing, class_weight)
    p, _, distance, spread = softmax_parts(pre)
    of_p = np.where(p > 0, p * (distance + spread), 0)
    sizes = of_p * t.sum(axis=1, keepdims=True) + t
    bound = of_sum(sizes, pre.shape[1] + 3, dtype)
    return gradient_of(bound, len(pre), dout, sample_weight)


def counts(rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes) -> Numbers:
    """Draw from a Poisson distribution with mean 2."""
    return np.asarray(rng.poisson(2, shape))


def quantiles(rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes) -> Numbers:
    """Draw from the uniform distribution over [0.05, 0.95)."""
    return rng.uniform(0.05, 0.95, shape)


def labels(rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes) -> Numbers:
    """Draw class indices."""
    return rng.integers(0, sizes["O"], shape)


def probabilities(rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes) -> Numbers:
    """Draw rows that sum to 1; a single column holds labels, all of class 0."""
    if shape[1] == 1:
        return np.zeros(shape)
    parts = rng.exponential(size=shape)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def one_hot(rows: Array) -> Array:
    """Return 1 for the largest entry of each row and 0 for the others."""
    return np.array(np.eye(rows.shape[1])[rows.argmax(axis=1)])


def unchanged(array: Array) -> Array:
    """Return the array itself."""
    return array


PRE_AND_TARGETS = {"pre": "NO", "y_true": "NO"}


def calls_of(
    plain: Call,
    backward: Callable[..., Bounds] = no_sum,
    weights: Mapping[str, str] | None = None,
    **options: float,
) -> list[Call]:
    """Return four calls: forward and backward, each plain and with sample weights and `options`.

    plain: a call named after the kind of the loss, with the bound of forward. backward: the bound
    of backward. weights: the axes of arrays that only the weighted calls take.
    """
    kind, dx = plain.function, {"dx": plain.axes["pre"]}
    plain = replace(plain, value_checked=(*plain.value_checked, "sample_weight", "class_weight"))
    weighted = replace(
        plain,
        axes={**plain.axes, **(weights or {}), "sample_weight": "N"},
        options=options,
        variant=f"{plain.variant}, weighted".removeprefix(", "),
    )
    scaled = replace(weighted, options={**options, "dout": -0.7})
    return [
        replace(plain, function=f"{kind}_forward"),
        replace(plain, function=f"{kind}_backward", bound=backward, outputs=dx),
        replace(weighted, function=f"{kind}_forward"),
        replace(scaled, function=f"{kind}_backward", bound=backward, outputs=dx),
    ]


LISTED = [
    *calls_of(Call("mse_loss", PRE_AND_TARGETS, mean_of_positive_terms)),
    Call(
        "mse_loss_backward",
        PRE_AND_TARGETS,
        no_sum,
        {"dx": "NO"},
        options={"dout": 1.3, "gradient": "article"},
        variant="article",
    ),
    *calls_of(Call("huber", PRE_AND_TARGETS, huber_forward_bound), delta=0.7),
    *calls_of(
        Call(
            "quantile",
            {"pre": "NT", "y_true": "NO", "quantiles": "Q"},
            mean_of_positive_terms,
            value_checked=("quantiles",),
            samples={"quantiles": quantiles},
            whole={"quantiles": None},
            never_empty="Q",
        )
    ),
    *calls_of(
        Call(
            "bce_with_logits",
            PRE_AND_TARGETS,
            mean_of_positive_terms,
            value_checked=("y_true",),
            samples={"y_true": between_0_and_1},
            whole={"y_true": np.rint},
        ),
        bce_with_logits_backward_bound,
    ),
    *calls_of(
        Call(
            "poisson_nll",
            PRE_AND_TARGETS,
            poisson_nll_forward_bound,
            value_checked=("y_true",),
            samples={"y_true": counts},
        ),
        poisson_nll_backward_bound,
    ),
    *calls_of(
        Call("gaussian_nll", {"pre": "NP", "y_true": "NO"}, gaussian_nll_forward_bound),
        gaussian_nll_backward_bound,
    ),
    *calls_of(
        Call(
            "softmax_cross_entropy",
            {"pre": "NO", "y_true": "N1"},
            softmax_cross_entropy_forward_bound,
            variant="labels",
            value_checked=("y_true",),
            samples={"y_true": labels, "class_weight": between_0_and_1},
            whole={"y_true": unchanged},
            never_empty="O",
        ),
        softmax_cross_entropy_backward_bound,
        {"class_weight": "O"},
        label_smoothing=0.1,
    ),
    *calls_of(
        Call(
            "softmax_cross_entropy",
            PRE_AND_TARGETS,
            softmax_cross_entropy_forward_bound,
            variant="probabilities",
            value_checked=("y_true",),
            samples={"y_true": probabilities, "class_weight": between_0_and_1},
            whole={"y_true": one_hot},
            may_be_labels=("y_true",),
        ),
        softmax_cross_entropy_backward_bound,
        {"class_weight": "O"},
        label_smoothing=0.1,
    ),
]
"""The losses with specific bounds, targets or settings."""


def others() -> Iterator[Call]:
    """Yield the calls of every loss that is not listed: its terms are not negative."""
    listed = {call.kind for call in LISTED}
    for loss in LOSSES:
        if loss.kind not in listed:
            yield from calls_of(Call(loss.kind, PRE_AND_TARGETS, mean_of_positive_terms))


CALLS = [*LISTED, *others()]
