"""What both estimators share: reading tables, training networks, what is known afterwards."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from handnn.arrays import Array
from handnn.network import Network
from handnn.optimizers import Optimizer
from handnn.sklearn import parameters
from handnn.sklearn.building import (
    affines,
    build_loss,
    build_network,
    build_optimizer,
    check_plan,
    plan,
    set_arrays,
    value_factor,
)
from handnn.sklearn.held_out import Rows, choose_held_out, validation_rows
from handnn.sklearn.inputs import Inputs, Weights
from handnn.sklearn.parameters import Settled, settle
from handnn.sklearn.reading import learn_inputs, read_rows, select, transform
from handnn.sklearn.targets import Target
from handnn.sklearn.training import Job, Watch, train_all
from handnn.sklearn.weights import row_weights, without_zeros
from handnn.tables import Columns
from handnn.training.history import Epoch, History
from handnn.training.trainer import Trainer


class BaseMLP(BaseEstimator):  # type: ignore[misc]
    """A multilayer perceptron with scikit-learn's habits: see MLPRegressor and MLPClassifier."""

    _losses: Mapping[str, Any] = {}
    _y_is_numeric = False

    loss: Any
    hidden_layer_sizes: Any
    solver: str
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: float
    batch_norm: bool
    restore_best: bool
    n_ensemble: int
    n_jobs: int | None
    max_fun: int

    networks_: list[Network]
    histories_: list[History]
    loss_curve_: list[float]
    validation_curve_: list[float]
    validation_scores_: list[float] | None
    best_loss_: float | None
    t_: int
    _inputs: Inputs
    _target: Any
    _optimizers: list[Optimizer]
    _dtype: np.dtype[Any]
    _built: dict[str, Any]

    def _take(self, given: Mapping[str, Any]) -> None:
        """Keep the arguments of `__init__` as they are, which is what scikit-learn asks for."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _check_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return y checked, (N,) where it is one column; ValueError when it is of another kind."""
        raise NotImplementedError

    def _learn_target(
        self, y: NDArray[Any], weight: Weights, loss: Any, labels: NDArray[Any]
    ) -> Target:
        """Return what is learnt of y, the targets that are not held out; labels: all there are."""
        raise NotImplementedError

    def _encode(self, y: NDArray[Any]) -> Array:
        """Return y as the networks are trained on it; ValueError when it does not fit."""
        raise NotImplementedError

    def _weights(self, y: NDArray[Any], weight: Weights, is_incremental: bool) -> Weights:
        return weight

    def _strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return what is to be held out in equal shares."""
        return None

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation_data: Any = None,
        *,
        is_incremental: bool = False,
        classes: Any = None,
    ) -> Any:
        """Fit; when that fails, the estimator is the one that it was: half a model answers nobody.

        Only networks that were to go on, and had begun to, keep what they have learnt.
        """
        parameters.check(self)
        if is_incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        before = dict(vars(self))
        try:
            self._fit_rows(X, y, sample_weight, validation_data, is_incremental, classes)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _fit_rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation_data: Any,
        is_incremental: bool,
        classes: Any,
    ) -> None:
        loss: Any = build_loss(type(self).__name__, self.loss, dict(self._losses))
        keeps = self.warm_start or is_incremental
        is_first = not (keeps and hasattr(self, "networks_"))
        rows, y = read_rows(self, X, y, reset=is_first, y_numeric=self._y_is_numeric)
        y = self._check_targets(y)
        rows, y, weight = without_zeros(
            rows, y, row_weights(sample_weight, y, f"{type(self).__name__}.fit")
        )
        labels = y if classes is None else np.asarray(classes)
        rows, y, weight = without_zeros(rows, y, self._weights(y, weight, is_incremental))
        if is_first:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
            self._rng = np.random.default_rng(seed)
        held: Any = None
        if self.early_stopping and self.solver != "lbfgs" and validation_data is None:
            chosen = choose_held_out(
                len(y), self.validation_fraction, self._strata(y), _spawn(self._rng)
            )
            (rows, y, weight), held = (
                (select(rows, part), y[part], None if weight is None else weight[part])
                for part in (~chosen, chosen)
            )
        settled = settle(self, len(y), is_incremental=is_incremental)
        if is_first:
            self._inputs = learn_inputs(rows, weight, self, is_incremental=is_incremental)
            self._target = self._learn_target(y, weight, loss, labels)
            self.networks_, self._optimizers = [], []
            self._dtype = np.dtype(settled.dtype)
            self._built = plan(self, settled)
        check_plan(self, settled)
        if held is not None:
            held = (_transformed(self, held[0]), self._encode(held[1]), held[2])
        elif validation_data is not None:
            held = validation_rows(self, validation_data)
        train = (_transformed(self, rows), self._encode(y), weight)
        self._train(train, held, settled, is_first=is_first, is_incremental=is_incremental)

    def _train(
        self,
        rows: Rows,
        held_out: Rows | None,
        settled: Settled,
        *,
        is_first: bool,
        is_incremental: bool,
    ) -> None:
        """Build what is not there yet, train it, and note what training was like."""
        jobs = []
        for place in range(self.n_ensemble):
            rng = _spawn(self._rng)
            if place == len(self.networks_):
                network = build_network(
                    settled, self.batch_norm, self._inputs, self._target.n_out, rng
                )
                self.networks_.append(network)
            jobs.append(self._job(place, rows, held_out, settled, rng, is_incremental))
        if not train_all(jobs, effective_n_jobs(self.n_jobs)):  # interrupted
            # Who has learnt nothing does not answer.
            jobs = [job for job in jobs if len(job.trainer.history)] or jobs[:1]
            self.networks_ = [job.trainer.network for job in jobs]
        for network in self.networks_:
            if isinstance(self._inputs, Columns):
                self._inputs.settle(network)
        self._note(jobs, len(rows[0]), settled, is_first=is_first, is_incremental=is_incremental)

    def _job(
        self,
        place: int,
        rows: Rows,
        held_out: Rows | None,
        settled: Settled,
        rng: np.random.Generator,
        is_incremental: bool,
    ) -> Job:
        """Return the training of one network."""
        target = self._target
        x, y, weight = rows
        mean_weight = 1.0
        if weight is not None:
            mean_weight = float(weight.mean())
            weight = weight / mean_weight
        if held_out is not None and held_out[2] is not None:
            held_out = (*held_out[:2], held_out[2] / held_out[2].mean())
        loss = copy.deepcopy(target.loss)
        if is_incremental and place < len(self._optimizers):
            optimizer = self._optimizers[place]
        else:
            optimizer = build_optimizer(self, settled, loss, target.n_out, len(x), mean_weight)
        if is_incremental and place == len(self._optimizers):
            self._optimizers.append(optimizer)
        watch = self._watch(settled, loss, held_out) if not is_incremental else None
        trainer = Trainer(
            self.networks_[place],
            loss,
            optimizer,
            rng=rng,
            callbacks=[] if watch is None else [watch],
            progress=bool(self.verbose),
        )
        arguments: dict[str, Any] = {
            "x": x,
            "y": y,
            "sample_weight": weight,
            "epochs": 1 if is_incremental else settled.epochs,
            "batch_size": min(settled.batch_size, len(x)),
            "shuffle": bool(self.shuffle) and self.solver != "lbfgs",
        }
        if held_out is not None:
            arguments["validation"] = tuple(a for a in held_out if a is not None)
            if settled.early_stopping:
                arguments["metrics"] = {"score": target.score}
        return Job(trainer, arguments, watch)

    def _watch(self, settled: Settled, loss: Any, held_out: Rows | None) -> Watch | None:
        """Return who decides when training ends, and which weights are kept."""
        factor = value_factor(loss, self._target.n_out)
        patience = self.n_iter_no_change if settled.stops else None
        common: dict[str, Any] = {"divides": settled.schedule == "adaptive"}
        if settled.early_stopping:
            common["restores"] = self.restore_best
            return Watch(lambda epoch: epoch.metrics["score"], patience, self.tol, **common)
        if held_out is not None and self.restore_best:
            common["restores"] = True
            return Watch(lambda epoch: -factor * _validation(epoch), patience, self.tol, **common)
        if patience is None:
            return None
        return Watch(lambda epoch: -factor * epoch.train_loss, patience, self.tol, **common)

    def _note(
        self, jobs: list[Job], rows: int, settled: Settled, *, is_first: bool, is_incremental: bool
    ) -> None:
        """Set what scikit-learn's estimators tell after training; of the first network.

        As there, curves go on where a training goes on, and `n_iter_` begins anew.
        """
        target, history = self._target, jobs[0].trainer.history
        factor = value_factor(target.loss, target.n_out)
        curve = [factor * loss for loss in history.train_loss]
        validation_curve = [factor * loss for loss in history.validation_loss]
        scores = history.metrics.get("score")
        end = curve[-1] if curve else np.nan
        if self.solver == "lbfgs":  # whose history has the losses from before each iteration
            optimizer: Any = jobs[0].trainer.optimizer
            end = factor * optimizer.final_loss
        best = min([*curve, end])
        if is_first:
            self.loss_curve_, self.validation_curve_, self.t_ = [], [], 0
            self.validation_scores_ = None
        elif self.best_loss_ is not None:
            best = min(best, self.best_loss_)
        self.histories_ = [job.trainer.history for job in jobs]
        self.loss_curve_ += curve
        self.validation_curve_ += validation_curve
        if scores is not None:
            self.validation_scores_ = [*(self.validation_scores_ or []), *scores]
        every = self.validation_scores_
        self.best_validation_score_ = None if every is None else max(every)
        self.loss_ = end
        self.best_loss_ = None if settled.early_stopping else best
        self.n_iter_ = len(history)
        self.t_ += len(history) * rows
        self.n_layers_ = len(settled.hidden) + 2
        self.n_outputs_ = target.n_out
        self.out_activation_ = target.out_activation
        if not is_incremental:
            self._warn(jobs, settled)

    def _warn(self, jobs: list[Job], settled: Settled) -> None:
        """Warn, as scikit-learn does, when no network had come to rest."""
        if self.solver == "lbfgs":
            optimizers: list[Any] = [job.trainer.optimizer for job in jobs]
            if all(optimizer.is_used_up for optimizer in optimizers):
                limits = f"max_iter={settled.epochs}, max_fun={self.max_fun}"
                text = f"lbfgs failed to converge: {optimizers[0].message} ({limits})."
                warnings.warn(text, ConvergenceWarning, stacklevel=7)
            return
        watches = [job.watch for job in jobs if job.watch is not None]
        is_whole = settled.stops and self.n_iter_ == settled.epochs
        if is_whole and watches and not any(watch.has_stopped for watch in watches):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({settled.epochs}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=7,
            )

    def _outputs(self, X: Any) -> list[Array]:
        """Return what each network makes of the rows of X."""
        networks: list[Network] | None = vars(self).get("networks_")
        if networks is None:
            check_is_fitted(self, "networks_")
            networks = []
        x = transform(self, X, self._dtype)
        if len(networks) == 1:  # without a comprehension, which one row would notice
            return [networks[0].predict(x)]
        return [network.predict(x) for network in networks]

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer of the first network, (n_in, n_out): the arrays themselves.

        What they are set to is copied into these; ValueError when it is of other shapes.
        """
        return [affine.w for affine in affines(self._first_network("coefs_"))]

    @coefs_.setter
    def coefs_(self, arrays: Any) -> None:
        set_arrays(self.coefs_, arrays, f"{type(self).__name__}: coefs_")

    @property
    def intercepts_(self) -> list[Array]:
        """Its biases, likewise."""
        return [affine.b for affine in affines(self._first_network("intercepts_"))]

    @intercepts_.setter
    def intercepts_(self, arrays: Any) -> None:
        set_arrays(self.intercepts_, arrays, f"{type(self).__name__}: intercepts_")

    def _first_network(self, name: str) -> Network:
        networks: list[Network] | None = vars(self).get("networks_")
        if not networks:
            raise AttributeError(f"{type(self).__name__} has no {name} before fit")
        return networks[0]

    def _can_go_on(self) -> bool:
        """Return whether there is a `partial_fit`; AttributeError when there is none."""
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for solver='adam' and 'sgd'")
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags


def _transformed(estimator: BaseMLP, rows: Any) -> Array:
    """Return rows that were read already as the networks take them."""
    inputs = estimator._inputs
    if not isinstance(inputs, Columns) and np.isnan(rows.sum()):  # of a later fit, or held out
        rows = inputs.fill(rows)
    return inputs.transform(rows, estimator._dtype)


def _validation(epoch: Epoch) -> float:
    return np.inf if epoch.validation_loss is None else epoch.validation_loss


def _spawn(rng: np.random.Generator) -> np.random.Generator:
    """Return a Generator of its own."""
    if hasattr(rng, "spawn"):
        return rng.spawn(1)[0]
    return np.random.default_rng(int(rng.integers(2**63)))  # NumPy is older than 1.25
