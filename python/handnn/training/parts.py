"""Parts: the objects that a training uses and changes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handnn import engine
from handnn.losses import Loss
from handnn.network import Network
from handnn.optimizers import Optimizer
from handnn.training.distributed.sharding import Sharding


class Parts(NamedTuple):
    """The attributes of a `Trainer`, under the same names, when `fit` is called."""

    network: Network
    loss: Loss
    optimizer: Optimizer
    engine: str
    rng: np.random.Generator
    sharding: Sharding = Sharding()

    def compiles(self) -> bool:
        """Return whether training runs in the compiled engine, given its current parts.

        Raises ValueError if `engine` is "compiled", but a part cannot be compiled.
        """
        return engine.compiles(self.engine, self.network.layers, self.loss, self.optimizer)
