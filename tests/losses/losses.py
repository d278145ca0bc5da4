"""Every loss with valid targets, and checks that invalid targets are rejected.

A key is the repr of the loss, followed by the kind of its targets where there are several.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from handnn import SGD, Trainer, functional, losses, mlp
from handnn.losses import (
    BCEWithLogits,
    GaussianNLL,
    Huber,
    MSELoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
)

OUTPUTS = 6


def numbers(columns):
    return lambda rng, rows: rng.normal(size=(rows, columns))


def one_number_each(rng, rows):
    return rng.normal(size=(rows, OUTPUTS))


def probabilities(rng, rows):
    return rng.dirichlet(np.ones(OUTPUTS), rows)


def labels(rng, rows):
    return rng.integers(0, OUTPUTS, (rows, 1)).astype(float)


@dataclass(frozen=True)
class Example:
    build: Callable
    targets: Callable = one_number_each  # (rng, rows) -> y for pre (rows, OUTPUTS)

    def rows(self, count, dtype="float64", seed=0):
        """Return pre, y_true and weights, one of them 0."""
        rng = np.random.default_rng(seed)
        pre = rng.normal(size=(count, OUTPUTS)).astype(dtype)
        weight = rng.uniform(0.5, 3, count).astype(dtype)
        weight[count // 2 :][:1] = 0
        return pre, self.targets(rng, count).astype(dtype), weight


WEIGHTED_CLASSES = [1.0, 0.5, 2.0, 0.0, 0.25, 3.0]

LOSSES = {
    **{repr(loss()): Example(loss) for loss in losses.LOSSES},
    "MSELoss(gradient='article')": Example(lambda: MSELoss("article")),
    "Huber(delta=0.3)": Example(lambda: Huber(0.3)),
    "Quantile(quantiles=(0.1, 0.5, 0.9))": Example(Quantile, numbers(2)),
    "Quantile(quantiles=(0.3,))": Example(lambda: Quantile(0.3)),
    "BCEWithLogits()": Example(BCEWithLogits, probabilities),
    "PoissonNLL()": Example(
        PoissonNLL, lambda rng, rows: rng.poisson(2, (rows, OUTPUTS)).astype(float)
    ),
    "GaussianNLL()": Example(GaussianNLL, numbers(3)),
    "SoftmaxCrossEntropy(label_smoothing=0.0, class_weight=None)": Example(
        SoftmaxCrossEntropy, labels
    ),
    "SoftmaxCrossEntropy(label_smoothing=0.0, class_weight=None), probabilities": Example(
        SoftmaxCrossEntropy, probabilities
    ),
    f"SoftmaxCrossEntropy(label_smoothing=0.1, class_weight={WEIGHTED_CLASSES})": Example(
        lambda: SoftmaxCrossEntropy(0.1, WEIGHTED_CLASSES), labels
    ),
    f"SoftmaxCrossEntropy(label_smoothing=0.1, class_weight={WEIGHTED_CLASSES}), probabilities": (
        Example(lambda: SoftmaxCrossEntropy(0.1, WEIGHTED_CLASSES), probabilities)
    ),
}


def functions_of(loss):
    """Return functional's forward and backward with the settings of the loss."""
    forward = getattr(functional, f"{loss.kind}_forward")
    backward = getattr(functional, f"{loss.kind}_backward")
    only_backward = {"gradient": loss.settings["gradient"]} if loss.kind == "mse_loss" else {}
    both = {} if only_backward else loss.settings
    return (
        lambda *arrays, **more: forward(*arrays, **both, **more),
        lambda *arrays, **more: backward(*arrays, **both, **only_backward, **more),
    )


def assert_fit_refuses(loss, y, message, outputs=OUTPUTS, error=ValueError):
    """Both engines raise before any change, although only the last batch has a bad row."""
    x = np.random.default_rng(0).normal(size=(len(y), 4))
    for engine in ("compiled", "bricks"):
        network = mlp([4, 5, outputs], rng=0, dtype="float64")
        before = {name: array.tobytes() for name, array in network.params.items()}
        trainer = Trainer(network, loss, SGD(0.1), engine=engine)
        with pytest.raises(error, match=message):
            trainer.fit(x, y, epochs=1, batch_size=8, shuffle=False)
        with pytest.raises(error, match=message):
            trainer.train_step(x, y)
        assert {n: a.tobytes() for n, a in network.params.items()} == before
        assert len(trainer.history) == 0


def assert_targets_refused(loss, y, message, outputs=OUTPUTS):
    """Check the functions, the loss and fit, which raise the same message."""
    pre = np.zeros((len(y), outputs))
    for call in functions_of(loss):
        with pytest.raises(ValueError, match=rf"^{loss.kind}_\w+: .*{message}"):
            call(pre, y)
    with pytest.raises(ValueError, match=rf"^{loss.kind}_forward: .*{message}"):
        loss.forward(pre, y)
    assert_fit_refuses(loss, y, rf"^Trainer\.\w+: .*{message}", outputs)


def assert_row_refused(name, bad, message):
    """The last of twenty rows is bad; the message has its index and the reason."""
    example = LOSSES[name]
    _, y, _ = example.rows(20)
    y[19] = bad
    assert_targets_refused(example.build(), y, f"row 19 of y.*{re.escape(message)}")
