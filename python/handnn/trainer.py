"""Trainer: batches in, steps out, epoch after epoch."""

from __future__ import annotations

import math
import os
from _thread import get_ident  # what threading.get_ident is, without 1.6 ms of import
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Real
from time import perf_counter
from typing import SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike

from handnn import engine
from handnn.arrays import Array, as_float, whole_number
from handnn.history import Epoch, History
from handnn.initializers import RandomSource
from handnn.losses import Loss, MSELoss
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.optimizers import GradientOptimizer, Optimizer

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
        with _alone(self.network), self.network.in_mode(training=True):
            loss = self._loss(*rows)
            self.network.backward(self.loss.backward())
            self.optimizer.step(self.network.params, self.network.grads)
        return loss

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        epochs: SupportsIndex,
        batch_size: SupportsIndex,
        shuffle: bool = True,
        validation: tuple[ArrayLike, ArrayLike] | float | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> History:
        """Train for `epochs` passes over the rows of x and y, and return the History.

        x (N, I); y (N, O), or (N,) when the network gives one column; both are cast to the dtype of
        the network. The rows come in batches of `batch_size`, the last one as short as it is, in a
        new random order each epoch, or always as they stand with shuffle=False.

        validation: a pair (x, y) to measure the loss on after each epoch, or the fraction of the
        rows, above 0 and below 1, that is drawn at random, kept out of training and measured on,
        with their weights.

        sample_weight (N,), finite and not negative: a row of weight 2 counts as two rows.

        An epoch's training loss is the mean of the losses of its batches, weighted by their rows,
        each taken before the batch's update. Bad arguments are a TypeError or ValueError before
        anything is changed.
        """
        epochs = whole_number(epochs, "Trainer.fit: epochs")
        batch_size = whole_number(batch_size, "Trainer.fit: batch_size")
        rows = self._rows("Trainer.fit", x, y, sample_weight)
        rows, held_out = self._hold_out(rows, validation)
        batch_size = min(batch_size, len(rows[0]))
        self._check_batches(len(rows[0]), batch_size)
        run = self._run_compiled if self._is_compiled() else self._run_bricks
        seed = int(self.rng.integers(2**63)) if shuffle else None
        schedule = getattr(self.optimizer, "schedule", None)
        watches = getattr(schedule, "is_watching", False)
        most_epochs = MOST_EPOCHS
        if schedule is not None:
            most_epochs = max(1, MOST_STEPS // -(-len(rows[0]) // batch_size))
        is_watched = bool(self.callbacks or self.progress or held_out is not None or watches)

        from tqdm import tqdm

        history = self.history = History()
        with (
            _alone(self.network),
            tqdm(total=epochs, unit="epoch", disable=not self.progress) as bar,
        ):
            while len(history) < epochs:
                start = perf_counter()
                done = len(history)
                losses: list[tuple[float, float]] = []
                try:
                    at_once = 1 if is_watched else min(epochs - done, most_epochs)
                    run(rows, batch_size, at_once, seed, done, losses)
                finally:  # interrupted or not, an epoch that is whole counts
                    if held_out is None:
                        history.extend(Epoch(loss, None, seconds) for loss, seconds in losses)
                if held_out is not None:
                    validation_loss = self._validation_loss(*held_out)
                    history.extend([Epoch(losses[0][0], validation_loss, perf_counter() - start)])
                if watches:
                    cast(GradientOptimizer, self.optimizer).watch(
                        losses[-1][0] if held_out is None else validation_loss
                    )
                bar.set_postfix(loss=f"{losses[-1][0]:.4g}", refresh=False)
                bar.update(len(history) - done)
                answers = [callback(self) for callback in self.callbacks]
                if any(isinstance(answer, bool | np.bool_) and answer for answer in answers):
                    break
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

    def _run_bricks(
        self,
        rows: Rows,
        batch_size: int,
        epochs: int,
        seed: int | None,
        first_epoch: int,
        losses: list[tuple[float, float]],
    ) -> None:
        """Train for `epochs` epochs, and add the loss and the seconds of each to `losses`."""
        count = len(rows[0])
        for epoch in range(first_epoch, first_epoch + epochs):
            start = perf_counter()
            order = np.arange(count) if seed is None else engine.row_order(count, seed, epoch)
            total = 0.0
            for first in range(0, count, batch_size):
                batch = order[first : first + batch_size]
                total += len(batch) * self.train_step(*(array[batch] for array in rows))
            losses.append((total / count, perf_counter() - start))

    def _run_compiled(
        self,
        rows: Rows,
        batch_size: int,
        epochs: int,
        seed: int | None,
        first_epoch: int,
        losses: list[tuple[float, float]],
    ) -> None:
        """Do what `_run_bricks` does, in one call."""
        engine.train(
            self.network.layers,
            cast(MSELoss, self.loss),
            cast(GradientOptimizer, self.optimizer),
            rows,
            batch_size=batch_size,
            epochs=epochs,
            seed=seed,
            first_epoch=first_epoch,
            losses=losses,
        )

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
        self._check_widths(where, rows["x"], rows["y"])
        if weight is not None:
            weights = rows["sample_weight"]
            if weights.ndim > 1 or not (np.isfinite(weights) & (weights >= 0)).all():
                raise ValueError(f"{where}: sample_weight must be (N,), finite and not negative")
        return tuple(rows.values())

    def _check_batches(self, count: int, batch_size: int) -> None:
        """Check that an epoch's last batch, its shortest, has the rows that the bricks need."""
        last = count % batch_size or batch_size
        for index, layer in enumerate(self.network.layers):
            least = getattr(layer, "least_rows", 1)
            if last < least:
                raise ValueError(
                    f"Trainer.fit: layer {index} ({type(layer).__name__}) needs at least {least} "
                    f"rows to train on, but with batch_size {batch_size} the last batch of the "
                    f"{count} rows has {last}; choose another batch_size"
                )

    def _check_widths(self, where: str, x: Array, y: Array) -> None:
        """Check the columns of x and y, where the bricks and the loss fix them."""
        n_in, n_out = map(self.network.sizes.get, ("in", "out"))
        if n_in is not None and x.shape[1:] != (n_in,):
            raise ValueError(f"{where}: x must have shape ({len(x)}, {n_in}), but has {x.shape}")
        if n_out is None or type(self.loss) is not MSELoss or (n_out == y.ndim == 1):
            return
        if y.shape[1:] != (n_out,):
            raise ValueError(f"{where}: y must have shape ({len(y)}, {n_out}), but has {y.shape}")

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
