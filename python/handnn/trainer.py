"""Trainer: batches in, steps out, epoch after epoch."""

from __future__ import annotations

import math
import os
from _thread import get_ident  # what threading.get_ident is, without 1.6 ms of import
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from numbers import Real
from time import perf_counter
from typing import TYPE_CHECKING, Literal, NoReturn, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike

from handnn import engine
from handnn.arrays import Array, as_float, whole_number
from handnn.history import Epoch, History
from handnn.initializers import RandomSource
from handnn.layers.embedding import check_codes, code_columns
from handnn.layers.row import walk
from handnn.losses import LOSSES, KernelLoss, Loss
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.optimizers import LBFGS, GradientOptimizer, Optimizer

if TYPE_CHECKING:
    from tqdm import tqdm

Rows = tuple[Array, ...]
"""x, y and, if there are any, the weights: arrays with one row for each sample."""


MOST_EPOCHS = 2**31
"""What one call of the engine is asked for at the most; there may be many."""

MOST_STEPS = 2**20
"""What it is asked for at the most when each step has a learning rate of its own."""


class Trainer:
    """Trains a network: for every batch forward, loss, backward, and a step of the optimizer.

    engine: "bricks" is the loop in `train_step`; "compiled" does the same, with the same bits, for
    whole epochs in one C++ call, but bricks and loss keep nothing of it (`x`, `out`, `dw` ... are
    None after `fit`). "auto" is compiled whenever bricks, loss and optimizer are all handnn's own.
    rng: the seed or Generator of the order of rows and of the held-out rows.
    callbacks: each is called as ``callback(trainer)`` after every epoch, in order; when one returns
    True, training ends there. progress: show a bar.

    `history` is the History of the running or last `fit`. When training is interrupted (Ctrl-C, an
    error in a callback) it holds every whole epoch, and no array of the network is half updated;
    after a compiled run all arrays are those of one whole step.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        *,
        engine: str = "auto",
        rng: RandomSource = None,
        callbacks: Sequence[Callable[[Trainer], object]] = (),
        progress: bool = False,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(
                f"Trainer: network must be a Network, but is a {type(network).__name__}; "
                "write Network([...])"
            )
        _check_methods("loss", loss, "forward", "backward")
        _check_methods("optimizer", optimizer, "step")
        if hasattr(callbacks, "__iter__"):
            callbacks = tuple(callbacks)
        if not (isinstance(callbacks, tuple) and all(map(callable, callbacks))):
            raise TypeError(f"Trainer: callbacks must be a list of functions, but is {callbacks!r}")
        if engine not in ("auto", "compiled", "bricks"):
            raise ValueError(
                f"Trainer: engine must be 'auto', 'compiled' or 'bricks', but is {engine!r}"
            )
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.engine = engine
        self.rng = np.random.default_rng(rng)
        self.callbacks = callbacks
        self.progress = progress
        self.history = History()
        self._is_compiled()

    def train_step(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Take one step on the rows of one batch, and return their loss from before the step."""
        rows = self._rows("Trainer.train_step", x, y, sample_weight)
        with _alone(self.network):
            loss, grads = self._loss_and_grads(rows)
            self.optimizer.step(self.network.params, grads)
        return loss

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        epochs: SupportsIndex,
        batch_size: SupportsIndex,
        shuffle: bool | Literal["replacement"] = True,
        validation: tuple[ArrayLike, ArrayLike] | float | None = None,
        sample_weight: ArrayLike | None = None,
        steps_per_epoch: SupportsIndex | None = None,
    ) -> History:
        """Train for `epochs` passes over the rows of x and y, and return the History.

        x (N, I); y (N, O), or (N,) when the network gives one column; both are cast to the dtype of
        the network. The rows come in batches of `batch_size`, the last one as short as it is, in a
        new random order each epoch, or always as they stand with shuffle=False. With "replacement"
        each row is drawn from all of them: some come twice in an epoch, others not at all. An epoch
        ends after `steps_per_epoch` batches, if that is given; when rows are not drawn with
        replacement, at the latest when all have come.

        validation: a pair (x, y) to measure the loss on after each epoch, or the fraction of the
        rows, above 0 and below 1, that is drawn at random, kept out of training and measured on,
        with their weights.

        sample_weight (N,), finite and not negative: a row of weight 2 counts as two rows.

        With LBFGS an epoch is one iteration with all rows at once, in the order they stand in: a
        smaller batch_size is a ValueError. Training may then end before `epochs`, and says why.

        An epoch's training loss is the mean of the losses of its batches, weighted by their rows,
        each taken before the batch's update. Bad arguments are a TypeError or ValueError before
        anything is changed.
        """
        epochs = whole_number(epochs, "Trainer.fit: epochs")
        batch_size = whole_number(batch_size, "Trainer.fit: batch_size")
        rows = self._rows("Trainer.fit", x, y, sample_weight)
        rows, held_out = self._hold_out(rows, validation)
        if isinstance(self.optimizer, LBFGS) and batch_size < len(rows[0]):
            raise ValueError(
                f"Trainer.fit: LBFGS needs all {len(rows[0])} rows at once, but batch_size is "
                f"{batch_size}; write batch_size=len(x)"
            )
        plan = self._plan(len(rows[0]), batch_size, shuffle, steps_per_epoch)
        self._check_batches(plan)
        run = self._run_compiled if self._is_compiled() else self._run_bricks
        schedule = getattr(self.optimizer, "schedule", None)
        watches = getattr(schedule, "is_watching", False)
        most_epochs = MOST_EPOCHS
        if schedule is not None:
            most_epochs = max(1, MOST_STEPS // plan.steps)
        if self.callbacks or self.progress or held_out is not None or watches:
            most_epochs = 1
        engine.check_stop()  # train_many wants the checks alone first

        from tqdm import tqdm

        history = self.history = History()
        with (
            _alone(self.network),
            tqdm(total=epochs, unit="epoch", disable=not self.progress) as bar,
        ):
            after = partial(self._after_epochs, held_out, bar)
            if isinstance(self.optimizer, LBFGS):  # its line search needs the loop to itself
                evaluate = partial(self._loss_and_grads, rows)
                self.optimizer.minimize(self.network.params, evaluate, epochs, after)
                return history
            is_over = False
            while not is_over and len(history) < epochs:
                done = len(history)
                losses: list[tuple[float, float]] = []
                try:
                    run(rows, plan, min(epochs - done, most_epochs), done, losses)
                except BaseException:  # interrupted or not, an epoch that is whole counts
                    if held_out is None:
                        history.extend(Epoch(loss, None, seconds) for loss, seconds in losses)
                    raise
                is_over = after(losses)
        return history

    def __repr__(self) -> str:
        """Name the parts: `Trainer(Network(...), MSELoss(...), SGD(...), engine='auto')`."""
        return f"Trainer({self.network}, {self.loss}, {self.optimizer}, engine={self.engine!r})"

    def _is_compiled(self) -> bool:
        """Return whether to compile; raise ValueError when that was asked for and can't be."""
        if self.engine == "bricks":
            return False
        obstacle = engine.training_obstacle(self.network.layers, self.loss, self.optimizer)
        if obstacle and self.engine == "compiled":
            raise ValueError(f"Trainer: engine='compiled' is not possible here: {obstacle}")
        return obstacle is None

    def _after_epochs(
        self, held_out: Rows | None, bar: tqdm[NoReturn], losses: list[tuple[float, float]]
    ) -> bool:
        """Validate, note and show what has just been trained; return whether to end there."""
        start = perf_counter()
        validation_loss = None if held_out is None else self._validation_loss(*held_out)
        more = perf_counter() - start
        self.history.extend(Epoch(loss, validation_loss, more + last) for loss, last in losses)
        train_loss = losses[-1][0]
        if getattr(getattr(self.optimizer, "schedule", None), "is_watching", False):
            cast(GradientOptimizer, self.optimizer).watch(
                train_loss if validation_loss is None else validation_loss
            )
        bar.set_postfix(loss=f"{train_loss:.4g}", refresh=False)
        bar.update(len(losses))
        answers = [callback(self) for callback in self.callbacks]
        return any(isinstance(answer, bool | np.bool_) and answer for answer in answers)

    def _run_bricks(
        self,
        rows: Rows,
        plan: engine.Plan,
        epochs: int,
        first_epoch: int,
        losses: list[tuple[float, float]],
    ) -> None:
        """Train for `epochs` epochs, and add the loss and the seconds of each to `losses`."""
        for epoch in range(first_epoch, first_epoch + epochs):
            start = perf_counter()
            order = plan.order(len(rows[0]), epoch)
            total = 0.0
            for first in range(0, len(order), plan.batch_size):
                batch = order[first : first + plan.batch_size]
                total += len(batch) * self.train_step(*(array[batch] for array in rows))
            losses.append((total / len(order), perf_counter() - start))

    def _run_compiled(
        self,
        rows: Rows,
        plan: engine.Plan,
        epochs: int,
        first_epoch: int,
        losses: list[tuple[float, float]],
    ) -> None:
        """Do what `_run_bricks` does, in one call."""
        engine.train(
            self.network.layers,
            cast(KernelLoss, self.loss),
            cast(GradientOptimizer, self.optimizer),
            rows,
            plan=plan,
            epochs=epochs,
            first_epoch=first_epoch,
            losses=losses,
        )

    def _plan(
        self, count: int, batch_size: int, shuffle: object, steps: SupportsIndex | None
    ) -> engine.Plan:
        """Return which of `count` rows each epoch has."""
        replaces = isinstance(shuffle, str) and shuffle == "replacement"
        if isinstance(shuffle, str) and not replaces:
            raise ValueError(
                f"Trainer.fit: shuffle must be a bool or 'replacement', but is {shuffle!r}"
            )
        if not replaces:
            batch_size = min(batch_size, count)
        rows_per_epoch = count
        if steps is not None:
            steps = whole_number(steps, "Trainer.fit: steps_per_epoch")
            rows_per_epoch = steps * batch_size if replaces else min(steps * batch_size, count)
        seed = int(self.rng.integers(2**63)) if shuffle else None
        return engine.Plan(batch_size, rows_per_epoch, seed, replaces)

    def _check_batches(self, plan: engine.Plan) -> None:
        """Raise ValueError when the shortest batch has fewer rows than a brick needs."""
        last = plan.rows_per_epoch % plan.batch_size or plan.batch_size
        for place, layer in walk(self.network.layers):
            least = getattr(layer, "least_rows", 1)
            if last < least:
                raise ValueError(
                    f"Trainer.fit: layer {place} ({type(layer).__name__}) needs at least {least} "
                    f"rows to train on, but with batch_size {plan.batch_size} the last batch of "
                    f"the {plan.rows_per_epoch} rows has {last}; choose another batch_size"
                )

    def _loss_and_grads(self, rows: Rows) -> tuple[float, dict[str, Array | None]]:
        engine.check_stop()
        with self.network.in_mode(training=True):
            loss = self._loss(*rows)
            self.network.backward(self.loss.backward())
        return loss, self.network.grads

    def _loss(self, x: Array, y: Array, *weight: Array) -> float:
        pre = self.network.forward(x)
        return float(self.loss.forward(pre, as_column(y, pre), *weight))

    def _validation_loss(self, x: Array, y: Array, *weight: Array) -> float:
        pre = self.network.predict(x)
        return float(self.loss.forward(pre, as_column(y, pre), *weight))

    def _rows(self, where: str, x: ArrayLike, y: ArrayLike, weight: ArrayLike | None) -> Rows:
        """Return x and y, and the weights if there are any, checked and cast."""
        named = {"x": x, "y": y} if weight is None else {"x": x, "y": y, "sample_weight": weight}
        dtype = self.network.dtype
        rows = {name: as_float(array, dtype, f"{where}: {name}") for name, array in named.items()}
        for name, array in rows.items():
            if array.ndim == 0:
                raise ValueError(f"{where}: {name} must have rows, but is a single number")
            if len(array) != len(rows["x"]):
                raise ValueError(
                    f"{where}: x has {len(rows['x'])} rows but {name} has {len(array)}"
                )
        if len(rows["x"]) == 0:
            raise ValueError(f"{where}: x has no rows")
        self._check_columns(where, rows["x"], rows["y"])
        if rows["x"].ndim == 2:
            for column, brick in code_columns(self.network.layers, rows["x"].shape[1]).items():
                check_codes(where, rows["x"], column, brick)
        if weight is not None:
            weights = rows["sample_weight"]
            if weights.ndim > 1 or not (np.isfinite(weights) & (weights >= 0)).all():
                raise ValueError(f"{where}: sample_weight must be (N,), finite and not negative")
        return tuple(rows.values())

    def _check_columns(self, where: str, x: Array, y: Array) -> None:
        """Check the columns of x, where the bricks fix them, and y, where the loss does."""
        n_in, n_out = map(self.network.sizes.get, ("in", "out"))
        if n_in is not None and x.shape[1:] != (n_in,):
            raise ValueError(f"{where}: x must have shape ({len(x)}, {n_in}), but has {x.shape}")
        if n_out is not None and type(self.loss) in LOSSES:
            engine.check_targets(cast(KernelLoss, self.loss), y, n_out, where)

    def _hold_out(self, rows: Rows, validation: object) -> tuple[Rows, Rows | None]:
        """Return the rows to train on and those to validate with."""
        where = "Trainer.fit: validation"
        if validation is None:
            return rows, None
        if isinstance(validation, Real):
            count = len(rows[0])
            held_out = round(float(validation) * count) if 0 < cast(float, validation) < 1 else 0
            if not 0 < held_out < count:
                raise ValueError(
                    f"{where} must leave rows on both sides, but is {validation} of {count} rows"
                )
            order = self.rng.permutation(count)
            train = np.sort(order[held_out:])
            return tuple(a[train] for a in rows), tuple(a[order[:held_out]] for a in rows)
        if not (isinstance(validation, Sequence) and len(validation) == 2):
            raise TypeError(f"{where} must be a pair (x, y) or a fraction of the rows")
        held_x, held_y = validation
        held = self._rows(where, held_x, held_y, None)
        for name, ours, theirs in zip("xy", rows, held, strict=False):
            if math.prod(ours.shape[1:]) != math.prod(theirs.shape[1:]):
                raise ValueError(f"{where}: {name} is {theirs.shape} beside {name} {ours.shape}")
        return rows, held


_TRAINED_BY: dict[int, int] = {}  # the id of a network and that of the thread that trains it
if hasattr(os, "register_at_fork"):  # a child of fork has none of the other threads
    os.register_at_fork(after_in_child=_TRAINED_BY.clear)


@contextmanager
def _alone(network: Network) -> Iterator[None]:
    """Keep other threads from training the network; raise RuntimeError if one does already."""
    me = get_ident()
    is_nested = _TRAINED_BY.get(id(network)) == me
    try:
        if _TRAINED_BY.setdefault(id(network), me) != me:
            raise RuntimeError("Trainer: another thread is training this network")
        yield
    finally:
        if not is_nested and _TRAINED_BY.get(id(network)) == me:
            del _TRAINED_BY[id(network)]


def _check_methods(name: str, part: object, *methods: str) -> None:
    if isinstance(part, type) or not all(hasattr(part, method) for method in methods):
        raise TypeError(f"Trainer: {name} must have {' and '.join(methods)}, but is {part!r}")
