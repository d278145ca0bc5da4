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

    networks_: list[Network]
    histories_: list[History]
    _inputs: Inputs
    _target: Any
    _optimizers: list[Optimizer]

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
        loss: Any = build_loss(type(self).__name__, vars(self)["loss"], dict(self._losses))
        if is_incremental and vars(self)["early_stopping"]:
            raise ValueError("partial_fit does not support early_stopping=True")
        keeps = vars(self)["warm_start"] or is_incremental
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
            inputs = learn_inputs(rows, weight, self)
            target = self._learn_target(y, weight, loss, classes)
            self._inputs, self._target = inputs, target
        settled = settle(self, len(y), is_incremental=is_incremental)
        if is_first:
            rng = check_random_state(vars(self)["random_state"])
            self._rng = np.random.default_rng(rng.randint(2**31 - 1))
            self.networks_ = []
            self._optimizers = []
        dtype = settled.dtype if is_first else self.networks_[0].dtype
        x = _transformed(self, rows, dtype)
        self._train((x, self._encode(y), weight), settled, validation_data, is_incremental)
        return self

    def _train(
        self, rows: Rows, settled: Settled, validation_data: Any, is_incremental: bool
    ) -> None:
        """Build what is not there yet, train it, and note what training was like."""
        p = vars(self)
        self._check_same_sizes(settled)
        held_out = None if validation_data is None else self._validation_rows(validation_data)
        jobs = []
        for place in range(p["n_ensemble"]):
            rng = self._rng.spawn(1)[0] if hasattr(self._rng, "spawn") else _spawn(self._rng)
            x, y, weight = rows
            held = held_out
            if p["early_stopping"] and held_out is None:
                (x, y, weight), held = self._split(rows, rng)
            if place == len(self.networks_):
                network = build_network(
                    settled, p["batch_norm"], self._inputs, self._target.n_out, rng
                )
                self.networks_.append(network)
            jobs.append(self._job(place, (x, y, weight), held, settled, rng, is_incremental))
        threads = 1 if p["n_jobs"] is None else effective_n_jobs(p["n_jobs"])
        train_all(jobs, threads)
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
        p, target = vars(self), self._target
        x, y, weight = rows
        mean_weight = 1.0
        if weight is not None:
            mean_weight = float(weight.mean())
            weight = weight / mean_weight
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
            progress=bool(p["verbose"]),
        )
        arguments: dict[str, Any] = {
            "x": x,
            "y": y,
            "sample_weight": weight,
            "epochs": 1 if is_incremental else settled.epochs,
            "batch_size": min(settled.batch_size, len(x)),
            "shuffle": p["shuffle"] and p["solver"] != "lbfgs",
        }
        if held_out is not None:
            arguments["validation"] = tuple(a for a in held_out if a is not None)
            if p["early_stopping"]:
                arguments["metrics"] = {"score": target.score}
        return Job(trainer, arguments, watch)

    def _watch(self, settled: Settled, loss: Any, held_out: Rows | None) -> Watch | None:
        """Return who decides when training ends, and which weights are kept."""
        p = vars(self)
        factor = value_factor(loss, self._target.n_out)
        patience = p["n_iter_no_change"] if settled.stops else None
        common: dict[str, Any] = {"divides": settled.schedule == "adaptive"}
        if p["early_stopping"]:
            common["restores"] = p["restore_best"]
            return Watch(lambda epoch: epoch.metrics["score"], patience, p["tol"], **common)
        if held_out is not None and p["restore_best"]:
            common["restores"] = True
            return Watch(lambda epoch: -factor * _validation(epoch), patience, p["tol"], **common)
        if patience is None:
            return None
        return Watch(lambda epoch: -factor * epoch.train_loss, patience, p["tol"], **common)

    def _note(self, jobs: list[Job], rows: int, is_incremental: bool, settled: Settled) -> None:
        """Set what scikit-learn's estimators tell after training; of the first network."""
        p, target, history = vars(self), self._target, jobs[0].trainer.history
        factor = value_factor(target.loss, target.n_out)
        curve = [factor * loss for loss in history.train_loss]
        if is_incremental:
            curve = [*getattr(self, "loss_curve_", []), *curve]
        self.histories_ = [job.trainer.history for job in jobs]
        self.loss_curve_ = curve
        self.loss_ = curve[-1] if curve else np.nan
        self.best_loss_ = None if p["early_stopping"] else min(curve, default=np.nan)
        self.validation_curve_ = [factor * loss for loss in history.validation_loss]
        scores = history.metrics.get("score")
        self.validation_scores_ = scores
        self.best_validation_score_ = None if scores is None else max(scores)
        self.n_iter_ = len(history)
        self.t_ = len(curve) * rows
        self.n_layers_ = len(settled.hidden) + 2
        self.n_outputs_ = target.n_out
        self.out_activation_ = target.out_activation
        ends = [job.watch.has_stopped for job in jobs if job.watch is not None]
        if settled.stops and not is_incremental and ends and not any(ends):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({settled.epochs}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _split(self, rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Return the rows to train on and those held out, of each class its share."""
        x, y, weight = rows
        share = vars(self)["validation_fraction"]
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
        x = transform(self, X, self._dtype_of_training)
        y = self._encode(self._check_targets(np.asarray(y)))
        if len(x) != len(y):
            raise ValueError(f"{name} has {len(x)} rows of X but {len(y)} of y")
        if not weight or weight[0] is None:
            return x, y, None
        return x, y, _check_sample_weight(weight[0], y, dtype=np.float64, ensure_non_negative=True)

    def _check_same_sizes(self, settled: Settled) -> None:
        """Raise ValueError when networks that are there are not what the parameters ask for."""
        self._dtype_of_training = settled.dtype
        if not self.networks_:
            return
        self._dtype_of_training = str(self.networks_[0].dtype)
        hidden = tuple(affine.w.shape[1] for affine in affines(self.networks_[0])[:-1])
        if hidden != settled.hidden or len(self.networks_) != vars(self)["n_ensemble"]:
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
        x = transform(self, X, self.networks_[0].dtype)
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
        if vars(self)["solver"] == "lbfgs":
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
