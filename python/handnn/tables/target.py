"""Target: what is to be predicted, as numbers that a network can be trained on, and back again."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.losses import BCEWithLogits, Loss, MSELoss, SoftmaxCrossEntropy
from handnn.storage import FormatError
from handnn.tables import checks
from handnn.tables.answers import ENOUGH, Answers

TargetLike: TypeAlias = object
"""The targets of N rows: an array or list (N,) or (N, O), a Series or a DataFrame."""

TASKS = ("regression", "binary", "multiclass", "multilabel")


class Target:
    """What was learnt of a target, from its training rows.

    Attributes:
        task: "regression", "binary" (two classes), "multiclass", or "multilabel" (several
            questions, each with its own yes or no).
        n_out: the columns that the network gives: an output of a regression, 1 for binary, one for
            each class, one for each question.
        classes: the labels, sorted, as they were: an array of text, ints, floats or bools; None for
            regression and multilabel.
        mean, scale: float64 (n_out,) of a regression's outputs; scale is the standard deviation, 1
            when they are all the same. Empty for the other tasks.
        is_flat: whether y was (N,), as predictions then are too.
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
    ) -> None:
        self.task = checks.word(task, TASKS, "Target: task")
        self.classes: NDArray[Any] | None = None if classes is None else np.asarray(classes)
        self.mean = np.asarray([] if mean is None else mean, np.float64)
        self.scale = np.asarray([] if scale is None else scale, np.float64)
        self.is_flat = is_flat
        self.n_out = n_out
        if task == "multiclass" and self.classes is not None:
            self.n_out = len(self.classes)

    @classmethod
    def learn(cls, y: Any, task: str = "auto") -> Target:
        """Learn from the targets of the training rows: a column (N,), or several (N, O).

        y is an array, a list, a Series or a DataFrame. task "auto" takes text, bools and ints of
        few kinds (at most 20, each twice on the average) for classes: binary if there are two of
        them; several columns of bools, or of ints that are all 0 or 1, for multilabel; all other
        numbers for a regression.

        Raises ValueError when there are no rows, a value is missing or infinite, y holds numbers
        and text, or `task` asks for what y is not: text in a regression, one class alone, not two
        classes in a binary task, more than 0 and 1 in a multilabel one.
        """
        where = "Target.learn"
        checks.word(task, ("auto", *TASKS), f"{where}: task")
        answers = Answers(y, where)
        if answers.n_rows == 0:
            raise ValueError(f"{where}: y has no rows")
        task = answers.task() if task == "auto" else task
        if task == "regression":
            values = answers.numbers()
            with np.errstate(over="ignore", invalid="ignore"):
                mean, scale = values.mean(axis=0), values.std(axis=0)
            if not (np.isfinite(mean) & np.isfinite(scale)).all():
                raise ValueError(f"{where}: y has numbers too large to be scaled")
            constant = (values.min(axis=0) == values.max(axis=0)) | (scale == 0)
            mean, scale = np.where(constant, values[0], mean), np.where(constant, 1, scale)
            width, flat = values.shape[1], answers.is_flat
            return cls(task, mean=mean, scale=scale, n_out=width, is_flat=flat)
        if task == "multilabel":
            return cls(task, n_out=answers.questions().shape[1], is_flat=False)
        classes = answers.classes()
        if len(classes) < ENOUGH:
            raise ValueError(
                f"{where}: y has {len(classes)} class, {classes[0]!r}, but must have two or more"
            )
        if task == "binary" and len(classes) != ENOUGH:
            raise ValueError(
                f"{where}: y has {len(classes)} classes, but task='binary' needs two; write "
                "task='multiclass'"
            )
        return cls(task, classes=classes, is_flat=answers.is_flat)

    def encode(self, y: Any) -> NDArray[np.float64]:
        """Return what the network is to be trained on, float64 (N, n_out); (N, 1) for classes.

        Scaled numbers of a regression; 0 or 1; or the place of the label among the classes.
        Raises ValueError, naming row and value, for what `learn` refuses, for a label that
        training did not have, and for another number of columns.
        """
        where = "Target.encode"
        answers = Answers(y, where)
        expected = 1 if self.classes is not None else self.n_out
        if answers.n_columns != expected:
            raise ValueError(
                f"{where}: y must have {expected} columns, but has {answers.n_columns}"
            )
        if self.task == "multilabel":
            return answers.questions()
        if self.classes is not None:
            return answers.places(self.classes.tolist()).astype(np.float64)[:, None]
        return (answers.numbers() - self.mean) / self.scale

    def decode(self, pre: ArrayLike) -> NDArray[Any]:
        """Return predictions from a network's output (N, n_out).

        Regression: values in the units of y, in the dtype of pre. Classes: the most probable
        label, the first of equal ones. Multilabel: ints (N, O), 1 where p is above 1/2.
        """
        pre = self._checked(pre, "Target.decode")
        if self.task != "regression":
            return self.choose(self.probabilities(pre))
        values = (self.mean + self.scale * pre).astype(pre.dtype)
        return values[:, 0] if self.is_flat else values

    def probabilities(self, pre: ArrayLike) -> Array:
        """Return the probabilities that a network's output (N, n_out) stands for.

        (N, K) for K classes, in their order, also for two; (N, O) of yes for multilabel. Raises
        ValueError for a regression.
        """
        pre = self._checked(pre, "Target.probabilities")
        if self.task == "regression":
            raise ValueError("Target.probabilities: a regression has none")
        if self.task == "multiclass":
            return functional.softmax_forward(pre)
        yes = functional.sigmoid_forward(pre)
        if self.task == "multilabel":
            return yes
        return np.hstack([functional.sigmoid_forward(-pre), yes])

    def choose(self, probabilities: ArrayLike) -> NDArray[Any]:
        """Return the labels that have these probabilities: see `decode`."""
        given = as_float(probabilities, None, "Target.choose: probabilities")
        if self.classes is None:
            return (given > 0.5).astype(np.int64)
        labels: NDArray[Any] = self.classes[given.argmax(axis=1)]
        return labels if self.is_flat else labels[:, None]

    def loss(self) -> Loss:
        """Return a new loss that belongs to the task, and takes what `encode` gives.

        MSELoss, BCEWithLogits (also for multilabel) or SoftmaxCrossEntropy.
        """
        if self.task == "regression":
            return MSELoss()
        return SoftmaxCrossEntropy() if self.task == "multiclass" else BCEWithLogits()

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes: dicts, lists, text, numbers and bools, for a JSON file."""
        is_regression = self.task == "regression"
        return {
            "task": self.task,
            "n_out": self.n_out,
            "is_flat": self.is_flat,
            "classes": None if self.classes is None else self.classes.tolist(),
            "mean": self.mean.tolist() if is_regression else None,
            "scale": self.scale.tolist() if is_regression else None,
        }

    @classmethod
    def from_dict(cls, entry: Any) -> Target:
        """Return the Target that `to_dict` describes; FormatError when it describes none."""
        try:
            return cls._from_dict(entry)
        except (OverflowError, TypeError, ValueError) as error:
            raise FormatError(f"Target.from_dict: {error}") from error

    @classmethod
    def _from_dict(cls, entry: Any) -> Target:
        checks.keys(entry, {"task", "n_out", "is_flat", "classes", "mean", "scale"}, "the target")
        task = checks.word(entry["task"], TASKS, "its task")
        n_out, given = entry["n_out"], dict(entry)
        if type(n_out) is not int or n_out < 1:
            raise ValueError(f"its n_out must be an int above 0, but is {n_out!s:.50}")
        known = {"regression": {"mean", "scale"}, "multilabel": set()}.get(task, {"classes"})
        for name in ("classes", "mean", "scale"):
            if (given[name] is not None) != (name in known):
                raise ValueError(f"its {name} must {'be there' if name in known else 'be null'}")
        if known == {"classes"}:
            labels = checks.labels(given["classes"], "its classes")
            count = len(labels)
            if len(set(map(type, labels))) > 1 or count < ENOUGH:
                raise ValueError("its classes must be two or more of one type")
            given["classes"] = label_array(labels)
            if (count != ENOUGH) if task == "binary" else (n_out != count):
                raise ValueError(f"it has {count} classes, but is {task} with n_out {n_out}")
            if task == "binary" and n_out != 1:
                raise ValueError(f"its n_out must be 1, but is {n_out}")
        for name in known - {"classes"}:
            numbers = checks.several(given[name], f"its {name}")
            given[name] = [checks.number(value, f"its {name}") for value in numbers]
            if len(numbers) != n_out:
                raise ValueError(f"its {name} has {len(numbers)} numbers, but its n_out is {n_out}")
        if "scale" in known and min(given["scale"]) <= 0:
            raise ValueError("its scale must be above 0")
        given["is_flat"] = checks.truth(given["is_flat"], "its is_flat")
        if given["is_flat"] and (task == "multilabel" or (task == "regression" and n_out != 1)):
            raise ValueError(f"its is_flat is true, but it is {task} with n_out {n_out}")
        return cls(**given)

    def __repr__(self) -> str:
        """Say what is predicted: `Target(binary: no, yes)`."""
        if self.classes is not None:
            shown = ", ".join(f"{label!s:.20}" for label in self.classes[:5].tolist())
            more = ", ..." if len(self.classes) > 5 else ""
            return f"Target({self.task}, {len(self.classes)} classes: {shown}{more})"
        if self.task != "regression":
            return f"Target({self.task}, {self.n_out} questions)"
        pairs = zip(self.mean.tolist(), self.scale.tolist(), strict=True)
        shown = ", ".join(f"{mean:.4g} ± {scale:.4g}" for mean, scale in list(pairs)[:5])
        return f"Target({self.task}: {shown}{', ...' if self.n_out > 5 else ''})"

    def _checked(self, pre: ArrayLike, where: str) -> Array:
        pre = as_float(pre, None, f"{where}: pre")
        if pre.ndim != 2 or pre.shape[1] != self.n_out:
            raise ValueError(f"{where}: pre must have shape (N, {self.n_out}), but has {pre.shape}")
        return pre


def label_array(labels: list[Any]) -> NDArray[Any]:
    """Return labels as an array of their own type: text, bools, ints of 64 bits or floats."""
    kind: Any = {bool: bool, int: np.int64, float: np.float64}.get(type(labels[0]))
    return np.array(labels) if kind is None else np.array(labels, kind)
