"""The base class of both estimators: reads tables, trains networks and sets attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from handnn.arrays import Array
from handnn.losses import Loss
from handnn.network import Network
from handnn.optimizers import Optimizer
from handnn.sklearn import parameters
from handnn.sklearn.building import (
    LossFactory,
    affines,
    build_loss,
    draw_like_scikit_learn,
    set_arrays,
)
from handnn.sklearn.estimator_recipe import EstimatorRecipe, settle
from handnn.sklearn.given_rows import GivenRows, separation_of
from handnn.sklearn.held_out import EncodedRows, choose_held_out, validation_rows
from handnn.sklearn.jobs import JobFactory, TrainingJob, bag_training, run_bag, run_jobs
from handnn.sklearn.log_targets import chosen_on, on_chosen_scale
from handnn.sklearn.parameters import Parameters, bags, holds_out_once
from handnn.sklearn.results import (
    NonFiniteWeightsError,
    Results,
    note_results,
    warn_unless_converged,
)
from handnn.sklearn.sample_weights import row_weights
from handnn.sklearn.targets import EstimatorTarget
from handnn.sklearn.validation import (
    Inputs,
    check_targets,
    learn_inputs,
    read_rows,
    transform,
    transform_read,
)
from handnn.tables import Columns, TableModel
from handnn.tables.bagging import Folds, rows_outside
from handnn.tables.beyond import continued
from handnn.tables.cells import AnyArray
from handnn.tables.intervals import HeldOutErrors
from handnn.tables.members import chosen_members, members_of
from handnn.tables.moments import Weights
from handnn.tables.networks import build_network
from handnn.training.divergence import DivergenceError

if TYPE_CHECKING:
    from concurrent.futures import Executor


class BaseMLP(Parameters, Results, BaseEstimator):  # type: ignore[misc]
    """A multilayer perceptron as a scikit-learn estimator: see MLPRegressor and MLPClassifier."""

    _losses: Mapping[str, LossFactory | None] = {}
    _y_is_numeric = False

    networks_: list[Network]
    n_features_in_: int
    _inputs: Inputs
    _target: EstimatorTarget
    _optimizers: list[Optimizer]
    _dtype: np.dtype[np.floating]
    _architecture: dict[str, object]
    _rng: np.random.Generator
    _held_out: HeldOutErrors | None

    def _set_parameters(self, given: Mapping[str, object]) -> None:
        """Keep the arguments of `__init__` unchanged, as scikit-learn requires."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _check_targets(self, y: AnyArray) -> AnyArray:
        """Return validated y, (N,) if it has one column; ValueError if it does not fit the task."""
        raise NotImplementedError

    def _check_warm_start(self, y: AnyArray) -> None:
        """Raise ValueError if a continued fit cannot have these targets."""

    def _learn_target(
        self, y: AnyArray, weight: Weights, loss: Loss | None, labels: AnyArray
    ) -> EstimatorTarget:
        """Return the target learned from the training targets; labels: all that may occur."""
        raise NotImplementedError

    def _encode(self, y: AnyArray) -> Array:
        """Return y encoded for the loss; ValueError if it does not fit the target."""
        raise NotImplementedError

    def _weights(self, y: AnyArray, weight: Weights, is_incremental: bool) -> Weights:
        """Return the weights of the rows, including those of their classes."""
        return weight

    def _strata(self, y: AnyArray) -> AnyArray | None:
        """Return the labels by which held-out rows are stratified, or None."""
        return None

    def _fit(
        self,
        X: object,
        y: object,
        sample_weight: object = None,
        validation_data: object = None,
        *,
        is_incremental: bool = False,
        classes: object = None,
        executor: Executor | None = None,
        groups: object = None,
    ) -> Self:
        """Fit. If fitting fails, restore the previous state.

        Networks that continue an earlier training keep what they learned before the failure.
        """
        parameters.check(self)
        if is_incremental and holds_out_once(self):
            raise ValueError("partial_fit does not support early_stopping=True")
        before = dict(vars(self))
        try:
            given = self._given_rows(X, y, sample_weight, groups, is_incremental)
            self._fit_rows(given, validation_data, is_incremental, classes, executor)
        except BaseException as error:
            self.__dict__.clear()
            self.__dict__.update(before)
            if isinstance(error, DivergenceError):
                raise NonFiniteWeightsError.of(error) from error
            raise
        return self

    def _given_rows(
        self, X: object, y: object, sample_weight: object, groups: object, is_incremental: bool
    ) -> GivenRows:
        """Validate the rows, without those of weight 0."""
        is_first = self._is_first(is_incremental)
        rows, y = read_rows(self, X, y, reset=is_first, is_numeric=self._y_is_numeric)
        y = self._check_targets(y)
        if not (is_first or is_incremental):
            self._check_warm_start(y)
        where = f"{type(self).__name__}.fit"
        weight = row_weights(sample_weight, len(y), where)
        separation = separation_of(groups, len(y), where)
        return GivenRows(rows, y, weight, separation).without_zeros()

    def _is_first(self, is_incremental: bool) -> bool:
        """Return whether a fit would build new networks."""
        return not ((self.warm_start or is_incremental) and hasattr(self, "networks_"))

    def _fit_rows(
        self,
        given: GivenRows,
        validation_data: object,
        is_incremental: bool,
        classes: object,
        executor: Executor | None,
    ) -> None:
        name, is_first = type(self).__name__, self._is_first(is_incremental)
        loss = build_loss(name, self.loss, self._losses)
        labels = given.y if classes is None else np.asarray(classes)
        weight = self._weights(given.y, given.weight, is_incremental)
        given = given._replace(weight=weight).without_zeros()
        if is_first:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
            self._rng = np.random.default_rng(seed)
        kept_out: GivenRows | None = None
        if holds_out_once(self) and validation_data is None:
            share, strata = self.validation_fraction, self._strata(given.y)
            chosen = choose_held_out(given, share, strata, self._spawn_rng())
            given, kept_out = given.select(~chosen), given.select(chosen)
        recipe = settle(
            self,
            len(given.y),
            self.n_features_in_,
            is_incremental=is_incremental,
            is_bag=bags(self) and not is_incremental and validation_data is None,
            n_built=0 if is_first else len(self.networks_),
            has_float32=getattr(given.x, "dtype", None) == np.float32,
        )
        if is_first:
            self._inputs = learn_inputs(given.x, given.weight, recipe, self.categories)
            self._target = self._learn_target(given.y, given.weight, loss, labels)
            self.networks_, self._optimizers = [], []
            self._dtype = np.dtype(recipe.dtype)
            self._architecture = self._architecture_of(recipe)
        self._check_architecture(recipe)
        held_out: EncodedRows | None = None
        if kept_out is not None:
            held_out = self._encoded(kept_out)
        elif validation_data is not None:
            held_out = validation_rows(
                name, validation_data, lambda X: transform(self, X, self._dtype), self._encode_new
            )
        train = self._encoded(given)
        factory = JobFactory(self, recipe, self._target, train, held_out, is_incremental, executor)
        if recipe.n_folds:
            self._train_bag(factory, given)
        else:
            self._train(factory, is_first=is_first)

    def _encoded(self, given: GivenRows) -> EncodedRows:
        """Encode rows that `read_rows` returned."""
        x = transform_read(self._inputs, given.x, self._dtype)
        return EncodedRows(x, self._encode(given.y), given.weight)

    def _encode_new(self, y: object) -> Array:
        """Validate and encode targets."""
        read = check_targets(self, y, is_numeric=self._y_is_numeric)
        return self._encode(self._check_targets(read))

    def _architecture_of(self, recipe: EstimatorRecipe) -> dict[str, object]:
        """Return the parameters that a continued training cannot change."""
        return {
            "hidden_layer_sizes": recipe.hidden,
            "activation": recipe.activations,
            "batch_norm": recipe.batch_norm,
            "n_ensemble": recipe.n_networks,
            "loss": self.loss if isinstance(self.loss, str) else type(self.loss).__name__,
        }

    def _check_architecture(self, recipe: EstimatorRecipe) -> None:
        """Raise ValueError if the parameters do not match the existing networks."""
        built = dict(self._architecture)
        if self.networks_:
            built["n_ensemble"] = len(self.networks_)  # fewer if training was interrupted
        for name, asked in self._architecture_of(recipe).items():
            if asked != built[name]:
                raise ValueError(
                    f"{type(self).__name__}: warm_start and partial_fit continue with {name}="
                    f"{built[name]!r}, which cannot change to {asked!r}"
                )

    def _train(self, factory: JobFactory, *, is_first: bool) -> None:
        """Build the networks that do not exist yet, train all, and set the fitted attributes."""
        recipe, is_incremental = factory.recipe, factory.is_incremental
        jobs: list[TrainingJob] = []
        for place in range(recipe.n_networks):
            rng = self._spawn_rng()
            if place == len(self.networks_):
                network = build_network(recipe, self._inputs, self._target.n_out, rng)
                seed: object = self.random_state
                if place == 0 and isinstance(seed, Integral):
                    draw_like_scikit_learn(network, recipe, int(seed))
                self.networks_.append(network)
            optimizer: Optimizer | None = None
            if is_incremental and place < len(self._optimizers):
                optimizer = self._optimizers[place]
            job = factory.job(self.networks_[place], optimizer, rng)
            if is_incremental and place == len(self._optimizers):
                self._optimizers.append(job.trainer.optimizer)
            jobs.append(job)
        is_whole = run_jobs(factory, jobs, effective_n_jobs(self.n_jobs))
        self._finish(factory, jobs, is_whole, is_first=is_first)
        if not is_incremental:
            warn_unless_converged(self, jobs, recipe)

    def _finish(
        self, factory: JobFactory, jobs: list[TrainingJob], is_whole: bool, *, is_first: bool
    ) -> None:
        """Settle the embeddings and set the fitted attributes."""
        if not is_whole:
            # Drop networks interrupted before their first epoch.
            jobs = [job for job in jobs if len(job.trainer.history)] or jobs[:1]
            self.networks_ = [job.trainer.network for job in jobs]
        for network in self.networks_:
            if isinstance(self._inputs, Columns):
                self._inputs.settle(network)
        self._held_out = None
        note_results(self, jobs, factory, is_first=is_first)

    def _train_bag(self, factory: JobFactory, given: GivenRows) -> None:
        """Build and train a bag, as `handnn.tables.fitting.fit_table` does, with the same bits."""
        classes, separation = self._strata(given.y), given.separation
        recipe, n_rows = factory.recipe, len(factory.train.x)
        seed: object = self.random_state
        rng = np.random.default_rng(int(seed)) if isinstance(seed, Integral) else self._spawn_rng()
        codes = None if classes is None else np.unique(classes, return_inverse=True)[1]
        fold = separation.folds(n_rows, recipe.n_folds, codes, rng)
        rows = rows_outside(fold, recipe.n_networks, is_ordered=separation.is_ordered)
        train = bag_training(factory)
        factory, scale = on_chosen_scale(factory, given, self._inputs, fold, rng, train)
        jobs = []
        for of_member in (replace(factory, recipe=member) for member in members_of(recipe)):
            for part in rows:
                n_train = recipe.n_train(n_rows) if separation.is_independent else len(part)
                network = build_network(of_member.recipe, self._inputs, self._target.n_out, rng)
                jobs.append(of_member.job(network, None, int(rng.integers(2**63)), n_train))
        self.networks_ = [job.trainer.network for job in jobs]
        is_whole = run_bag(factory, jobs, rows, train, self._inputs)
        self._finish(factory, jobs, is_whole, is_first=True)
        train_rows, choice = factory.train, None
        if scale is not None:
            self.networks_, self._target, train_rows = chosen_on(
                scale, self.networks_, factory, given, fold, is_whole=is_whole
            )
        elif is_whole:
            loss, (x, y, _) = self._target.loss, train_rows
            choice = chosen_members(self.networks_, recipe, loss, x, y, fold)
            self.networks_ = choice.networks
        if is_whole:
            self._held_out = self._calibrate(train_rows, fold)
        if choice is not None:
            self.networks_, self._inputs = continued(choice, self._inputs, self._target.loss)

    def _calibrate(self, train: EncodedRows, fold: Folds) -> HeldOutErrors | None:
        """Return the errors of the bag on the rows that its networks hold out, if they have any.

        The outputs of a classifier's networks are divided by the temperature.
        """
        raise NotImplementedError

    def table_model(self) -> TableModel:
        """Return the fitted networks, with the preprocessing of X and y, as a `TableModel`.

        `handnn.to_onnx` and `handnn.to_c` export it, and also take the estimator itself. The
        networks are those of the estimator, not copies. Raises ValueError for a loss whose outputs
        are neither values nor probabilities of classes, such as "poisson" and "quantile".

        Examples:
            >>> from handnn.sklearn import MLPRegressor
            >>> x = np.random.default_rng(0).normal(size=(80, 2))
            >>> model = MLPRegressor(max_iter=5, random_state=0).fit(x, x[:, 0])
            >>> bool(np.allclose(model.table_model().predict(x), model.predict(x), atol=1e-5))
            True
        """
        from handnn.sklearn.exported import as_table_model

        check_is_fitted(self, "networks_")
        names = getattr(self, "feature_names_in_", None)
        is_flat = self._target.n_out == 1
        return as_table_model(
            self.networks_, self._inputs, self._target, names, is_flat, self._held_out
        )

    def _spawn_rng(self) -> np.random.Generator:
        """Return a new independent Generator."""
        return self._rng.spawn(1)[0]

    def _outputs(self, X: object) -> list[Array]:
        """Return the outputs of the networks for the rows of X."""
        networks: list[Network] | None = vars(self).get("networks_")
        if networks is None:
            check_is_fitted(self, "networks_")
            networks = []
        x = transform(self, X, self._dtype)
        if len(networks) == 1:  # without a comprehension, which takes time for one row
            return [networks[0].predict(x)]
        return [network.predict(x) for network in networks]

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer of the first network, (n_in, n_out), without a copy.

        Assigned arrays are copied into them; ValueError if their shapes differ.
        """
        return [affine.w for affine in affines(self._first_network("coefs_"))]

    @coefs_.setter
    def coefs_(self, arrays: list[Array]) -> None:
        set_arrays(self.coefs_, arrays, f"{type(self).__name__}: coefs_")

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer of the first network, (n_out,), like `coefs_`."""
        return [affine.b for affine in affines(self._first_network("intercepts_"))]

    @intercepts_.setter
    def intercepts_(self, arrays: list[Array]) -> None:
        set_arrays(self.intercepts_, arrays, f"{type(self).__name__}: intercepts_")

    def _first_network(self, name: str) -> Network:
        networks: list[Network] | None = vars(self).get("networks_")
        if not networks:
            raise AttributeError(f"{type(self).__name__} has no {name} before fit")
        return networks[0]

    def _has_partial_fit(self) -> bool:
        """Return True if the solver supports `partial_fit`; raise AttributeError if not."""
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for solver='adam' and 'sgd'")
        return True

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags
