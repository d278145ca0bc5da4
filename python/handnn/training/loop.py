"""The training loop, in Python or in the compiled engine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from handnn import engine
from handnn.arrays import Array
from handnn.engine import signals
from handnn.layers import Dropout
from handnn.layers.sequence import walk
from handnn.losses import Loss, is_ours
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.optimizers import GradientOptimizer
from handnn.training.divergence import DivergenceError, divergence
from handnn.training.parts import Parts
from handnn.training.rows import Samples
from handnn.training.state import FitState

if TYPE_CHECKING:
    from handnn.training.distributed.step import ShardedStep


@dataclass
class TrainingLoop:
    """Take the steps of one fit on its training rows, and record them in `state`."""

    parts: Parts
    sampler: engine.BatchSampler
    state: FitState
    rows: Samples
    keeps_outputs: bool
    """Whether `state.outputs` receives the outputs of the epoch, for the metrics."""
    stop: engine.Stop
    held_out: Samples = ()
    """The rows whose loss the compiled engine measures after each epoch; () for none."""
    sharded: ShardedStep | None = None
    """The slices of each batch; None if a batch is one slice, and one rank trains."""
    program: engine.TrainingProgram | None = None
    """The compiled parts; None for the Python loop."""
    has_agreed_to_stop: bool = False
    """Whether a rank was asked to stop in the last step."""

    def run(self, count: int, epochs: engine.PlainEpochs) -> None:
        """Train for `count` epochs, and append them to `epochs`.

        Starts at ``state.step`` of the first epoch. Ends early, after a complete step, once `stop`
        is set or a signal waits. Raises DivergenceError at a loss that is not finite.
        """
        self.parts.sharding.check(self.parts.network.layers)  # a callback may have changed them
        program = self._current_program()
        if program is not None:
            self._run_compiled(program, count, epochs)
        else:
            self._run_bricks(count, epochs)

    def _current_program(self) -> engine.TrainingProgram | None:
        """Return the compiled parts, or None if the current parts cannot be compiled."""
        network, loss, optimizer = self.parts[:3]
        if self.program is None or not self.program.is_still(network.layers):
            self.program = None
            if self.parts.compiles() and is_ours(loss) and isinstance(optimizer, GradientOptimizer):
                self.program = engine.TrainingProgram(network.layers, loss, optimizer)
        return self.program

    def _run_bricks(self, count: int, epochs: engine.PlainEpochs) -> None:
        """Run the Python loop: for each batch forward, loss, backward and an optimizer step."""
        state, size = self.state, self.sampler.batch_size
        network, optimizer = self.parts.network, self.parts.optimizer
        first_epoch, before = len(state.history), Before(network)
        for epoch in range(first_epoch, first_epoch + count):
            start = perf_counter()
            order = self.sampler.order(len(self.rows[0]), epoch)
            while state.step < self.sampler.steps:
                if self._is_to_stop() or (self.sharded is None and signals.is_waiting()):
                    return
                batch = order[state.step * size : (state.step + 1) * size]
                # array[batch] raises SystemError when memory runs out (NumPy 2.4).
                rows = tuple(array.take(batch, axis=0) for array in self.rows)
                before.remember()
                try:
                    value, pre, grads = self._loss_and_gradients(rows)
                    total, done = state.total + len(batch) * value, state.step + 1
                    if not math.isfinite(total):
                        raise divergence(self.parts, total, rows, epoch, state.step)
                    if self.keeps_outputs:
                        self._keep(pre, state.step * size, len(batch))
                    optimizer.step(network.params, grads)
                except DivergenceError:
                    raise
                except BaseException:
                    before.restore()
                    raise
                state.step, state.total = done, total
            epochs.append(state.total / len(order), perf_counter() - start)
            state.step, state.total = 0, 0.0

    def _run_compiled(
        self, program: engine.TrainingProgram, count: int, epochs: engine.PlainEpochs
    ) -> None:
        """Train in one call of the compiled engine, with the same results."""
        state, done = self.state, len(self.state.history)
        outputs = None
        if self.keeps_outputs:
            outputs = self._outputs((self.parts.network.sizes["out"],))
            if self.sharded is not None and state.step == 0:
                outputs[...] = 0  # the rows of other ranks are merged after the epoch
        span = engine.TrainingSpan(count, done, state.step, state.total)
        steps, state.total = engine.train(
            program,
            engine.TrainingRows(self.rows, self.held_out),
            self.sampler,
            span,
            epochs,
            outputs=outputs,
            stop=self.stop,
            sharding=engine.ONE_SLICE if self.sharded is None else self.sharded.spec(self.stop),
        )
        state.step += steps - len(epochs) * self.sampler.steps
        if not math.isfinite(state.total):
            epoch = done + len(epochs)
            first = state.step * self.sampler.batch_size
            order = self.sampler.order(len(self.rows[0]), epoch)
            batch = order[first : first + self.sampler.batch_size]
            rows = tuple(array[batch] for array in self.rows)
            raise divergence(self.parts, state.total, rows, epoch, state.step)

    def evaluate(self) -> tuple[float, dict[str, Array | None]]:
        """Return the loss and the gradients of all rows, for L-BFGS."""
        if self._is_to_stop():
            raise KeyboardInterrupt
        signals.run_waiting()
        value, _, grads = self._loss_and_gradients(self.rows)
        return value, grads

    def _loss_and_gradients(
        self, rows: Samples
    ) -> tuple[float, Array | None, dict[str, Array | None]]:
        """Return the loss of a batch, the outputs of this rank's rows, and the gradients."""
        network, loss = self.parts[:2]
        if self.sharded is None:
            value, pre = loss_and_gradients(network, loss, *rows)
            return value, pre, network.grads
        engine.check_stop()
        self.sharded.stop = self.stop
        value, own, grads, stops = self.sharded.loss_and_gradients(network, loss, rows)
        self.has_agreed_to_stop = stops
        return value, own, dict(grads)

    def _is_to_stop(self) -> bool:
        """Return whether training ends after this step; several ranks agree on it in every step."""
        if self.sharded is not None and self.sharded.ranks.size > 1:
            return self.has_agreed_to_stop
        return self.stop.is_set

    def _keep(self, pre: Array | None, first: int, n_rows: int) -> None:
        """Keep the outputs of a batch, or of this rank's rows of it; None if it has none."""
        if pre is None:
            pre = self.parts.network.predict(self.rows[0][:1])[:0]
        outputs = self._outputs(pre.shape[1:])
        if self.sharded is not None:
            if first == 0:
                outputs[...] = 0  # the rows of other ranks are merged after the epoch
            first += self.sharded.rows_of_rank(n_rows).start
        outputs[first : first + len(pre)] = pre

    def _outputs(self, shape: tuple[int, ...]) -> Array:
        """Return `state.outputs`, new if the outputs of a row have another shape now."""
        if self.state.outputs is None or self.state.outputs.shape[1:] != shape:
            self.state.outputs = new_outputs(self.sampler, shape, self.parts.network)
        return self.state.outputs


class Before:
    """The state that the forward pass of a step changes, besides what layers keep for backward."""

    def __init__(self, network: Network) -> None:
        layers = [layer for _, layer in walk(network.layers)]
        self._dropouts = [layer for layer in layers if isinstance(layer, Dropout)]
        self._buffers = list(network.buffers.values())
        self._kept: list[Array] = []
        self._steps: list[int] = []

    def remember(self) -> None:
        """Copy the running statistics and the steps of Dropout."""
        self._kept = [array.copy() for array in self._buffers]
        self._steps = [layer.step for layer in self._dropouts]

    def restore(self) -> None:
        """Restore them after a step that failed."""
        for array, kept in zip(self._buffers, self._kept, strict=True):
            array[...] = kept
        for layer, step in zip(self._dropouts, self._steps, strict=True):
            layer.step = step


def new_outputs(sampler: engine.BatchSampler, shape: tuple[int, ...], network: Network) -> Array:
    """Return an array for the outputs of one epoch, those of a row with this shape."""
    return np.empty((sampler.rows_per_epoch, *shape), network.dtype)


def loss_and_gradients(
    network: Network, loss: Loss, x: Array, y: Array, *weight: Array
) -> tuple[float, Array]:
    """Run forward and backward once; return the loss and the outputs it is computed from."""
    engine.check_stop()
    with network.in_mode(training=True):
        pre = network.forward(x)
        value = float(loss.forward(pre, as_column(y, pre), *weight))
        network.backward(loss.backward())
    return value, pre
