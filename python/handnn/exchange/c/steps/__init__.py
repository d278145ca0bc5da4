"""Steps around a network: each in NumPy here, and as C code in `step_code`."""

from __future__ import annotations

from handnn.exchange.c.steps.bins import Bins
from handnn.exchange.c.steps.both_classes import BothClasses
from handnn.exchange.c.steps.cycles import Cycles
from handnn.exchange.c.steps.fill import Fill
from handnn.exchange.c.steps.interpolate import Interpolate
from handnn.exchange.c.steps.look_up import LookUp
from handnn.exchange.c.steps.one_hot import OneHot
from handnn.exchange.c.steps.rates import Rates
from handnn.exchange.c.steps.row_step import OutputStep, RowStep
from handnn.exchange.c.steps.scale import Scale

__all__ = [
    "Bins",
    "BothClasses",
    "Cycles",
    "Fill",
    "Interpolate",
    "LookUp",
    "OneHot",
    "OutputStep",
    "Rates",
    "RowStep",
    "Scale",
]
