"""The attributes that scikit-learn's estimators have after training, and their warnings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from handnn.optimizers import LBFGS
from handnn.sklearn.building import value_factor
from handnn.sklearn.estimator_recipe import EstimatorRecipe
from handnn.sklearn.jobs import JobFactory, TrainingJob
from handnn.training.divergence import DivergenceError
from handnn.training.history import History


class Results(Protocol):
    """The attributes of a fitted estimator."""

    histories_: list[History]
    loss_: float
    loss_curve_: list[float]
    validation_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    best_loss_: float | None
    n_iter_: int
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    t_: int
    max_fun: int


class NonFiniteWeightsError(DivergenceError, ValueError):
    """The ValueError that scikit-learn raises when a loss is NaN or infinite, with its cause."""

    @classmethod
    def of(cls, error: DivergenceError) -> NonFiniteWeightsError:
        """Return the error, prefixed with scikit-learn's message."""
        words = (
            "Solver produced non-finite parameter weights. The input data may contain large "
            "values and need to be preprocessed."
        )
        return cls(f"{words} {error}", error.epoch, error.step)


def note_results(
    results: Results, jobs: Sequence[TrainingJob], factory: JobFactory, *, is_first: bool
) -> None:
    """Set the attributes from the histories of the networks; single values from the first.

    As in scikit-learn, a continued training extends the curves, and restarts `n_iter_`.
    """
    recipe, target = factory.recipe, factory.target
    history = jobs[0].trainer.history
    factor = value_factor(target.loss, target.n_out)
    curve = [factor * loss for loss in history.train_loss]
    scores = history.metrics.get("score")
    end = curve[-1] if curve else np.nan
    optimizer = jobs[0].trainer.optimizer
    if isinstance(optimizer, LBFGS):  # its history has the losses before each iteration
        end = factor * optimizer.final_loss
    best = min([*curve, end])
    if is_first:
        results.loss_curve_, results.validation_curve_, results.t_ = [], [], 0
        results.validation_scores_ = None
    elif results.best_loss_ is not None:
        best = min(best, results.best_loss_)
    results.histories_ = [job.trainer.history for job in jobs]
    results.loss_curve_ += curve
    results.validation_curve_ += [factor * loss for loss in history.validation_loss]
    if scores is not None:
        monitor = jobs[0].monitor
        if monitor is not None and monitor.has_diverged:
            scores = [*(score for score in scores if np.isfinite(score)), np.nan]
        results.validation_scores_ = [*(results.validation_scores_ or []), *scores]
    every = results.validation_scores_
    results.best_validation_score_ = None if every is None else max(every)
    results.loss_ = end
    results.best_loss_ = None if recipe.early_stopping else best
    results.n_iter_ = len(history)
    results.t_ += len(history) * len(factory.train.x)
    results.n_layers_ = len(recipe.hidden) + 2
    results.n_outputs_ = target.n_out
    results.out_activation_ = target.out_activation


def warn_unless_converged(
    results: Results, jobs: Sequence[TrainingJob], recipe: EstimatorRecipe
) -> None:
    """Warn, as scikit-learn does, if no network has converged."""
    optimizers = [job.trainer.optimizer for job in jobs]
    lbfgs = [optimizer for optimizer in optimizers if isinstance(optimizer, LBFGS)]
    if lbfgs:
        if all(optimizer.is_used_up for optimizer in lbfgs):
            limits = f"max_iter={recipe.epochs}, max_fun={results.max_fun}"
            text = f"lbfgs failed to converge: {lbfgs[0].message} ({limits})."
            warnings.warn(text, ConvergenceWarning, stacklevel=6)
        return
    monitors = [job.monitor for job in jobs if job.monitor is not None]
    if any(monitor.has_diverged for monitor in monitors):
        warnings.warn(
            "The loss became infinite: the weights of the best epoch are kept. A smaller "
            "learning_rate_init may help.",
            ConvergenceWarning,
            stacklevel=6,
        )
        return
    is_whole = recipe.stops and results.n_iter_ == recipe.epochs
    if is_whole and monitors and not any(monitor.has_stopped for monitor in monitors):
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({recipe.epochs}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=6,
        )
