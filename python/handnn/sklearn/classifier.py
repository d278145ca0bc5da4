"""MLPClassifier: classification of tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import column_or_1d

from handnn.arrays import Array
from handnn.losses import Loss
from handnn.schedules import Schedule
from handnn.sklearn.base import BaseMLP
from handnn.sklearn.building import CLASS_LOSSES, class_loss
from handnn.sklearn.held_out import EncodedRows, held_out_errors
from handnn.sklearn.parameters import Auto, RandomState
from handnn.sklearn.sample_weights import ClassWeight, class_weights
from handnn.sklearn.targets import ClassTarget, EstimatorTarget
from handnn.tables.bagging import Folds
from handnn.tables.calibration import calibrate
from handnn.tables.cells import AnyArray, Floats
from handnn.tables.intervals import HeldOutErrors
from handnn.tables.moments import Weights
from handnn.tables.recipe import ACTIVATION, HIDDEN

if TYPE_CHECKING:
    from concurrent.futures import Executor


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """A multilayer perceptron for classification, with scikit-learn's interface and more.

    The parameters of `sklearn.neural_network.MLPClassifier` have the same meaning. Additional
    parameters, the forms of X, and the attributes are those of `handnn.sklearn.MLPRegressor`,
    except for:

    Parameters:
        loss: "log_loss", `BCEWithLogits` (each class against the rest), `SoftmaxCrossEntropy` (for
            label smoothing, say), or any object with `forward` and `backward`, which gets logits
            and one-hot rows.
        class_weight: None, "balanced", or a dict from classes to weights, which multiply the
            weights of the rows. "balanced" is ``N / (classes·rows of the class)``, where a row of
            weight 2 counts as two rows. For several targets, "balanced" or a list of dicts.
            Probabilities are those of a table whose classes have these weights, so the log loss on
            rows that are not weighted is higher.

    Attributes:
        classes_: (K,) the labels in ascending order; the numbers of the columns for multilabel.

    Examples:
        >>> from handnn.sklearn import MLPClassifier
        >>> size, town = [45, 60, None, 80] * 25, ["Ulm", "Bonn", "Ulm", "Kiel"] * 25
        >>> table = np.array([size, town], object).T
        >>> model = MLPClassifier(max_iter=20, random_state=0)
        >>> model = model.fit(table, ["low", "low", "low", "high"] * 25)
        >>> model.predict([[78, "Kiel"], [50, "Mainz"]]).tolist()
        ['high', 'low']
    """

    _losses = CLASS_LOSSES
    _target: ClassTarget
    classes_: AnyArray
    class_weight: ClassWeight

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = HIDDEN,
        activation: str | Sequence[str] = ACTIVATION,
        *,
        loss: str | Loss = "log_loss",
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
        class_weight: ClassWeight = None,
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
    ) -> MLPClassifier:
        """Train on the rows of X and y, and return self.

        y: labels (N,) of any type, or (N, Y) of 0 and 1 for several yes-or-no targets (multilabel).
        The other arguments, and the errors, are those of `MLPRegressor.fit`.
        """
        self._fit(X, y, sample_weight, validation_data, executor=executor, groups=groups)
        return self

    @available_if(lambda self: self._has_partial_fit())  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: object, y: object, sample_weight: object = None, classes: object = None
    ) -> MLPClassifier:
        """Train for one epoch on the rows of X and y, and return self.

        classes: all labels that will ever occur; required in the first call, except for multilabel.
        Scales, categories and column names are those of the first call.
        """
        is_multilabel = type_of_target(y, input_name="y").startswith("multilabel")
        if not (is_multilabel and classes is None):
            self._check_classes(classes)
        self._fit(X, y, sample_weight, is_incremental=True, classes=classes)
        return self

    def predict(self, X: object) -> AnyArray:
        """Return the most probable label for every row (N,), or 0 and 1 (N, Y) for multilabel."""
        outputs = self._outputs(X)
        if len(outputs) == 1:
            return self._target.decode(outputs[0])
        return self._target.choose(self._mean(outputs))

    def predict_proba(self, X: object) -> Floats:
        """Return the probability of every class, float64 (N, K), in the order of `classes_`.

        For several targets the probability of yes, (N, Y). The probabilities of an ensemble are
        averaged.
        """
        return self._mean(self._outputs(X))

    def predict_log_proba(self, X: object) -> Floats:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict_set(self, X: object, coverage: float = 0.9) -> NDArray[np.bool_]:
        """Return a set of classes for every row of X that contains its class with that probability.

        (N, K), True for the classes in the set, in the order of `classes_`: see
        `handnn.TableModel.predict_set`. Raises ValueError for several targets, and unless the
        estimator is a bag (early_stopping="auto") fitted to at least 32 rows.
        """
        held_out, where = held_out_errors(self, "predict_set")
        limit = held_out.limit(coverage, where)
        return np.asarray(held_out.set_scores(self._outputs(X)) <= limit)

    def _calibrate(self, train: EncodedRows, fold: Folds) -> HeldOutErrors | None:
        target = self._target
        if target.is_multilabel or len(self.classes_) < 2:
            return None
        codes = target.places(train.y)
        has_logits = target.is_softmax or target.n_out == 1
        found = calibrate(self.networks_, train.x, codes, fold, train.weight, is_scaled=has_logits)
        return None if found is None else found.held_out

    def _mean(self, outputs: list[Array]) -> Floats:
        every = [self._target.probabilities(pre) for pre in outputs]
        return every[0] if len(every) == 1 else np.asarray(np.mean(every, axis=0))

    def _check_classes(self, classes: object) -> None:
        """Raise ValueError unless `classes` are those of the first `partial_fit`."""
        known: AnyArray | None = getattr(self, "classes_", None)
        if known is None and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if known is None or classes is None:
            return
        if not np.array_equal(known, unique_labels(classes)):
            raise ValueError(
                f"classes={classes!r} must be those of the first call to partial_fit: {known!r}"
            )

    def _check_targets(self, y: AnyArray) -> AnyArray:
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

    def _check_warm_start(self, y: AnyArray) -> None:
        if y.ndim == 1 and not np.array_equal(np.unique(y), self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {np.unique(y)}"
            )

    def _learn_target(
        self, y: AnyArray, weight: Weights, loss: Loss | None, labels: AnyArray
    ) -> EstimatorTarget:
        is_multilabel = y.ndim == 2
        self.classes_ = np.arange(y.shape[1]) if is_multilabel else np.unique(labels)
        loss = class_loss(loss, len(self.classes_), is_multilabel)
        return ClassTarget(self.classes_, is_multilabel, loss)

    def _encode(self, y: AnyArray) -> Array:
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
        return target.encode(y)

    def _weights(self, y: AnyArray, weight: Weights, is_incremental: bool) -> Weights:
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

    def _strata(self, y: AnyArray) -> AnyArray | None:
        return y if y.ndim == 1 else None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
