"""Networks and table models to ONNX."""

from __future__ import annotations

from handnn.exchange.onnx.export import to_onnx

__all__ = ["to_onnx"]
