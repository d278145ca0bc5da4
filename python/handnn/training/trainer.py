"""Trainer: train a network on batches of rows, for a number of epochs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, SupportsIndex

from numpy.typing import ArrayLike

from handnn import engine
from handnn.arrays import check_methods, elements
from handnn.initializers import RandomSource, generator
from handnn.losses import Loss
from handnn.metrics import Metric
from handnn.network import Network
from handnn.optimizers import Optimizer
from handnn.progress import progress_bar
from handnn.suggestions import TRAINER_ELSEWHERE, Elsewhere
from handnn.training.distributed.sharding import DEADLINE, Sharding
from handnn.training.early_stopping import EarlyStopping
from handnn.training.exclusive import exclusively
from handnn.training.history import History
from handnn.training.loop import loss_and_gradients
from handnn.training.parts import Parts
from handnn.training.prepare import FitArguments, prepare
from handnn.training.repeated_link import repeated_link
from handnn.training.rows import Samples, as_rows
from handnn.training.run import Run

if TYPE_CHECKING:
    from handnn.training.checkpoints import Resumed


class Trainer:
    """Train a network: for each batch forward, loss, backward and a step of the optimizer.

    engine: "bricks" runs a Python loop over `layer.forward` and `layer.backward`. "compiled" runs
    several epochs in one C++ call, with the same bits; the attributes that layers and loss keep
    (`x`, `out`, `dw`, ...) are then None after `fit`. "auto" compiles if the layers, the loss and
    the optimizer are all handnn's own.
    rng: seed or Generator of the order of the rows and of the held-out rows.
    callbacks: functions that are called as ``callback(trainer)`` after each epoch, in order. If one
    returns True, training ends after all of them have been called.
    progress: whether to show a progress bar on stderr.
    shards: the number of slices that each batch is cut into, by position; by default 1, or 16 with
    `comm`. The slices are summed in a fixed order, so the bits depend on `shards`, but not on the
    ranks that compute them.
    comm: an mpi4py communicator, such as MPI.COMM_WORLD. Its ranks share the slices. All of them
    must build the same trainer and call `fit` with the same arguments.
    deadline: the time in seconds after which all ranks end if one does not respond.

    After each epoch, in this order: the validation loss and the metrics are measured, the history
    is extended, a `ReduceOnPlateau` and early stopping are updated, the bar advances, the callbacks
    are called, and a checkpoint is written.

    The constructor's arguments are also attributes. `history` is the `History` of the current or
    last `fit`.

    If training is interrupted, by Ctrl-C or by an error in a callback, `history` holds all complete
    epochs and every array is that of a complete step. In the main thread, Ctrl-C waits for the end
    of the step, or of the measurements after an epoch. In a callback, and when it is pressed a
    second time, it is raised immediately.

    Warns if the last brick is an activation that the loss also applies: Softmax before
    SoftmaxCrossEntropy, or Sigmoid before BCEWithLogits.

    Raises:
        TypeError: If `network` is not a Network, `loss` has no `forward` and `backward`,
            `optimizer` has no `step`, or `callbacks` is not a list of functions.
        ValueError: If `engine` is unknown, or if it is "compiled" and a part cannot be compiled.

    Examples:
        >>> from handnn import MSELoss, SGD, Trainer
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> network = handnn.Network([handnn.Affine(w=[[0.0]], b=[0.0])])
        >>> trainer = Trainer(network, MSELoss(), SGD(lr=0.5), rng=0)
        >>> history = trainer.fit(x, 2 * x + 1, epochs=50, batch_size=10)
        >>> len(history)
        50
        >>> network.predict([[3.0]]).round(4)
        array([[7.]])
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
        comm: object = None,
        shards: SupportsIndex | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(
                f"Trainer: network must be a Network, but is a {type(network).__name__}; "
                "write Network([...])"
            )
        check_methods(loss, "Trainer: loss", "forward", "backward")
        check_methods(optimizer, "Trainer: optimizer", "step")
        if hasattr(callbacks, "__iter__"):
            callbacks = tuple(elements(callbacks, "Trainer: callbacks"))
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
        self.rng = generator(rng, "Trainer: rng")
        self.callbacks = callbacks
        self.progress = progress
        sharding = Sharding.of(comm, shards, deadline)
        self.comm = comm
        self.shards = sharding.shards
        self.deadline = sharding.deadline
        self.history = History()
        self._resumed: Resumed | None = None
        self.is_compiled  # noqa: B018 - raises ValueError for engine="compiled" if it cannot be
        if (repeated := repeated_link(network, loss)) is not None:
            warnings.warn(repeated, stacklevel=2)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        *,
        callbacks: Sequence[Callable[[Trainer], object]] = (),
        progress: bool = False,
        comm: object = None,
        deadline: float = DEADLINE,
    ) -> Trainer:
        """Return a trainer in the state in which its `fit` wrote the checkpoint `path`.

        The next `fit`, with the same data, finishes the interrupted one, with the bits that it
        would have had. Settings such as ``optimizer.lr`` may be changed before it; network, layers,
        loss, optimizer and rng may not be replaced. A file does not hold callbacks: pass the same
        ones again.

        Raises:
            FormatError: If the file is not a valid checkpoint; a ValueError.
            OSError: If the file cannot be read.
        """
        from handnn.training.checkpoints import read

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
            comm=comm,
            shards=resumed.checkpoint.settings.shards,
            deadline=deadline,
        )
        trainer.history = resumed.state.history
        trainer._resumed = resumed
        return trainer

    def train_step(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Take one optimizer step on one batch, and return its loss before the step.

        x (N, I); y (N, O) or as `loss` expects it; sample_weight (N,). A loss that is not finite is
        returned, and the step is taken.

        Raises:
            TypeError: If an array does not hold real numbers.
            ValueError: If shapes or values do not fit.

        Examples:
            >>> network = handnn.Network([handnn.Affine(w=[[1.0]], b=[0.0])])
            >>> trainer = handnn.Trainer(network, handnn.MSELoss(), handnn.SGD(lr=0.25))
            >>> trainer.train_step(x=[[2.0]], y=[[5.0]])
            9.0
            >>> network.params["0.w"]
            array([[4.]])
        """
        rows = as_rows("Trainer.train_step", self.network, self.loss, x, y, sample_weight)
        sharding = Sharding.of(self.comm, self.shards, self.deadline)
        with exclusively(self.network):
            if not sharding.is_whole:
                return self._sharded_step(sharding, rows)
            loss, _ = loss_and_gradients(self.network, self.loss, *rows)
            self.optimizer.step(self.network.params, self.network.grads)
        return loss

    def _sharded_step(self, sharding: Sharding, rows: Samples) -> float:
        from handnn.training.distributed.ranks import Ranks, ranks_of
        from handnn.training.distributed.step import ShardedStep

        with ranks_of(sharding) as ranks:
            sharding.check(self.network.layers)
            step = ShardedStep(Ranks(sharding) if ranks is None else ranks, self.network)
            loss, _, grads, _ = step.loss_and_gradients(self.network, self.loss, rows)
            self.optimizer.step(self.network.params, grads)
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
        """Train for a number of epochs, and return the History.

        x (N, I); y (N, O), or (N,) for a network with one output, or class labels (N,). Both are
        cast to the dtype of the network, once.
        epochs: the number of passes over the rows.
        batch_size: the number of rows of a batch; the last batch of an epoch may be shorter.
        shuffle: True visits the rows in a new random order in each epoch, False in their order.
        "replacement" draws each row independently, so in an epoch some rows occur several times and
        others not at all.
        validation: (x, y) or (x, y, sample_weight) to measure the loss on after each epoch, or the
        fraction of the rows, between 0 and 1, to draw at random and hold out for this.
        sample_weight: (N,), finite and not negative. A row of weight 2 counts as two rows.
        steps_per_epoch: the number of batches that end an epoch; without replacement, an epoch
        also ends when all rows have been visited.
        metrics: names in `metrics.METRICS`, or functions ``metric(y_true, outputs)`` that return a
        number; with sample_weight, they get the weights as a third argument. A dict renames them.
        They are measured on the validation rows, or, without validation, on the outputs that the
        training loss is computed from.
        early_stopping: an `EarlyStopping`.
        checkpoint: the path of a file that is replaced atomically after each `checkpoint_every`
        epochs (1 by default), at the end, and on Ctrl-C, for `Trainer.resume`. The first `fit` of a
        resumed trainer continues up to `epochs` in total. It needs the same data, takes the
        arguments that are not given from the checkpoint, and writes to the same file.

        The training loss of an epoch is the mean of its batch losses, weighted by their numbers of
        rows; each is computed before the batch's update.

        With LBFGS, an epoch is one iteration on all rows, so batch_size must be at least N.
        Training may end early; ``optimizer.message`` gives the reason.

        A callback may change the layers. If they no longer compile, engine "auto" continues with
        the loop over bricks, and "compiled" raises ValueError.

        Raises:
            TypeError: If an argument has a wrong type, or a checkpoint cannot hold a part.
            TypeError and ValueError are raised before anything is changed.
            ValueError: If a shape or a value does not fit, or all rows of a loss have weight 0.
            DivergenceError: At the first loss that is NaN or infinite.
            RuntimeError: If another thread is training this network.

        Examples:
            >>> x = np.linspace(-1, 1, 40)[:, None]
            >>> y = (x[:, 0] > 0).astype(int)
            >>> network = handnn.mlp([1, 8, 1], rng=0)
            >>> trainer = handnn.Trainer(network, handnn.BCEWithLogits(), handnn.Adam(0.1), rng=0)
            >>> history = trainer.fit(
            ...     x, y, epochs=20, batch_size=8, validation=0.25, metrics="accuracy"
            ... )
            >>> history.metrics["accuracy"][-1]
            1.0
        """
        arguments = FitArguments(
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
        return self._fit(arguments)

    def _fit(self, arguments: FitArguments) -> History:
        """Fit on all ranks together, if there are several."""
        parts = self._parts
        if parts.sharding.n_ranks == 1:
            return self._run(self._prepare(arguments, parts))
        from handnn.training.distributed.ranks import ranks_of

        with ranks_of(parts.sharding) as ranks:
            if ranks is not None:
                ranks.check_stop()  # asked before this fit
            run = self._prepare(arguments, parts)
            run.ranks = ranks
            run.interrupts.with_sigterm = True
            return self._run(run)

    def _prepare(self, arguments: FitArguments, parts: Parts | None = None) -> Run:
        """Check the arguments of `fit`, and return a fit that can begin; change nothing."""
        callbacks = [partial(callback, self) for callback in self.callbacks]
        return prepare(parts or self._parts, arguments, callbacks, self._resumed)

    def _run(self, run: Run) -> History:
        """Run a prepared fit to its end."""
        engine.check_stop()  # raises if an enclosing fit or train_many is being stopped
        run.gather()

        def fit() -> History:
            with exclusively(run.parts.network):
                run.begin(is_resumed=self._resumed is not None)
                self._resumed = None
                self.history = run.state.history
                shown = progress_bar(
                    shows=self.progress and run.parts.sharding.rank == 0,
                    total=run.state.epochs,
                    unit="epoch",
                    done=len(self.history),
                )
                with shown as bar:
                    run.train(bar)
            return self.history

        return run.interrupts.during(fit)

    def __repr__(self) -> str:
        """Return the parts: `Trainer(Network(...), MSELoss(...), SGD(...), engine='auto')`."""
        return f"Trainer({self.network}, {self.loss}, {self.optimizer}, engine={self.engine!r})"

    @property
    def is_compiled(self) -> bool:
        """Whether `fit` runs in the compiled engine.

        Raises ValueError if `engine` is "compiled" but a part cannot be compiled.
        """
        return self._parts.compiles()

    @property
    def _parts(self) -> Parts:
        sharding = Sharding.of(self.comm, self.shards, self.deadline)
        return Parts(self.network, self.loss, self.optimizer, self.engine, self.rng, sharding)


for _name, _advice in TRAINER_ELSEWHERE.items():
    setattr(Trainer, _name, Elsewhere(_name, _advice))
