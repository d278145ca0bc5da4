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
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from handnn.arrays import Array
from handnn.history import Epoch, History
from handnn.network import Network
from handnn.optimizers import Optimizer
from handnn.sklearn import parameters
from handnn.sklearn.building import (
    affines,
    build_loss,
    build_network,
    build_optimizer,
    value_factor,
)
from handnn.sklearn.inputs import Inputs, Weights
from handnn.sklearn.parameters import Settled, settle
from handnn.sklearn.reading import learn_inputs, read_rows, select, transform
from handnn.sklearn.targets import Target
from handnn.sklearn.training import Job, Watch, train_all
from handnn.tables import Columns
from handnn.trainer import Trainer

Rows = tuple[Array, Array, Weights]
"""x and y as a network takes them, and the weights."""


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

    networks_: list[Network]
    histories_: list[History]
    _inputs: Inputs
    _target: Any
    _optimizers: list[Optimizer]
    _dtype: np.dtype[Any]

    def _take(self, given: Mapping[str, Any]) -> None:
        """Keep the arguments of `__init__` as they are, which is what scikit-learn asks for."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _check_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return y checked, (N,) where it is one column; ValueError when it is of another kind."""
        raise NotImplementedError

    def _learn_target(self, y: NDArray[Any], weight: Weights, loss: Any, classes: Any) -> Target:
        raise NotImplementedError

    def _encode(self, y: NDArray[Any]) -> Array:
        """Return y as the networks are trained on it; ValueError when it does not fit."""
        raise NotImplementedError

    def _weights(self, y: NDArray[Any], weight: Weights, is_incremental: bool) -> Weights:
        return weight

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
        parameters.check(self)
        loss: Any = build_loss(type(self).__name__, self.loss, dict(self._losses))
        if is_incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        keeps = self.warm_start or is_incremental
        is_first = not (keeps and hasattr(self, "networks_"))
        rows, y = read_rows(self, X, y, reset=is_first, y_numeric=self._y_is_numeric)
        y = self._check_targets(y)
        weight: Weights = None
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, y, dtype=np.float64, ensure_non_negative=True
            )
        weight = self._weights(y, weight, is_incremental)
        rows, y, weight = _without_zeros(rows, y, weight)
        if is_first:
            if hasattr(self, "networks_"):
                del self.networks_  # of other columns
            self._inputs = learn_inputs(rows, weight, self)
            self._target = self._learn_target(y, weight, loss, classes)
        settled = settle(self, len(y), is_incremental=is_incremental)
        dtype = np.dtype(settled.dtype) if is_first else self._dtype
        x = _transformed(self, rows, dtype)
        encoded = self._encode(y)
        if is_first:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
            self._rng = np.random.default_rng(seed)
            self.networks_, self._optimizers, self._dtype = [], [], dtype
        try:
            self._train((x, encoded, weight), settled, validation_data, is_incremental)
        except BaseException:
            if is_first:  # half a model answers nobody
                del self.networks_
            raise
        return self

    def _train(
        self, rows: Rows, settled: Settled, validation_data: Any, is_incremental: bool
    ) -> None:
        """Build what is not there yet, train it, and note what training was like."""
        self._check_same_sizes(settled)
        held_out = None if validation_data is None else self._validation_rows(validation_data)
        jobs = []
        for place in range(self.n_ensemble):
            rng = self._rng.spawn(1)[0] if hasattr(self._rng, "spawn") else _spawn(self._rng)
            x, y, weight = rows
            held = held_out
            if self.early_stopping and held_out is None:
                (x, y, weight), held = self._split(rows, rng)
            if place == len(self.networks_):
                network = build_network(
                    settled, self.batch_norm, self._inputs, self._target.n_out, rng
                )
                self.networks_.append(network)
            jobs.append(self._job(place, (x, y, weight), held, settled, rng, is_incremental))
        threads = 1 if self.n_jobs is None else effective_n_jobs(self.n_jobs)
        if not train_all(jobs, threads):  # interrupted: who has learnt nothing does not answer
            jobs = [job for job in jobs if len(job.trainer.history)] or jobs[:1]
            self.networks_ = [job.trainer.network for job in jobs]
        for network in self.networks_:
            if isinstance(self._inputs, Columns):
                self._inputs.settle(network)
        self._note(jobs, len(rows[0]), is_incremental, settled)

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
            "shuffle": self.shuffle and self.solver != "lbfgs",
        }
        if held_out is not None:
            arguments["validation"] = tuple(a for a in held_out if a is not None)
            if self.early_stopping:
                arguments["metrics"] = {"score": target.score}
        return Job(trainer, arguments, watch)

    def _watch(self, settled: Settled, loss: Any, held_out: Rows | None) -> Watch | None:
        """Return who decides when training ends, and which weights are kept."""
        factor = value_factor(loss, self._target.n_out)
        patience = self.n_iter_no_change if settled.stops else None
        common: dict[str, Any] = {"divides": settled.schedule == "adaptive"}
        if self.early_stopping:
            common["restores"] = self.restore_best
            return Watch(lambda epoch: epoch.metrics["score"], patience, self.tol, **common)
        if held_out is not None and self.restore_best:
            common["restores"] = True
            return Watch(lambda epoch: -factor * _validation(epoch), patience, self.tol, **common)
        if patience is None:
            return None
        return Watch(lambda epoch: -factor * epoch.train_loss, patience, self.tol, **common)

    def _note(self, jobs: list[Job], rows: int, is_incremental: bool, settled: Settled) -> None:
        """Set what scikit-learn's estimators tell after training; of the first network."""
        target, history = self._target, jobs[0].trainer.history
        factor = value_factor(target.loss, target.n_out)
        curve = [factor * loss for loss in history.train_loss]
        if is_incremental:
            curve = [*getattr(self, "loss_curve_", []), *curve]
        self.histories_ = [job.trainer.history for job in jobs]
        self.loss_curve_ = curve
        self.loss_ = curve[-1] if curve else np.nan
        self.best_loss_ = None if self.early_stopping else min(curve, default=np.nan)
        self.validation_curve_ = [factor * loss for loss in history.validation_loss]
        scores = history.metrics.get("score")
        self.validation_scores_ = scores
        self.best_validation_score_ = None if scores is None else max(scores)
        self.n_iter_ = len(history)
        self.t_ = len(curve) * rows
        self.n_layers_ = len(settled.hidden) + 2
        self.n_outputs_ = target.n_out
        self.out_activation_ = target.out_activation
        if self.solver == "lbfgs":
            ends = [bool(getattr(job.trainer.optimizer, "converged", True)) for job in jobs]
        else:
            ends = [job.watch.has_stopped for job in jobs if job.watch is not None]
        stops = (settled.stops or self.solver == "lbfgs") and len(history) == settled.epochs
        if stops and not is_incremental and ends and not any(ends):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({settled.epochs}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _split(self, rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Return the rows to train on and those held out, of each class its share."""
        x, y, weight = rows
        share = self.validation_fraction
        stratify = self._strata(y)
        train, held = train_test_split(
            np.arange(len(x)),
            test_size=share,
            stratify=stratify,
            random_state=int(rng.integers(2**31)),
        )
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        first, second = (
            (x[part], y[part], None if weight is None else weight[part]) for part in (train, held)
        )
        return first, second

    def _strata(self, y: Array) -> Array | None:
        return None

    def _validation_rows(self, given: Any) -> Rows:
        name = f"{type(self).__name__}.fit: validation_data"
        if not (isinstance(given, tuple | list) and len(given) in (2, 3)):
            raise TypeError(f"{name} must be (X, y) or (X, y, sample_weight)")
        X, y, *weight = given
        x = transform(self, X, self._dtype)
        y = self._encode(self._check_targets(np.asarray(y)))
        if len(x) != len(y):
            raise ValueError(f"{name} has {len(x)} rows of X but {len(y)} of y")
        if not weight or weight[0] is None:
            return x, y, None
        found = _check_sample_weight(weight[0], y, dtype=np.float64, ensure_non_negative=True)
        return _without_zeros(x, y, found)

    def _check_same_sizes(self, settled: Settled) -> None:
        """Raise ValueError when networks that are there are not what the parameters ask for."""
        if not self.networks_:
            return
        hidden = tuple(affine.w.shape[1] for affine in affines(self.networks_[0])[:-1])
        if hidden != settled.hidden or len(self.networks_) != self.n_ensemble:
            raise ValueError(
                f"{type(self).__name__}: warm_start and partial_fit go on with networks of hidden "
                f"layers {hidden}, {len(self.networks_)} of them, but asked for are "
                f"{settled.hidden}, {vars(self)['n_ensemble']}"
            )

    def _outputs(self, X: Any) -> list[Array]:
        """Return what each network makes of the rows of X."""
        networks = vars(self).get("networks_")
        if networks is None:
            check_is_fitted(self, "networks_")
        x = transform(self, X, self._dtype)
        return [network.predict(x) for network in self.networks_]

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer of the first network, (n_in, n_out): the arrays themselves."""
        return [affine.w for affine in affines(self._first_network("coefs_"))]

    @property
    def intercepts_(self) -> list[Array]:
        """Its biases, likewise."""
        return [affine.b for affine in affines(self._first_network("intercepts_"))]

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


def _without_zeros(rows: Any, y: Any, weight: Weights) -> tuple[Any, Any, Weights]:
    """Leave out rows of weight 0, which are as if they were not there; equal weights are none."""
    if weight is None:
        return rows, y, None
    chosen = weight > 0
    if not chosen.any():
        raise ValueError("sample_weight must have at least one number that is not zero")
    if not chosen.all():
        rows, y, weight = select(rows, chosen), y[chosen], weight[chosen]
    return rows, y, weight


def _transformed(estimator: BaseMLP, rows: Any, dtype: Any) -> Array:
    """Return rows that were read already as the networks take them."""
    inputs = estimator._inputs
    if isinstance(inputs, Columns):
        return inputs.transform(rows, dtype)
    if np.isnan(rows.sum()):  # only where a later fit goes on
        rows = inputs.fill(rows)
    return inputs.transform(rows, dtype)


def _validation(epoch: Epoch) -> float:
    return np.inf if epoch.validation_loss is None else epoch.validation_loss


def _spawn(rng: np.random.Generator) -> np.random.Generator:
    """Return a Generator of its own, where NumPy is older than `Generator.spawn`."""
    return np.random.default_rng(int(rng.integers(2**63)))
