"""The optimizers, one per file."""

from __future__ import annotations

from handnn.optimizers.adagrad import AdaGrad
from handnn.optimizers.adam import Adam, AdamW
from handnn.optimizers.lbfgs import LBFGS
from handnn.optimizers.optimizer import GradientOptimizer, Optimizer
from handnn.optimizers.rmsprop import RMSProp
from handnn.optimizers.sgd import SGD

OPTIMIZERS: tuple[type[GradientOptimizer], ...] = (SGD, AdaGrad, RMSProp, Adam, AdamW)
"""The gradient-based optimizers, which the engine compiles: all but LBFGS."""

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "GradientOptimizer",
    "Optimizer",
    "RMSProp",
]
