"""Networks as one C99 header: for a microcontroller, or for any program without Python."""

from __future__ import annotations

from handnn.exchange.c.header import to_c
from handnn.exchange.c.steps import Fill, Interpolate, OneHot, Scale, Step

__all__ = ["Fill", "Interpolate", "OneHot", "Scale", "Step", "to_c"]
