"""How gradients become steps, one optimizer a file."""

from __future__ import annotations

from handnn.optimizers.optimizer import Optimizer
from handnn.optimizers.sgd import SGD

__all__ = ["SGD", "Optimizer"]
