"""Losses and gradients agree with PyTorch in float64, to a relative error of 1e-10.

Where PyTorch's mean has another divisor, its sum is divided by handnn's divisor: with class
weights, PyTorch divides by the sum of the labels' weights, handnn by N.
"""

from __future__ import annotations

import numpy as np
import pytest

from handnn import (
    MAE,
    BCEWithLogits,
    GaussianNLL,
    Huber,
    MSELoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: no parity to measure")
nn = torch.nn

ROWS, COLUMNS = 30, 8
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(ROWS, COLUMNS))
PROBABILITIES = RNG.dirichlet(np.ones(COLUMNS), ROWS)
LABELS = RNG.integers(0, COLUMNS, ROWS)
CLASS_WEIGHT = RNG.uniform(0.1, 3, COLUMNS)
SAMPLE_WEIGHT = RNG.uniform(0, 3, ROWS)
QUANTILES = [0.1, 0.35, 0.5, 0.9]


def gaussian(pre, y):
    means, log_variances = pre.split(COLUMNS // 2, dim=1)
    loss = nn.GaussianNLLLoss(eps=1e-300, reduction="none")
    return loss(means, y, log_variances.exp())


def pinball(pre, y):
    errors = y.repeat_interleave(len(QUANTILES), dim=1) - pre
    q = torch.tensor(QUANTILES, dtype=torch.float64).repeat(y.shape[1])
    return torch.maximum(q * errors, (q - 1) * errors)


def cross_entropy(**settings):
    if "weight" in settings:
        settings["weight"] = torch.tensor(settings["weight"])
    return nn.CrossEntropyLoss(**settings, reduction="none")


# Ours, theirs as a function that gives terms (N,) or (N, O), and y.
LOSSES = {
    "mse": (MSELoss(), nn.MSELoss(reduction="none"), NUMBERS),
    "mae": (MAE(), nn.L1Loss(reduction="none"), NUMBERS),
    "huber": (Huber(), nn.HuberLoss(reduction="none"), NUMBERS),
    "huber with a delta": (Huber(0.3), nn.HuberLoss(reduction="none", delta=0.3), NUMBERS),
    "smooth L1": (Huber(), nn.SmoothL1Loss(reduction="none"), NUMBERS),
    "quantiles": (Quantile(QUANTILES), pinball, NUMBERS[:, :2]),
    "bce": (BCEWithLogits(), nn.BCEWithLogitsLoss(reduction="none"), PROBABILITIES),
    "bce of yes and no": (
        BCEWithLogits(),
        nn.BCEWithLogitsLoss(reduction="none"),
        PROBABILITIES.round(),
    ),
    "poisson": (
        PoissonNLL(),
        nn.PoissonNLLLoss(log_input=True, reduction="none"),
        RNG.poisson(3, (ROWS, COLUMNS)).astype(float),
    ),
    "gaussian": (GaussianNLL(), gaussian, NUMBERS[:, : COLUMNS // 2]),
    "labels": (SoftmaxCrossEntropy(), cross_entropy(), LABELS),
    "labels, smoothing": (
        SoftmaxCrossEntropy(0.1),
        cross_entropy(label_smoothing=0.1),
        LABELS,
    ),
    "labels, class weights": (
        SoftmaxCrossEntropy(class_weight=CLASS_WEIGHT),
        cross_entropy(weight=CLASS_WEIGHT),
        LABELS,
    ),
    "labels, both": (
        SoftmaxCrossEntropy(0.3, CLASS_WEIGHT),
        cross_entropy(label_smoothing=0.3, weight=CLASS_WEIGHT),
        LABELS,
    ),
    "probabilities": (SoftmaxCrossEntropy(), cross_entropy(), PROBABILITIES),
    "probabilities, both": (
        SoftmaxCrossEntropy(0.3, CLASS_WEIGHT),
        cross_entropy(label_smoothing=0.3, weight=CLASS_WEIGHT),
        PROBABILITIES,
    ),
}


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_and_its_gradient(name, is_weighted):
    """The mean of the terms; weights multiply the rows but not the divisor."""
    ours, theirs, y = LOSSES[name]
    pre = 2 * np.random.default_rng(1).normal(size=(ROWS, COLUMNS))
    their_pre = torch.tensor(pre, requires_grad=True)
    terms = theirs(their_pre, torch.tensor(y))
    weight = SAMPLE_WEIGHT if is_weighted else np.ones(ROWS)
    shape = (ROWS,) + (1,) * (terms.ndim - 1)
    their_loss = (torch.tensor(weight).reshape(shape) * terms).sum() / terms.numel()
    their_loss.backward()
    assert_close(ours.forward(pre, y, weight if is_weighted else None), their_loss)
    assert_close(ours.backward(), their_pre.grad)


MEANS = [name for name in LOSSES if not name.startswith(("labels, c", "labels, b", "quantiles"))]


@pytest.mark.parametrize("name", [name for name in MEANS if name != "gaussian"])
def test_losses_whose_mean_is_pytorchs(name):
    ours, theirs, y = LOSSES[name]
    theirs.reduction = "mean"
    try:
        pre = np.random.default_rng(2).normal(size=(ROWS, COLUMNS))
        assert_close(ours.forward(pre, y), theirs(torch.tensor(pre), torch.tensor(y)))
    finally:
        theirs.reduction = "none"


def test_cross_entropy_with_class_weights_has_another_divisor():
    """With class weights and labels, PyTorch divides by the sum of the labels' weights."""
    pre = np.random.default_rng(3).normal(size=(ROWS, COLUMNS))
    theirs = nn.CrossEntropyLoss(weight=torch.tensor(CLASS_WEIGHT))
    expected = theirs(torch.tensor(pre), torch.tensor(LABELS))
    ours = SoftmaxCrossEntropy(class_weight=CLASS_WEIGHT).forward(pre, LABELS)
    assert_close(ours * ROWS / CLASS_WEIGHT[LABELS].sum(), expected)
    assert abs(ours / float(expected) - 1) > 0.1


@pytest.mark.parametrize("name", ["bce", "labels", "labels, both", "probabilities", "huber", "mae"])
def test_logits_of_a_thousand(name):
    ours, theirs, y = LOSSES[name]
    pre = 1000 * np.sign(np.random.default_rng(4).normal(size=(ROWS, COLUMNS)))
    their_pre = torch.tensor(pre, requires_grad=True)
    their_loss = theirs(their_pre, torch.tensor(y))
    their_loss.mean().backward()
    assert_close(ours.forward(pre, y), their_loss.mean())
    assert_close(ours.backward(), their_pre.grad)
