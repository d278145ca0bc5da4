"""Run: one prepared fit, from its first step, or the step of an interruption, to its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from handnn import engine
from handnn.arrays import Array
from handnn.engine import signals
from handnn.optimizers import LBFGS
from handnn.training.divergence import divergence
from handnn.training.history import Epoch
from handnn.training.interrupts import Interrupts
from handnn.training.loop import TrainingLoop, new_outputs
from handnn.training.measures import Measuring
from handnn.training.parts import Parts
from handnn.training.rows import Samples, Selection
from handnn.training.state import FitState

if TYPE_CHECKING:
    from handnn.progress import Bar
    from handnn.training.checkpoints import Checkpoint, Resumed
    from handnn.training.distributed.ranks import Ranks

MAX_EPOCHS_PER_CALL = 2**31
"""The largest number of epochs of one call of the compiled engine."""

MAX_STEPS_PER_CALL = 2**20
"""The largest number of steps of one call with a schedule, which stores a factor per step."""

BAR_UPDATE_SECONDS = 0.05
"""The time between two updates of the progress bar, for epochs shorter than this."""


@dataclass(eq=False)
class Run:
    """One fit: its parts, its rows and its progress.

    `prepare` makes a Run and changes nothing; `begin` and `train` do.
    """

    parts: Parts
    rows: Selection
    held_out: Selection | None
    sampler: engine.BatchSampler
    state: FitState
    measuring: Measuring
    callbacks: Sequence[Callable[[], object]]
    rng_state: Mapping[str, object]
    """The state of `parts.rng` once this fit has drawn its held-out rows and its seed."""
    checkpoint: Checkpoint | None = None
    interrupts: Interrupts = field(default_factory=Interrupts)
    ranks: Ranks | None = None
    """The ranks that share the batches; None for this process alone."""
    _validation: Samples = ()
    _loop: TrainingLoop = field(init=False, repr=False)

    @cached_property
    def compiles(self) -> bool:
        """Whether the fit begins in the compiled engine; callbacks may change its parts."""
        return self.parts.compiles()

    @property
    def cost(self) -> int:
        """A rough measure of the work: multiply-adds of the epochs that are left."""
        weights = sum(array.size for array in self.parts.network.params.values())
        epochs = self.state.epochs - len(self.state.history)
        return epochs * self.sampler.rows_per_epoch * (1 + weights)

    def resume_from(self, resumed: Resumed) -> None:
        """Continue an interrupted fit; raise ValueError unless arguments and data are the same."""
        state = resumed.state
        if self.checkpoint is not None:
            self.checkpoint.check_same(resumed.checkpoint)
        if state.step > self.sampler.steps:
            raise ValueError(
                f"Trainer.fit: the checkpoint is at step {state.step} of an epoch, but an epoch "
                f"has {self.sampler.steps} steps"
            )
        outputs = state.outputs
        if state.step and self.measuring.uses_training_outputs:
            done = min(state.step * self.sampler.batch_size, self.sampler.rows_per_epoch)
            dtype = self.parts.network.dtype
            if outputs is None or outputs.dtype != dtype or len(outputs) != done:
                raise ValueError("Trainer.fit: the checkpoint lacks the outputs of its last steps")
            whole = new_outputs(self.sampler, outputs.shape[1:], self.parts.network)
            whole[:done] = outputs
            outputs = whole
        stopping = self.state.early_stopping
        if stopping is not None:
            stopping.take_over(state.early_stopping)
        else:
            stopping = state.early_stopping
        is_over = state.is_over and self.state.epochs <= state.epochs
        self.state = replace(
            state,
            epochs=self.state.epochs,
            outputs=outputs,
            early_stopping=stopping,
            is_over=is_over,
        )
        if stopping is not None:
            stopping.check(self.held_out is not None, self.measuring.directions)

    def gather(self) -> None:
        """Copy the selected rows; arrays that are selected as a whole are used in place."""
        self._loop = TrainingLoop(
            parts=self.parts,
            sampler=self.sampler,
            state=self.state,
            rows=self.rows.gather(),
            keeps_outputs=self.measuring.uses_training_outputs,
            stop=self.interrupts.stop,
        )
        if self.held_out is not None:
            self._validation = self.held_out.gather()
        sharding = self.parts.sharding
        if sharding.shards > 1 or sharding.n_ranks > 1:
            from handnn.training.distributed.ranks import Ranks
            from handnn.training.distributed.step import ShardedStep

            ranks = Ranks(sharding) if self.ranks is None else self.ranks
            self._loop.sharded = ShardedStep(ranks, self.parts.network)
            self._check_same(ranks)
        if not self.measuring.measures and self.ranks is None:  # metrics need the outputs
            self._loop.held_out = self._validation

    def begin(self, is_resumed: bool) -> None:
        """Apply the changes that precede the first step."""
        self.parts.rng.bit_generator.state = self.rng_state
        if self.state.early_stopping is not None and not is_resumed:
            self.state.early_stopping.start()

    def _check_same(self, ranks: Ranks) -> None:
        """Raise ValueError unless all ranks begin the same fit."""
        things: dict[str, object] = dict(
            zip(("x", "y", "sample_weight"), self._loop.rows, strict=False)
        )
        things["validation"] = self._validation
        things["the network"] = self._weights()
        things["the loss"] = repr(self.parts.loss)
        things["the optimizer"] = repr(self.parts.optimizer)
        sampler = self.sampler
        things["the seed (rng)"] = sampler.seed
        things["shards"] = self.parts.sharding.shards
        settings = sampler.batch_size, sampler.rows_per_epoch, sampler.replacement
        things["another argument"] = settings, self.state.epochs, self.state.step
        ranks.check_same(things)

    def train(self, bar: Bar) -> None:
        """Train until all epochs are done, or a callback or early stopping ends the fit."""
        optimizer, state = self.parts.optimizer, self.state
        if isinstance(optimizer, LBFGS):  # its line search chooses when to evaluate the loss

            def after(losses: list[tuple[float, float]]) -> bool:
                epochs = engine.PlainEpochs()
                for loss, seconds in losses:
                    epochs.append(loss, seconds)
                return self._after(epochs, bar)

            optimizer.minimize(self.parts.network.params, self._loop.evaluate, state.epochs, after)
        else:
            self._train_epochs(bar)
        if state.early_stopping is not None:
            state.early_stopping.restore(self._weights())

    def _train_epochs(self, bar: Bar) -> None:
        """Train, and write checkpoints; several epochs at a time if nothing happens in between."""
        state, max_epochs = self.state, self._max_epochs_per_call()
        max_now = max_epochs if bar is None else 1
        is_written = True
        while not state.is_over and len(state.history) < state.epochs:
            epochs = engine.PlainEpochs()
            done = len(state.history)
            count = min(state.epochs - done, max_now)
            if self.checkpoint is not None:
                count = min(count, self.checkpoint.every - done % self.checkpoint.every)
            try:
                self._loop.run(count, epochs)
            except BaseException:  # counts complete epochs
                is_measured = self.held_out is None or epochs.validation_losses
                if is_measured and not self.measuring.measures:
                    state.history.extend_plain(epochs)
                raise
            self._merge_outputs()
            if len(epochs):
                state.is_over = self._after(epochs, bar)
                is_written = False
                if bar is not None:
                    last = epochs.seconds[-1] + 1e-9
                    max_now = min(max_epochs, 1 + int(BAR_UPDATE_SECONDS / last))
            is_stopped = self._is_stopped()
            if self.checkpoint is not None and (
                is_stopped or (len(epochs) and len(state.history) % self.checkpoint.every == 0)
            ):
                self._write()
                is_written = True
            signals.run_waiting()
            if is_stopped:
                raise KeyboardInterrupt
        if self.checkpoint is not None and not is_written:
            self._write()

    def _write(self) -> None:
        """Write the checkpoint; with several ranks, only the first writes it."""
        if self.checkpoint is not None and self.parts.sharding.rank == 0:
            self.checkpoint.write(self.state)

    def _merge_outputs(self) -> None:
        """Give all ranks the outputs of all rows, for the metrics and the checkpoint."""
        if self.ranks is not None and self._loop.keeps_outputs and self.state.outputs is not None:
            self.ranks.agree()
            self.ranks.merge(self.state.outputs)

    def _is_stopped(self) -> bool:
        """Return whether Ctrl-C was pressed, in any rank; compare the weights of all ranks.

        The fit is over if a callback of any rank has ended it.
        """
        stop = self.interrupts.stop
        if self.ranks is None:
            return stop.is_set
        from handnn.training.distributed.ranks import hash_of

        numbers = [self.state.is_over, hash_of(self._weights())]
        stops, every = self.ranks.agree(stop.is_set, numbers)
        self.state.is_over = bool(every[:, 0].any())
        if (every[:, 1] != every[0, 1]).any():
            raise RuntimeError(
                "Trainer.fit: the weights of the ranks differ, so a callback or a brick gives "
                f"different results in them; the hashes are {every[:, 1].tolist()}"
            )
        if stops:
            stop.set()
        return stops

    def _max_epochs_per_call(self) -> int:
        """Return the number of epochs until the next action between two epochs."""
        schedule = getattr(self.parts.optimizer, "schedule", None)
        if self.ranks is not None:
            return 1
        watches = self.callbacks or self.measuring.measures or self.state.early_stopping is not None
        if watches or getattr(schedule, "is_watching", False):
            return 1
        if self.held_out is not None and not (self._loop.held_out and self.compiles):
            return 1
        if schedule is None:
            return MAX_EPOCHS_PER_CALL
        return max(1, MAX_STEPS_PER_CALL // self.sampler.steps)

    def _after(self, epochs: engine.PlainEpochs, bar: Bar) -> bool:
        """Complete an epoch in the order that `Trainer` documents; return whether the fit ends."""
        start = perf_counter()
        validation_loss: float | None = None
        metrics: Mapping[str, float] = {}
        if epochs.validation_losses:
            validation_loss = epochs.validation_losses[-1]
        else:
            validation_loss, metrics = self._measured()
        more = perf_counter() - start
        history = self.state.history
        if len(epochs) > 1:  # in one call, so nothing else was measured between them
            history.extend_plain(epochs)
        else:
            seconds = epochs.seconds[0] + more
            history.extend([Epoch(epochs.losses[0], validation_loss, seconds, metrics)])
        epoch, number = history.last, len(history)
        if validation_loss is not None and not math.isfinite(validation_loss):
            raise divergence(self.parts, validation_loss, self._validation, number - 1)
        optimizer = self.parts.optimizer
        if getattr(getattr(optimizer, "schedule", None), "is_watching", False):
            watch: Callable[[float], object] = getattr(optimizer, "watch")  # noqa: B009
            watch(epoch.train_loss if validation_loss is None else validation_loss)
        is_over = False
        stopping = self.state.early_stopping
        if stopping is not None:
            is_over = stopping.watch(number, epoch, self._weights(), self.measuring.directions)
        if bar is not None:
            shown = {"loss": epoch.train_loss, "val": validation_loss, **metrics}
            bar.set_postfix(
                {name: f"{value:.4g}" for name, value in shown.items() if value is not None},
                refresh=False,
            )
            bar.update(len(epochs))
        return self._call_back() or is_over

    def _measured(self) -> tuple[float | None, Mapping[str, float]]:
        """Return the validation loss and the metrics of the epoch that has just ended."""
        measuring = self.measuring
        if self.held_out is not None:
            return measuring.on_validation(self._validation)
        if not measuring.measures:
            return None, {}
        rows = self._loop.rows
        if isinstance(self.parts.optimizer, LBFGS):
            return None, measuring.on_training(rows)
        order = self.sampler.order(len(rows[0]), len(self.state.history))
        return None, measuring.on_training(rows, self.state.outputs, order)

    def _call_back(self) -> bool:
        """Call the callbacks; return whether one of them ends the fit."""
        return bool(self.callbacks) and self.interrupts.calling(self._call_each)

    def _call_each(self) -> bool:
        is_over = False
        for callback in self.callbacks:
            try:
                answer = callback()
            except KeyboardInterrupt:  # from a fit in the callback, which also had to end
                if not self.interrupts.is_patient:
                    raise
            else:
                is_over |= isinstance(answer, bool | np.bool_) and bool(answer)
        return is_over

    def _weights(self) -> dict[str, Array]:
        return {**self.parts.network.params, **self.parts.network.buffers}
