"""The metrics that `Trainer.fit` measures, given by name or as functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import NamedTuple

import numpy as np

from handnn import engine
from handnn.arrays import Array
from handnn.losses import Loss, facts_of
from handnn.losses.loss import as_column
from handnn.metrics import METRICS, Metric, MetricInput
from handnn.network import Network
from handnn.training.rows import Indices, Samples

RESERVED_NAMES = ("loss", "train_loss", "validation_loss", "epoch_seconds")
"""The names that a History reserves."""


class Measure(NamedTuple):
    """A metric to compute after each epoch; `known` is its key in METRICS, or None."""

    name: str
    metric: Metric
    known: str | None

    @property
    def higher_is_better(self) -> bool | None:
        """Whether more is better; None if unknown."""
        return METRICS[self.known].higher_is_better if self.known else None

    def of(self, loss: Loss, y_true: Array, pre: Array, *weight: Array) -> float:
        """Return the metric of the outputs `pre` of a network trained with `loss`.

        A function that is not in METRICS receives y_true and pre unchanged. The result is NaN if
        all rows have weight 0, which can happen in epochs that draw few rows.

        Raises:
            TypeError: If the function does not return a number.
        """
        if weight and not weight[0].any():
            return float("nan")
        if self.known is None:
            value = self.metric(y_true, pre, *weight)
        else:
            true, pred = _metric_inputs(loss, METRICS[self.known].takes, y_true, pre)
            if len(weight) and len(true) != len(pre):  # entries, not rows
                weight = (np.repeat(weight[0].ravel(), len(true) // len(pre)),)
            try:
                value = self.metric(true, pred, *weight)
            except SystemError as error:  # in NumPy, some failing allocations set no exception
                raise MemoryError(f"Trainer.fit: no memory for metric {self.name}") from error
        if not isinstance(value, Real):
            raise TypeError(f"Trainer.fit: metric {self.name} must return a number, not {value!r}")
        return float(value)


class Measuring(NamedTuple):
    """The measurements of one fit after each epoch."""

    network: Network
    loss: Loss
    measures: Sequence[Measure]
    has_validation: bool

    @property
    def uses_training_outputs(self) -> bool:
        """Whether the metrics are measured on the outputs of the training batches."""
        return bool(self.measures) and not self.has_validation

    @property
    def directions(self) -> dict[str, bool | None]:
        """For each metric, whether higher is better; None if unknown."""
        return {measure.name: measure.higher_is_better for measure in self.measures}

    def on_validation(self, held_out: Samples) -> tuple[float, dict[str, float]]:
        """Return the loss and the metrics of the held-out rows."""
        x, y, *weight = held_out
        pre = self.network.predict(x)
        y = as_column(y, pre)
        loss = float(self.loss.forward(pre, y, *weight))
        return loss, self._metrics(y, pre, *weight)

    def on_training(
        self, rows: Samples, outputs: Array | None = None, order: Indices | None = None
    ) -> dict[str, float]:
        """Return the metrics of the training rows.

        outputs: those of the rows numbered `order`, from the batches of an epoch. By default, all
        rows are predicted.
        """
        x, y, *weight = rows
        if outputs is None:
            outputs = self.network.predict(x)
        elif order is not None:
            y, *weight = (array[order] for array in (y, *weight))
        return self._metrics(as_column(y, outputs), outputs, *weight)

    def _metrics(self, y: Array, pre: Array, *weight: Array) -> dict[str, float]:
        return {m.name: m.of(self.loss, y, pre, *weight) for m in self.measures}


def measures(metrics: object, loss: Loss) -> list[Measure]:
    """Return the Measures for the argument `metrics` of `Trainer.fit`.

    Raises:
        TypeError: If an element is neither a name nor a function.
        ValueError: If a name is unknown, reserved or given twice, or if a metric does not apply to
            outputs trained with `loss`.
    """
    where = "Trainer.fit: metrics"
    found: list[Measure] = []
    for name, metric in _named(where, metrics):
        if not (isinstance(metric, str) or callable(metric)):
            raise TypeError(f"{where} must be names or functions, but one is {metric!r}")
        if not isinstance(name, str):
            name = type(metric).__name__
        if name in RESERVED_NAMES or name in [measure.name for measure in found]:
            raise ValueError(f"{where} has {name!r} twice; pass a dict to choose the names")
        if isinstance(metric, str):
            if metric not in METRICS:
                raise ValueError(
                    f"{where} must be among {', '.join(METRICS)}, or functions, but one is "
                    f"{metric!r}"
                )
            _check_applies(where, metric, loss)
            found.append(Measure(name, METRICS[metric].function, metric))
        else:
            found.append(Measure(name, metric, None))
    return found


def _named(where: str, metrics: object) -> Sequence[tuple[object, object]]:
    """Return pairs of a name and a metric; a function is its own name if it has none."""
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        for name in metrics:
            if not isinstance(name, str):
                raise TypeError(f"{where}: a name must be a str, but one is {name!r}")
        return list(metrics.items())
    if isinstance(metrics, Iterable):
        return [(a if isinstance(a, str) else getattr(a, "__name__", a), a) for a in metrics]
    raise TypeError(f"{where} must be names or functions, but is {metrics!r}")


def _check_applies(where: str, name: str, loss: Loss) -> None:
    """Raise ValueError if the metric does not apply to the predictions of `loss`."""
    facts = facts_of(loss)
    if METRICS[name].takes != "values":
        if not facts.has_classes:
            raise ValueError(
                f"{where}: {name} needs classes, as from BCEWithLogits or SoftmaxCrossEntropy, "
                f"but the loss is {type(loss).__name__}; pass a function instead"
            )
    elif facts.has_classes:
        raise ValueError(
            f"{where}: {name} needs numeric targets, but {type(loss).__name__} has classes"
        )
    elif facts.quantiles and 0.5 not in facts.quantiles:
        raise ValueError(
            f"{where}: {name} needs the median, but the quantiles are {facts.quantiles}"
        )


def _metric_inputs(loss: Loss, takes: MetricInput, y: Array, pre: Array) -> tuple[Array, Array]:
    """Return y_true and y_pred of the kind that a metric expects."""
    facts = facts_of(loss)
    if takes == "values":
        return y, facts.point(pre)
    if facts.takes_labels:
        is_labels = y.shape[1:] in ((), (1,))
        if takes == "probabilities":
            return y, facts.apply_link(pre)
        labels = y.ravel() if is_labels else y.argmax(axis=1).astype(y.dtype)
        if takes == "scores":
            return labels, facts.apply_link(pre)
        return labels, engine.largest_columns(pre).astype(y.dtype)
    y = y.reshape(pre.shape)  # each column is a binary label
    if takes == "probabilities":
        return y.ravel(), facts.apply_link(pre).ravel()
    truth = np.greater(y, 0.5).astype(y.dtype)
    if takes == "scores":
        return truth, pre.astype(np.float64)
    return truth, np.greater(pre, 0).astype(y.dtype)
