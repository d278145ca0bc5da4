"""Training: one network of an estimator, or several, and who watches them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from handnn.arrays import Array
from handnn.training.history import Epoch
from handnn.training.many import train_many
from handnn.training.trainer import Trainer

LEAST_RATE = 1e-6
"""scikit-learn's "adaptive" ends here."""


class Watch:
    """Decides after every epoch as scikit-learn does; a callback of one Trainer.

    value: of an epoch, the more the better; None watches nothing. Training ends after more than
    `patience` epochs in a row (None: never) whose value is not above the best by `tol`, or, with
    `divides`, the learning rate is then divided by 5, down to 1e-6. With `restores` the best
    weights are kept, for `restore`.
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
        self.kept: dict[str, Array] = {}

    def __call__(self, trainer: Trainer) -> bool:
        """Return whether to end here."""
        value = self.value(trainer.history.last)
        self.waited = 0 if value >= self.best + self.tol else self.waited + 1
        if value > self.best:
            self.best = value
            if self.restores:
                arrays = {**trainer.network.params, **trainer.network.buffers}
                self.kept = {name: array.copy() for name, array in arrays.items()}
        if self.waited <= self.patience:
            return False
        optimizer: Any = trainer.optimizer
        if self.divides and optimizer.lr > LEAST_RATE:
            optimizer.lr /= 5
            self.waited = 0
            return False
        self.has_stopped = True
        return True

    def restore(self, trainer: Trainer) -> None:
        """Give the network the best weights, if they were kept."""
        for name, array in {**trainer.network.params, **trainer.network.buffers}.items():
            if name in self.kept:
                array[...] = self.kept[name]


@dataclass
class Job:
    """One network to train: `Trainer.fit` with these arguments."""

    trainer: Trainer
    arguments: dict[str, Any]
    watch: Watch | None = None


def train_all(jobs: Sequence[Job], threads: int) -> bool:
    """Run the jobs, so many at a time; each network has the bits that it would have alone.

    Ctrl-C ends all with a warning, and what was learnt stays, as in scikit-learn. Returns whether
    all came to their end.
    """
    is_whole = True
    try:
        if threads == 1 or len(jobs) == 1:
            for job in jobs:
                job.trainer.fit(**job.arguments)
        else:
            trainers = [job.trainer for job in jobs]
            train_many(trainers, each=[job.arguments for job in jobs], threads=threads)
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=6)
        is_whole = False
    for job in jobs:
        if job.watch is not None:
            job.watch.restore(job.trainer)
    return is_whole
