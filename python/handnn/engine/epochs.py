"""The losses and the durations of epochs, as columns of numbers."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray


class PlainEpochs:
    """Consecutive epochs that measured nothing but their losses and their seconds.

    `validation_losses` is empty unless the engine measures held-out rows.

    A column takes 8 bytes for an epoch. A list of tuples takes 112, and as much time as training
    the smallest networks.
    """

    def __init__(self) -> None:
        self.losses, self.seconds, self.validation_losses = (array("d") for _ in range(3))

    def append(self, loss: float, seconds: float) -> None:
        """Append an epoch."""
        self.seconds.append(seconds)
        self.losses.append(loss)

    def extend(
        self,
        losses: NDArray[np.float64],
        seconds: NDArray[np.float64],
        validation_losses: NDArray[np.float64] | None = None,
    ) -> None:
        """Append epochs from arrays (E,)."""
        if validation_losses is not None:
            self.validation_losses.frombytes(validation_losses.tobytes())
        self.seconds.frombytes(seconds.tobytes())
        self.losses.frombytes(losses.tobytes())

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.losses)
