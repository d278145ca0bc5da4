"""What a network is trained to make small, one loss a file."""

from __future__ import annotations

from handnn.losses.loss import Loss
from handnn.losses.mse_loss import MSELoss

__all__ = ["Loss", "MSELoss"]
