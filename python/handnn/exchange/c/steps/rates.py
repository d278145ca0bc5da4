"""Rates: the rates of counts from the logarithms that a network returns."""

from __future__ import annotations

from dataclasses import dataclass

from handnn.arrays import Array
from handnn.exchange.c.steps.scale import Scale
from handnn.tables.objective import rates


@dataclass(frozen=True, eq=False)
class Rates(Scale):
    """Return rates of outputs: ``out = exp(x)·scale + mean``; x, out (N, O)."""

    def undo(self, x: Array) -> Array:
        """Return the rates."""
        return super().undo(rates(x))
