"""Networks to and from PyTorch: `torch.nn.Sequential` of the layers that both have."""

from __future__ import annotations

from handnn.exchange.torch.from_modules import from_torch
from handnn.exchange.torch.to_modules import to_torch

__all__ = ["from_torch", "to_torch"]
