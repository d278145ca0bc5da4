"""Networks to and from PyTorch: `torch.nn.Sequential` of the layers that both have."""

from __future__ import annotations

from handnn.exchange.torch.export import to_torch
from handnn.exchange.torch.from_modules import from_torch

__all__ = ["from_torch", "to_torch"]
