"""Run: one fit from its first epoch, or from where it was interrupted, to its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, cast

import numpy as np

from handnn import engine
from handnn.arrays import Array
from handnn.losses import KernelLoss, Loss
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.optimizers import LBFGS, GradientOptimizer, Optimizer
from handnn.training.checkpoints import Checkpoint, Progress
from handnn.training.divergence import DivergenceError, divergence
from handnn.training.history import Epoch
from handnn.training.interrupts import Interrupts
from handnn.training.measures import Measure
from handnn.training.rows import Rows

if TYPE_CHECKING:
    from handnn.progress import Bar

MOST_EPOCHS = 2**31
"""What one call of the engine is asked for at the most; there may be many."""

MOST_STEPS = 2**20
"""What it is asked for at the most when each step has a learning rate of its own."""

BETWEEN_LOOKS = 0.05
"""Seconds for which epochs may pass without notice when a bar is all that looks at them."""


@dataclass
class Run:
    """What one fit trains, on which rows, how far it is, and who looks on."""

    network: Network
    loss: Loss
    optimizer: Optimizer
    rows: Rows
    held_out: Rows | None
    plan: engine.Plan
    wanted_engine: str
    """`Trainer.engine`."""
    at: Progress
    measures: list[Measure]
    callbacks: Sequence[Callable[[], object]]
    checkpoint: Checkpoint | None = None
    prepared: engine.Prepared | None = None
    """None when an epoch of the bricks comes next."""
    interrupts: Interrupts = field(default_factory=Interrupts)

    def go_on(self, checkpoint: Checkpoint, at: Progress) -> None:
        """Take over what was done; ValueError unless that was the same fit of the same data."""
        mine = cast(Checkpoint, self.checkpoint)
        mine.check_same(checkpoint)
        outputs = at.outputs
        if at.step > self.plan.steps:
            raise ValueError(f"Trainer.fit: an epoch has no step {at.step}, as the checkpoint has")
        if at.step and self._measures_training:
            done = min(at.step * self.plan.batch_size, self.plan.rows_per_epoch)
            if outputs is None or outputs.dtype != self.network.dtype or len(outputs) != done:
                raise ValueError("Trainer.fit: the checkpoint has not the outputs of its steps")
            whole = self._new_outputs(outputs.shape[1:])
            whole[:done] = outputs
            outputs = whole
        if self.at.early_stopping is not None:
            self.at.early_stopping.take_over(at.early_stopping)
        stopping = self.at.early_stopping or at.early_stopping
        is_over = at.is_over and self.at.epochs <= at.epochs
        self.at = replace(
            at, epochs=self.at.epochs, outputs=outputs, early_stopping=stopping, is_over=is_over
        )
        if stopping is not None:
            stopping.check(self.held_out is not None, self.directions)

    def train(self, bar: Bar) -> None:
        """Train until `at.epochs` are done, or someone ends it."""
        at = self.at
        if isinstance(self.optimizer, LBFGS):  # its line search needs the loop to itself

            def after(losses: list[tuple[float, float]]) -> bool:
                return self._after(losses, bar)

            self.optimizer.minimize(self.network.params, self._evaluate, at.epochs, after)
        else:
            self._train_epochs(bar)
        if at.early_stopping is not None:
            at.early_stopping.restore(self._weights())

    def _train_epochs(self, bar: Bar) -> None:
        at, most = self.at, self._epochs_at_once()
        most_now = most if bar is None else 1
        is_written = True
        while not at.is_over and len(at.history) < at.epochs:
            losses: list[tuple[float, float]] = []
            done = len(at.history)
            count = min(at.epochs - done, most_now)
            if self.checkpoint is not None:
                count = min(count, self.checkpoint.every - done % self.checkpoint.every)
            try:
                (self._run_compiled if self._compiles() else self._run_bricks)(count, losses)
            except BaseException:  # interrupted or not, an epoch that is whole counts
                if self.held_out is None and not self.measures:
                    at.history.extend(Epoch(loss, None, seconds) for loss, seconds in losses)
                raise
            if losses:
                at.is_over = self._after(losses, bar)
                is_written = False
                if bar is not None:
                    most_now = min(most, 1 + int(BETWEEN_LOOKS / (losses[-1][1] + 1e-9)))
            is_stopped = self.interrupts.stop.is_set
            if self.checkpoint is not None and (
                is_stopped or len(at.history) % self.checkpoint.every == 0
            ):
                self.checkpoint.write(at)
                is_written = True
            if is_stopped:
                raise KeyboardInterrupt
        if self.checkpoint is not None and not is_written:
            self.checkpoint.write(at)

    def _epochs_at_once(self) -> int:
        """Return how many epochs may pass before someone wants to look."""
        schedule = getattr(self.optimizer, "schedule", None)
        looks = self.callbacks or self.measures or self.at.early_stopping is not None
        if looks or self.held_out is not None or getattr(schedule, "is_watching", False):
            return 1
        return MOST_EPOCHS if schedule is None else max(1, MOST_STEPS // self.plan.steps)

    def _run_bricks(self, epochs: int, losses: list[tuple[float, float]]) -> None:
        """Train for `epochs` epochs, and add the loss and the seconds of each to `losses`.

        The visible loop: for every batch forward, loss, backward, and a step of the optimizer.
        """
        at, size = self.at, self.plan.batch_size
        first_epoch = len(at.history)
        for epoch in range(first_epoch, first_epoch + epochs):
            start = perf_counter()
            order = self.plan.order(len(self.rows[0]), epoch)
            while at.step < self.plan.steps:
                if self.interrupts.stop.is_set:
                    return
                batch = order[at.step * size : (at.step + 1) * size]
                rows = tuple(array[batch] for array in self.rows)
                loss, pre = loss_and_gradients(self.network, self.loss, *rows)
                total = at.total + len(batch) * loss
                if not math.isfinite(total):
                    raise self._diverged(loss, epoch, rows)
                self.optimizer.step(self.network.params, self.network.grads)
                self._keep(pre, at.step * size)
                at.step, at.total = at.step + 1, total
            losses.append((at.total / len(order), perf_counter() - start))
            at.step, at.total = 0, 0.0

    def _run_compiled(self, epochs: int, losses: list[tuple[float, float]]) -> None:
        """Do what `_run_bricks` does, in one call."""
        at, done = self.at, len(self.at.history)
        shape = (self.network.sizes["out"],) if self._measures_training else ()
        if shape and (at.outputs is None or at.outputs.shape[1:] != shape):
            at.outputs = self._new_outputs(shape)
        steps, at.total = engine.train(
            self.network.layers,
            cast(KernelLoss, self.loss),
            cast(GradientOptimizer, self.optimizer),
            self.rows,
            plan=self.plan,
            epochs=epochs,
            first_epoch=done,
            losses=losses,
            first_step=at.step,
            total=at.total,
            outputs=at.outputs if self._measures_training else None,
            stop=self.interrupts.stop,
            prepared=self.prepared,
        )
        at.step += steps - len(losses) * self.plan.steps
        if not math.isfinite(at.total):
            epoch = done + len(losses)
            first = at.step * self.plan.batch_size
            order = self.plan.order(len(self.rows[0]), epoch)
            batch = order[first : first + self.plan.batch_size]
            raise self._diverged(at.total, epoch, tuple(array[batch] for array in self.rows))

    def _compiles(self) -> bool:
        """Return whether the engine can have the next epoch: callbacks may change the bricks."""
        layers, optimizer = self.network.layers, cast(GradientOptimizer, self.optimizer)
        if self.prepared is None or not self.prepared.is_still(layers, optimizer):
            compiles = engine.compiles(self.wanted_engine, layers, self.loss, optimizer)
            self.prepared = engine.Prepared(layers, optimizer) if compiles else None
        return self.prepared is not None

    def _after(self, losses: list[tuple[float, float]], bar: Bar) -> bool:
        """Look at what was trained, in the order that `Trainer` tells; return if it is over."""
        start = perf_counter()
        at = self.at
        validation_loss, metrics = self._measured()
        more = perf_counter() - start
        at.history.extend(
            Epoch(loss, validation_loss, more + last, metrics) for loss, last in losses
        )
        epoch, number = at.history.last, len(at.history)
        if validation_loss is not None and not math.isfinite(validation_loss):
            raise self._diverged(validation_loss, number - 1, cast(Rows, self.held_out), False)
        if getattr(getattr(self.optimizer, "schedule", None), "is_watching", False):
            cast(GradientOptimizer, self.optimizer).watch(
                epoch.train_loss if validation_loss is None else validation_loss
            )
        is_over = False
        if at.early_stopping is not None:
            is_over = at.early_stopping.watch(number, epoch, self._weights(), self.directions)
        if bar is not None:
            shown = {"loss": epoch.train_loss, "val": validation_loss, **metrics}
            bar.set_postfix(
                {name: f"{value:.4g}" for name, value in shown.items() if value is not None},
                refresh=False,
            )
            bar.update(len(losses))
        if self.callbacks:
            with self.interrupts.calling():
                for callback in self.callbacks:
                    try:
                        answer = callback()
                    except KeyboardInterrupt:  # of a fit within it, that had to end as this one
                        if not self.interrupts.is_patient:
                            raise
                    else:
                        is_over |= isinstance(answer, bool | np.bool_) and bool(answer)
        return is_over

    def _measured(self) -> tuple[float | None, Mapping[str, float]]:
        """Return validation loss and metrics after the epoch that follows those of the history."""
        if self.held_out is not None:
            x, y, *weight = self.held_out
            pre = self.network.predict(x)
            y = as_column(y, pre)
            loss = float(self.loss.forward(pre, y, *weight))
            return loss, self._metrics(y, pre, *weight)
        if not self.measures:
            return None, {}
        x, y, *weight = self.rows
        if isinstance(self.optimizer, LBFGS):
            pre = self.network.predict(x)
        else:
            pre = cast(Array, self.at.outputs)
            order = self.plan.order(len(x), len(self.at.history))
            y, *weight = (array[order] for array in (y, *weight))
        return None, self._metrics(as_column(y, pre), pre, *weight)

    def _metrics(self, y: Array, pre: Array, *weight: Array) -> dict[str, float]:
        return {a.name: a.of(self.loss, y, pre, *weight) for a in self.measures}

    @property
    def directions(self) -> dict[str, bool | None]:
        """Of each metric whether more is better."""
        return {measure.name: measure.higher_is_better for measure in self.measures}

    @property
    def _measures_training(self) -> bool:
        return bool(self.measures) and self.held_out is None

    def _keep(self, pre: Array, first: int) -> None:
        """Keep the outputs of a batch for the metrics, if they are of the training rows."""
        if not self._measures_training:
            return
        if self.at.outputs is None or self.at.outputs.shape[1:] != pre.shape[1:]:
            self.at.outputs = self._new_outputs(pre.shape[1:])
        self.at.outputs[first : first + len(pre)] = pre

    def _new_outputs(self, shape: tuple[int, ...]) -> Array:
        return np.empty((self.plan.rows_per_epoch, *shape), self.network.dtype)

    def _weights(self) -> dict[str, Array]:
        return {**self.network.params, **self.network.buffers}

    def _evaluate(self) -> tuple[float, dict[str, Array | None]]:
        if self.interrupts.stop.is_set:
            raise KeyboardInterrupt
        loss, _ = loss_and_gradients(self.network, self.loss, *self.rows)
        return loss, self.network.grads

    def _diverged(
        self, loss: float, epoch: int, rows: Rows, is_training: bool = True
    ) -> DivergenceError:
        named = dict(zip(("x", "y", "sample_weight"), rows, strict=False))
        step = self.at.step + 1 if is_training else None
        return divergence(loss, epoch + 1, step, named, self.network.params, self.optimizer)


def loss_and_gradients(
    network: Network, loss: Loss, x: Array, y: Array, *weight: Array
) -> tuple[float, Array]:
    """Go forward and backward once; return the loss and the outputs that it is of."""
    engine.check_stop()
    with network.in_mode(training=True):
        pre = network.forward(x)
        value = float(loss.forward(pre, as_column(y, pre), *weight))
        network.backward(loss.backward())
    return value, pre
