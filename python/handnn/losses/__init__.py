"""The losses, one per file."""

from __future__ import annotations

from typing import TypeGuard

from handnn.losses.bce_with_logits import BCEWithLogits
from handnn.losses.gaussian_nll import GaussianNLL
from handnn.losses.huber import Huber
from handnn.losses.loss import LINKS, KernelLoss, Loss, LossFacts, facts_of
from handnn.losses.mae import MAE
from handnn.losses.mse_loss import MSELoss
from handnn.losses.poisson_nll import PoissonNLL
from handnn.losses.quantile import Quantile
from handnn.losses.softmax_cross_entropy import SoftmaxCrossEntropy

LOSSES: tuple[type[KernelLoss], ...] = (
    BCEWithLogits,
    GaussianNLL,
    Huber,
    MAE,
    MSELoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
)
"""Every loss of handnn; the engine compiles them."""


def is_ours(loss: object) -> TypeGuard[KernelLoss]:
    """Return whether the class of `loss` is in `LOSSES`; a subclass of one is not."""
    return type(loss) in LOSSES


__all__ = [
    "LINKS",
    "LOSSES",
    "MAE",
    "BCEWithLogits",
    "GaussianNLL",
    "Huber",
    "KernelLoss",
    "Loss",
    "LossFacts",
    "MSELoss",
    "PoissonNLL",
    "Quantile",
    "SoftmaxCrossEntropy",
    "facts_of",
    "is_ours",
]
