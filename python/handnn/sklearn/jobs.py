"""Train an estimator's networks, one Trainer each, sequentially or in parallel."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.engine import get_num_threads
from handnn.losses import Loss
from handnn.network import Network
from handnn.optimizers import Optimizer
from handnn.sklearn.building import build_optimizer, gradient_factor, value_factor
from handnn.sklearn.estimator_recipe import EstimatorRecipe
from handnn.sklearn.held_out import EncodedRows
from handnn.sklearn.monitoring import IterationPrinter, ProgressMonitor
from handnn.sklearn.parameters import Parameters
from handnn.sklearn.targets import EstimatorTarget
from handnn.tables.bagging import BagRows, train_bag
from handnn.tables.cycles import Train
from handnn.tables.members import members_of
from handnn.tables.networks import NetworkInput
from handnn.training.divergence import DivergenceError
from handnn.training.history import Epoch
from handnn.training.many import train_many
from handnn.training.trainer import Trainer

if TYPE_CHECKING:
    from concurrent.futures import Executor


Rows = NDArray[np.int64]
"""The indices of rows."""


@dataclass(frozen=True)
class JobArguments:
    """The arguments of `Trainer.fit`."""

    x: Array
    y: Array
    sample_weight: Array | None
    epochs: int
    batch_size: int
    shuffle: bool
    validation: tuple[Array, ...] | None
    metrics: Mapping[str, Callable[..., float]]


@dataclass(frozen=True)
class TrainingJob:
    """The training of one network."""

    trainer: Trainer
    arguments: JobArguments
    monitor: ProgressMonitor | None = None


@dataclass(frozen=True)
class JobFactory:
    """Builds the jobs of one fit."""

    p: Parameters
    recipe: EstimatorRecipe
    target: EstimatorTarget
    train: EncodedRows
    held_out: EncodedRows | None
    is_incremental: bool
    executor: Executor | None = None

    def job(
        self,
        network: Network,
        optimizer: Optimizer | None,
        rng: np.random.Generator | int,
        n_train: int | None = None,
    ) -> TrainingJob:
        """Return the training of a network on `n_train` rows, by default all.

        optimizer: that of an earlier `partial_fit`.
        """
        p, recipe, target = self.p, self.recipe, self.target
        x, y, weight = self.train
        mean_weight = 1.0
        if weight is not None:
            mean_weight = float(weight.mean())
            weight = weight / mean_weight
        held_out = self.held_out
        if held_out is not None and held_out.weight is not None:
            held_out = held_out._replace(weight=held_out.weight / held_out.weight.mean())
        loss = copy.deepcopy(target.loss)
        if optimizer is None:
            factor = gradient_factor(loss, target.n_out)
            n_train = len(x) if n_train is None else n_train
            optimizer = build_optimizer(p, recipe, factor, n_train, mean_weight)
        has_monitor = not (self.is_incremental or recipe.n_folds)
        monitor = self._monitor(loss) if has_monitor else None
        callbacks: list[Callable[[Trainer], bool]] = [] if monitor is None else [monitor]
        prints = bool(p.verbose) and recipe.n_networks == 1 and p.solver != "lbfgs"
        if prints:
            callbacks.insert(0, IterationPrinter(value_factor(loss, target.n_out)))
        trainer = Trainer(
            network,
            loss,
            optimizer,
            rng=rng,
            callbacks=callbacks,
            progress=bool(p.verbose) and not prints,
        )
        scores = held_out is not None and recipe.early_stopping
        arguments = JobArguments(
            x=x,
            y=y,
            sample_weight=weight,
            epochs=1 if self.is_incremental else recipe.epochs,
            batch_size=min(recipe.batch_size, len(x)),
            shuffle=bool(p.shuffle) and p.solver != "lbfgs",
            validation=None if held_out is None else tuple(a for a in held_out if a is not None),
            metrics={"score": target.score} if scores else {},
        )
        return TrainingJob(trainer, arguments, monitor)

    def _monitor(self, loss: Loss) -> ProgressMonitor | None:
        """Return the callback that ends training and keeps the best weights, if one is needed."""
        p, recipe = self.p, self.recipe
        factor = value_factor(loss, self.target.n_out)
        patience = p.n_iter_no_change if recipe.stops else None
        restores = self.held_out is not None and bool(p.restore_best)
        value: Callable[[Epoch], float]
        if recipe.early_stopping:
            value, restores = _validation_score, bool(p.restore_best)
        elif restores:
            value = partial(_validation_gain, factor)
        elif patience is None:
            return None
        else:
            value = partial(_training_gain, factor)
        divides = recipe.schedule == "adaptive"
        return ProgressMonitor(value, patience, p.tol, restores=restores, divides=divides)


def _validation_score(epoch: Epoch) -> float:
    return epoch.metrics["score"]


def _validation_gain(factor: float, epoch: Epoch) -> float:
    return -factor * (np.inf if epoch.validation_loss is None else epoch.validation_loss)


def _training_gain(factor: float, epoch: Epoch) -> float:
    return -factor * epoch.train_loss


def run_jobs(factory: JobFactory, jobs: Sequence[TrainingJob], n_threads: int) -> bool:
    """Run the jobs, up to `n_threads` at a time, which does not affect the bits of any network.

    Ctrl-C ends all jobs with a warning and keeps the current weights, as in scikit-learn.
    Returns whether all jobs were completed.
    """

    def run() -> None:
        if factory.executor is None and (n_threads == 1 or len(jobs) == 1):
            for job in jobs:
                _run_job(job)
        else:
            trainers = [job.trainer for job in jobs]
            workers = _workers(factory, n_threads)
            train_many(trainers, each=[vars(job.arguments) for job in jobs], **workers)

    is_whole = _runs_whole(run)
    for job in jobs:
        if job.monitor is not None:
            job.monitor.restore(job.trainer)
    return is_whole


def _run_job(job: TrainingJob) -> None:
    """Train a network; if the loss becomes infinite, end with the best weights that are kept."""
    try:
        job.trainer.fit(**vars(job.arguments))
    except DivergenceError:
        if job.monitor is None or not job.monitor.end_at_divergence():
            raise


def bag_training(factory: JobFactory) -> Train:
    """Return `train_many` with the weights and the workers of a fit."""
    weight, n_jobs = factory.train.weight, factory.p.n_jobs
    n_threads = effective_n_jobs(n_jobs)
    if n_jobs is None and n_threads == 1:  # joblib leaves this choice to the estimator
        n_threads = get_num_threads()
    return partial(
        train_many,
        sample_weight=None if weight is None else weight / float(weight.mean()),
        shuffle=bool(factory.p.shuffle),
        **_workers(factory, n_threads),
    )


def run_bag(
    factory: JobFactory,
    jobs: Sequence[TrainingJob],
    rows: Sequence[Rows],
    train: Train,
    inputs: NetworkInput,
) -> bool:
    """Run the jobs of a bag like `run_jobs`: each learns from its rows, those outside its fold.

    train: from `bag_training`. inputs: the encoder of the rows.
    """
    trainers, first = [job.trainer for job in jobs], jobs[0].arguments
    members, restores = members_of(factory.recipe), bool(factory.p.restore_best)
    data = BagRows(inputs, first.x, first.y, factory.train.weight)
    return _runs_whole(lambda: train_bag(trainers, data, rows, members, train, restores=restores))


def _workers(factory: JobFactory, n_threads: int) -> dict[str, Any]:
    """Return the arguments of `train_many` that say where to train."""
    return {"threads": n_threads} if factory.executor is None else {"executor": factory.executor}


def _runs_whole(run: Callable[[], object]) -> bool:
    """Call `run`; return False, with a warning, if Ctrl-C interrupts it."""
    try:
        run()
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=7)
        return False
    return True
