"""Networks to and from PyTorch, to ONNX and C, and weights from files.

PyTorch and onnx are imported when they are first needed.
"""

from __future__ import annotations

from handnn.exchange.c import to_c
from handnn.exchange.onnx import to_onnx
from handnn.exchange.torch import from_torch, to_torch
from handnn.exchange.weights import load_weights

__all__ = ["from_torch", "load_weights", "to_c", "to_onnx", "to_torch"]
