"""Networks as one C99 header: for a microcontroller, or any program without Python."""

from __future__ import annotations

from handnn.exchange.c.export import to_c
from handnn.exchange.c.steps import Bins, Cycles, Fill, Interpolate, LookUp, OneHot, RowStep, Scale

Bend, Look, Step = Interpolate, LookUp, RowStep
"""The old names of three functions."""

__all__ = [
    "Bend",
    "Bins",
    "Cycles",
    "Fill",
    "Interpolate",
    "Look",
    "LookUp",
    "OneHot",
    "RowStep",
    "Scale",
    "Step",
    "to_c",
]
