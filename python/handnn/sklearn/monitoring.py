"""The callback that ends a training as scikit-learn does, and keeps the best weights."""

from __future__ import annotations

import math
from collections.abc import Callable

from handnn.arrays import Array
from handnn.optimizers import SGD
from handnn.training.history import Epoch
from handnn.training.trainer import Trainer

MIN_RATE = 1e-6
"""scikit-learn's "adaptive" ends when the learning rate falls below this."""


class ProgressMonitor:
    """Decides after every epoch whether to end; a callback of one Trainer.

    Training ends after more than `patience` epochs in a row (None: never) whose value is not above
    the best by `tol`.

    Parameters:
        value: returns the value of an epoch, higher is better.
        restores: whether to keep the best weights, for `restore`.
        divides: whether to divide the learning rate by 5 instead of ending, down to 1e-6.
    """

    def __init__(
        self,
        value: Callable[[Epoch], float],
        patience: float | None,
        tol: float,
        *,
        restores: bool = False,
        divides: bool = False,
    ) -> None:
        self.value = value
        self.patience = math.inf if patience is None else patience
        self.tol = tol
        self.restores = restores
        self.divides = divides
        self.best = -math.inf
        self.waited = 0
        self.has_stopped = False
        self.has_diverged = False
        self.kept: dict[str, Array] = {}

    def __call__(self, trainer: Trainer) -> bool:
        """Return whether training ends after this epoch."""
        value = self.value(trainer.history.last)
        self.waited = 0 if value >= self.best + self.tol else self.waited + 1
        if value > self.best:
            self.best = value
            if self.restores:
                arrays = {**trainer.network.params, **trainer.network.buffers}
                self.kept = {name: array.copy() for name, array in arrays.items()}
        if self.waited <= self.patience:
            return False
        optimizer = trainer.optimizer
        if self.divides and isinstance(optimizer, SGD) and optimizer.lr > MIN_RATE:
            optimizer.lr /= 5
            self.waited = 0
            return False
        self.has_stopped = True
        return True

    def end_at_divergence(self) -> bool:
        """Note that the loss is not finite; return whether there are best weights to restore."""
        self.has_diverged = self.has_stopped = bool(self.kept)
        return self.has_diverged

    def restore(self, trainer: Trainer) -> None:
        """Copy the best weights, if they were kept, into the network."""
        for name, array in {**trainer.network.params, **trainer.network.buffers}.items():
            if name in self.kept:
                array[...] = self.kept[name]


class IterationPrinter:
    """Prints scikit-learn's line for every epoch; a callback of one Trainer.

    factor: the ratio of scikit-learn's loss to handnn's.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, trainer: Trainer) -> bool:
        """Print the line, and the validation score if there is one; never end training."""
        epoch = trainer.history.last
        print(f"Iteration {len(trainer.history)}, loss = {self.factor * epoch.train_loss:.8f}")
        if "score" in epoch.metrics:
            print(f"Validation score: {epoch.metrics['score']:f}")
        return False
