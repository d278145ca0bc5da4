"""MLPRegressor: numbers from tables."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from handnn.arrays import Array
from handnn.losses import GaussianNLL, Quantile
from handnn.sklearn.base import BaseMLP
from handnn.sklearn.building import REGRESSION_LOSSES
from handnn.sklearn.inputs import Weights
from handnn.sklearn.targets import Target, Values
from handnn.tables import recipe as recipes


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """A multilayer perceptron for regression: scikit-learn's, with what it lacks, and faster.

    Parameters that scikit-learn's MLPRegressor has mean the same. Four of them may also be "auto",
    which is the default: alpha, batch_size, learning_rate (with learning_rate_init) and max_iter
    follow `handnn.recipes`. docs/scikit-learn.md has the table of all parameters, and the scores
    behind the defaults. Of its own it has:

    loss: "squared_error", "absolute_error", "huber", "poisson", "quantile" (0.1, 0.5 and 0.9),
        "gaussian" (mean and variance), one of `handnn.losses`, or an object of yours with `forward`
        and `backward`. It sees scaled targets, unless it is Poisson's.
    activation, dropout: one for all hidden layers, or a list with one for each. dropout "auto" is
        0.1 with Adam, when alpha is "auto" and there are more than 64 rows, else 0.
    scale: True brings every column of X, and of y, to mean 0 and deviation 1 within the model;
        "quantile" also bends those of X so that their values are spread as a normal distribution's;
        "auto" is "quantile" for up to 256 columns; False leaves all as it is.
    weight_decay: AdamW's, with solver="adam" and in place of alpha; with "sgd" it is added to the
        gradient.
    batch_norm: normalise what every hidden layer gets before its activation.
    schedule: of the learning rate, instead of `learning_rate`: one of `handnn.schedules`, or
        "constant", "cosine", "one_cycle" or "plateau".
    restore_best: keep the weights of the best epoch on held-out or given validation rows.
    n_ensemble: how many networks to train, whose answers are averaged; n_jobs: how many of them at
        a time.
    categories: how columns of text and categories enter: "embedding" or "one-hot".
    dtype: "float32", "float64", or "auto": float64 for small tables and L-BFGS.

    X: array, pandas or polars frame, or sparse matrix. Text, categories and missing values are
    handled within the model: see `handnn.Columns`. y: (N,), or (N, Y) for several outputs.

    Attributes:
        networks_, histories_: the trained `handnn.Network`s, and the History of each.
        validation_curve_: the validation loss after every epoch, [] without validation rows.
        coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_scores_,
            best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, out_activation_,
            n_features_in_, feature_names_in_: scikit-learn's, of the first network. Losses are
            without alpha's term.
    """

    _losses = REGRESSION_LOSSES
    _y_is_numeric = True
    scale: Any

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = recipes.HIDDEN,
        activation: Any = recipes.ACTIVATION,
        *,
        solver: Literal["adam", "sgd", "lbfgs"] = "adam",
        alpha: Any = "auto",
        batch_size: Any = "auto",
        learning_rate: str = "auto",
        learning_rate_init: Any = "auto",
        power_t: float = 0.5,
        max_iter: Any = "auto",
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        scale: Any = "auto",
        weight_decay: Any = "auto",
        dropout: Any = "auto",
        batch_norm: bool = False,
        schedule: Any = None,
        restore_best: bool = True,
        n_ensemble: int = 1,
        n_jobs: int | None = None,
        categories: str = "embedding",
        dtype: Any = "auto",
    ) -> None:
        self._take(locals())

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None
    ) -> MLPRegressor:
        """Train on the rows of X and y, and return self.

        sample_weight (N,): a row of weight 2 counts as two rows, one of 0 not at all.
        validation_data: (X, y) or (X, y, sample_weight), to measure the loss on after every epoch;
        training returns to the best one, unless restore_best is False.
        """
        self._fit(X, y, sample_weight, validation_data)
        return self

    @available_if(lambda self: self._can_go_on())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Go once over the rows of X and y, and return self.

        Scales, categories and names are those of the first call.
        """
        self._fit(X, y, sample_weight, is_incremental=True)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the prediction for every row of X: (N,), or (N, Y) for several outputs.

        The mean; the rate with "poisson"; with "quantile" that nearest to the median.
        """
        outputs = self._outputs(X)
        decode = self._target.decode
        answers = decode(outputs[0])
        if len(outputs) > 1:
            answers = sum(map(decode, outputs[1:]), answers) / len(outputs)
        found: NDArray[np.float64] = answers[:, 0] if answers.shape[1] == 1 else answers
        return found

    def predict_quantiles(self, X: Any, quantiles: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return quantiles (N, Q) of y for every row, or (N, Y, Q) for several outputs.

        With loss Quantile or "quantile" they are those it was trained for, by default all of them;
        with "gaussian" any, by default 0.1, 0.5 and 0.9. Of an ensemble it is their mean. Raises
        ValueError for another loss or quantile.
        """
        outputs = self._outputs(X)
        where, loss = "MLPRegressor.predict_quantiles", self._target.loss
        if not isinstance(loss, Quantile | GaussianNLL):
            raise ValueError(f"{where} needs loss='quantile' or 'gaussian', not {loss}")
        known = loss.quantiles if isinstance(loss, Quantile) else (0.1, 0.5, 0.9)
        try:
            given = np.asarray(known if quantiles is None else quantiles, np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{where}: quantiles must be numbers, but are {quantiles!r}") from None
        wanted = np.atleast_1d(given)
        is_known = (
            np.isin(wanted, known) if isinstance(loss, Quantile) else (wanted > 0) & (wanted < 1)
        )
        if wanted.ndim != 1 or not is_known.all():
            allowed = f"among {known}" if isinstance(loss, Quantile) else "between 0 and 1"
            raise ValueError(f"{where}: quantiles must be {allowed}, but are {wanted}")
        found: NDArray[np.float64] = np.mean(
            [self._target.quantiles(pre, wanted) for pre in outputs], axis=0
        )
        return found[:, 0] if found.shape[1] == 1 else found

    def _check_targets(self, y: NDArray[Any]) -> NDArray[Any]:
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
        self, y: NDArray[Any], weight: Weights, loss: Any, labels: NDArray[Any]
    ) -> Target:
        y = y[:, None] if y.ndim == 1 else y
        return Values(y, weight, loss, self.scale is not False and bool(self.scale))

    def _encode(self, y: NDArray[Any]) -> Array:
        y = y[:, None] if y.ndim == 1 else y
        if y.shape[1] != self._target.n_targets:
            raise ValueError(
                f"MLPRegressor: y has {y.shape[1]} columns, but had {self._target.n_targets} before"
            )
        return np.asarray(self._target.encode(y))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
