"""A network in training, which can go forward and back by steps."""

from __future__ import annotations

import copy
import hashlib
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from handnn import engine
from handnn.arrays import Array
from handnn.layers import Dropout
from handnn.layers.sequence import walk
from handnn.network import Network
from handnn.play.building import plan
from handnn.play.rows import Rows
from handnn.play.state import LIVE_SETTINGS, MAX_EVENTS, Event, State
from handnn.schedules import Schedule
from handnn.training.trainer import Trainer

MAX_CHECKPOINTS = 64
"""The number of checkpoints kept: all of the latest steps, and fewer of earlier ones."""

MAX_EPOCHS_PER_CALL = 2**16


class WeightsDoNotFit(ValueError):
    """Raised if weights do not have the names and shapes of the network's arrays."""


class NotFinite(ValueError):
    """Raised if the loss is NaN or infinite, so that training cannot continue."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next steps depend on."""

    step: int
    total: float
    arrays: list[Array]
    optimizer_steps: int
    optimizer_state: dict[str, dict[str, Array]]
    schedule: Schedule | None
    dropout_steps: list[int]
    live: tuple[float, ...]
    n_events: int


class Session:
    """Train the network of a state. The bits depend only on the state, not on the calls of
    `advance`.

    weights: the initial params and buffers, by name; random ones by default.

    Attributes:
        network, loss, optimizer: the parts of the training.
        step: the number of steps taken.
    """

    def __init__(
        self, state: State, rows: Rows, weights: Mapping[str, Array] | None = None
    ) -> None:
        self.start = state
        self.rows = rows
        self.plan = plan(state, rows)
        self.network, self.loss, self.optimizer, order = self.plan.make(rows, state.seed)
        if weights is not None:
            _set_weights(self.network, weights)
        self._trainer = Trainer(self.network, self.loss, self.optimizer, engine="compiled")
        self._program = self._new_program()
        size = min(state.batch_size, len(rows.x))
        self.sampler = engine.BatchSampler(size, len(rows.x), order, False)
        self._check_batches()
        self.step = 0
        self.events = list(state.events)
        self._n_events = 0
        self._total = 0.0
        self._dropouts = [a for _, a in walk(self.network.layers) if isinstance(a, Dropout)]
        self._checkpoints: list[Checkpoint] = []
        self._check_events()
        self.save()

    @property
    def state(self) -> State:
        """The state that leads to the current step."""
        return self.start.at(self.step, tuple(self.events))

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps of an epoch."""
        return self.sampler.steps

    @property
    def epoch(self) -> int:
        """The number of complete epochs."""
        return self.step // self.sampler.steps

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        factors = self.optimizer.factors(1)
        return self.optimizer.lr * (1.0 if factors is None else float(factors[0]))

    def next_batch(self) -> tuple[Array, Array]:
        """Return the rows of the next step, x and y."""
        epoch, at = divmod(self.step, self.sampler.steps)
        order = self.sampler.order(len(self.rows.x), epoch)
        size = self.sampler.batch_size
        chosen = order[at * size : (at + 1) * size]
        return self.rows.x[chosen], self.rows.y[chosen]

    def advance(self, until: int, stop: engine.Stop | None = None) -> None:
        """Train until `until` steps are taken, or `stop` is set.

        Raises NotFinite when the loss is not finite; that step is not taken.
        """
        while True:
            self._apply_events()
            if self.step >= until or (stop is not None and stop.is_set):
                return
            following = [event.step for event in self.events[self._n_events : self._n_events + 1]]
            self._run(min([until, *following]), stop)

    def _run(self, until: int, stop: engine.Stop | None) -> None:
        """Take steps without an event in between."""
        epoch, at = divmod(self.step, self.sampler.steps)
        n_epochs = min(until // self.sampler.steps - epoch, MAX_EPOCHS_PER_CALL)
        if n_epochs == 0:
            self._take_steps(until - self.step)
            return
        schedule = self.optimizer.schedule
        is_watching = schedule is not None and schedule.is_watching
        if not self._program.is_still(self.network.layers):  # after an edit or a step back
            self._program = self._new_program()
        epochs = engine.PlainEpochs()
        span = engine.TrainingSpan(1 if is_watching else n_epochs, epoch, at, self._total)
        rows = engine.TrainingRows((self.rows.x, self.rows.y))
        n_steps, self._total = engine.train(
            self._program, rows, self.sampler, span, epochs, stop=stop
        )
        self.step += n_steps
        if not math.isfinite(self._total):
            self._total = 0.0
            raise self._not_finite()
        if is_watching and len(epochs):
            self.optimizer.watch(epochs.losses[-1])

    def _new_program(self) -> engine.TrainingProgram:
        return engine.TrainingProgram(self.network.layers, self.loss, self.optimizer)

    def _take_steps(self, count: int) -> None:
        """Take single steps within an epoch, or to its end."""
        for _ in range(count):
            before = self.checkpoint()
            x, y = self.next_batch()
            value = self._trainer.train_step(x, y)
            if not math.isfinite(value):
                self.restore(before)
                raise self._not_finite()
            self._total += len(x) * value
            self.step += 1

    def _not_finite(self) -> NotFinite:
        return NotFinite(
            f"the loss is not finite after step {self.step:,}: reset, and lower the learning rate"
        )

    def edit(self, name: str, index: tuple[int, ...], value: float) -> None:
        """Change an entry of a param, or a setting of the optimizer, at the current step."""
        if len(self.events) >= MAX_EVENTS:
            raise ValueError(f"there are {MAX_EVENTS} changes by hand; reset before the next one")
        self.events = [e for e in self.events if e.step <= self.step]
        event = Event(self.step, name, index, float(np.float32(value)) if index else value)
        self._check_event(event)
        self.events.append(event)
        self._apply_events()
        self.save()

    def _apply_events(self) -> None:
        while self._n_events < len(self.events):
            event = self.events[self._n_events]
            if event.step > self.step:
                return
            if event.name in LIVE_SETTINGS:
                setattr(self.optimizer, event.name, event.value)
            else:
                self.network.params[event.name][event.index] = event.value
            self._n_events += 1

    def back_to(self, step: int) -> None:
        """Return to an earlier step, and discard later edits."""
        step = max(step, 0)
        self.events = [event for event in self.events if event.step <= step]
        place = bisect_right([kept.step for kept in self._checkpoints], step) - 1
        del self._checkpoints[place + 1 :]
        self.restore(self._checkpoints[place])
        self.advance(step)

    def save(self) -> None:
        """Keep a checkpoint of the current step."""
        if self._checkpoints and self._checkpoints[-1].step == self.step:
            self._checkpoints.pop()
        self._checkpoints.append(self.checkpoint())
        if len(self._checkpoints) > MAX_CHECKPOINTS:
            old = self._checkpoints[1 : MAX_CHECKPOINTS // 2]
            self._checkpoints[1 : MAX_CHECKPOINTS // 2] = old[::2]

    def checkpoint(self) -> Checkpoint:
        """Return copies of everything that training changes."""
        optimizer = self.optimizer
        return Checkpoint(
            self.step,
            self._total,
            [array.copy() for array in self._arrays()],
            optimizer.steps,
            {k: {n: a.copy() for n, a in arrays.items()} for k, arrays in optimizer.state.items()},
            copy.deepcopy(optimizer.schedule),
            [layer.step for layer in self._dropouts],
            tuple(float(getattr(optimizer, name)) for name in LIVE_SETTINGS),
            self._n_events,
        )

    def restore(self, kept: Checkpoint) -> None:
        """Return to a checkpoint."""
        for array, copied in zip(self._arrays(), kept.arrays, strict=True):
            array[...] = copied
        optimizer = self.optimizer
        optimizer.steps, optimizer.schedule = kept.optimizer_steps, copy.deepcopy(kept.schedule)
        for state, arrays in optimizer.state.items():
            for name, array in arrays.items():
                array[...] = kept.optimizer_state.get(state, {}).get(name, np.float32(0))
        for layer, step in zip(self._dropouts, kept.dropout_steps, strict=True):
            layer.step = step
        for name, value in zip(LIVE_SETTINGS, kept.live, strict=True):
            setattr(optimizer, name, value)
        self.step, self._total, self._n_events = kept.step, kept.total, kept.n_events

    def _arrays(self) -> list[Array]:
        return [*self.network.params.values(), *self.network.buffers.values()]

    def _check_batches(self) -> None:
        """Raise ValueError if the shortest batch has fewer rows than a brick needs."""
        last = len(self.rows.x) % self.sampler.batch_size or self.sampler.batch_size
        for _, layer in walk(self.network.layers):
            if last < getattr(layer, "min_rows", 1):
                raise ValueError(
                    f"{type(layer).__name__} needs at least 2 rows, but the last batch of the "
                    f"{len(self.rows.x)} rows has {last}; choose another batch size"
                )

    def _check_events(self) -> None:
        for event in self.events:
            self._check_event(event)

    def _check_event(self, event: Event) -> None:
        """Raise ValueError unless the event fits the network."""
        if event.name in LIVE_SETTINGS and not event.index:
            return
        param = self.network.params.get(event.name)
        if param is None:
            raise ValueError(f"the network has no param {event.name!r:.40}")
        if len(event.index) != param.ndim or any(
            at >= size for at, size in zip(event.index, param.shape, strict=True)
        ):
            raise ValueError(f"{event.name} has no entry {list(event.index)}")


def _set_weights(network: Network, weights: Mapping[str, Array]) -> None:
    """Copy params and buffers into a network; WeightsDoNotFit if it has others."""
    own = {**network.params, **network.buffers}
    if {n: a.shape for n, a in own.items()} != {n: a.shape for n, a in weights.items()}:
        raise WeightsDoNotFit(f"the weights do not fit the network {network!r}")
    for name, array in own.items():
        array[...] = weights[name]


def weights_sha256(network: Network) -> str:
    """Return the SHA-256 of all params and buffers, in the order of their names in the network."""
    digest = hashlib.sha256()
    for array in [*network.params.values(), *network.buffers.values()]:
        digest.update(array.tobytes())
    return digest.hexdigest()
