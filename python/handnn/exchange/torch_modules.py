"""The old name of `handnn.exchange.torch.modules`, for imports and for pickled modules."""

from __future__ import annotations

from handnn.exchange.torch.modules import Embedding, Residual

__all__ = ["Embedding", "Residual"]
