"""Looking inside a network: one step brick by brick, statistics of layers, the gradient check."""

from __future__ import annotations

from handnn.inside.gradients import gradient_check
from handnn.inside.statistics import LayerStatistics, layer_statistics
from handnn.inside.tracing import Trace, trace

__all__ = ["LayerStatistics", "Trace", "gradient_check", "layer_statistics", "trace"]
