"""The rows of the losses in the one list of bricks: see `tests.common.bricks`."""

from __future__ import annotations

import numpy as np

from tests.common.call import Call, between_0_and_1
from tests.common.tolerances import no_sum
from tests.common.tolerances_of_losses import (
    bce_with_logits_backward_tolerance,
    gaussian_nll_backward_tolerance,
    gaussian_nll_forward_tolerance,
    huber_forward_tolerance,
    mean_of_positive_terms,
    poisson_nll_backward_tolerance,
    poisson_nll_forward_tolerance,
    softmax_cross_entropy_backward_tolerance,
    softmax_cross_entropy_forward_tolerance,
)


def counts(rng, shape, sizes):
    return rng.poisson(2, shape)


def quantiles(rng, shape, sizes):
    return rng.uniform(0.05, 0.95, shape)


def labels(rng, shape, sizes):
    return rng.integers(0, sizes["O"], shape)


def probabilities(rng, shape, sizes):
    """Rows that add up to 1; but a single column is one of labels, and there is only class 0."""
    if shape[1] == 1:
        return np.zeros(shape)
    parts = rng.exponential(size=shape)
    return parts / parts.sum(axis=1, keepdims=True)


def one_hot(rows):
    return np.eye(rows.shape[1])[rows.argmax(axis=1)]


def unchanged(array):
    return array


def rows_of(
    loss,
    forward,
    backward,
    axes=None,
    *,
    variant="",
    with_weights=None,
    options=None,
    value_checked=(),
    **more,
):
    """Four rows: forward, backward, and both with sample weights and the settings `options`.

    with_weights are the axes that only the latter two have.
    """
    plain = axes or {"pre": "NO", "y_true": "NO"}
    weighted = {**plain, **(with_weights or {}), "sample_weight": "N"}
    dx = {"dx": plain["pre"]}
    checked = {"value_checked": (*value_checked, "sample_weight", "class_weight"), **more}
    names = variant, ", ".join(filter(None, [variant, "weighted"]))
    options = options or {}
    return [
        Call(f"{loss}_forward", plain, forward, variant=names[0], **checked),
        Call(f"{loss}_backward", plain, backward, dx, variant=names[0], **checked),
        Call(f"{loss}_forward", weighted, forward, variant=names[1], options=options, **checked),
        Call(
            f"{loss}_backward",
            weighted,
            backward,
            dx,
            variant=names[1],
            options={**options, "dout": -0.7},
            **checked,
        ),
    ]


CALLS_OF_LOSSES = [
    *rows_of("mse_loss", mean_of_positive_terms, no_sum),
    Call(
        "mse_loss_backward",
        {"pre": "NO", "y_true": "NO"},
        no_sum,
        {"dx": "NO"},
        options={"dout": 1.3, "gradient": "article"},
        variant="article",
    ),
    *rows_of("mae", mean_of_positive_terms, no_sum),
    *rows_of("huber", huber_forward_tolerance, no_sum, options={"delta": 0.7}),
    *rows_of(
        "quantile",
        mean_of_positive_terms,
        no_sum,
        {"pre": "NT", "y_true": "NO", "quantiles": "Q"},
        value_checked=("quantiles",),
        ranges={"quantiles": quantiles},
        whole={"quantiles": None},
        never_empty="Q",
    ),
    *rows_of(
        "bce_with_logits",
        mean_of_positive_terms,
        bce_with_logits_backward_tolerance,
        value_checked=("y_true",),
        ranges={"y_true": between_0_and_1},
        whole={"y_true": np.rint},
    ),
    *rows_of(
        "poisson_nll",
        poisson_nll_forward_tolerance,
        poisson_nll_backward_tolerance,
        value_checked=("y_true",),
        ranges={"y_true": counts},
    ),
    *rows_of(
        "gaussian_nll",
        gaussian_nll_forward_tolerance,
        gaussian_nll_backward_tolerance,
        {"pre": "NP", "y_true": "NO"},
    ),
    *rows_of(
        "softmax_cross_entropy",
        softmax_cross_entropy_forward_tolerance,
        softmax_cross_entropy_backward_tolerance,
        {"pre": "NO", "y_true": "N1"},
        variant="labels",
        with_weights={"class_weight": "O"},
        options={"label_smoothing": 0.1},
        value_checked=("y_true",),
        ranges={"y_true": labels, "class_weight": between_0_and_1},
        whole={"y_true": unchanged},
        never_empty="O",
    ),
    *rows_of(
        "softmax_cross_entropy",
        softmax_cross_entropy_forward_tolerance,
        softmax_cross_entropy_backward_tolerance,
        variant="probabilities",
        with_weights={"class_weight": "O"},
        options={"label_smoothing": 0.1},
        value_checked=("y_true",),
        ranges={"y_true": probabilities, "class_weight": between_0_and_1},
        whole={"y_true": one_hot},
        may_be_labels=("y_true",),
    ),
]
