"""EarlyStopping: end training when it no longer improves, and restore the best weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import SupportsIndex

import numpy as np

from handnn.arrays import Array, check_type, non_negative_number, whole_number
from handnn.training.history import Epoch


class EarlyStopping:
    """End `Trainer.fit` after `patience` consecutive epochs without improvement.

        improved = value < best - min_delta      (value > best + min_delta if higher is better)
        ends at epoch best_epoch + patience + growth·best_epoch

    patience: the number of epochs, at least 1.
    growth: epochs of patience more for each epoch up to the best one, finite and not negative: a
        late best epoch is waited for longer, as a schedule such as DoublingCycles needs it.
    min_delta: the smallest improvement that counts, finite and not negative.
    monitor: "loss" for the validation loss, or the training loss without validation; or
    "train_loss", "validation_loss" or the name of a metric. NaN is never an improvement.
    restore_best: whether the network has the weights of the best epoch when `fit` returns, whether
    or not training was stopped early. They include the running statistics of BatchNorm. If `fit`
    raises, call `restore`.
    higher_is_better: the direction of a metric that is a function; known for all others.

    The training loss of an epoch is measured during the epoch, so its best weights are close to
    those of the epoch before. Prefer validation.

    Each `fit` starts over. One EarlyStopping serves one training at a time.

    Attributes:
        best: The best value so far; None before the first epoch ends.
        best_epoch: Its epoch, counted from 1; None before the first epoch.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If patience is below 1, or min_delta or growth is negative or not finite.

    Examples:
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> trainer = handnn.Trainer(
        ...     handnn.mlp([1, 8, 1], rng=0), handnn.MSELoss(), handnn.SGD(0.1), rng=0
        ... )
        >>> stopping = handnn.EarlyStopping(patience=3, min_delta=1e-3)
        >>> history = trainer.fit(
        ...     x, x**2, epochs=500, batch_size=8, validation=0.25, early_stopping=stopping
        ... )
        >>> len(history) == stopping.best_epoch + 3
        True
    """

    def __init__(
        self,
        patience: SupportsIndex = 10,
        min_delta: float = 0.0,
        monitor: str = "loss",
        restore_best: bool = True,
        higher_is_better: bool | None = None,
        growth: float = 0.0,
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
        self.growth = non_negative_number(growth, "EarlyStopping: growth")
        self.start()

    @property
    def settings(self) -> dict[str, object]:
        """The constructor's arguments, by name."""
        return {
            "patience": self.patience,
            "min_delta": self.min_delta,
            "monitor": self.monitor,
            "restore_best": self.restore_best,
            "higher_is_better": self.higher_is_better,
            "growth": self.growth,
        }

    def start(self) -> None:
        """Start over, with no best value."""
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.waited = 0
        self.best_arrays: dict[str, Array] = {}

    def take_over(self, other: EarlyStopping | None) -> None:
        """Continue from the state of `other`; raise ValueError if its settings differ."""
        if other is not None:
            check_type(other, EarlyStopping, "EarlyStopping.take_over: other")
        if other is None or other.settings != self.settings:
            raise ValueError(
                f"Trainer.fit: early_stopping is {self}, but the interrupted fit had {other}"
            )
        self.best, self.best_epoch, self.waited = other.best, other.best_epoch, other.waited
        self.best_arrays = other.best_arrays

    def check(self, has_validation: bool, metrics: Mapping[str, bool | None]) -> None:
        """Raise ValueError if `monitor` is not measured, or if its direction is not known.

        metrics: for each metric, whether higher is better; None if unknown.
        """
        check_type(metrics, Mapping, "EarlyStopping.check: metrics")
        known = ["loss", "train_loss", *metrics]
        if has_validation:
            known.insert(2, "validation_loss")
        if self.monitor not in known:
            raise ValueError(
                f"EarlyStopping: monitor must be one of {', '.join(known)}, but is {self.monitor!r}"
            )
        self._prefers_more(metrics)

    def watch(
        self,
        number: int,
        epoch: Epoch,
        arrays: Mapping[str, Array],
        metrics: Mapping[str, bool | None],
    ) -> bool:
        """Record the measurements of an epoch; return whether training ends after it.

        arrays: the weights after the epoch, which are copied if it is the best so far.
        """
        check_type(epoch, Epoch, "EarlyStopping.watch: epoch")
        check_type(arrays, Mapping, "EarlyStopping.watch: arrays")
        check_type(metrics, Mapping, "EarlyStopping.watch: metrics")
        value = self._value(epoch)
        sign = -1.0 if self._prefers_more(metrics) else 1.0
        best = math.inf if self.best is None else sign * self.best
        if sign * value < best - self.min_delta:
            self.best, self.best_epoch, self.waited = value, number, 0
            if self.restore_best:
                self._keep(arrays)
        else:
            self.waited += 1
        return self.waited >= self.patience + self.growth * (self.best_epoch or 0)

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Write the best weights into `arrays`: ``{**network.params, **network.buffers}``."""
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
                f"EarlyStopping: metric {self.monitor} is a function, so higher_is_better must be "
                "True or False"
            )
        if self.higher_is_better is not None:
            raise ValueError(
                f"EarlyStopping: higher_is_better must be {known} for {self.monitor}, but is "
                f"{self.higher_is_better}"
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
        """Return the call that builds it."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"EarlyStopping({settings})"
