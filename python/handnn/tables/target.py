"""Target: encodes y for training, and decodes predictions from outputs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.losses import BCEWithLogits, Loss, SoftmaxCrossEntropy
from handnn.storage import FormatError, brief
from handnn.tables import checks
from handnn.tables.cells import DEFAULT_GAPS, AnyArray, Floats, GapWords, gap_tuple
from handnn.tables.checks import Entry
from handnn.tables.objective import POISSON, SQUARED, checked_objective, new_loss, rates
from handnn.tables.steps import Label
from handnn.tables.target_values import MIN_CLASSES, TargetLike, TargetValues, label_array

TASKS = ("regression", "binary", "multiclass", "multilabel")


class Target:
    """The target of a table, as learned from the training rows.

    Attributes:
        task: "regression", "binary" (two classes), "multiclass", or "multilabel" (several
            yes-or-no targets).
        n_out: the number of the network's output columns: one for each value of a regression, 1 for
            binary, one for each class, one for each yes-or-no target.
        classes: (K,) the labels in ascending order, text, ints, floats or bools as they were given;
            None for regression and multilabel.
        mean, scale: float64 (n_out,) mean and standard deviation of a regression's values; scale is
            1 for constant values. Empty for the other tasks.
        is_flat: whether y was (N,); predictions then are too.
        objective: what a regression predicts: "squared" for the mean, "poisson" for the rate of
            counts, "quantile:0.9" for that quantile.
        is_log: whether the outputs of networks are ``log((y - mean) / scale)``: see `log_scale`.

    Examples:
        >>> target = handnn.Target.learn(["low", "high", "low", "mid"])
        >>> target
        Target(multiclass, 3 classes: high, low, mid)
        >>> target.encode(["mid", "high"])
        array([[2.],
               [0.]])
        >>> target.decode([[0.1, 0.2, 3.0]]).tolist()
        ['mid']
    """

    def __init__(
        self,
        task: str,
        *,
        classes: ArrayLike | None = None,
        mean: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        n_out: int = 1,
        is_flat: bool = True,
        objective: str = SQUARED,
        is_log: bool = False,
    ) -> None:
        self.task = checks.word(task, TASKS, "Target: task")
        self.objective = checked_objective(objective, "Target: objective")
        if task != "regression" and self.objective != SQUARED:
            raise ValueError(f"Target: the objective {objective!r} needs a regression, not {task}")
        self.classes: AnyArray | None = None if classes is None else np.asarray(classes)
        self.mean = np.asarray([] if mean is None else mean, np.float64)
        self.scale = np.asarray([] if scale is None else scale, np.float64)
        self.is_flat = is_flat
        self.is_log = is_log
        if is_log and (task != "regression" or self.objective != SQUARED):
            raise ValueError(f"Target: is_log needs a squared regression, not {objective} {task}")
        self.n_out = n_out
        if task == "multiclass" and self.classes is not None:
            self.n_out = len(self.classes)

    @classmethod
    def learn(
        cls,
        y: TargetLike,
        task: str = "auto",
        *,
        gaps: Iterable[str] | None = None,
        objective: str = SQUARED,
    ) -> Target:
        """Learn from the targets of the training rows.

        Parameters:
            y: (N,) or (N, O): an array, a list, a Series or a DataFrame.
            task: "auto" takes text, bools, and ints for classes if there are at most 20 different
                ints, each occurring twice on average: binary if there are two classes, else
                multiclass. Several columns of bools, or of ints that are all 0 or 1, are
                multilabel. All other numbers are a regression. Text that is a number counts as
                that number.
            gaps: the strings that mean a missing value, as for `Columns.learn`; () makes "NA" a
                label.
            objective: of a regression, see `Target`; any but "squared" makes "auto" a regression.

        Raises ValueError without rows, if a value is missing or infinite, if y does not fit
        `task` or `objective`: text in a regression, negative numbers for "poisson", a single class,
        more or fewer than two classes in a binary task, other values than 0 and 1 in a multilabel
        task; and, for "auto", if y holds dates, strings such as "15%" that look like numbers, or a
        string among numbers.

        Examples:
            >>> handnn.Target.learn([1.0, 3.0, 5.0])
            Target(regression: 3 ± 1.633)
            >>> handnn.Target.learn([1.0, 0.0, 1.0], task="binary")
            Target(binary, 2 classes: 0.0, 1.0)
        """
        where = "Target.learn"
        checks.word(task, ("auto", *TASKS), f"{where}: task")
        words = gap_tuple(gaps, f"{where}: gaps")
        given = TargetValues(y, where, DEFAULT_GAPS if words is None else GapWords(words))
        if given.n_rows == 0:
            raise ValueError(f"{where}: y has no rows")
        objective = checked_objective(objective, f"{where}: objective")
        if task == "auto":
            task = given.task() if objective == SQUARED else "regression"
        if task == "regression":
            return cls._of_numbers(given.numbers(), given.is_flat, where, objective)
        if objective != SQUARED:
            raise ValueError(f"{where}: objective={objective!r} needs a regression, not {task!r}")
        if task == "multilabel":
            return cls(task, n_out=given.yes_or_no().shape[1], is_flat=False)
        classes = given.classes()
        if len(classes) < MIN_CLASSES:
            raise ValueError(
                f"{where}: y has {len(classes)} class, {classes[0]!r}, but must have two or more"
            )
        if task == "binary" and len(classes) != 2:
            raise ValueError(
                f"{where}: y has {len(classes)} classes, but task='binary' needs two; write "
                "task='multiclass'"
            )
        return cls(task, classes=classes, is_flat=given.is_flat)

    @classmethod
    def _of_numbers(cls, values: Floats, is_flat: bool, where: str, objective: str) -> Target:
        """Return the Target of a regression of values (N, O)."""
        if objective == POISSON and (values.min() < 0 or not values.any(axis=0).all()):
            raise ValueError(f"{where}: y must be 0 or more, and some above 0, for {objective!r}")
        with np.errstate(over="ignore", invalid="ignore"):
            mean, scale = values.mean(axis=0), values.std(axis=0)
        if not (np.isfinite(mean) & np.isfinite(scale)).all():
            raise ValueError(f"{where}: y has numbers too large to be scaled")
        constant = (values.min(axis=0) == values.max(axis=0)) | (scale == 0)
        if objective == POISSON:  # counts are divided by their mean
            mean, scale = np.zeros_like(mean), mean
        else:
            mean, scale = np.where(constant, values[0], mean), np.where(constant, 1, scale)
        n_out = values.shape[1]
        return cls(
            "regression",
            mean=mean,
            scale=scale,
            n_out=n_out,
            is_flat=is_flat,
            objective=objective,
        )

    def encode(self, y: TargetLike) -> Floats:
        """Return y encoded for training, float64 (N, n_out); (N, 1) for classes.

        Scaled values of a regression, 0 or 1 of yes-or-no targets, or the index of the label in
        `classes`. Raises ValueError for all values that `learn` rejects, for a label absent from
        training, and for another number of columns; the message names the row and the value.

        Examples:
            >>> handnn.Target.learn([1.0, 3.0]).encode([5.0]).tolist()
            [[3.0]]
        """
        given = self._read(y)
        if self.task == "multilabel":
            return given.yes_or_no()
        if self.classes is not None:
            return given.class_indices().astype(np.float64)[:, None]
        return self.standardize(given.numbers())

    def numbers(self, y: TargetLike) -> Floats:
        """Return the values (N, n_out) of a regression as they are; raise what `encode` raises."""
        return self._read(y).numbers()

    def _read(self, y: TargetLike) -> TargetValues:
        where = "Target.encode"
        labels = [] if self.classes is None else self.classes.tolist()
        given = TargetValues(y, where, labels=labels)
        n_expected = 1 if self.classes is not None else self.n_out
        if given.n_columns != n_expected:
            raise ValueError(
                f"{where}: y must have {n_expected} columns, but has {given.n_columns}"
            )
        return given

    def standardize(self, values: Floats) -> Floats:
        """Return the scaled values (N, n_out) of a regression, or their logarithms."""
        scaled: Floats = as_float(values, np.float64, "Target.standardize: values") - self.mean
        scaled /= self.scale
        if not self.is_log:
            return scaled
        if scaled.size and not scaled.min() > 0:
            raise ValueError("Target.encode: y must be above 0: its logarithm is learned")
        return np.log(scaled)

    def unstandardize(self, pre: Array) -> Floats:
        """Return the values (N, n_out) of what `standardize` returns, in float64."""
        pre = as_float(pre, np.float64, "Target.unstandardize: pre")
        return self._unscaled(rates(pre) if self.is_log else pre)

    def _unscaled(self, pre: Array) -> Floats:
        values: Floats = pre * self.scale  # in float64, as scale is
        values += self.mean
        return values

    def values(self, pre: Array) -> Floats:
        """Return the predicted values (N, n_out) of a regression's outputs, in float64."""
        return self._values(as_float(pre, None, "Target.values: pre"))

    def _values(self, pre: Array) -> Floats:
        if self.is_exp:
            pre = rates(pre.astype(np.float64))
        return self._unscaled(pre)

    @property
    def is_exp(self) -> bool:
        """Whether the values of a regression are exponentials of the outputs."""
        return self.is_log or self.objective == POISSON

    def decode(self, pre: ArrayLike) -> AnyArray:
        """Return the predictions of a network's outputs (N, n_out).

        Regression: values in the units of y, float64. Classes: the most probable
        label, the first of equally probable ones. Multilabel: ints (N, O), 1 where the probability
        exceeds 1/2. Raises ValueError for another shape.

        Examples:
            >>> handnn.Target.learn(["no", "yes"]).decode([[-0.5], [2.0]]).tolist()
            ['no', 'yes']
        """
        pre = self._checked(pre, "Target.decode")
        if self.task != "regression":
            return self.choose(self.probabilities(pre))
        values = self._values(pre)
        return values[:, 0] if self.is_flat else values

    def probabilities(self, pre: ArrayLike) -> Array:
        """Return the probabilities of a network's outputs (N, n_out), in the dtype of `pre`.

        (N, K) for K classes, in the order of `classes`, also for two; (N, O) for yes-or-no targets.
        Raises ValueError for a regression.

        Examples:
            >>> handnn.Target.learn(["no", "yes"]).probabilities([[0.0], [2.0]]).round(2)
            array([[0.5 , 0.5 ],
                   [0.12, 0.88]])
        """
        pre = self._checked(pre, "Target.probabilities")
        if self.task == "regression":
            raise ValueError("Target.probabilities: a regression has no probabilities")
        if self.task == "multiclass":
            return functional.softmax_forward(pre)
        yes = functional.sigmoid_forward(pre)
        if self.task == "multilabel":
            return yes
        return np.hstack([functional.sigmoid_forward(-pre), yes])

    def choose(self, probabilities: ArrayLike) -> AnyArray:
        """Return the labels of probabilities (N, K) or (N, O): see `decode`.

        Raises ValueError for another shape.
        """
        where = "Target.choose: probabilities"
        given = as_float(probabilities, None, where)
        n_columns = self.n_out if self.classes is None else len(self.classes)
        if given.ndim != 2 or given.shape[1] != n_columns:
            raise ValueError(f"{where} must have shape (N, {n_columns}), but has {given.shape}")
        if self.classes is None:
            return (given > 0.5).astype(np.int64)
        labels: AnyArray = self.classes[given.argmax(axis=1)]
        return labels if self.is_flat else labels[:, None]

    def loss(self) -> Loss:
        """Return a new loss for the task: SoftmaxCrossEntropy, BCEWithLogits, or MSELoss.

        A regression with another objective has Quantile or PoissonNLL.

        It takes the outputs of a network, and y as `encode` returns it.
        """
        if self.task == "regression":
            return new_loss(self.objective)
        return SoftmaxCrossEntropy() if self.task == "multiclass" else BCEWithLogits()

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object for `from_dict`: dicts, lists, text, numbers and bools."""
        is_regression = self.task == "regression"
        more: dict[str, object] = {}
        if self.objective != SQUARED:
            more["objective"] = self.objective
        if self.is_log:
            more["is_log"] = True
        return {
            **more,
            "task": self.task,
            "n_out": self.n_out,
            "is_flat": self.is_flat,
            "classes": None if self.classes is None else self.classes.tolist(),
            "mean": self.mean.tolist() if is_regression else None,
            "scale": self.scale.tolist() if is_regression else None,
        }

    @classmethod
    def from_dict(cls, entry: object) -> Target:
        """Return the Target that `to_dict` describes; FormatError for an invalid description."""
        try:
            names = {"task", "n_out", "is_flat", "classes", "mean", "scale", "objective", "is_log"}
            if isinstance(entry, dict):
                entry = {"objective": SQUARED, "is_log": False, **entry}
            return cls._from_entry(checks.keys(entry, names, "the target"))
        except (OverflowError, TypeError, ValueError) as error:
            raise FormatError(f"Target.from_dict: {error}") from error

    @classmethod
    def _from_entry(cls, entry: Entry) -> Target:
        """Return the Target of an entry; ValueError for an invalid one."""
        task = checks.word(entry["task"], TASKS, "its task")
        n_out = entry["n_out"]
        objective = checked_objective(entry["objective"], "its objective")
        if task != "regression" and objective != SQUARED:
            raise ValueError(f"it is {task}, but has the objective {objective!r}")
        is_log = checks.truth(entry["is_log"], "its is_log")
        if is_log and (task != "regression" or objective != SQUARED):
            raise ValueError(f"its is_log is true, but it is {task}, {objective}")
        if type(n_out) is not int or n_out < 1:
            raise ValueError(f"its n_out must be an int above 0, but is {brief(n_out)}")
        known = {"regression": {"mean", "scale"}, "multilabel": set()}.get(task, {"classes"})
        for name in ("classes", "mean", "scale"):
            if (entry[name] is not None) != (name in known):
                raise ValueError(f"its {name} must {'not be null' if name in known else 'be null'}")
        is_flat = checks.truth(entry["is_flat"], "its is_flat")
        if is_flat and (task == "multilabel" or (task == "regression" and n_out != 1)):
            raise ValueError(f"its is_flat is true, but it is {task} with n_out {n_out}")
        if "classes" in known:
            labels = _checked_classes(entry["classes"], task, n_out)
            return cls(task, classes=label_array(labels), n_out=n_out, is_flat=is_flat)
        if task == "multilabel":
            return cls(task, n_out=n_out, is_flat=is_flat)
        mean, scale = (checks.numbers(entry[name], f"its {name}") for name in ("mean", "scale"))
        for name, values in (("mean", mean), ("scale", scale)):
            if len(values) != n_out:
                raise ValueError(f"its {name} has {len(values)} numbers, but its n_out is {n_out}")
        if min(scale) <= 0:
            raise ValueError("its scale must be above 0")
        return cls(
            task,
            mean=mean,
            scale=scale,
            n_out=n_out,
            is_flat=is_flat,
            objective=objective,
            is_log=is_log,
        )

    def __repr__(self) -> str:
        """Describe the target: ``Target(binary, 2 classes: no, yes)``."""
        if self.classes is not None:
            shown = ", ".join(f"{label!s:.20}" for label in self.classes[:5].tolist())
            more = ", ..." if len(self.classes) > 5 else ""
            return f"Target({self.task}, {len(self.classes)} classes: {shown}{more})"
        if self.task != "regression":
            return f"Target({self.task}, {self.n_out} outputs)"
        pairs = list(zip(self.mean.tolist(), self.scale.tolist(), strict=True))[:5]
        shown = ", ".join(f"{mean:.4g} ± {scale:.4g}" for mean, scale in pairs)
        if self.is_exp:
            shown = ", ".join(f"{scale:.4g}" for _, scale in pairs)
        task = self.task if self.objective == SQUARED else f"{self.task}, {self.objective}"
        task += ", logarithmic" if self.is_log else ""
        return f"Target({task}: {shown}{', ...' if self.n_out > 5 else ''})"

    def _checked(self, pre: ArrayLike, where: str) -> Array:
        pre = as_float(pre, None, f"{where}: pre")
        if pre.ndim != 2 or pre.shape[1] != self.n_out:
            raise ValueError(f"{where}: pre must have shape (N, {self.n_out}), but has {pre.shape}")
        return pre


def _checked_classes(value: object, task: str, n_out: int) -> list[Label]:
    """Return the classes that a file describes; ValueError if they do not fit task and n_out."""
    labels = checks.labels(value, "its classes")
    n_classes = len(labels)
    if len(set(map(type, labels))) > 1 or n_classes < MIN_CLASSES:
        raise ValueError("its classes must be two or more of one type")
    is_wrong = (n_classes != 2 or n_out != 1) if task == "binary" else n_out != n_classes
    if is_wrong:
        raise ValueError(f"it has {n_classes} classes, but is {task} with n_out {n_out}")
    return list(labels)
