"""Networks to and from other libraries: PyTorch and ONNX, each imported when it is asked for."""

from __future__ import annotations

from handnn.exchange.onnx import to_onnx
from handnn.exchange.torch import from_torch, to_torch
from handnn.exchange.weights import load_weights

__all__ = ["from_torch", "load_weights", "to_onnx", "to_torch"]
