"""Trainer: batches in, steps out, epoch after epoch."""

from __future__ import annotations

import os
import sys
from _thread import get_ident  # what threading.get_ident is, without 1.6 ms of import
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from numbers import Real
from operator import index
from typing import Any, Literal, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike

from handnn import engine
from handnn.arrays import Array, whole_number
from handnn.initializers import RandomSource
from handnn.layers.sequence import walk
from handnn.losses import Loss
from handnn.metrics import Metric
from handnn.network import Network
from handnn.optimizers import LBFGS, Optimizer
from handnn.progress import progress_bar
from handnn.storage import as_path
from handnn.training.checkpoints import Checkpoint, Options, Progress, hashes, read
from handnn.training.early_stopping import EarlyStopping
from handnn.training.history import History
from handnn.training.measures import measures
from handnn.training.rows import Rows, as_rows, check_weighed, hold_out
from handnn.training.run import Run, loss_and_gradients

MOST_ROWS = sys.maxsize // 8
"""Of an epoch, whose order is an array of their numbers."""


class Trainer:
    """Trains a network: for every batch forward, loss, backward, and a step of the optimizer.

    engine: "bricks" is the loop in `train_step`; "compiled" does the same, with the same bits, for
    whole epochs in one C++ call, but bricks and loss keep nothing of it (`x`, `out`, `dw` ... are
    None after `fit`). "auto" is compiled whenever bricks, loss and optimizer are all handnn's own.
    rng: the seed or Generator of the order of rows and of the held-out rows.
    callbacks: each is called as ``callback(trainer)`` after every epoch, in order; when one returns
    True, training ends there, after the others have been called. progress: show a bar.

    After an epoch the validation loss and the metrics are measured, the history notes it, the
    schedule and early stopping are told, the bar is moved, the callbacks are called, and a
    checkpoint is written: in this order.

    `history` is the History of the running or last `fit`. When training is interrupted (Ctrl-C, an
    error in a callback) it holds every whole epoch, and no array of the network is half updated;
    after a compiled run all arrays are those of one whole step. Ctrl-C in the main thread waits for
    the end of a step, or of what is measured after an epoch, so that all of these belong together;
    in a callback, and the second time, it is raised at once.
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
        self._resumed: tuple[Checkpoint, Progress] | None = None
        self.is_compiled  # noqa: B018 - raises when that was asked for and can't be

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        *,
        callbacks: Sequence[Callable[[Trainer], object]] = (),
        progress: bool = False,
    ) -> Trainer:
        """Return the trainer whose `fit` wrote the checkpoint `path`, as it was then.

        The next `fit` with the same data finishes the interrupted one, to the bits that it would
        have had; settings, such as ``optimizer.lr``, may be changed before it, but network, layers,
        loss, optimizer and rng not be replaced. A file holds no callbacks: give the same again.
        Raises FormatError (a ValueError) when the file is not such a checkpoint, OSError when it
        cannot be read.
        """
        checkpoint, at = read(path)
        trainer = cls(
            checkpoint.network,
            checkpoint.loss,
            checkpoint.optimizer,
            engine=checkpoint.engine,
            rng=checkpoint.rng,
            callbacks=callbacks,
            progress=progress,
        )
        trainer.history = at.history
        trainer._resumed = checkpoint, at
        return trainer

    def train_step(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Take one step on the rows of one batch, and return their loss from before the step."""
        rows = self._rows("Trainer.train_step", x, y, sample_weight)
        with _alone(self.network):
            loss, _ = loss_and_gradients(self.network, self.loss, *rows)
            self.optimizer.step(self.network.params, self.network.grads)
        return loss

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        epochs: SupportsIndex | None = None,
        batch_size: SupportsIndex | None = None,
        shuffle: bool | Literal["replacement"] = True,
        validation: tuple[ArrayLike, ...] | float | None = None,
        sample_weight: ArrayLike | None = None,
        steps_per_epoch: SupportsIndex | None = None,
        *,
        metrics: str | Metric | Iterable[str | Metric] | Mapping[str, str | Metric] = (),
        early_stopping: EarlyStopping | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: SupportsIndex | None = None,
    ) -> History:
        """Train for `epochs` passes over the rows of x and y, and return the History.

        x (N, I); y (N, O), or (N,) when the network gives one column; both are cast to the dtype of
        the network. The rows come in batches of `batch_size`, the last one as short as it is, in a
        new random order each epoch, or always as they stand with shuffle=False. With "replacement"
        each row is drawn from all of them: some come twice in an epoch, others not at all. An epoch
        ends after `steps_per_epoch` batches, if that is given; when rows are not drawn with
        replacement, at the latest when all have come.

        validation: (x, y) or (x, y, sample_weight) to measure the loss on after each epoch, or the
        fraction of the rows, above 0 and below 1, that is drawn at random, kept out of training
        and measured on, with their weights.

        sample_weight (N,), finite and not negative: a row of weight 2 counts as two rows. Rows to
        measure on that all have weight 0 are a ValueError.

        With LBFGS an epoch is one iteration with all rows at once, in the order they stand in: a
        smaller batch_size is a ValueError. Training may then end before `epochs`, and says why.

        An epoch's training loss is the mean of the losses of its batches, weighted by their rows,
        each taken before the batch's update.
        metrics: names of `metrics.METRICS` or functions (y_true, outputs) -> number, which get the
        weights as a third argument if there are any; a dict gives them other names. They are
        measured on the validation rows, or, without such, on the outputs that the training loss is
        of. early_stopping: an `EarlyStopping`.

        checkpoint: a path to write all to, all or nothing, after every `checkpoint_every` epochs (1
        when None), at the end and on Ctrl-C, for `Trainer.resume`. A resumed trainer's first fit
        goes on to the total of `epochs`, by default that of the interrupted one. It needs the same
        data, takes what else it is not given from the checkpoint, and goes on writing to it.

        Raises DivergenceError at the first loss that is NaN or infinite. Bad arguments are a
        TypeError or ValueError before anything is changed; so is what a checkpoint cannot hold.
        A callback may change the bricks; where they can't be compiled any more, "auto" goes on with
        the bricks, and "compiled" raises ValueError.
        """
        resumed = self._resumed
        if resumed is not None:
            resumed[0].check_parts(
                network=self.network, loss=self.loss, optimizer=self.optimizer, rng=self.rng
            )
            given = resumed[0].options
            epochs = resumed[1].epochs if epochs is None else epochs
            batch_size = given.batch_size if batch_size is None else batch_size
            shuffle = cast(Literal[True], given.shuffle) if shuffle is True else shuffle
            validation = given.fraction if validation is None else validation
            steps_per_epoch = given.steps_per_epoch if steps_per_epoch is None else steps_per_epoch
            metrics = cast(dict[str, str], dict(given.metrics)) if metrics == () else metrics
            checkpoint = resumed[0].path if checkpoint is None else checkpoint
            checkpoint_every = resumed[0].every if checkpoint_every is None else checkpoint_every
        epochs = whole_number(cast(int, epochs), "Trainer.fit: epochs")
        batch_size = whole_number(cast(int, batch_size), "Trainer.fit: batch_size")
        every = 1 if checkpoint_every is None else checkpoint_every
        every = whole_number(every, "Trainer.fit: checkpoint_every")
        if not (early_stopping is None or isinstance(early_stopping, EarlyStopping)):
            raise TypeError(
                f"Trainer.fit: early_stopping must be EarlyStopping(...), not {early_stopping!r}"
            )
        watched = measures(metrics, self.loss)
        given_rows = self._rows("Trainer.fit", x, y, sample_weight)
        rng_now = self.rng.bit_generator.state
        try:  # as it was before the interrupted fit, so that it draws the same
            if resumed is not None:
                self.rng.bit_generator.state = resumed[0].rng_before
            rng_before = dict(self.rng.bit_generator.state)
            rows, held_out = hold_out(given_rows, validation, self.rng, self._rows)
            if watched and held_out is None:
                check_weighed("Trainer.fit: metrics", rows)
            if isinstance(self.optimizer, LBFGS) and batch_size < len(rows[0]):
                raise ValueError(
                    f"Trainer.fit: LBFGS needs all {len(rows[0])} rows at once, but batch_size is "
                    f"{batch_size}; write batch_size=len(x)"
                )
            plan = self._plan(len(rows[0]), batch_size, shuffle, steps_per_epoch)
            self._check_batches(plan)
            self.is_compiled  # noqa: B018 - as in __init__: the network may be another by now
            run = Run(
                network=self.network,
                loss=self.loss,
                optimizer=self.optimizer,
                rows=rows,
                held_out=held_out,
                plan=plan,
                wanted_engine=self.engine,
                at=Progress(epochs, early_stopping=early_stopping),
                measures=watched,
                callbacks=[partial(callback, self) for callback in self.callbacks],
            )
            if early_stopping is not None:
                early_stopping.check(held_out is not None, run.directions)
            if checkpoint is not None:
                share: object = validation
                options = Options(
                    batch_size,
                    shuffle if isinstance(shuffle, str) else bool(shuffle),
                    None if steps_per_epoch is None else index(steps_per_epoch),
                    float(share) if isinstance(share, Real) else None,
                    tuple((measure.name, measure.known) for measure in watched),
                )
                data = dict(zip(("x", "y", "sample_weight"), given_rows, strict=False))
                if held_out is not None and options.fraction is None:
                    names = ("validation x", "validation y", "validation sample_weight")
                    data.update(zip(names, held_out, strict=False))
                run.checkpoint = self._checkpoint(checkpoint, every, rng_before, options, data)
                run.checkpoint.check(early_stopping)
                run.interrupts.writes = True
                if resumed is not None:
                    run.go_on(*resumed)
            engine.check_stop()  # train_many wants the checks alone first
        except BaseException:
            self.rng.bit_generator.state = rng_now
            raise

        with run.interrupts.waiting():
            if resumed is not None:
                self.rng.bit_generator.state, self._resumed = rng_now, None
            elif early_stopping is not None:
                early_stopping.start()
            self.history = run.at.history
            done = len(self.history)
            shown = progress_bar(shows=self.progress, total=epochs, unit="epoch", done=done)
            with _alone(self.network), shown as bar:
                run.train(bar)
        return self.history

    def __repr__(self) -> str:
        """Name the parts: `Trainer(Network(...), MSELoss(...), SGD(...), engine='auto')`."""
        return f"Trainer({self.network}, {self.loss}, {self.optimizer}, engine={self.engine!r})"

    @property
    def is_compiled(self) -> bool:
        """Return whether to compile; raise ValueError when that was asked for and can't be."""
        return engine.compiles(self.engine, self.network.layers, self.loss, self.optimizer)

    def _checkpoint(
        self,
        path: str | os.PathLike[str],
        every: int,
        rng_before: dict[str, Any],
        options: Options,
        data: Mapping[str, Array],
    ) -> Checkpoint:
        """Return what a file at `path` says of a fit besides how far it is."""
        return Checkpoint(
            path=as_path(path, "Trainer.fit: checkpoint"),
            every=every,
            network=self.network,
            loss=self.loss,
            optimizer=self.optimizer,
            engine=self.engine,
            rng=self.rng,
            rng_before=rng_before,
            options=options,
            data=hashes(data),
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
            if rows_per_epoch > MOST_ROWS:
                raise ValueError(
                    f"Trainer.fit: steps_per_epoch {steps} of batch_size {batch_size} are more "
                    f"rows than memory can number, {MOST_ROWS:,}"
                )
        seed = int(self.rng.integers(2**63)) if shuffle else None
        return engine.Plan(min(batch_size, rows_per_epoch), rows_per_epoch, seed, replaces)

    def _check_batches(self, plan: engine.Plan) -> None:
        """Raise ValueError when the shortest batch has fewer rows than a brick needs."""
        last = plan.rows_per_epoch % plan.batch_size or plan.batch_size
        for place, layer in walk(self.network.layers):
            least = getattr(layer, "min_rows", 1)
            if last < least:
                raise ValueError(
                    f"Trainer.fit: layer {place} ({type(layer).__name__}) needs at least {least} "
                    f"rows to train on, but with batch_size {plan.batch_size} the last batch of "
                    f"the {plan.rows_per_epoch} rows has {last}; choose another batch_size"
                )

    def _rows(
        self, where: str, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Rows:
        """Return x and y, and the weights if there are any, checked and cast."""
        return as_rows(where, self.network, self.loss, x, y, sample_weight)


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
