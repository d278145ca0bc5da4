"""Looking inside: one step brick by brick, and what activations and gradients are like."""

from __future__ import annotations

from handnn.inside.statistics import LayerStatistics, layer_statistics
from handnn.inside.tracing import Trace, trace

__all__ = ["LayerStatistics", "Trace", "layer_statistics", "trace"]
