"""MLPRegressor: regression on tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from handnn.arrays import Array
from handnn.losses import Loss, facts_of
from handnn.schedules import Schedule
from handnn.sklearn.base import BaseMLP
from handnn.sklearn.building import REGRESSION_LOSSES
from handnn.sklearn.held_out import EncodedRows, held_out_errors
from handnn.sklearn.parameters import Auto, RandomState
from handnn.sklearn.targets import EstimatorTarget, RegressionTarget
from handnn.tables.bagging import Folds
from handnn.tables.cells import AnyArray, Floats
from handnn.tables.intervals import HeldOutErrors, held_out_outputs
from handnn.tables.moments import Weights
from handnn.tables.recipe import ACTIVATION, HIDDEN

if TYPE_CHECKING:
    from concurrent.futures import Executor

DEFAULT_QUANTILES = (0.1, 0.5, 0.9)


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """A multilayer perceptron for regression, with scikit-learn's interface and more.

    The parameters of `sklearn.neural_network.MLPRegressor` have the same meaning. alpha,
    batch_size, learning_rate, learning_rate_init and max_iter are "auto" by default and then follow
    `handnn.tables.recipe`. docs/scikit-learn.md lists all parameters, and the scores behind the
    defaults. Additional parameters, and those that accept more values:

    Parameters:
        loss: "squared_error", "absolute_error", "huber", "poisson", "quantile" (0.1, 0.5 and 0.9),
            "gaussian" (mean and variance), a loss of `handnn.losses`, or any object with `forward`
            and `backward`. Except for Poisson's it is computed on scaled targets.
        activation, dropout: one for all hidden layers, or a list with one for each. dropout "auto"
            is 0.1 with solver="adam", alpha="auto" and more than 64 rows, else 0.
        scale: True standardizes each column of X, and of y, within the model. "quantile" also maps
            the columns of X towards a normal distribution. "auto" is "quantile" for up to 256
            columns, else True. False leaves them unchanged.
        early_stopping: "auto" trains a bag with solver="adam", in `fit` without warm_start and
            validation_data: each network holds out a different fold of the rows; see
            `default_recipe`. True holds out validation_fraction of the rows, and False nothing.
        weight_decay: that of AdamW, with solver="adam", in place of alpha; with "sgd" it is added
        to the gradient.
        batch_norm: whether the input of each activation is normalized over the batch.
        schedule: the schedule of the learning rate, in place of `learning_rate`: a
            `handnn.schedules.Schedule`, "constant", "cosine", "one_cycle", "cycles"
            (DoublingCycles) or "plateau".
        restore_best: whether to keep the weights of the best epoch on held-out or given rows.
        n_ensemble, n_jobs: the number of networks, whose predictions are averaged, and how many of
            them are trained at a time. n_ensemble "auto" is one for each fold of a bag, else one.
        categories: the encoding of text and categories, "embedding" or "one-hot".
        dtype: "float32", "float64", or "auto": float32 for a bag, and for float32 rows; else
            float64 for up to 1,000 rows. L-BFGS uses float64.
        quality: of a bag: "fast" takes less than half of the time of "good"; "best" about five
            times as long, since it tries further kinds of networks.

    Attributes:
        networks_, histories_: the trained `handnn.Network`s, and the History of each.
        validation_curve_: the validation loss after every epoch, [] without validation rows.
        coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_scores_,
            best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, out_activation_,
            n_features_in_, feature_names_in_: scikit-learn's, of the first network. Losses exclude
            alpha's term.

    Examples:
        >>> from handnn.datasets import load_concrete
        >>> from handnn.sklearn import MLPRegressor
        >>> data = load_concrete()
        >>> model = MLPRegressor(max_iter=20, random_state=0).fit(data.x, data.y)
        >>> model.predict(data.x[:3]).shape
        (3,)
        >>> model.score(data.x, data.y) > 0.8
        True
    """

    _losses = REGRESSION_LOSSES
    _y_is_numeric = True
    _target: RegressionTarget

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = HIDDEN,
        activation: str | Sequence[str] = ACTIVATION,
        *,
        solver: Literal["adam", "sgd", "lbfgs"] = "adam",
        alpha: float | Auto = "auto",
        batch_size: int | Auto = "auto",
        learning_rate: str = "auto",
        learning_rate_init: float | Auto = "auto",
        power_t: float = 0.5,
        max_iter: int | Auto = "auto",
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool | Auto = "auto",
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        scale: bool | str = "auto",
        weight_decay: float | Auto = "auto",
        dropout: float | Sequence[float] | Auto = "auto",
        batch_norm: bool = False,
        schedule: str | Schedule | None = None,
        restore_best: bool = True,
        n_ensemble: int | Auto = "auto",
        n_jobs: int | None = None,
        categories: str = "embedding",
        dtype: DTypeLike = "auto",
        quality: str = "good",
    ) -> None:
        self._set_parameters(locals())

    def fit(
        self,
        X: object,
        y: object,
        sample_weight: object = None,
        validation_data: object = None,
        *,
        groups: object = None,
        executor: Executor | None = None,
    ) -> MLPRegressor:
        """Train on the rows of X and y, and return self.

        Parameters:
            X: (N, I) array, pandas or polars frame, or sparse matrix. Text, categories and missing
                values are encoded within the model: see `handnn.Columns`.
            y: (N,), or (N, Y) for several outputs; finite numbers.
            sample_weight: (N,). A row of weight 2 counts as two rows, a row of weight 0 as absent.
            validation_data: (X, y) or (X, y, sample_weight). The loss on these rows is measured
                after every epoch; training returns to the best epoch, unless restore_best is False.
            groups: (N,) labels. Rows of one group, such as those of one patient, are held out
                together: a group is never on both sides of a fold, or of the split of
                    early_stopping=True.
            executor: the workers that train the networks of a bag, in place of n_jobs threads: see
                `handnn.train_many`.

        Raises TypeError or ValueError for invalid parameters or data, ArithmeticError if the loss
        becomes NaN or infinite. The estimator is then as it was before the call.
        """
        self._fit(X, y, sample_weight, validation_data, executor=executor, groups=groups)
        return self

    @available_if(lambda self: self._has_partial_fit())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: object, y: object, sample_weight: object = None) -> MLPRegressor:
        """Train for one epoch on the rows of X and y, and return self.

        Scales, categories and column names are those of the first call. Not with solver="lbfgs".
        """
        self._fit(X, y, sample_weight, is_incremental=True)
        return self

    def predict(self, X: object) -> Array:
        """Return the predictions for the rows of X: (N,), or (N, Y) for several outputs.

        They are float64; with scale=False, one float32 network and float32 X, they are float32.
        The prediction is the mean of y, or with "quantile" the quantile nearest to the median.
        """
        outputs = self._outputs(X)
        decode = self._target.decode
        answers = decode(outputs[0])
        if len(outputs) > 1:
            answers = sum(map(decode, outputs[1:]), answers) / len(outputs)
        if len(outputs) == 1 and not self.scale and getattr(X, "dtype", None) == np.float32:
            answers = answers.astype(outputs[0].dtype)  # nothing was computed in float64
        found: Array = answers[:, 0] if answers.shape[1] == 1 else answers
        return found

    def predict_quantiles(self, X: object, quantiles: ArrayLike | None = None) -> Floats:
        """Return quantiles of y for the rows of X: (N, Q), or (N, Y, Q) for several outputs.

        With a Quantile loss they must be among those it was trained for, by default all of them;
        with "gaussian" any between 0 and 1, by default 0.1, 0.5 and 0.9. The quantiles of an
        ensemble are averaged. Raises ValueError for another loss or quantile.
        """
        outputs = self._outputs(X)
        where, facts = "MLPRegressor.predict_quantiles", facts_of(self._target.loss)
        is_gaussian = facts.predicts == "mean and variance"
        if not (is_gaussian or facts.quantiles):
            raise ValueError(
                f"{where} needs loss='quantile' or 'gaussian', not {self._target.loss}"
            )
        known = DEFAULT_QUANTILES if is_gaussian else facts.quantiles
        try:
            given = np.asarray(known if quantiles is None else quantiles, np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{where}: quantiles must be numbers, but are {quantiles!r}") from None
        wanted = np.atleast_1d(given)
        is_known = (wanted > 0) & (wanted < 1) if is_gaussian else np.isin(wanted, known)
        if wanted.ndim != 1 or not is_known.all():
            allowed = "between 0 and 1" if is_gaussian else f"among {known}"
            raise ValueError(f"{where}: quantiles must be {allowed}, but are {wanted}")
        found: Floats = np.mean([self._target.quantiles(pre, wanted) for pre in outputs], axis=0)
        return found[:, 0] if found.shape[1] == 1 else found

    def predict_interval(self, X: object, coverage: float = 0.9) -> Floats:
        """Return an interval for every row of X that contains y with probability `coverage`.

        (N, 2), or (N, Y, 2) for several outputs: see `handnn.TableModel.predict_interval`. With
        loss="gaussian" the width follows the predicted standard deviation, with "quantile" the
        lowest and the highest predicted quantile; otherwise it is the same in all rows. Raises
        ValueError unless the estimator is a bag (early_stopping="auto") that has learned from at
        least 32 rows.
        """
        held_out, where = held_out_errors(self, "predict_interval")
        bound = held_out.bound(coverage, where)
        ends = self._target.interval(self._outputs(X), bound)
        return ends[:, 0] if ends.shape[1] == 1 else ends

    def _calibrate(self, train: EncodedRows, fold: Folds) -> HeldOutErrors | None:
        rows, outputs = held_out_outputs(self.networks_, train.x, fold)
        if not len(rows):
            return None
        return self._target.errors(outputs, train.y[rows])

    def _check_targets(self, y: AnyArray) -> AnyArray:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        try:
            found = np.asarray(y, np.float64)
        except ValueError as error:
            raise ValueError(f"MLPRegressor: y must hold numbers: {error}") from None
        is_odd = ~np.isfinite(found.reshape(len(found), -1)).all(axis=1)
        if is_odd.any():
            row = int(is_odd.argmax())
            raise ValueError(f"MLPRegressor: y must hold numbers, but row {row} is {y[row]}")
        return found

    def _learn_target(
        self, y: AnyArray, weight: Weights, loss: Loss | None, labels: AnyArray
    ) -> EstimatorTarget:
        if loss is None:
            raise ValueError("MLPRegressor: loss must be given")
        y = y[:, None] if y.ndim == 1 else y
        return RegressionTarget(y, weight, loss, self.scale is not False and bool(self.scale))

    def _encode(self, y: AnyArray) -> Array:
        y = y[:, None] if y.ndim == 1 else y
        if y.shape[1] != self._target.n_targets:
            raise ValueError(
                f"MLPRegressor: y has {y.shape[1]} columns, but had {self._target.n_targets} before"
            )
        return self._target.encode(y)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
