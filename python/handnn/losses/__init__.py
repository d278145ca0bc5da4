"""What a network is trained to make small, one loss a file."""

from __future__ import annotations

from handnn.losses.bce_with_logits import BCEWithLogits
from handnn.losses.gaussian_nll import GaussianNLL
from handnn.losses.huber import Huber
from handnn.losses.loss import KernelLoss, Loss
from handnn.losses.mae import MAE
from handnn.losses.mse_loss import MSELoss
from handnn.losses.poisson_nll import PoissonNLL
from handnn.losses.quantile import Quantile
from handnn.losses.softmax_cross_entropy import SoftmaxCrossEntropy

LOSSES = (
    BCEWithLogits,
    GaussianNLL,
    Huber,
    MAE,
    MSELoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
)
"""Every loss of handnn: what the engine knows."""

__all__ = [
    "LOSSES",
    "MAE",
    "BCEWithLogits",
    "GaussianNLL",
    "Huber",
    "KernelLoss",
    "Loss",
    "MSELoss",
    "PoissonNLL",
    "Quantile",
    "SoftmaxCrossEntropy",
]
