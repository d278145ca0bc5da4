"""The training losses and the durations of epochs, as columns of numbers."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray


class PlainEpochs:
    """Consecutive epochs that measured nothing but their training loss and their seconds.

    A column takes 8 bytes for an epoch. A list of tuples takes 112, and as much time as training
    the smallest networks.
    """

    def __init__(self) -> None:
        self.losses, self.seconds = array("d"), array("d")

    def append(self, loss: float, seconds: float) -> None:
        """Append an epoch."""
        self.seconds.append(seconds)
        self.losses.append(loss)

    def extend(self, losses: NDArray[np.float64], seconds: NDArray[np.float64]) -> None:
        """Append epochs from arrays (E,)."""
        self.seconds.frombytes(seconds.tobytes())
        self.losses.frombytes(losses.tobytes())

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.losses)
