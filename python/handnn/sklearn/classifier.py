"""MLPClassifier: classes from tables."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
)
from sklearn.utils.validation import column_or_1d

from handnn.arrays import Array
from handnn.sklearn.base import BaseMLP
from handnn.sklearn.building import CLASS_LOSSES, class_loss
from handnn.sklearn.inputs import Weights
from handnn.sklearn.targets import Labels, Target
from handnn.sklearn.weights import class_weights
from handnn.tables import recipe as recipes


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """A multilayer perceptron for classification: scikit-learn's, with what it lacks, and faster.

    Parameters that scikit-learn's MLPClassifier has mean the same, and those of its own, the rows
    it takes and its attributes are those of `handnn.sklearn.MLPRegressor`, but for

    loss: "log_loss", `BCEWithLogits` (each class against the rest), `SoftmaxCrossEntropy` (with
        label smoothing, say), or an object of yours, which gets logits and one-hot rows.
    class_weight: None, "balanced", or a dict from a class to its weight: a factor of the weights of
        its rows. "balanced" is ``N / (classes·rows of the class)``, where a row of weight 2 is two
        rows. For several questions "balanced", or a list with a dict for each.

    y: labels (N,) of any kind, or (N, Y) of 0 and 1 for several questions (multilabel). `classes_`
    are the labels, sorted.
    """

    _losses = CLASS_LOSSES
    classes_: NDArray[Any]
    class_weight: Any

    def __init__(
        self,
        hidden_layer_sizes: Any = recipes.HIDDEN,
        activation: Any = recipes.ACTIVATION,
        *,
        loss: Any = "log_loss",
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
        class_weight: Any = None,
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
    ) -> MLPClassifier:
        """Train on the rows of X and y, and return self: see `MLPRegressor.fit`."""
        self._fit(X, y, sample_weight, validation_data)
        return self

    @available_if(lambda self: self._can_go_on())  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """Go once over the rows of X and y, and return self.

        classes: all labels there will ever be, in the first call; not needed for multilabel. Scales
        and names of columns are those of the first call.
        """
        is_multilabel = type_of_target(y, input_name="y").startswith("multilabel")
        if not (is_multilabel and classes is None):
            _check_partial_fit_first_call(self, classes)
        self._fit(X, y, sample_weight, is_incremental=True, classes=classes)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable label of every row (N,), or 0 and 1 (N, Y) for questions."""
        outputs = self._outputs(X)
        if len(outputs) == 1:
            labels: NDArray[Any] = self._target.decode(outputs[0])
            return labels
        return np.asarray(self._target.choose(self._mean(outputs)))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of every class, in the order of `classes_`: (N, K).

        Of several questions that of yes, each. Of an ensemble it is the mean.
        """
        return self._mean(self._outputs(X))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _mean(self, outputs: list[Array]) -> NDArray[np.float64]:
        every = [self._target.probabilities(pre) for pre in outputs]
        return every[0] if len(every) == 1 else np.asarray(np.mean(every, axis=0))

    def _check_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.dtype == object:
            gaps = [value is None or value != value for value in y.ravel().tolist()]
            if any(gaps):
                row = gaps.index(True) // (y.size // len(y))
                raise ValueError(f"MLPClassifier: y has no value in row {row}")
        check_classification_targets(y)
        if type_of_target(y) == "multiclass-multioutput":
            raise ValueError(
                "MLPClassifier: y must be labels (N,), or (N, Y) of 0 and 1 only; Unknown label "
                "type: multiclass-multioutput"
            )
        return y

    def _learn_target(
        self, y: NDArray[Any], weight: Weights, loss: Any, labels: NDArray[Any]
    ) -> Target:
        is_multilabel = y.ndim == 2
        self.classes_ = np.arange(y.shape[1]) if is_multilabel else np.unique(labels)
        loss = class_loss(loss, len(self.classes_), is_multilabel)
        return Labels(self.classes_, is_multilabel, loss)

    def _encode(self, y: NDArray[Any]) -> Array:
        target = self._target
        if target.is_multilabel != (y.ndim == 2) or (y.ndim == 2 and y.shape[1] != target.n_out):
            raise ValueError(
                f"MLPClassifier: y has shape {y.shape}, which does not fit the first y"
            )
        if y.ndim == 1:
            unknown = np.setdiff1d(y, self.classes_)
            if len(unknown):
                raise ValueError(
                    f"MLPClassifier: y has the class {unknown.tolist()[0]!r}, which is not among "
                    f"classes_: {self.classes_}"
                )
        return np.asarray(target.encode(y))

    def _weights(self, y: NDArray[Any], weight: Weights, is_incremental: bool) -> Weights:
        class_weight = self.class_weight
        if class_weight is None:
            return weight
        if is_incremental and class_weight == "balanced":
            raise ValueError(
                "MLPClassifier.partial_fit: class_weight='balanced' needs all rows at once; give "
                "a dict"
            )
        name = type(self).__name__
        return class_weights(class_weight, y, weight, name, all_are_there=not is_incremental)

    def _strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        return y if y.ndim == 1 else None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
