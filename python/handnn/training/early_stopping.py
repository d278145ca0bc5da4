"""EarlyStopping: end training when it no longer gets better, and keep the best weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import SupportsIndex

import numpy as np

from handnn.arrays import Array, non_negative_number, whole_number
from handnn.training.history import Epoch


class EarlyStopping:
    """Ends training after `patience` epochs in a row without a new best, for `Trainer.fit`.

        better = value < best - min_delta      or, where more is better, value > best + min_delta

    monitor: "loss" is the validation loss if there is one and else the training loss; or
    "train_loss", "validation_loss", or the name of a metric that is measured. For a metric of your
    own, say `higher_is_better`; of all others it is known. NaN is never better.

    With restore_best the network has the weights of the best epoch when `fit` returns, whatever
    ended it (not when it raises: then call `restore`). BatchNorm's running statistics are weights
    here. A training loss is measured while an epoch goes on, so the weights that belong to it are
    nearly those of the epoch before: hold rows out.

    `best` and `best_epoch`, counted from 1, tell the best value and when it was; None before. Every
    `fit` starts anew. Raises TypeError or ValueError for a patience that is no int from 1, a
    min_delta that is negative or not finite, a monitor that is no name.
    """

    def __init__(
        self,
        patience: SupportsIndex = 10,
        min_delta: float = 0.0,
        monitor: str = "loss",
        restore_best: bool = True,
        higher_is_better: bool | None = None,
    ) -> None:
        self.patience = whole_number(patience, "EarlyStopping: patience")
        self.min_delta = non_negative_number(min_delta, "EarlyStopping: min_delta")
        if not isinstance(monitor, str):
            raise TypeError(f"EarlyStopping: monitor must be a name, but is {monitor!r}")
        self.monitor = monitor
        if not isinstance(restore_best, bool):
            raise TypeError(f"EarlyStopping: restore_best must be a bool, but is {restore_best!r}")
        self.restore_best = restore_best
        if not (higher_is_better is None or isinstance(higher_is_better, bool)):
            raise TypeError(
                "EarlyStopping: higher_is_better must be a bool or None, but is "
                f"{higher_is_better!r}"
            )
        self.higher_is_better = higher_is_better
        self.start()

    @property
    def settings(self) -> dict[str, object]:
        """The arguments that build it again."""
        return {
            "patience": self.patience,
            "min_delta": self.min_delta,
            "monitor": self.monitor,
            "restore_best": self.restore_best,
            "higher_is_better": self.higher_is_better,
        }

    def start(self) -> None:
        """Forget what was."""
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.waited = 0
        self.best_arrays: dict[str, Array] = {}

    def take_over(self, other: EarlyStopping | None) -> None:
        """Go on where `other` was; raise ValueError unless it has the same settings."""
        if other is None or other.settings != self.settings:
            raise ValueError(
                f"Trainer.fit: early_stopping is {self}, but the interrupted fit had {other}"
            )
        self.best, self.best_epoch, self.waited = other.best, other.best_epoch, other.waited
        self.best_arrays = other.best_arrays

    def check(self, has_validation: bool, metrics: Mapping[str, bool | None]) -> None:
        """Raise ValueError when what is monitored is not measured, or better may mean anything.

        metrics: of each whether more is better, None where that is not known.
        """
        known = ["loss", "train_loss", *["validation_loss"] * has_validation, *metrics]
        if self.monitor not in known:
            raise ValueError(
                f"EarlyStopping: monitor is {self.monitor!r}, but measured are {', '.join(known)}"
            )
        self._prefers_more(metrics)

    def watch(
        self,
        number: int,
        epoch: Epoch,
        arrays: Mapping[str, Array],
        metrics: Mapping[str, bool | None],
    ) -> bool:
        """Take notice of an epoch, which left the weights `arrays`; return whether to end there."""
        value = self._value(epoch)
        sign = -1.0 if self._prefers_more(metrics) else 1.0
        best = math.inf if self.best is None else sign * self.best
        if sign * value < best - self.min_delta:
            self.best, self.best_epoch, self.waited = value, number, 0
            if self.restore_best:
                self._keep(arrays)
        else:
            self.waited += 1
        return self.waited >= self.patience

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Write the best weights into `arrays`, ``{**network.params, **network.buffers}``."""
        for name, array in self.best_arrays.items():
            arrays[name][...] = array

    def _value(self, epoch: Epoch) -> float:
        if self.monitor in epoch.metrics:
            return epoch.metrics[self.monitor]
        if self.monitor == "train_loss" or epoch.validation_loss is None:
            return epoch.train_loss
        return epoch.validation_loss

    def _prefers_more(self, metrics: Mapping[str, bool | None]) -> bool:
        known = metrics.get(self.monitor) if self.monitor in metrics else False
        if self.higher_is_better is not None and known in (None, self.higher_is_better):
            return self.higher_is_better
        if known is None:
            raise ValueError(
                f"EarlyStopping: say higher_is_better=True or False, for {self.monitor} is a "
                "metric of your own"
            )
        if self.higher_is_better is not None:
            raise ValueError(
                f"EarlyStopping: higher_is_better is {self.higher_is_better}, but of "
                f"{self.monitor} that is {known}"
            )
        return known

    def _keep(self, arrays: Mapping[str, Array]) -> None:
        for name, array in arrays.items():
            kept = self.best_arrays.get(name)
            if kept is None or kept.shape != array.shape or kept.dtype != array.dtype:
                self.best_arrays[name] = array.copy()
            else:
                np.copyto(kept, array)

    def __repr__(self) -> str:
        """Show how to build it again."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"EarlyStopping({settings})"
