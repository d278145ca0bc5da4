"""Trainer: batches in, steps out, epoch after epoch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from handnn import engine
from handnn.initializers import RandomSource
from handnn.losses import Loss
from handnn.metrics import Metric
from handnn.network import Network
from handnn.optimizers import Optimizer
from handnn.progress import progress_bar
from handnn.training.checkpoints import Resumed, read
from handnn.training.early_stopping import EarlyStopping
from handnn.training.exclusive import exclusively
from handnn.training.history import History
from handnn.training.parts import Parts
from handnn.training.prepare import FitArguments, prepare
from handnn.training.rows import as_rows
from handnn.training.run import Run, loss_and_gradients


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
        self._resumed: Resumed | None = None
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
        resumed = read(path)
        parts = resumed.checkpoint.parts
        trainer = cls(
            parts.network,
            parts.loss,
            parts.optimizer,
            engine=parts.engine,
            rng=parts.rng,
            callbacks=callbacks,
            progress=progress,
        )
        trainer.history = resumed.state.history
        trainer._resumed = resumed
        return trainer

    def train_step(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Take one step on the rows of one batch, and return their loss from before the step."""
        rows = as_rows("Trainer.train_step", self.network, self.loss, x, y, sample_weight)
        with exclusively(self.network):
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
        return self._run(
            self._prepare(
                FitArguments(
                    x=x,
                    y=y,
                    epochs=epochs,
                    batch_size=batch_size,
                    shuffle=shuffle,
                    validation=validation,
                    sample_weight=sample_weight,
                    steps_per_epoch=steps_per_epoch,
                    metrics=metrics,
                    early_stopping=early_stopping,
                    checkpoint=checkpoint,
                    checkpoint_every=checkpoint_every,
                )
            )
        )

    def _prepare(self, arguments: FitArguments) -> Run:
        """Check the arguments of `fit`, and change nothing."""
        callbacks = [partial(callback, self) for callback in self.callbacks]
        return prepare(self._parts, arguments, callbacks, self._resumed)

    def _run(self, run: Run) -> History:
        """Train what `_prepare` has prepared."""
        engine.check_stop()  # the fit around this one, or `train_many`, may have to end
        run.gather()
        network = run.parts.network
        with run.interrupts.waiting(), exclusively(network):
            run.begin(is_resumed=self._resumed is not None)
            self._resumed = None
            self.history = run.state.history
            shown = progress_bar(
                shows=self.progress,
                total=run.state.epochs,
                unit="epoch",
                done=len(self.history),
            )
            with shown as bar:
                run.train(bar)
        return self.history

    def __repr__(self) -> str:
        """Name the parts: `Trainer(Network(...), MSELoss(...), SGD(...), engine='auto')`."""
        return f"Trainer({self.network}, {self.loss}, {self.optimizer}, engine={self.engine!r})"

    @property
    def is_compiled(self) -> bool:
        """Return whether to compile; raise ValueError when that was asked for and can't be."""
        return engine.compiles(self.engine, self.network.layers, self.loss, self.optimizer)

    @property
    def _parts(self) -> Parts:
        return Parts(self.network, self.loss, self.optimizer, self.engine, self.rng)


def _check_methods(name: str, part: object, *methods: str) -> None:
    if isinstance(part, type) or not all(hasattr(part, method) for method in methods):
        raise TypeError(f"Trainer: {name} must have {' and '.join(methods)}, but is {part!r}")
